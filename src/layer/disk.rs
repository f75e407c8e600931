//! Writes into a staging directory that nobody else knows, relative to its descriptor.
//!
//! Every path walks only directories that we made ourselves: a tree has no name
//! below a symbolic link, and links are made last. The last component is never
//! followed either, and nothing that exists is opened for writing (`O_EXCL`).

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{self, FchmodatFlags, Mode, SFlag, UtimensatFlags};
use nix::sys::time::TimeSpec;
use nix::unistd::{self, UnlinkatFlags};

use crate::base::durable::Ahead;
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

/// The mode with which directories are made: what most of them have in the end.
const NEW_DIRECTORY: u32 = 0o755;
/// The mode of a file of which the final one could not be asked for at once.
const OURS: u32 = 0o600;
/// What files and directories of ours may be asked for.
const ALL: u32 = 0o777;

/// A directory of ours that is being filled. Paths are relative to it.
#[derive(Debug)]
pub(super) struct Disk {
    root: OwnedFd,
    top: PathBuf,
    /// Permission bits that a new file gets if it asks for them; of others nothing is known.
    granted: u32,
}

/// A file that is being written.
#[derive(Debug)]
pub(super) struct Draft {
    file: File,
    ahead: Ahead,
    /// It has its final mode already.
    has_mode: bool,
}

impl Disk {
    /// Makes the directory `top`, which must not exist yet, for this user alone.
    pub(super) fn create(top: &Path) -> Result<Disk, PathError> {
        unistd::mkdir(top, Mode::S_IRWXU).context("create directory", top)?;
        // A umask may have taken away even our own rights.
        fsx::set_mode(top, 0o700)?;
        let root = nix::fcntl::open(top, DIRECTORY, Mode::empty()).context("open", top)?;
        let mut disk = Disk {
            root,
            top: top.to_owned(),
            granted: 0,
        };
        disk.granted = disk.try_modes()?;
        Ok(disk)
    }

    /// Which mode bits a file has that asked for all of them, and can be written although
    /// it asked for none of the right to write: umask, default ACLs and file systems with
    /// ideas of their own decide, and no question but this one covers them all. It saves
    /// a system call for each file, which is a round trip on a network file system.
    ///
    /// What cannot be tried costs a change of mode for each file, no more; but what was made
    /// for it and cannot be removed would be in the image.
    fn try_modes(&self) -> Result<u32, PathError> {
        const NAME: &[u8] = b".modes";
        let mut bits = [0; 2];
        for (bits, asked) in bits.iter_mut().zip([ALL, 0o400]) {
            let mode = Mode::from_bits_truncate(asked);
            let Ok(file) = openat(&self.root, NAME, NEW_FILE, mode) else {
                return Ok(0);
            };
            let tried = unistd::write(&file, b"?").and_then(|_| stat::fstat(&file));
            self.remove_file(NAME)?;
            *bits = tried.map_or(0, |facts| facts.st_mode & 0o7777);
        }
        Ok(if bits[1] == 0o400 { bits[0] & ALL } else { 0 })
    }

    /// A path as the host sees it, for messages.
    pub(super) fn shown(&self, path: &[u8]) -> PathBuf {
        self.top.join(OsStr::from_bytes(path))
    }

    /// Where it lies.
    pub(super) fn top(&self) -> &Path {
        &self.top
    }

    /// Makes a directory that is ours to enter whatever the umask says.
    pub(super) fn make_directory(&self, path: &[u8]) -> Result<(), PathError> {
        let mode = Mode::from_bits_truncate(NEW_DIRECTORY);
        stat::mkdirat(&self.root, path, mode)
            .and_then(|()| match self.grants(NEW_DIRECTORY) {
                true => Ok(()),
                false => self.change_mode(path, mode),
            })
            .context("create directory", self.shown(path))
    }

    fn grants(&self, mode: u32) -> bool {
        mode & !self.granted == 0
    }

    /// Gives a directory that we made its attributes; the root for the empty path.
    /// Returns the extended attributes that were not set.
    pub(super) fn settle_directory(
        &self,
        path: &[u8],
        attributes: &Attributes<'_>,
    ) -> Result<Vec<Xattr>, PathError> {
        let name = if path.is_empty() { b"." } else { path };
        let settle = || {
            let mut refused = Vec::new();
            if attributes.has_xattrs() {
                let directory = openat(&self.root, name, DIRECTORY, Mode::empty())?;
                refused = attributes.set_xattrs(directory.as_fd())?;
            }
            if attributes.disk_mode != NEW_DIRECTORY || path.is_empty() {
                self.change_mode(name, Mode::from_bits_truncate(attributes.disk_mode))?;
            }
            self.change_time(name, attributes.mtime)?;
            Ok(refused)
        };
        settle().map_err(|source: io::Error| PathError {
            operation: "finish",
            path: self.shown(path),
            source,
        })
    }

