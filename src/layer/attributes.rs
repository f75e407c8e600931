//! What of an entry's owner, mode and attributes goes to disk, and what into the sidecar.

use std::ffi::CString;
use std::io;
use std::os::fd::BorrowedFd;

use crate::layer::entry::{Entry, EntryKind, Time, Xattr};
use crate::layer::sidecar::Truth;
use crate::sys::xattr;

/// The mode of a directory that no entry describes; what Docker gives it.
const IMPLIED_MODE: u32 = 0o755;

/// How a file or directory is to look on disk.
#[derive(Clone, Debug)]
pub(super) struct Attributes<'a> {
    /// Mode bits on disk.
    pub(super) disk_mode: u32,
    pub(super) mtime: Time,
    xattrs: &'a [Xattr],
}

impl<'a> Attributes<'a> {
    /// Of an entry, or of a directory that none describes; that is as old as time,
    /// so that an image extracts alike everywhere.
    pub(super) fn of(entry: Option<&'a Entry>) -> Attributes<'a> {
        let Some(entry) = entry else {
            return Attributes {
                disk_mode: IMPLIED_MODE,
                mtime: Time::default(),
                xattrs: &[],
            };
        };
        Attributes {
            disk_mode: disk_mode(entry.kind, entry.mode),
            mtime: entry.mtime,
            xattrs: &entry.xattrs,
        }
    }

    /// Whether there are extended attributes that may be set.
    pub(super) fn has_xattrs(&self) -> bool {
        self.xattrs.iter().any(|xattr| may_be_set(&xattr.name))
    }

    /// Sets those extended attributes that may be set, and returns all others.
    pub(super) fn set_xattrs(&self, file: BorrowedFd<'_>) -> io::Result<Vec<Xattr>> {
        let mut refused = Vec::new();
        for attribute in self.xattrs {
            if !may_be_set(&attribute.name) || !is_taken(file, attribute)? {
                refused.push(attribute.clone());
            }
        }
        Ok(refused)
    }
}

/// Directories stay open to their owner, or nobody could list or delete the tree;
/// files stay readable. On files setuid, setgid and sticky would act for the wrong
/// owner and alarm those who scan the site for them; on directories they are harmless.
fn disk_mode(kind: EntryKind, mode: u32) -> u32 {
    match kind {
        EntryKind::Directory => mode | 0o700,
        _ => (mode & 0o777) | 0o400,
    }
}

/// `security.` and `trusted.` need rights that we lack; `user.overlay.` would
/// steer the overlay that is mounted on this tree. overlayfs.rst, "userxattr".
pub(super) fn may_be_set(name: &[u8]) -> bool {
    name.starts_with(b"user.") && !name.starts_with(b"user.overlay.")
}

/// Sets one attribute; `false` where the file system has no attributes, or no room for this one.
fn is_taken(file: BorrowedFd<'_>, attribute: &Xattr) -> io::Result<bool> {
    let name = CString::new(attribute.name.clone())?;
    let Err(error) = xattr::set(file, &name, &attribute.value) else {
        return Ok(true);
    };
    match error.raw_os_error() {
        Some(libc::EOPNOTSUPP | libc::EPERM | libc::EACCES) => Ok(false),
        Some(libc::E2BIG | libc::ERANGE | libc::ENOSPC | libc::EINVAL) => Ok(false),
        _ => Err(error),
    }
}

/// What the disk does not say of an entry that has the name `path`; `None` if it
/// says it all. `refused` are the extended attributes that are not on disk.
pub(super) fn truth(path: Vec<u8>, entry: &Entry, refused: &[Xattr]) -> Option<Truth> {
    let on_disk = disk_mode(entry.kind, entry.mode);
    let has_mode = entry.kind != EntryKind::Symlink;
    let is_device = matches!(entry.kind, EntryKind::CharDevice | EntryKind::BlockDevice);
    let xattrs = refused.to_vec();
    let told = (entry.uid, entry.gid) == (0, 0)
        && (!has_mode || on_disk == entry.mode)
        && !is_device
        && xattrs.is_empty();
    let truth = Truth {
        path,
        kind: entry.kind,
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        device: entry.device,
        xattrs,
    };
    (!told).then_some(truth)
}
