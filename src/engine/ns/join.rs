//! Entering the namespaces of a guest that runs already.

use std::io;
use std::os::fd::OwnedFd;

use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, setns};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, fchdir, getegid, geteuid};

use super::{pretend, ranges};
use crate::engine::start::{GuestError, Step};
use crate::plan::{Ids, UserView};
use crate::sys::namespace::{self, IdRange, Uts};

/// Enters the user, mount and uts namespaces of the process `beside`, and its root directory.
///
/// All are opened before the first is entered: from inside, the host's `/proc` may not be there. A guest that was put
/// into its root by chroot(2) has another than its mount namespace, so the root is taken from the process. setns(2).
pub(super) fn enter(beside: Pid) -> Result<(), GuestError> {
    let file = |name: &str, flags| -> io::Result<OwnedFd> {
        let flags = flags | OFlag::O_CLOEXEC;
        Ok(open(
            format!("/proc/{beside}/{name}").as_str(),
            flags,
            Mode::empty(),
        )?)
    };
    let kinds = [
        ("ns/user", CloneFlags::CLONE_NEWUSER),
        ("ns/mnt", CloneFlags::CLONE_NEWNS),
        ("ns/uts", CloneFlags::CLONE_NEWUTS),
        ("ns/net", CloneFlags::CLONE_NEWNET),
    ];
    let mut namespaces = Vec::new();
    for (name, kind) in kinds {
        let own = crate::base::fsx::read_link(format!("/proc/self/{name}")).ok();
        let theirs = crate::base::fsx::read_link(format!("/proc/{beside}/{name}"))?;
        // One that is ours already needs not be entered, and could not: the host's belongs to the host's root.
        if own != Some(theirs) {
            let fd = file(name, OFlag::O_RDONLY).step("open a namespace of process", beside)?;
            namespaces.push((fd, kind));
        }
    }
    let root = file("root", OFlag::O_PATH | OFlag::O_DIRECTORY)
        .step("open the root of process", beside)?;
    for (fd, kind) in namespaces {
        setns(fd, kind)
            .map_err(io::Error::from)
            .step("enter the namespaces of process", beside)?;
    }
    fchdir(root)
        .and_then(|()| nix::unistd::chroot("."))
        .map_err(io::Error::from)
        .step("enter the root of process", beside)
}

/// Becomes `user` in the namespaces just entered; the last step before exec.
///
/// Where only one id exists and another is wanted, a further user namespace gives that name to the same id.
pub(super) fn take_identity(user: &UserView) -> Result<(), GuestError> {
    match user.ids {
        Ids::Ranges => return ranges::become_user(user),
        Ids::Single => {}
    }
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    if (uid, gid) != (user.uid, user.gid) {
        namespace::enter(Uts::Keep)
            .map_err(io::Error::from)
            .step("make a user namespace for", user.uid)?;
        let one = |inside, outside| IdRange {
            inside,
            outside,
            count: 1,
        };
        namespace::map_single(one(user.uid, uid), one(user.gid, gid))
            .step("map the ids of", user.uid)?;
    }
    match user.uid {
        0 => pretend::install(),
        _ => Ok(()),
    }
}
