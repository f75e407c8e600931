//! Directories of our own over those of a tree that belongs to another user.
//!
//! Files of users without an id in the namespace can neither be changed nor copied up by an overlay (EOVERFLOW), and
//! nobody may write into their directories. So the upper half begins with a directory for each of the tree's: in these
//! the guest may make, replace and remove files as he likes. What nobody but its owner may enter there is empty here.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::sys::stat::fstat;

use crate::base::fsx;
use crate::engine::start::{GuestError, Step};
use crate::sys::xattr;

/// Whose files those are whose owner has no id in this namespace. user_namespaces(7), "Unmapped user and group IDs".
const OVERFLOW: &str = "/proc/sys/kernel/overflowuid";
/// Bytes of that file.
const OVERFLOW_LIMIT: u64 = 64;
/// What tells an overlay that nothing of the lower directory shows. overlayfs.rst, "whiteouts and opaque directories".
const OPAQUE: (&std::ffi::CStr, &[u8]) = (c"user.overlay.opaque", b"y");

/// Repeats the directories of `image` in `upper`, which is empty, unless the image belongs to somebody who has an id here.
pub(super) fn repeat(image: &OwnedFd, upper: &Path) -> Result<(), GuestError> {
    let owner = fstat(image).map_err(io::Error::from);
    let owner = owner.step("stat the image for", upper.display())?.st_uid;
    let text = fsx::read(OVERFLOW, OVERFLOW_LIMIT).unwrap_or_default();
    let nobody = String::from_utf8_lossy(&text).trim().parse().ok();
    if nobody != Some(owner) {
        return Ok(());
    }
    let root = PathBuf::from(format!("/proc/self/fd/{}", image.as_raw_fd()));
    let mut todo = vec![PathBuf::new()];
    while let Some(dir) = todo.pop() {
        for entry in fsx::read_dir(root.join(&dir))? {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let below = dir.join(entry.file_name());
            let meta = fsx::symlink_metadata(root.join(&below))?;
            let own = upper.join(&below);
            fsx::create_dir(&own, 0o700)?;
            fsx::set_mode(&own, meta.permissions().mode() & 0o7777)?;
            match fsx::read_dir(root.join(&below)).is_ok() && meta.mode() & 0o001 != 0 {
                true => todo.push(below),
                false => hide(&own)?,
            }
        }
    }
    Ok(())
}

/// Has an overlay show nothing below `dir` but what is in it. Where files have no attributes, what is there cannot be
/// read; a guest that may delete has them.
fn hide(dir: &Path) -> Result<(), GuestError> {
    let open = fsx::open(dir)?;
    let _there_is_an_error_for_who_looks_then = xattr::set(open.as_fd(), OPAQUE.0, OPAQUE.1);
    Ok(())
}
