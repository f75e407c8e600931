//! Walking below the descriptor of a directory, links followed as if that directory were the root.
//!
//! Each step is relative to a descriptor and follows no link by itself, so that whoever changes the tree meanwhile can
//! make a walk fail and cannot lead it out. openat2(2) with RESOLVE_IN_ROOT does the same from Linux 5.6 on, which many
//! hosts do not have.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, fstatat};

/// Symbolic links followed before a path counts as a loop; path_resolution(7).
const MAX_LINKS: usize = 40;

/// A directory as something to walk from.
const FOLDER: OFlag = OFlag::O_PATH
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// Whether a link at the end of a path is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// It is.
    Followed,
    /// It is what was asked for.
    Itself,
}

/// Where a path leads.
#[derive(Debug)]
pub struct Spot {
    /// The directory that holds it.
    pub dir: OwnedFd,
    /// Its name in there; `.` for the root.
    pub name: OsString,
    /// What is there; `None` for nothing.
    pub stat: Option<FileStat>,
}

impl Spot {
    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.stat
            .is_some_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFDIR)
    }
}

/// Where `path` leads below `root`. The last component may be absent; its directory may not.
pub fn locate(root: &OwnedFd, path: &Path, last: Last) -> io::Result<Spot> {
    let mut n_links = 0;
    let mut here = vec![(root.try_clone()?, OsString::from("."))];
    let mut todo = reversed(path.as_os_str());
    while let Some(name) = todo.pop() {
        if name == ".." {
            here.truncate(here.len().saturating_sub(1).max(1));
            continue;
        }
        let (dir, _) = here.last().expect("the root is never taken away");
        let stat = match fstatat(dir, &*name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::ENOENT) if todo.is_empty() => {
                let dir = dir.try_clone()?;
                let stat = None;
                return Ok(Spot { dir, name, stat });
            }
            Err(errno) => return Err(errno.into()),
        };
        match stat.st_mode & libc::S_IFMT {
            libc::S_IFLNK if !todo.is_empty() || last == Last::Followed => {
                n_links += 1;
                if n_links > MAX_LINKS {
                    return Err(Errno::ELOOP.into());
                }
                let target = readlinkat(dir, &*name)?;
                if target.as_bytes().starts_with(b"/") {
                    here.truncate(1);
                }
                todo.extend(reversed(&target));
            }
            libc::S_IFDIR => {
                let open = openat(dir, &*name, FOLDER, Mode::empty())?;
                here.push((open, name));
            }
            _ if todo.is_empty() => {
                let (dir, stat) = (dir.try_clone()?, Some(stat));
                return Ok(Spot { dir, name, stat });
            }
            _ => return Err(Errno::ENOTDIR.into()),
        }
    }
    let (_, name) = here.pop().expect("the root is never taken away");
    let dir = match here.pop() {
        Some((dir, _)) => dir,
        None => root.try_clone()?,
    };
    let stat = Some(fstatat(&dir, &*name, AtFlags::AT_SYMLINK_NOFOLLOW)?);
    Ok(Spot { dir, name, stat })
}

/// Opens the directory `path` below `dir`, no link on the way followed; empty for `dir` itself.
pub fn folder(dir: impl AsFd, path: &Path) -> io::Result<OwnedFd> {
    let mut here = dir.as_fd().try_clone_to_owned()?;
    for name in path {
        here = openat(&here, name, FOLDER, Mode::empty())?;
    }
    Ok(here)
}

/// The names of `path`, last first, with `..` kept and `/` and `.` dropped.
fn reversed(path: &OsStr) -> Vec<OsString> {
    let names = path.as_bytes().split(|byte| *byte == b'/').rev();
    let kept = names.filter(|name| !name.is_empty() && *name != b".");
    kept.map(|name| OsStr::from_bytes(name).to_owned())
        .collect()
}
