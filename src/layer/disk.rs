//! Writes into a staging directory that nobody else knows, relative to its descriptor.
//!
//! Every path walks only directories that we made ourselves: a tree has no name
//! below a symbolic link. The last component is never followed either, and nothing
//! that exists is opened for writing (`O_EXCL`).

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{self, FchmodatFlags, Mode, SFlag, UtimensatFlags};
use nix::sys::time::TimeSpec;
use nix::unistd;

use crate::base::fsx::{self, Context, PathError};
use crate::layer::attributes::Attributes;
use crate::layer::entry::{Time, Xattr};

/// How a directory is opened: itself, not what a link of its name leads to.
const DIRECTORY: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// How a file is made.
const NEW_FILE: OFlag = OFlag::O_WRONLY
    .union(OFlag::O_CREAT)
    .union(OFlag::O_EXCL)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// A directory of ours that is being filled. Paths are relative to it.
#[derive(Debug)]
pub(super) struct Disk {
    root: OwnedFd,
    top: PathBuf,
}

impl Disk {
    /// Makes the directory `top`, which must not exist yet, for this user alone.
    pub(super) fn create(top: &Path) -> Result<Disk, PathError> {
        unistd::mkdir(top, Mode::S_IRWXU).context("create directory", top)?;
        // A umask may have taken away even our own rights.
        fsx::set_mode(top, 0o700)?;
        let root = nix::fcntl::open(top, DIRECTORY, Mode::empty()).context("open", top)?;
        let top = top.to_owned();
        Ok(Disk { root, top })
    }

    /// A path as the host sees it, for messages.
    pub(super) fn shown(&self, path: &[u8]) -> PathBuf {
        self.top.join(OsStr::from_bytes(path))
    }

    /// Makes a directory that is ours to enter whatever the umask says.
    pub(super) fn make_directory(&self, path: &[u8]) -> Result<(), PathError> {
        stat::mkdirat(&self.root, path, Mode::S_IRWXU)
            .and_then(|()| self.change_mode(path, Mode::S_IRWXU))
            .context("create directory", self.shown(path))
    }

    /// Opens a directory; the root for the empty path.
    pub(super) fn open_directory(&self, path: &[u8]) -> Result<OwnedFd, PathError> {
        let name = if path.is_empty() { b"." } else { path };
        openat(&self.root, name, DIRECTORY, Mode::empty()).context("open", self.shown(path))
    }

    /// Makes an empty file for writing.
    pub(super) fn make_file(&self, path: &[u8]) -> Result<File, PathError> {
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        let file = openat(&self.root, path, NEW_FILE, mode);
        file.map(File::from).context("create", self.shown(path))
    }

    /// Gives the file `path` a second name. Where the file system refuses, because
    /// it has no links or no more of them, makes a copy and returns it, still without attributes.
    pub(super) fn link(&self, path: &[u8], second: &[u8]) -> Result<Option<File>, PathError> {
        match unistd::linkat(&self.root, path, &self.root, second, AtFlags::empty()) {
            Ok(()) => Ok(None),
            Err(Errno::EMLINK | Errno::EXDEV | Errno::EPERM | Errno::EOPNOTSUPP) => {
                self.copy(path, second).map(Some)
            }
            Err(error) => Err(error).context("link to", self.shown(second)),
        }
    }

    fn copy(&self, path: &[u8], second: &[u8]) -> Result<File, PathError> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let from = openat(&self.root, path, flags, Mode::empty());
        let mut from = from.map(File::from).context("open", self.shown(path))?;
        let mut to = self.make_file(second)?;
        io::copy(&mut from, &mut to).context("copy to", self.shown(second))?;
        Ok(to)
    }

    /// Makes a symbolic link.
    pub(super) fn make_symlink(
        &self,
        path: &[u8],
        target: &[u8],
        mtime: Time,
    ) -> Result<(), PathError> {
        unistd::symlinkat(target, &self.root, path)
            .and_then(|()| self.change_time(path, mtime))
            .context("create symbolic link", self.shown(path))
    }

    /// Makes a named pipe.
    pub(super) fn make_fifo(
        &self,
        path: &[u8],
        attributes: &Attributes<'_>,
    ) -> Result<(), PathError> {
        let mode = Mode::from_bits_truncate(attributes.disk_mode);
        stat::mknodat(&self.root, path, SFlag::S_IFIFO, mode, 0)
            .and_then(|()| self.change_mode(path, mode))
            .and_then(|()| self.change_time(path, attributes.mtime))
            .context("create named pipe", self.shown(path))
    }

    /// Of what we just made, and know not to be a link.
    fn change_mode(&self, path: &[u8], mode: Mode) -> nix::Result<()> {
        stat::fchmodat(&self.root, path, mode, FchmodatFlags::FollowSymlink)
    }

    fn change_time(&self, path: &[u8], time: Time) -> nix::Result<()> {
        let time = time_spec(time);
        let flags = UtimensatFlags::NoFollowSymlink;
        stat::utimensat(&self.root, path, &time, &time, flags)
    }
}

/// Gives an open file or directory its attributes and closes it. Returns the
/// extended attributes that were not set.
///
/// Closing is checked: NFS and Lustre report a full quota only there.
pub(super) fn settle(
    file: impl Into<OwnedFd>,
    attributes: &Attributes<'_>,
) -> io::Result<Vec<Xattr>> {
    let file = file.into();
    // Before the mode: a user attribute needs the right to write. xattr(7).
    let refused = attributes.set_xattrs(file.as_fd())?;
    stat::fchmod(&file, Mode::from_bits_truncate(attributes.disk_mode))?;
    let time = time_spec(attributes.mtime);
    stat::futimens(&file, &time, &time)?;
    unistd::close(file)?;
    Ok(refused)
}

fn time_spec(time: Time) -> TimeSpec {
    TimeSpec::new(time.seconds, time.nanoseconds.into())
}
