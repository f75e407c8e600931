//! What the kernel is and what the administrator grants: release, sub-id ranges.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use nix::unistd::{AccessFlags, access, getuid};

use super::{Fact, sysctl};
use crate::base::path::HostPath;
use crate::base::{env, fsx};

/// A larger `/etc/subuid` than this is not read.
const MAX_TABLE: u64 = 1 << 20;

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
    for table in ["/etc/subuid", "/etc/subgid"] {
        match has_range(table) {
            Ok(true) => {}
            Ok(false) => return Fact::no(format!("no line for this user in {table}")),
            Err(evidence) => return Fact::no(evidence),
        }
    }
    for program in ["newuidmap", "newgidmap"] {
        if !in_path(program) {
            return Fact::no(format!("{program} is not in PATH"));
        }
    }
    Fact::yes("granted in /etc/subuid and /etc/subgid")
}

/// Lines are `name-or-uid:first:count`. subuid(5).
fn has_range(table: &str) -> Result<bool, String> {
    let bytes = match fsx::read_if_there(table, MAX_TABLE) {
        Ok(bytes) => bytes.unwrap_or_default(),
        Err(error) => return Err(error.to_string()),
    };
    let uid = getuid().to_string();
    let name = env::get(env::USER).unwrap_or_default();
    let mut owners = bytes
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b':').next());
    Ok(owners.any(|owner| {
        !owner.is_empty() && (owner == uid.as_bytes() || OsStr::from_bytes(owner) == name)
    }))
}

fn in_path(program: &str) -> bool {
    let path = env::get(env::PATH).unwrap_or_else(|| "/usr/bin:/bin".into());
    let mut dirs = path.as_bytes().split(|byte| *byte == b':');
    dirs.any(|dir| {
        let file = HostPath::new(OsStr::from_bytes(dir)).join(program);
        access(file.as_os_str(), AccessFlags::X_OK).is_ok()
    })
}
