//! What is copied, as a tar stream: read below a descriptor, no link followed.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::dir::Dir;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat};
use tar::EntryType;

use crate::base::fsx::{self, Context};
use crate::ops::tarball::{Member, Tarball};

/// Directories in each other; each costs an open file.
const MAX_DEPTH: usize = 400;

/// A thing that is being packed.
pub(super) struct Pack<W> {
    tarball: Tarball<W>,
    /// Files with several names, by their identity, with the first name.
    linked: HashMap<(u64, u64), Vec<u8>>,
    /// What no archive can hold, for a warning.
    pub(super) left_out: Vec<String>,
}

impl<W: Write> Pack<W> {
    pub(super) fn new(out: W) -> Pack<W> {
        Pack {
            tarball: Tarball::new(out),
            linked: HashMap::new(),
            left_out: Vec::new(),
        }
    }

    /// Adds `name` in `dir` under the name `path`, with all that it holds.
    pub(super) fn add(&mut self, dir: impl AsFd, name: &OsStr, path: &[u8]) -> fsx::Result<()> {
        self.add_at(dir, name, path, 0)
    }

    /// Ends the archive.
    pub(super) fn finish(self) -> fsx::Result<Vec<String>> {
        self.tarball.finish().context("write", "the archive")?;
        Ok(self.left_out)
    }

    fn add_at(
        &mut self,
        dir: impl AsFd,
        name: &OsStr,
        path: &[u8],
        depth: usize,
    ) -> fsx::Result<()> {
        let shown = Path::new(OsStr::from_bytes(path));
        let stat = fstatat(&dir, name, AtFlags::AT_SYMLINK_NOFOLLOW).context("stat", shown)?;
        match stat.st_mode & libc::S_IFMT {
            libc::S_IFDIR => {
                let member = member(path, EntryType::Directory, &stat);
                self.put(&member, &mut io::empty())?;
                let flags =
                    OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                let open = openat(&dir, name, flags, Mode::empty()).context("open", shown)?;
                if depth == MAX_DEPTH {
                    let deep = io::Error::other(format!(
                        "more than {MAX_DEPTH} directories in each other"
                    ));
                    return Err(deep).context("copy", shown);
                }
                for name in names(&open).context("list", shown)? {
                    let below = [path, b"/", name.as_bytes()].concat();
                    self.add_at(&open, &name, &below, depth + 1)?;
                }
                Ok(())
            }
            libc::S_IFREG => self.add_file(dir, name, path, &stat),
            libc::S_IFLNK => {
                let target = readlinkat(&dir, name).context("read link", shown)?;
                let member = Member {
                    link: target.as_bytes(),
                    ..member(path, EntryType::Symlink, &stat)
                };
                self.put(&member, &mut io::empty())
            }
            libc::S_IFIFO => self.put(&member(path, EntryType::Fifo, &stat), &mut io::empty()),
            _ => {
                let kind = match stat.st_mode & libc::S_IFMT {
                    libc::S_IFSOCK => "a socket",
                    _ => "a device",
                };
                self.left_out.push(format!("`{}`, {kind}", shown.display()));
                Ok(())
            }
        }
    }

    fn add_file(
        &mut self,
        dir: impl AsFd,
        name: &OsStr,
        path: &[u8],
        seen: &FileStat,
    ) -> fsx::Result<()> {
        let shown = Path::new(OsStr::from_bytes(path));
        let identity = (seen.st_dev, seen.st_ino);
        if let Some(first) = self.linked.get(&identity).cloned() {
            let member = Member {
                link: &first,
                size: 0,
                ..member(path, EntryType::Link, seen)
            };
            return self.put(&member, &mut io::empty());
        }
        // Should somebody have put a pipe in its place, nobody waits for its other end.
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let open = openat(&dir, name, flags, Mode::empty()).context("open", shown)?;
        let stat = fstat(&open).context("stat", shown)?;
        if stat.st_mode & libc::S_IFMT != libc::S_IFREG {
            return Err(io::Error::other("it was replaced meanwhile")).context("copy", shown);
        }
        if stat.st_nlink > 1 {
            self.linked.insert(identity, path.to_owned());
        }
        let member = Member {
            size: u64::try_from(stat.st_size).unwrap_or(0),
            ..member(path, EntryType::Regular, &stat)
        };
        self.put(&member, &mut File::from(open))
    }

    fn put(&mut self, member: &Member<'_>, content: &mut dyn io::Read) -> fsx::Result<()> {
        let shown = Path::new(OsStr::from_bytes(member.path)).to_owned();
        self.tarball.add(member, content).context("copy", shown)
    }
}

/// An entry but for content and link.
fn member<'a>(path: &'a [u8], kind: EntryType, stat: &FileStat) -> Member<'a> {
    Member {
        kind,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        changed: (
            stat.st_mtime,
            u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
        ),
        ..Member::file(path, 0)
    }
}

/// The names in a directory, sorted, so that the same tree always makes the same archive.
fn names(dir: &OwnedFd) -> io::Result<Vec<OsString>> {
    let mut open = Dir::from_fd(dir.try_clone()?)?;
    let mut names = Vec::new();
    for entry in open.iter() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    names.sort();
    Ok(names)
}
