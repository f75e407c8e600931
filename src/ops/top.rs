//! `coracle top` and `coracle port`: the processes of a container on this host, and its published ports.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nix::unistd::Pid;

use crate::base::fault::BoxFault;
use crate::base::fsx;
use crate::base::path::{HostPath, RootDir};
use crate::engine::select::Mode;
use crate::ops::beside;
use crate::ops::create;
use crate::ops::facts;
use crate::plan::wish::GpuWish;
use crate::plan::{Network, Protocol, View};
use crate::store::Store;

/// Bytes read of one file of procfs.
const PROC_LIMIT: u64 = 1 << 20;
/// Ticks of a second in procfs, on all processors that we run on. proc_pid_stat(5), time(7), `USER_HZ`.
const TICKS: u64 = 100;

/// One process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number on the host.
    pub pid: i32,
    /// Whom it runs as in the container.
    pub user: String,
    /// How long it has used a processor.
    pub time: Duration,
    /// Its words.
    pub command: String,
}

/// What procfs says of a process.
struct Seen {
    parent: i32,
    tracer: i32,
    uid: u32,
    ticks: u64,
    name: String,
}

/// The processes of the container with this name or id, by number.
pub fn processes(home: &HostPath, name: &str) -> Result<Vec<Process>, BoxFault> {
    let store = Store::open(home.clone())?;
    let container = store.container(name)?;
    let beside = beside::find(&store, &container, name)?;
    let id = container.record.id.clone();
    let dir = container.dir.clone();
    let subject = create::of_container(&store, container)?;
    let mut roots: BTreeSet<i32> = store.processes(&id).into_iter().map(Pid::as_raw).collect();
    roots.insert(beside.pid.as_raw());
    roots.extend(store.noted_guests(&id)?.into_iter().map(Pid::as_raw));
    let all = all();
    let is_traced = beside.mode != Mode::Ns;
    let own = match is_traced {
        true => traced(&all, roots),
        false => sharing(&all, beside.pid),
    };
    let trees = [dir.join("rootfs"), dir.join("upper"), subject.lower.clone()].map(RootDir::new);
    let passwd = facts::read(&trees, "/etc/passwd")?.unwrap_or_default();
    let passwd = String::from_utf8_lossy(&passwd).into_owned();
    let found = own.into_iter().filter_map(|pid| {
        let seen = all.get(&pid)?;
        let uid = inside(pid, seen.uid);
        Some(Process {
            pid,
            user: user_name(&passwd, uid),
            time: Duration::from_secs(seen.ticks / TICKS),
            command: command(pid).unwrap_or_else(|| format!("[{}]", seen.name)),
        })
    });
    Ok(found.collect())
}

/// All processes that can be seen.
fn all() -> BTreeMap<i32, Seen> {
    let numbers = fsx::names("/proc")
        .into_iter()
        .filter_map(|name| name.parse().ok());
    numbers.filter_map(|pid| Some((pid, look(pid)?))).collect()
}

fn look(pid: i32) -> Option<Seen> {
    let read = |file: &str| fsx::read(format!("/proc/{pid}/{file}"), PROC_LIMIT).ok();
    let status = String::from_utf8_lossy(&read("status")?).into_owned();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_ascii_whitespace().next())
            .map(str::to_owned)
    };
    let stat = String::from_utf8_lossy(&read("stat")?).into_owned();
    let (_, after_name) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
    // Fields 14 and 15 of proc_pid_stat(5); two stand before the name's end.
    let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Seen {
        parent: field("PPid:")?.parse().ok()?,
        tracer: field("TracerPid:")?.parse().ok()?,
        uid: field("Uid:")?.parse().ok()?,
        ticks: ticks(11)? + ticks(12)?,
        name: field("Name:")?,
    })
}

/// Those in the mount namespace of `guest`.
fn sharing(all: &BTreeMap<i32, Seen>, guest: Pid) -> Vec<i32> {
    let namespace = |pid: &i32| fsx::read_link(format!("/proc/{pid}/ns/mnt")).ok();
    let own = namespace(&guest.as_raw());
    let others = all
        .keys()
        .filter(|pid| own.is_some() && namespace(pid) == own);
    others.copied().collect()
}

