//! A program of the host that connects the guest's network namespace with the host's network, and its ports.
//!
//! It runs beside the guest, in the host's namespaces, kept by a process of ours that nobody waits for: the *keeper*.
//! The keeper starts it once the namespace exists, says when all is ready, and kills it when the guest's first process
//! ends, however that ends. Should the keeper be killed, the kernel kills the program. Considered: pasta in the
//! background, which sets itself up and then has no one who would end it with the guest.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use super::slirp;
use crate::base::env;
use crate::base::fault::{Fault, Kind};
use crate::base::fsx;
use crate::base::path::HostPath;
use crate::engine::Stop;
use crate::engine::start::{GuestError, Step};
use crate::host::uplink::{self, Program};
use crate::plan::{Port, Protocol};
use crate::sys::attendant::{self, Side};
use crate::sys::process::{Handle, exit};

/// How long the program has to set the network up.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long it stays after the guest, in milliseconds: what the guest sent last is still on its way.
const LINGER: u16 = 200;
/// How often a port is tried for that may be held by a keeper that lingers, and after how many milliseconds.
const TRIES: usize = 50;
const BETWEEN_TRIES: u16 = 20;
/// What is read of its complaints.
const MAX_REPORT: u64 = 4096;
/// What the keeper says when the network works.
const READY: &[u8] = b"ready";
/// The address at which pasta is asked to answer for a name server that only the host can reach.
const PASTA_RESOLVER: &str = "169.254.1.1";

/// Why the guest has no connected network.
#[derive(Debug, thiserror::Error)]
#[error("cannot give the guest ports of its own: `{program}`: {why}")]
struct UplinkError {
    program: HostPath,
    why: String,
}

impl Fault for UplinkError {
    fn kind(&self) -> Kind {
        Kind::Refused
    }

    fn hints(&self) -> Vec<String> {
        vec!["`--network=host` (the default) shares the host's network and needs no program".into()]
    }
}

/// A keeper that waits for the namespace.
#[derive(Debug)]
pub(super) struct Uplink {
    program: (Program, HostPath),
    go: PipeWriter,
    report: PipeReader,
}

impl Uplink {
    /// Makes the keeper for this process and `ports`, while both are still in the host's namespaces.
    pub(super) fn prepare(ports: &[Port]) -> Result<Uplink, Stop> {
        let Some(program) = uplink::program() else {
            return Err(GuestError::Refused {
                engine: "ns",
                wish: "ports of its own without `pasta` or `slirp4netns` (packages `passt`, `slirp4netns`)".into(),
            }
            .into());
        };
        const DOING: &str = "make a process beside the guest for";
        let guest = Pid::this();
        let watch = Handle::open(guest).step("watch", "this process")?;
        let (begin, go) = io::pipe().step(DOING, "its network")?;
        let (report, answer) = io::pipe().step(DOING, "its network")?;
        let kept = [begin.as_fd(), answer.as_fd(), watch.as_fd()];
        match attendant::stand_aside(&kept).step(DOING, "its network")? {
            Side::Caller => Ok(Uplink {
                program,
                go,
                report,
            }),
            Side::Attendant => {
                let keeper = Keeper {
                    program,
                    guest,
                    watch,
                };
                keeper.keep(begin, answer, ports);
                exit(0)
            }
        }
    }

    /// Has the network of this process connected, which is in its own namespace by now.
    pub(super) fn connect(mut self) -> Result<(), Stop> {
        let mut said = Vec::new();
        let asked = self.go.write_all(b"!");
        drop(self.go);
        let heard =
            asked.and_then(|()| self.report.by_ref().take(MAX_REPORT).read_to_end(&mut said));
        let why = match heard {
            Ok(_) if said == READY => return Ok(()),
            Ok(0) => "whoever was to start it has ended".to_owned(),
            Ok(_) => String::from_utf8_lossy(&said).trim().replace('\n', "; "),
            Err(error) => error.to_string(),
        };
        let (_, program) = self.program;
        Err(UplinkError { program, why }.into())
    }

    /// The guest's resolver configuration, where the host's own, `text`, would not work in its network.
    pub(super) fn resolver(&self, text: &str) -> Option<String> {
        resolver(self.program.0, text)
    }
}

/// The process beside the guest.
struct Keeper {
    program: (Program, HostPath),
    guest: Pid,
    watch: Handle,
}

impl Keeper {
    /// Waits for the namespace, connects it, says so, and stays until the guest ends.
    fn keep(&self, mut begin: PipeReader, mut answer: PipeWriter, ports: &[Port]) {
        let mut word = [0];
        if begin.read_exact(&mut word).is_err() {
            // The guest's process gave up before there was a namespace.
            return;
        }
        drop(begin);
        let (started, said) = match self.start(ports) {
            Ok(started) => (Some(started), READY.to_vec()),
            Err(why) => (None, why.into_bytes()),
        };
        let _the_guest_may_be_gone = answer.write_all(&said);
        // The guest reads to the end.
        drop(answer);
        if let Some((mut child, complaints)) = started {
            self.await_end(complaints);
            let _it_only_takes_time = attendant::readable([], Some(LINGER));
            stop(&mut child);
        }
    }

