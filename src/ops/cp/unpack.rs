//! A tar stream as files below a descriptor: no link of the destination or of the stream is followed.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{
    Mode, SFlag, UtimensatFlags, fchmod, fstatat, futimens, mkdirat, mknodat, utimensat,
};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchownat, linkat, symlinkat, unlinkat};

use crate::base::fault::BoxFault;
use crate::base::fsx::{self, Context};
use crate::base::rooted;
use crate::layer::reader::Archive;
use crate::layer::{Entry, EntryKind, Time};

/// Zeros of this many bytes become a hole.
const HOLE: usize = 4096;

/// How things are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// Whether owners are those of the source (`--archive`).
    pub(super) keeps_owners: bool,
    /// The bits of a file's mode that are kept: on the host a set-id bit would act for the caller.
    pub(super) mode_mask: u32,
}

/// Things that are being made below `dir`.
pub(super) struct Unpack {
    dir: OwnedFd,
    manner: Manner,
    /// Directories, whose mode may forbid what comes after, and whose time it changes.
    folders: Vec<(PathBuf, u32, Time)>,
    /// Whether an owner could not be kept.
    pub(super) lost_owners: bool,
}

impl Unpack {
    pub(super) fn new(dir: OwnedFd, manner: Manner) -> Unpack {
        Unpack {
            dir,
            manner,
            folders: Vec::new(),
            lost_owners: false,
        }
    }

    /// Makes all that `stream` holds.
    pub(super) fn all(&mut self, stream: impl Read) -> Result<(), BoxFault> {
        let mut archive = Archive::new(stream);
        while let Some(entry) = archive.next_entry()? {
            self.one(&entry, &mut archive)?;
        }
        archive.drain()?;
        for (path, mode, time) in std::mem::take(&mut self.folders).iter().rev() {
            let (parent, name) = self.place(path)?;
            let mode = Mode::from_bits_truncate(*mode);
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            openat(&parent, name, flags, Mode::empty())
                .and_then(|open| fchmod(&open, mode))
                .context("change mode of", path)?;
            set_time(&parent, name, *time).context("set the times of", path)?;
        }
        Ok(())
    }

    fn one(&mut self, entry: &Entry, content: &mut impl Read) -> Result<(), BoxFault> {
        let path = Path::new(OsStr::from_bytes(&entry.path));
        if path.as_os_str().is_empty() {
            return Ok(());
        }
        let (parent, name) = self.place(path)?;
        let mode = entry.mode & self.manner.mode_mask;
        if entry.kind == EntryKind::Directory {
            make_folder(&parent, name).context("create directory", path)?;
            self.folders
                .push((path.to_owned(), entry.mode, entry.mtime));
            self.own(&parent, name, entry, path)?;
            return Ok(());
        }
        make_room(&parent, name).context("replace", path)?;
        match entry.kind {
            EntryKind::File => {
                let flags = OFlag::O_WRONLY
                    | OFlag::O_CREAT
                    | OFlag::O_EXCL
                    | OFlag::O_NOFOLLOW
                    | OFlag::O_CLOEXEC;
                let file = openat(&parent, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)
                    .context("create", path)?;
                let mut file = File::from(file);
                write_sparse(&mut file, content, entry.size).context("write", path)?;
                self.own(&parent, name, entry, path)?;
                fchmod(&file, Mode::from_bits_truncate(mode)).context("change mode of", path)?;
                let time = time_spec(entry.mtime);
                futimens(&file, &time, &time).context("set the times of", path)?;
                return Ok(());
            }
            EntryKind::Symlink => {
                symlinkat(&*entry.link, &parent, name).context("link", path)?;
            }
            EntryKind::HardLink => {
                let (first, first_name) = self.place(Path::new(OsStr::from_bytes(&entry.link)))?;
                let flags = AtFlags::empty();
                linkat(&first, first_name, &parent, name, flags).context("link to", path)?;
                return Ok(());
            }
            EntryKind::Fifo => {
                mknodat(
                    &parent,
                    name,
                    SFlag::S_IFIFO,
                    Mode::from_bits_truncate(mode),
                    0,
                )
                .context("make the FIFO", path)?;
            }
            EntryKind::CharDevice | EntryKind::BlockDevice => {
                let forbidden = io::Error::other(
                    "it is a device, which a plain user cannot make; show one of the host with `--device`",
                );
                return Err(forbidden).context("copy", path)?;
            }
            EntryKind::Directory => {}
        }
        self.own(&parent, name, entry, path)?;
        set_time(&parent, name, entry.mtime).context("set the times of", path)?;
        Ok(())
    }