/// Those that somebody of `roots`, or of their descendants, traces: a PRoot traces all of its guests.
fn traced(all: &BTreeMap<i32, Seen>, mut roots: BTreeSet<i32>) -> Vec<i32> {
    loop {
        let children = all.iter().filter(|(_, seen)| roots.contains(&seen.parent));
        let more: Vec<i32> = children
            .map(|(pid, _)| *pid)
            .filter(|pid| !roots.contains(pid))
            .collect();
        if more.is_empty() {
            break;
        }
        roots.extend(more);
    }
    let guests = all.iter().filter(|(_, seen)| roots.contains(&seen.tracer));
    guests.map(|(pid, _)| *pid).collect()
}

/// What the host's id `uid` is called in the namespace of the process. user_namespaces(7), "uid_map".
fn inside(pid: i32, uid: u32) -> u32 {
    let map = fsx::read(format!("/proc/{pid}/uid_map"), PROC_LIMIT).unwrap_or_default();
    let map = String::from_utf8_lossy(&map).into_owned();
    let found = map.lines().find_map(|line| {
        let numbers: Vec<u32> = line
            .split_ascii_whitespace()
            .filter_map(|it| it.parse().ok())
            .collect();
        let [inside, outside, count] = numbers[..] else {
            return None;
        };
        let at = uid.checked_sub(outside).filter(|at| *at < count)?;
        inside.checked_add(at)
    });
    found.unwrap_or(uid)
}

fn user_name(passwd: &str, uid: u32) -> String {
    let number = uid.to_string();
    let mut lines = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>());
    let line = lines.find(|fields| fields.get(2) == Some(&number.as_str()));
    line.map_or(number.clone(), |fields| fields[0].to_owned())
}

/// The words of a process; `None` where it has none, as one that has ended.
fn command(pid: i32) -> Option<String> {
    let line = fsx::read(format!("/proc/{pid}/cmdline"), PROC_LIMIT).ok()?;
    let text = String::from_utf8_lossy(&line).replace('\0', " ");
    let text = text.trim_end();
    (!text.is_empty()).then(|| text.to_owned())
}

/// What is published of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports {
    /// Each port of the guest, as `80/tcp`, and where it is on the host.
    pub ports: Vec<(String, String)>,
    /// Whether the guest's network is the host's, so that every port is simply there.
    pub is_host: bool,
}

/// The ports of the container with this name or id.
pub fn ports(home: &HostPath, name: &str) -> Result<Ports, BoxFault> {
    let store = Store::open(home.clone())?;
    let container = store.container(name)?;
    let mut subject = create::of_container(&store, container)?;
    subject.wish.terminal = false;
    subject.wish.gpu = GpuWish::default();
    let plan = subject.plan_of_running(View::ReadOnly, &[])?;
    let mapped = match &plan.network {
        Network::Mapped(ports) => ports.as_slice(),
        Network::Host | Network::None => &[],
    };
    let mut ports: Vec<_> = mapped
        .iter()
        .map(|port| {
            let protocol = match port.protocol {
                Protocol::Tcp => "tcp",
                Protocol::Udp => "udp",
            };
            let address = port
                .address
                .map_or("0.0.0.0".to_owned(), |address| match address {
                    std::net::IpAddr::V4(four) => four.to_string(),
                    std::net::IpAddr::V6(six) => format!("[{six}]"),
                });
            (
                format!("{}/{protocol}", port.guest),
                format!("{address}:{}", port.host),
            )
        })
        .collect();
    let is_host = plan.network == Network::Host;
    if is_host {
        // Published under its own number, or it would be a network of its own.
        ports.extend(subject.wish.publish.iter().map(|text| {
            let last = text.rsplit(':').next().unwrap_or(text);
            let (number, protocol) = last.split_once('/').unwrap_or((last, "tcp"));
            (format!("{number}/{protocol}"), format!("0.0.0.0:{number}"))
        }));
    }
    Ok(Ports { ports, is_host })
}
