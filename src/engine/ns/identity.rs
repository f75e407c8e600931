//! Entering the namespaces, and which id of the host stands behind the guest's.

use nix::errno::Errno;
use nix::unistd::{getegid, geteuid};

use crate::engine::Stop;
use crate::engine::start::Step;
use crate::plan::{Ids, UserView};
use crate::sys::namespace::{self, IdRange, Uts};

/// Enters new user and mount namespaces (and a uts one for a host name) as `user`.
///
/// `Stop::NotHere`, with nothing changed, where the host forbids user namespaces.
pub(super) fn enter(user: &UserView, with_hostname: bool) -> Result<(), Stop> {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    let uts = if with_hostname { Uts::New } else { Uts::Keep };
    match user.ids {
        Ids::Single => {
            namespace::enter(uts).map_err(forbidden)?;
            let one = |inside, outside| IdRange {
                inside,
                outside,
                count: 1,
            };
            namespace::map_single(one(user.uid, uid), one(user.gid, gid))
                .step("map the caller's ids in", "/proc/self/uid_map")?;
        }
        Ids::Ranges => super::ranges::enter(uts)?,
    }
    Ok(())
}

/// Why this host lets nobody make a user namespace, by what unshare(2) answers.
pub(super) fn forbidden(errno: Errno) -> Stop {
    Stop::NotHere(match errno {
        Errno::ENOSPC => "user namespaces are used up: the sysctl user.max_user_namespaces is 0 or reached".into(),
        Errno::EPERM => "user namespaces are forbidden to this process (EPERM): by a sysctl, by a security module, by a container's seccomp profile, or because it runs in a chroot".into(),
        Errno::EINVAL | Errno::ENOSYS => "this kernel has no user namespaces".into(),
        other => format!("unshare(2) of a user namespace: {other}"),
    })
}
