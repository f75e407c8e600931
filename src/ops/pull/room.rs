//! Whether there is room for what is about to be written, asked before the first byte of it.

use crate::base::fault::{Fault, Kind};
use crate::base::path::HostPath;
use crate::host;

/// The file system of the store has less left than is needed.
#[derive(Debug, thiserror::Error)]
#[error("{what} needs {needed} {unit}, but the file system of `{dir}` has {left} left")]
pub(in crate::ops) struct NoRoom {
    what: &'static str,
    needed: u64,
    unit: &'static str,
    dir: HostPath,
    left: u64,
}

impl Fault for NoRoom {
    fn kind(&self) -> Kind {
        Kind::Storage
    }

    fn hints(&self) -> Vec<String> {
        vec!["free space, run `coracle gc`, or set CORACLE_HOME to a directory with room".into()]
    }
}

/// Fails if `what` takes more `bytes` or `inodes` than the file system of `dir` has left.
/// A quota that leaves less shows only when it is reached.
pub(in crate::ops) fn require(
    dir: &HostPath,
    what: &'static str,
    bytes: u64,
    inodes: u64,
) -> Result<(), NoRoom> {
    // Where nothing can be told, the writing itself will tell.
    let Ok(free) = host::free(dir) else {
        return Ok(());
    };
    let demands = [
        ("bytes", bytes, free.bytes.unwrap_or(u64::MAX)),
        ("inodes", inodes, free.inodes.unwrap_or(u64::MAX)),
    ];
    let unmet = demands.into_iter().find(|(_, needed, left)| needed > left);
    match unmet {
        None => Ok(()),
        Some((unit, needed, left)) => Err(NoRoom {
            what,
            needed,
            unit,
            dir: dir.clone(),
            left,
        }),
    }
}
