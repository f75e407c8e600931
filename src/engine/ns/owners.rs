//! Giving to the image's users what is theirs in a new view, where their ids exist.
//!
//! On disk all of an image is the caller's, in the guest root's. A server that gave up being root would find its own
//! directories closed.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{Gid, Uid, fchownat};

use crate::base::fsx;
use crate::base::path::{GuestPath, HostPath, RootDir};
use crate::engine::start::{GuestError, Step};
use crate::plan::{Owner, RunPlan, View};

/// Bytes of files that are copied into the view to give them away. An overlay copies a file whose owner changes, and
/// of a run that keeps nothing the copies lie in memory.
const MAX_BYTES: u64 = 64 << 20;

/// Entries that are given away; what is beyond stays root's.
const MAX_ENTRIES: usize = 20_000;

/// What a container has in its directory once this was done: what its guest gave to root later stays root's.
const DONE: &str = "owners";

/// Gives everything of `plan`'s owners to them in the view at `inside`, unless that was done for it already.
pub(super) fn give(plan: &RunPlan, inside: &RootDir) -> Result<(), GuestError> {
    let done = match &plan.root.view {
        View::Kept { dir } => Some(dir.join(DONE)),
        View::Discarded { .. } | View::ReadOnly => None,
    };
    if done.as_ref().is_some_and(|done| done.exists()) {
        return Ok(());
    }
    let mut room = MAX_BYTES;
    for owner in plan.user.owners.iter().take(MAX_ENTRIES) {
        // What a guest has removed or replaced meanwhile is its own business.
        let Some(path) = located(&owner.path, inside) else {
            continue;
        };
        let Ok(meta) = fsx::symlink_metadata(&path) else {
            continue;
        };
        if meta.is_file() {
            let Some(left) = room.checked_sub(meta.len()) else {
                continue;
            };
            room = left;
        }
        if (meta.uid(), meta.gid()) == (0, 0) {
            give_one(owner, &path, meta.is_symlink())?;
        }
    }
    if let Some(done) = done {
        fsx::write(done, b"", 0o600)?;
    }
    Ok(())
}

/// Where the path lies: links on the way are followed as in the guest, the last component is taken as it is.
fn located(path: &GuestPath, inside: &RootDir) -> Option<HostPath> {
    let (parent, name) = (path.as_path().parent()?, path.as_path().file_name()?);
    let parent = inside.resolve(&GuestPath::new(parent)?).ok()?;
    Some(parent.join(name))
}

fn give_one(owner: &Owner, path: &Path, is_link: bool) -> Result<(), GuestError> {
    let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
    let flags = AtFlags::AT_SYMLINK_NOFOLLOW;
    match fchownat(AT_FDCWD, path, Some(uid), Some(gid), flags) {
        // The image's id is beyond the caller's range.
        Err(Errno::EINVAL) => return Ok(()),
        changed => changed
            .map_err(io::Error::from)
            .step("change the owner of", path.display())?,
    }
    if is_link {
        return Ok(());
    }
    // chown(2) takes setuid and setgid away, and the disk has neither.
    fsx::set_mode(path, owner.mode)?;
    Ok(())
}
