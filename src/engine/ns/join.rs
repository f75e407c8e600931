//! Entering the namespaces of a guest that runs already.

use std::fs::Metadata;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{Pid, chdir, chroot, getegid, geteuid};

use super::{pretend, ranges};
use crate::base::env;
use crate::base::fsx;
use crate::base::path::HostPath;
use crate::engine::start::{GuestError, Step};
use crate::engine::{Stop, view};
use crate::plan::{Ids, Root, UserView, View};
use crate::sys::namespace::{self, IdRange};

/// How long a guest may take to begin: where its view has to be copied, that takes as long as a copy of the image.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often is looked.
const PAUSE: Duration = Duration::from_millis(2);
/// Bytes of an environment; execve(2) takes no more by default.
const MAX_ENVIRONMENT: u64 = 16 << 20;

/// The namespaces that a guest may have of its own. The one of users comes first: it has the right to enter the others.
const KINDS: [(&str, CloneFlags); 4] = [
    ("ns/user", CloneFlags::CLONE_NEWUSER),
    ("ns/mnt", CloneFlags::CLONE_NEWNS),
    ("ns/uts", CloneFlags::CLONE_NEWUTS),
    ("ns/net", CloneFlags::CLONE_NEWNET),
];

/// Enters the namespaces of the process `beside`. setns(2).
///
/// All are opened before the first is entered: from inside, the host's `/proc` may not be there. Which root directory
/// that process has does not count, a daemon may have changed it; the container's is that of its mount namespace.
/// `Stop::NotHere`, with nothing changed, where the process has ended.
pub(super) fn enter(beside: Pid) -> Result<(), Stop> {
    await_start(beside)?;
    let mut namespaces = Vec::new();
    for (name, kind) in KINDS {
        let own = fsx::read_link(format!("/proc/self/{name}")).ok();
        let path = format!("/proc/{beside}/{name}");
        let theirs = fsx::read_link(&path).map_err(|error| gone_or(error, beside))?;
        // One that is ours already needs not be entered, and could not: the host's belongs to the host's root.
        if own != Some(theirs) {
            let opened = fsx::open(&path).map_err(|error| gone_or(error, beside))?;
            namespaces.push((OwnedFd::from(opened), kind));
        }
    }
    for (fd, kind) in namespaces {
        setns(fd, kind)
            .map_err(io::Error::from)
            .step("enter the namespaces of process", beside)?;
    }
    Ok(())
}

/// Waits until the process is the guest. Until then it is coracle, in no namespace yet or in one that is not complete.
/// `Stop::NotHere` where it has ended.
pub fn await_start(beside: Pid) -> Result<(), Stop> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if has_begun(beside).map_err(|error| gone_or(error, beside))? {
            return Ok(());
        }
        if Instant::now() > deadline {
            let late = io::Error::other("it is still being made ready; try again later");
            return Err(late).step("enter the container of process", beside)?;
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "the exec of a process that is not our child has no event"
        )]
        std::thread::sleep(PAUSE);
    }
}

/// Whether the process has become another program than ours, or ours with a guest's environment (a container may hold
/// coracle, too).
fn has_begun(beside: Pid) -> fsx::Result<bool> {
    let same =
        |one: &Metadata, other: &Metadata| (one.dev(), one.ino()) == (other.dev(), other.ino());
    let own = fsx::metadata("/proc/self/exe")?;
    let theirs = fsx::metadata(format!("/proc/{beside}/exe"))?;
    if !same(&own, &theirs) {
        return Ok(true);
    }
    let mark = format!("{}=", env::CORACLE_ENGINE);
    let environment = fsx::read(format!("/proc/{beside}/environ"), MAX_ENVIRONMENT)?;
    let mut entries = environment.split(|byte| *byte == 0);
    Ok(entries.any(|entry| entry.starts_with(mark.as_bytes())))
}

/// A process that ends while it is looked at, told from one that cannot be looked at.
fn gone_or(error: fsx::PathError, beside: Pid) -> Stop {
    match error.source.raw_os_error() {
        Some(libc::ENOENT | libc::ESRCH) => Stop::NotHere(format!("process {beside} has ended")),
        _ => GuestError::from(error).into(),
    }
}

/// Makes the container's root this process's own, in the mount namespace just entered, and gives `user` a meaning.
///
/// `host` is what `/` was before. Where that is what the namespace begins with, the root could not be pivoted away
/// when the container was started (an initramfs), and the view is where it was mounted. A further user namespace is
/// made before it is entered: in a directory tree that chroot(2) made, the kernel makes none.
pub(super) fn take_root(host: &Metadata, root: &Root, user: &UserView) -> Result<(), GuestError> {
    rename_id(user)?;
    let here = fsx::metadata("/")?;
    if (here.dev(), here.ino()) != (host.dev(), host.ino()) {
        return Ok(());
    }
    let at = mounted_at(root);
    chdir(at.as_os_str())
        .and_then(|()| chroot("."))
        .map_err(io::Error::from)
        .step("change root to", at)
}

/// Where `root` is mounted in a mount namespace that still shows the host; see `root.rs`.
fn mounted_at(root: &Root) -> HostPath {
    match &root.view {
        View::Kept { dir } if view::has_copy(dir) => dir.join("rootfs"),
        View::Kept { .. } => root.lower.clone(),
        View::Discarded { .. } | View::ReadOnly => root.lower.join("root"),
    }
}

/// Where only one id exists and another name for it is wanted, a further user namespace gives it that name.
fn rename_id(user: &UserView) -> Result<(), GuestError> {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    if user.ids == Ids::Ranges || (uid, gid) == (user.uid, user.gid) {
        return Ok(());
    }
    unshare(CloneFlags::CLONE_NEWUSER)
        .map_err(io::Error::from)
        .step("make a user namespace for", user.uid)?;
    let one = |inside, outside| IdRange {
        inside,
        outside,
        count: 1,
    };
    namespace::map_single(one(user.uid, uid), one(user.gid, gid)).step("map the ids of", user.uid)
}

/// Becomes `user` in the namespaces just entered; the last step before exec.
pub(super) fn take_identity(user: &UserView) -> Result<(), GuestError> {
    match user.ids {
        Ids::Ranges => ranges::become_user(user),
        Ids::Single if user.uid == 0 => pretend::install(),
        Ids::Single => Ok(()),
    }
}

/// Whether this user may enter the namespaces of the process `beside`: only who started it may.
pub fn may_enter(beside: Pid) -> bool {
    let looked = fsx::read_link(format!("/proc/{beside}/ns/user"));
    !looked.is_err_and(|error| error.is_denied())
}