    /// Makes an empty file that is going to have `attributes`.
    pub(super) fn make_file(
        &self,
        path: &[u8],
        attributes: &Attributes<'_>,
    ) -> Result<Draft, PathError> {
        // A user attribute needs the right to write, whatever the descriptor may. xattr(7).
        let has_mode = self.grants(attributes.disk_mode) && !attributes.has_xattrs();
        let mode = if has_mode { attributes.disk_mode } else { OURS };
        let file = openat(
            &self.root,
            path,
            NEW_FILE,
            Mode::from_bits_truncate(mode & ALL),
        );
        let file = file.map(File::from).context("create", self.shown(path))?;
        Ok(Draft {
            file,
            ahead: Ahead::default(),
            has_mode,
        })
    }

    /// Removes a file.
    pub(super) fn remove_file(&self, path: &[u8]) -> Result<(), PathError> {
        unistd::unlinkat(&self.root, path, UnlinkatFlags::NoRemoveDir)
            .context("remove", self.shown(path))
    }

    /// Removes an empty directory.
    pub(super) fn remove_directory(&self, path: &[u8]) -> Result<(), PathError> {
        unistd::unlinkat(&self.root, path, UnlinkatFlags::RemoveDir)
            .context("remove directory", self.shown(path))
    }

    /// Moves a file to `to` below `other`, where nothing may be. Nobody else writes there,
    /// so that it is enough to look; `RENAME_NOREPLACE` is refused by NFS. renameat2(2).
    pub(super) fn move_file(&self, path: &[u8], other: &Disk, to: &[u8]) -> Result<(), PathError> {
        let there = stat::fstatat(&other.root, to, AtFlags::AT_SYMLINK_NOFOLLOW);
        match there {
            Err(Errno::ENOENT) => renameat(&self.root, path, &other.root, to),
            Ok(_) => Err(Errno::EEXIST),
            Err(error) => Err(error),
        }
        .context("create", other.shown(to))
    }

    /// Gives `path`, which is no directory, a second name; `false` where the file system
    /// refuses, because it has no links or no more of them.
    pub(super) fn link(&self, path: &[u8], second: &[u8]) -> Result<bool, PathError> {
        match unistd::linkat(&self.root, path, &self.root, second, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::EMLINK | Errno::EXDEV | Errno::EPERM | Errno::EOPNOTSUPP) => Ok(false),
            Err(error) => Err(error).context("link to", self.shown(second)),
        }
    }

    /// Makes a file `second` with the content of `path`, which is going to have `attributes`.
    pub(super) fn copy(
        &self,
        path: &[u8],
        second: &[u8],
        attributes: &Attributes<'_>,
    ) -> Result<Draft, PathError> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let from = openat(&self.root, path, flags, Mode::empty());
        let mut from = from.map(File::from).context("open", self.shown(path))?;
        let mut to = self.make_file(second, attributes)?;
        io::copy(&mut from, &mut to.file).context("copy to", self.shown(second))?;
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

impl Draft {
    /// Appends `bytes`.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.ahead.advance(&self.file, bytes.len());
        Ok(())
    }

    /// Gives the file its attributes and closes it. Returns the extended attributes that
    /// were not set.
    ///
    /// Closing is checked: NFS and Lustre report a full quota only there.
    pub(super) fn settle(self, attributes: &Attributes<'_>) -> io::Result<Vec<Xattr>> {
        let refused = attributes.set_xattrs(self.file.as_fd())?;
        if !self.has_mode {
            let mode = Mode::from_bits_truncate(attributes.disk_mode);
            stat::fchmod(&self.file, mode)?;
        }
        let time = time_spec(attributes.mtime);
        stat::futimens(&self.file, &time, &time)?;
        self.ahead.end(&self.file);
        unistd::close(self.file)?;
        Ok(refused)
    }
}

fn time_spec(time: Time) -> TimeSpec {
    TimeSpec::new(time.seconds, time.nanoseconds.into())
}