    /// Waits for the guest's end. What the program complains of meanwhile is taken from it, for nobody: a pipe without
    /// a reader would end it by SIGPIPE, and a full one would stop it.
    fn await_end(&self, mut complaints: PipeReader) {
        let mut chunk = [0; 4096];
        loop {
            let fds = [self.watch.as_fd(), complaints.as_fd()];
            let Ok([is_gone, complains]) = attendant::readable(fds, None) else {
                return;
            };
            if is_gone {
                return;
            }
            if complains && complaints.read(&mut chunk).is_ok_and(|count| count == 0) {
                let _its_end_is_what_counts = attendant::readable([self.watch.as_fd()], None);
                return;
            }
        }
    }

    /// The program at work, or what it complained of.
    fn start(&self, ports: &[Port]) -> Result<(Child, PipeReader), String> {
        ports.iter().try_for_each(|port| self.check_free(port))?;
        match self.program.0 {
            Program::Pasta => self.start_pasta(ports),
            Program::Slirp4netns => self.start_slirp(ports),
        }
    }

    /// Whether nobody has `port` of the host: pasta is content when it gets one of the addresses that were meant.
    fn check_free(&self, port: &Port) -> Result<(), String> {
        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let at = SocketAddr::new(port.address.unwrap_or(any), port.host);
        let bind = || match port.protocol {
            Protocol::Tcp => TcpListener::bind(at).map(drop),
            Protocol::Udp => UdpSocket::bind(at).map(drop),
        };
        let mut bound = bind();
        for _ in 0..TRIES {
            match &bound {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                _ => break,
            }
            let [is_gone] = attendant::readable([self.watch.as_fd()], Some(BETWEEN_TRIES))
                .map_err(|error| error.to_string())?;
            if is_gone {
                break;
            }
            bound = bind();
        }
        bound.map_err(|error| format!("port {} of the host cannot be had: {error}", port.host))
    }

    fn start_pasta(&self, ports: &[Port]) -> Result<(Child, PipeReader), String> {
        let mut command = Command::new(&*self.program.1);
        command.args(pasta_words(ports, &host_resolvers()));
        command.arg(self.guest.to_string());
        let (mut child, mut complaints) = spawn(command)?;
        let routes = format!("/proc/{}/net", self.guest);
        let is_ready = || has_route(&routes);
        self.wait(&mut child, &mut complaints, is_ready)?;
        Ok((child, complaints))
    }

    /// slirp4netns takes its ports through a socket in the file system, which is gone again once it has them.
    fn start_slirp(&self, ports: &[Port]) -> Result<(Child, PipeReader), String> {
        let text = |error: io::Error| error.to_string();
        let dir = fsx::private_sibling(env::temporary_dir().join("net"))
            .and_then(|dir| fsx::create_dir(&dir, 0o700).map(|()| HostPath::new(dir)))
            .map_err(|error| error.to_string())?;
        let made = io::pipe().and_then(|(ready, tell)| {
            attendant::pass_on(&tell)?;
            Ok((ready, tell))
        });
        let (ready, tell) = made.map_err(text)?;
        let mut command = Command::new(&*self.program.1);
        command
            .args(slirp::words(&tell, self.guest))
            .current_dir(&*dir);
        let connected = spawn(command).and_then(|(mut child, mut complaints)| {
            drop(tell);
            let is_ready = || attendant::readable([ready.as_fd()], Some(0)).is_ok_and(|[at]| at);
            self.wait(&mut child, &mut complaints, is_ready)?;
            match slirp::add_ports(&dir, ports) {
                Ok(()) => Ok((child, complaints)),
                Err(why) => {
                    stop(&mut child);
                    Err(why)
                }
            }
        });
        let _nothing_else_is_in_it = fsx::remove_tree(&dir);
        connected
    }

    /// Waits until `is_ready`, the program ends, or patience does.
    fn wait(
        &self,
        child: &mut Child,
        complaints: &mut PipeReader,
        is_ready: impl Fn() -> bool,
    ) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        loop {
            let has_ended = child.try_wait().map_err(|error| error.to_string())?;
            if has_ended.is_none() && is_ready() {
                return Ok(());
            }
            let fds = [self.watch.as_fd()];
            let [is_gone] = attendant::readable(fds, Some(2)).map_err(|error| error.to_string())?;
            if has_ended.is_some() || is_gone || Instant::now() > end {
                stop(child);
                let mut said = String::new();
                let _what_came_is_shown = complaints.take(MAX_REPORT).read_to_string(&mut said);
                return Err(match said.trim() {
                    "" => format!("it did not set up the network in {} s", PATIENCE.as_secs()),
                    said => said.to_owned(),
                });
            }
        }
    }
}

/// Starts `command` so that it ends with this process; what it writes to stderr can be read.
fn spawn(mut command: Command) -> Result<(Child, PipeReader), String> {
    let text = |error: io::Error| error.to_string();
    let (complaints, stderr) = io::pipe().map_err(text)?;
    command.stderr(stderr);
    attendant::tie(&mut command);
    let child = command.spawn().map_err(text)?;
    Ok((child, complaints))
}