    /// The directory of `path`, made where it is absent, and the name in it.
    fn place<'a>(&self, path: &'a Path) -> fsx::Result<(OwnedFd, &'a OsStr)> {
        let name = path.file_name().unwrap_or_default();
        let parent = path.parent().unwrap_or(Path::new(""));
        match rooted::folder(&self.dir, parent) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            found => return Ok((found.context("enter", parent)?, name)),
        }
        let mut here = self.dir.try_clone().context("enter", parent)?;
        for part in parent {
            match mkdirat(&here, part, Mode::from_bits_truncate(0o755)) {
                Err(Errno::EEXIST) | Ok(()) => {}
                Err(errno) => return Err(errno).context("create directory", parent),
            }
            here = rooted::folder(&here, Path::new(part)).context("enter", parent)?;
        }
        Ok((here, name))
    }

    fn own(
        &mut self,
        parent: &OwnedFd,
        name: &OsStr,
        entry: &Entry,
        path: &Path,
    ) -> fsx::Result<()> {
        if !self.manner.keeps_owners {
            return Ok(());
        }
        let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
        match fchownat(
            parent,
            name,
            Some(uid),
            Some(gid),
            AtFlags::AT_SYMLINK_NOFOLLOW,
        ) {
            Ok(()) => Ok(()),
            // There is no such id here, or it is not ours to give.
            Err(Errno::EPERM | Errno::EINVAL) => {
                self.lost_owners = true;
                Ok(())
            }
            Err(errno) => Err(errno).context("change the owner of", path),
        }
    }
}

/// Makes a directory, unless there is one.
fn make_folder(parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
    match mkdirat(parent, name, Mode::S_IRWXU) {
        Err(Errno::EEXIST) => {
            let stat = fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
            match stat.st_mode & libc::S_IFMT {
                libc::S_IFDIR => Ok(()),
                _ => Err(io::Error::other("something that is no directory is there")),
            }
        }
        made => Ok(made?),
    }
}

/// Removes what is no directory.
fn make_room(parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
    match unlinkat(parent, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(Errno::EISDIR) => Err(io::Error::other("a directory is there")),
        Err(errno) => Err(errno.into()),
    }
}

/// Writes `size` bytes of `content`; whole blocks of zeros become holes.
fn write_sparse(file: &mut File, content: &mut impl Read, size: u64) -> io::Result<()> {
    let mut content = content.take(size);
    let mut block = vec![0; 64 * HOLE];
    let mut end = 0;
    loop {
        let mut filled = 0;
        while filled < block.len() {
            match content.read(&mut block[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        if filled == 0 {
            break;
        }
        for part in block[..filled].chunks(HOLE) {
            if part.len() == HOLE && part.iter().all(|byte| *byte == 0) {
                file.seek(SeekFrom::Current(HOLE as i64))?;
            } else {
                file.write_all(part)?;
            }
        }
        end += filled as u64;
    }
    file.set_len(end)
}

fn set_time(parent: &OwnedFd, name: &OsStr, time: Time) -> io::Result<()> {
    let time = time_spec(time);
    Ok(utimensat(
        parent,
        name,
        &time,
        &time,
        UtimensatFlags::NoFollowSymlink,
    )?)
}

fn time_spec(time: Time) -> TimeSpec {
    TimeSpec::new(time.seconds, time.nanoseconds.into())
}
