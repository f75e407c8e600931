//! Who made a private file, written into the file's name, so that what the dead
//! left behind can be told from what the living are working on.
//!
//! A creator is a host, a process and the time at which that process started. The
//! host is known by its name, its boot and the process-number namespace: where any
//! of them differs, the process cannot be looked for from here, and age decides.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::sys::signal::kill;
use nix::unistd::Pid;

use serde::{Deserialize, Serialize};

use crate::base::digest::Digest;
use crate::base::fsx::{self, Context};
use crate::sys;

/// What one host, boot and process-number namespace is called in file names.
const HOST_KEY_DIGITS: usize = 16;

/// Bytes read of one file of procfs.
const PROC_LIMIT: u64 = 64 * 1024;

/// A process that makes private files.
///
/// A private name is `<what>.<host>.<pid>.<start>.<random>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Creator {
    host: String,
    pid: u32,
    /// Clock ticks from boot to the start of the process. proc_pid_stat(5), field 22.
    started: u64,
}

/// Whether a process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It does, on this host, with this number.
    Here(Pid),
    /// It has ended.
    Gone,
    /// It belongs to another host, another boot of this one, or another namespace of process numbers.
    Elsewhere,
}

impl Creator {
    /// This process.
    pub fn current() -> Creator {
        Creator {
            host: host_key(),
            pid: std::process::id(),
            started: process_state("self").map_or(0, |(_, started)| started),
        }
    }

    /// The process `pid` of this host; `None` where there is none.
    pub fn of(pid: Pid) -> Option<Creator> {
        let (_, started) = process_state(&pid.to_string())?;
        Some(Creator {
            host: host_key(),
            pid: u32::try_from(pid.as_raw()).ok()?,
            started,
        })
    }

    /// Whether it still lives, as far as that can be told from here.
    pub fn life(&self) -> Life {
        if !Creator::current().shares_host(self) {
            return Life::Elsewhere;
        }
        if self.is_gone() {
            return Life::Gone;
        }
        Life::Here(Pid::from_raw(i32::try_from(self.pid).unwrap_or(i32::MAX)))
    }

    /// A new private name in `dir`, unique among processes and hosts: `what` and this creator.
    pub fn private_name(&self, dir: &Path, what: &str) -> fsx::Result<PathBuf> {
        let random = sys::random::hex::<8>().context("draw a random name in", dir)?;
        let Creator { host, pid, started } = self;
        Ok(dir.join(format!("{what}.{host}.{pid}.{started}.{random}")))
    }

    /// The `what` and the creator in a private name.
    pub fn parse(name: &str) -> Option<(&str, Creator)> {
        let mut fields = name.rsplitn(5, '.').skip(1);
        let started = fields.next()?.parse().ok()?;
        let pid = fields.next()?.parse().ok()?;
        let host = fields.next()?.to_owned();
        Some((fields.next()?, Creator { host, pid, started }))
    }

    /// Whether `other` is seen from here at all, so that [`Creator::is_gone`] means something.
    fn shares_host(&self, other: &Creator) -> bool {
        self.host == other.host && self.host != unknown_host()
    }

    /// Whether this process of this host has ended. A number that was given to a
    /// younger process counts as ended, and so does a zombie. kill(2).
    fn is_gone(&self) -> bool {
        let pid = Pid::from_raw(i32::try_from(self.pid).unwrap_or(i32::MAX));
        if kill(pid, None) == Err(nix::errno::Errno::ESRCH) {
            return true;
        }
        // Alive, or hidden from us by `hidepid`: without its state we believe the former.
        process_state(&self.pid.to_string())
            .is_some_and(|(state, started)| started != self.started || "ZX".contains(state))
    }
}

/// Tells leftovers from work in progress, as seen by one process at one time. kill(2).
#[derive(Debug)]
pub struct Judge {
    here: Creator,
    now: SystemTime,
}

impl Judge {
    /// A judge of this process. `now` is in the clock of the file system that the files are on, which on a
    /// shared one is not this host's.
    pub fn new(now: SystemTime) -> Judge {
        let here = Creator::current();
        Judge { here, now }
    }

    /// Whether the private file `name`, last changed at `changed`, belongs to nobody:
    /// its creator on this host has ended, or it cannot be known and `grace` is over.
    pub fn is_leftover(&self, name: &str, changed: SystemTime, grace: Duration) -> bool {
        match Creator::parse(name) {
            Some((_, creator)) if self.here.shares_host(&creator) => creator.is_gone(),
            _ => self
                .now
                .duration_since(changed)
                .is_ok_and(|age| age > grace),
        }
    }
}

/// State letter and start time of a process. proc_pid_stat(5).
fn process_state(pid: &str) -> Option<(char, u64)> {
    let stat = fsx::read(format!("/proc/{pid}/stat"), PROC_LIMIT).ok()?;
    // The program's name comes second, in parentheses, and may hold blanks and parentheses.
    let stat = String::from_utf8_lossy(&stat);
    let (_, after_name) = stat.rsplit_once(") ")?;
    let mut fields = after_name.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    // Field 3 is gone, so field 22 is eighteen further on.
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// The name of this boot of this host, random for every boot. random(4).
pub fn boot_id() -> Option<String> {
    let id = fsx::read("/proc/sys/kernel/random/boot_id", PROC_LIMIT).ok()?;
    Some(String::from_utf8(id).ok()?.trim().to_owned())
}

/// This host's own name. gethostname(2).
pub fn host_name() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn host_key() -> String {
    let namespace = fsx::read_link("/proc/self/ns/pid");
    let (Some(boot), Ok(namespace)) = (boot_id(), namespace) else {
        return unknown_host();
    };
    let text = format!("{}\n{boot}\n{}", host_name(), namespace.display());
    Digest::of(text.as_bytes()).hex()[..HOST_KEY_DIGITS].to_owned()
}

/// The key of a host without procfs; equal to nobody's, not even its own.
fn unknown_host() -> String {
    "0".repeat(HOST_KEY_DIGITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_living_keep_their_files_and_the_dead_do_not() {
        let me = Creator::current();
        let name = |creator: &Creator| {
            let path = creator
                .private_name(Path::new("d"), "blob.x")
                .expect("random works");
            path.file_name()
                .expect("has a name")
                .to_string_lossy()
                .into_owned()
        };
        assert_eq!(Creator::parse(&name(&me)), Some(("blob.x", me.clone())));
        let (now, day) = (SystemTime::now(), Duration::from_secs(86_400));
        let judge = Judge::new(now);
        let earlier = Creator {
            started: me.started.wrapping_sub(1),
            ..me.clone()
        };
        let elsewhere = Creator {
            host: "f".repeat(16),
            ..me.clone()
        };
        assert!(!judge.is_leftover(&name(&me), now - 2 * day, day));
        assert!(judge.is_leftover(&name(&earlier), now, day));
        assert!(!judge.is_leftover(&name(&elsewhere), now, day));
        assert!(judge.is_leftover(&name(&elsewhere), now - 2 * day, day));
        assert!(!judge.is_leftover("foreign", now, day));
    }
}