fn stop(child: &mut Child) {
    let _gone_already = child.kill();
    let _only_to_leave_no_zombie = child.wait();
}

/// pasta's options. It maps nothing but what is asked for; a guest's own loopback is its own.
fn pasta_words(ports: &[Port], resolvers: &str) -> Vec<String> {
    let mut words: Vec<String> = ["--foreground", "--quiet", "--config-net"]
        .map(str::to_owned)
        .to_vec();
    if nix::unistd::geteuid().is_root() {
        // Else it becomes `nobody`, who may not enter the namespace.
        words.extend(["--runas".into(), "0:0".into()]);
    }
    for (option, protocol) in [("-t", Protocol::Tcp), ("-u", Protocol::Udp)] {
        let of_protocol = ports.iter().filter(|port| port.protocol == protocol);
        let specs: Vec<String> = of_protocol.map(pasta_port).collect();
        let specs = if specs.is_empty() {
            vec!["none".into()]
        } else {
            specs
        };
        words.extend(specs.into_iter().flat_map(|spec| [option.to_owned(), spec]));
    }
    words.extend(["-T", "none", "-U", "none"].map(str::to_owned));
    if resolver(Program::Pasta, resolvers).is_some() {
        words.extend(["--dns-forward".into(), PASTA_RESOLVER.into()]);
    }
    words
}

fn pasta_port(port: &Port) -> String {
    let at = port.address.map(|address| format!("{address}/"));
    let at = at.unwrap_or_default();
    format!("{at}{}:{}", port.host, port.guest)
}

/// Whether the namespace behind `net`, a directory of a process in `/proc`, has a way out.
fn has_route(net: &str) -> bool {
    let lines = |name: &str| {
        let text = fsx::read(format!("{net}/{name}"), 1 << 16).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    };
    // The first line has the titles; in the other file the last word is the interface.
    lines("route").lines().count() > 1
        || lines("ipv6_route")
            .lines()
            .any(|line| !line.ends_with(" lo"))
}

fn host_resolvers() -> String {
    let text = fsx::read("/etc/resolv.conf", 1 << 16).unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
}

/// `text`, a resolv.conf(5), for a guest behind `program`; `None` where it works there as it is.
///
/// A server on the host's loopback, such as systemd-resolved's, is reached only through the program.
fn resolver(program: Program, text: &str) -> Option<String> {
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        let is_server = words.next() == Some("nameserver");
        is_server.then(|| words.next().unwrap_or_default().to_owned())
    };
    let works = |address: &str| {
        let is_v6 = address.contains(':');
        let is_own = address.starts_with("127.") || address == "::1" || address == "0.0.0.0";
        !is_own && (program == Program::Pasta || !is_v6)
    };
    let servers: Vec<String> = text.lines().filter_map(server).collect();
    if !servers.is_empty() && servers.iter().all(|address| works(address)) {
        return None;
    }
    let kept = text
        .lines()
        .filter(|line| server(line).is_none_or(|address| works(&address)));
    let mut lines: Vec<&str> = kept.collect();
    let own = match program {
        Program::Pasta => format!("nameserver {PASTA_RESOLVER}"),
        Program::Slirp4netns => format!("nameserver {}", slirp::RESOLVER),
    };
    if !servers.iter().any(|address| works(address)) {
        lines.push(&own);
    }
    Some(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolver_of_the_host_alone_is_replaced() {
        let check = |program, text: &str, wanted: Option<&str>| {
            assert_eq!(resolver(program, text).as_deref(), wanted, "{text}");
        };
        check(Program::Pasta, "search x\nnameserver 10.0.0.1\n", None);
        check(
            Program::Pasta,
            "search x\nnameserver 127.0.0.53\n",
            Some("search x\nnameserver 169.254.1.1\n"),
        );
        check(Program::Pasta, "", Some("nameserver 169.254.1.1\n"));
        check(
            Program::Slirp4netns,
            "nameserver fd00::1\nnameserver 10.0.0.1",
            Some("nameserver 10.0.0.1\n"),
        );
        check(
            Program::Slirp4netns,
            "nameserver fd00::1\n",
            Some("nameserver 10.0.2.3\n"),
        );
    }

    #[test]
    fn nothing_is_mapped_but_what_was_asked_for() {
        let port = |address: Option<&str>, host, protocol| Port {
            address: address.map(|text| text.parse().expect("an address")),
            host,
            guest: 80,
            protocol,
        };
        let words = pasta_words(
            &[
                port(Some("127.0.0.1"), 8080, Protocol::Tcp),
                port(None, 8081, Protocol::Tcp),
            ],
            "nameserver 10.0.0.1",
        );
        let text = words.join(" ");
        assert!(
            text.ends_with("-t 127.0.0.1/8080:80 -t 8081:80 -u none -T none -U none"),
            "{text}"
        );
    }
}
