//! Whether there is room for what is about to be written, asked before the first byte of it.

use crate::base::fault::{Fault, Kind};
use crate::base::path::HostPath;
use crate::host;

/// The file system of the store has less left than is needed.
#[derive(Debug, thiserror::Error)]
#[error(
    "{what} needs {}, but the file system of `{dir}` has {} left",
    amount(*needed, unit),
    amount(*left, unit)
)]
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

/// Bytes as people count them: the next larger tenth of a MiB or a GiB.
fn amount(count: u64, unit: &str) -> String {
    let tenths = |size: u64| count.div_ceil(size / 10);
    let shown = |tenths: u64, unit| format!("{}.{} {unit}", tenths / 10, tenths % 10);
    match count {
        _ if unit != "bytes" => format!("{count} {unit}"),
        0..0x4000_0000 => shown(tenths(1 << 20), "MiB"),
        _ => shown(tenths(1 << 30), "GiB"),
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
