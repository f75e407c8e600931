//! What the kernel is and what the administrator grants: release, sub-id ranges.

use super::uplink::in_path;
use super::{Fact, sysctl};
use crate::base::subids;

/// The kernel's release, and the limit on namespaces where it is low.
pub(super) fn kernel() -> Fact {
    let Some(release) = sysctl("kernel/osrelease") else {
        return Fact::no("/proc is not mounted");
    };
    match sysctl("user/max_user_namespaces") {
        Some(limit) => Fact::yes(format!("{release}, user.max_user_namespaces is {limit}")),
        None => Fact::yes(release),
    }
}

/// Whether `/etc/subuid` and `/etc/subgid` grant ranges to this user, and newuidmap(1)
/// and newgidmap(1) are there to map them.
pub(super) fn id_ranges() -> Fact {
    for table in subids::TABLES {
        if let Err(error) = subids::granted(table) {
            return Fact::no(error.to_string());
        }
    }
    for program in ["newuidmap", "newgidmap"] {
        if in_path(program).is_none() {
            return Fact::no(format!("{program} is not in PATH"));
        }
    }
    Fact::yes("granted in /etc/subuid and /etc/subgid")
}
