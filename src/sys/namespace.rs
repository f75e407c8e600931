//! User namespaces: entering one, and giving its ids a meaning.

use std::fs::OpenOptions;
use std::io::{self, Write};

use nix::sched::{CloneFlags, unshare};

/// One range of ids: `inside`, `inside + 1`, … are `outside`, `outside + 1`, … of the parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdRange {
    /// The first id in the new namespace.
    pub inside: u32,
    /// The first id in the parent namespace.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

/// Moves this process into new namespaces: user and mount, and uts where `uts` is set.
///
/// Fails without any effect where the host forbids it. Must be called before a
/// second thread exists (EINVAL otherwise). unshare(2), user_namespaces(7).
pub fn enter(uts: Uts) -> nix::Result<()> {
    let mut flags = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS;
    if uts == Uts::New {
        flags |= CloneFlags::CLONE_NEWUTS;
    }
    unshare(flags)
}

/// Whether a new uts namespace is wanted, to set another host name in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uts {
    /// Stay in the caller's.
    Keep,
    /// Enter a new one.
    New,
}

/// Maps the ids of this process, which has just entered a user namespace, to one pair.
///
/// An unprivileged process may map its own ids only, and gives up setgroups(2) for
/// it; the supplementary groups of the caller stay in force. user_namespaces(7).
pub fn map_single(uid: IdRange, gid: IdRange) -> io::Result<()> {
    // Absent before Linux 3.19, where the map of gids needs no such promise.
    match write_at_once("/proc/self/setgroups", "deny") {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    write_at_once("/proc/self/uid_map", &line(uid))?;
    write_at_once("/proc/self/gid_map", &line(gid))
}

fn line(range: IdRange) -> String {
    format!("{} {} {}\n", range.inside, range.outside, range.count)
}

/// The kernel takes a map in one write(2) or not at all.
fn write_at_once(path: &str, text: &str) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .open(path)?
        .write_all(text.as_bytes())
}
