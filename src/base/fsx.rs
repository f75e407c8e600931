//! `std::fs` with the path in every error, and files that appear whole or not at all.
//!
//! The rest of coracle calls these instead of `std::fs`, which clippy forbids.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the replacement that the lint names"
)]

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::{Mode, UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;

use crate::base::creator::Creator;
use crate::base::deep;
use crate::base::fault::{Fault, Kind};

/// An operation of the file system that failed, and on what.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} `{}`", path.display())]
pub struct PathError {
    /// What was tried, such as "open" or "rename".
    pub operation: &'static str,
    /// On which path.
    pub path: PathBuf,
    /// Why it failed.
    pub source: io::Error,
}

/// A result of this module.
pub type Result<T> = std::result::Result<T, PathError>;

impl PathError {
    /// Whether nothing exists under that name.
    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }

    /// Whether permission bits or ownership forbid it.
    pub fn is_denied(&self) -> bool {
        self.source.kind() == io::ErrorKind::PermissionDenied
    }

    /// Whether something exists under that name already.
    pub fn is_already_there(&self) -> bool {
        let errno = self.source.raw_os_error();
        errno == Some(libc::EEXIST) || errno == Some(libc::ENOTEMPTY)
    }
}

impl Fault for PathError {
    fn kind(&self) -> Kind {
        match self.source.raw_os_error() {
            Some(libc::ENOENT) => Kind::NotFound,
            _ => Kind::Storage,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self.source.raw_os_error() {
            Some(libc::ENOSPC | libc::EDQUOT) => vec![
                "the file system or your quota is full: free space, run `coracle gc`, or set CORACLE_HOME to a directory with room".into(),
            ],
            Some(libc::EFBIG) => {
                vec!["raise the limit of the size of files, which `ulimit -f` shows".into()]
            }
            Some(libc::EMFILE) => {
                vec!["raise the limit of open files, which `ulimit -n` shows".into()]
            }
            Some(libc::EROFS | libc::EACCES | libc::EPERM) => {
                vec!["set CORACLE_HOME to a directory that you can write".into()]
            }
            // A directory is made with its parents, so one of them cannot be had.
            Some(libc::ENOENT | libc::ENOTDIR) if self.operation == "create directory" => {
                vec!["set CORACLE_HOME to a directory that you can write".into()]
            }
            _ => Vec::new(),
        }
    }
}

/// Adds operation and path to an [`io::Result`].
pub trait Context<T> {
    /// Names what was tried, and on what, should this be an error.
    fn context(self, operation: &'static str, path: impl AsRef<Path>) -> Result<T>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, operation: &'static str, path: impl AsRef<Path>) -> Result<T> {
        self.map_err(|source| PathError {
            operation,
            path: path.as_ref().to_owned(),
            source,
        })
    }
}

impl<T> Context<T> for nix::Result<T> {
    fn context(self, operation: &'static str, path: impl AsRef<Path>) -> Result<T> {
        self.map_err(io::Error::from).context(operation, path)
    }
}

/// Opens for reading. openat(2), because musl's open(3) makes two system calls of it.
pub fn open(path: impl AsRef<Path>) -> Result<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    loop {
        match openat(AT_FDCWD, path.as_ref(), flags, Mode::empty()) {
            Err(Errno::EINTR) => {}
            opened => return opened.map(File::from).context("open", path),
        }
    }
}

/// Creates a file that must not exist yet, with permission bits `mode`, for writing. open(2).
pub fn create_new(path: impl AsRef<Path>, mode: u32) -> Result<File> {
    let mut options = fs::OpenOptions::new();
    options
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&path)
        .context("create", path)
}

/// Makes an empty file with permission bits `mode`, unless something has its name. open(2).
pub fn create_if_absent(path: impl AsRef<Path>, mode: u32) -> Result<()> {
    match create_new(path, mode) {
        Err(error) if error.is_already_there() => Ok(()),
        created => created.map(drop),
    }
}

/// Opens an existing file for writing at its end. open(2), `O_APPEND`.
pub fn open_append(path: impl AsRef<Path>) -> Result<File> {
    let mut options = fs::OpenOptions::new();
    options.append(true).open(&path).context("open", path)
}

/// Reads a whole file of at most `limit` bytes; a larger one is an error.
pub fn read(path: impl AsRef<Path>, limit: u64) -> Result<Vec<u8>> {
    read_opened(open(&path)?, path.as_ref(), limit)
}

fn read_opened(file: File, path: &Path, limit: u64) -> Result<Vec<u8>> {
    // Most files read here are smaller, and this saves them a read for every doubling.
    let mut bytes = Vec::with_capacity(4096);
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .context("read", path)?;
    if bytes.len() as u64 > limit {
        let too_large = io::Error::other(format!("larger than {limit} bytes"));
        return Err(too_large).context("read", path);
    }
    Ok(bytes)
}

/// As [`read`], with `None` for a file that does not exist.
pub fn read_if_there(path: impl AsRef<Path>, limit: u64) -> Result<Option<Vec<u8>>> {
    absent_as_none(read(path, limit))
}

/// Turns "no such file" into `None`.
pub fn absent_as_none<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Facts of a file, links followed. stat(2).
pub fn metadata(path: impl AsRef<Path>) -> Result<Metadata> {
    fs::metadata(&path).context("stat", path)
}

/// Facts of a file or of the link itself. lstat(2).
pub fn symlink_metadata(path: impl AsRef<Path>) -> Result<Metadata> {
    fs::symlink_metadata(&path).context("stat", path)
}

/// Where a symbolic link points. readlink(2).
pub fn read_link(path: impl AsRef<Path>) -> Result<PathBuf> {
    fs::read_link(&path).context("read link", path)
}

/// The real path, links followed. realpath(3).
pub fn canonicalize(path: impl AsRef<Path>) -> Result<PathBuf> {
    fs::canonicalize(&path).context("resolve", path)
}

/// The entries of a directory, unsorted. readdir(3).
pub fn read_dir(path: impl AsRef<Path>) -> Result<Vec<fs::DirEntry>> {
    let path = path.as_ref();
    let entries = fs::read_dir(path).context("list", path)?;
    entries.collect::<io::Result<_>>().context("list", path)
}

/// Calls `each` with the name of every entry of a directory, unsorted, and its type where the file system tells it here.
/// For directories of thousands of names of which few count: nothing is allocated for the others. readdir(3).
pub fn each_entry(
    path: impl AsRef<Path>,
    mut each: impl FnMut(&OsStr, Option<Type>),
) -> Result<()> {
    let path = path.as_ref();
    let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let mut directory = Dir::open(path, flags, Mode::empty()).context("list", path)?;
    for entry in directory.iter() {
        let entry = entry.context("list", path)?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            each(OsStr::from_bytes(name), entry.file_type());
        }
    }
    Ok(())
}

/// The names in a directory that are text; none where it cannot be listed.
pub fn names(path: impl AsRef<Path>) -> Vec<String> {
    let mut names = Vec::new();
    let _what_cannot_be_listed_is_empty = each_entry(path, |name, _| {
        names.extend(name.to_str().map(str::to_owned));
    });
    names
}

/// Creates one directory with permission bits `mode`. mkdir(2).
pub fn create_dir(path: impl AsRef<Path>, mode: u32) -> Result<()> {
    fs::DirBuilder::new()
        .mode(mode)
        .create(&path)
        .context("create directory", path)
}

/// Creates a directory and its parents, each 0700; nothing to do where it exists.
pub fn create_dir_all(path: impl AsRef<Path>) -> Result<()> {
    create_dirs(path, 0o700)
}

/// Creates a directory and its parents with permission bits `mode`; nothing to do where it exists.
pub fn create_dirs(path: impl AsRef<Path>, mode: u32) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder
        .recursive(true)
        .mode(mode)
        .create(&path)
        .context("create directory", path)
}

/// Renames, replacing a file of the new name. rename(2).
pub fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<()> {
    fs::rename(&from, &to).context("rename to", to)
}

/// Gives a file a second name, which must be free. link(2).
pub fn hard_link(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<()> {
    fs::hard_link(&from, &to).context("link to", to)
}

/// Makes a symbolic link with the text `target`; its name must be free. symlink(2).
pub fn symlink(target: impl AsRef<Path>, link: impl AsRef<Path>) -> Result<()> {
    std::os::unix::fs::symlink(target, &link).context("link", link)
}

/// Sets permission bits. chmod(2).
pub fn set_mode(path: impl AsRef<Path>, mode: u32) -> Result<()> {
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).context("change mode of", path)
}

/// Removes a file; an absent one is success. unlink(2).
pub fn remove_file(path: impl AsRef<Path>) -> Result<()> {
    absent_as_none(fs::remove_file(&path).context("remove", path)).map(drop)
}

/// Removes an empty directory. rmdir(2).
pub fn remove_dir(path: impl AsRef<Path>) -> Result<()> {
    fs::remove_dir(&path).context("remove directory", path)
}

/// Removes a tree, also one with directories that forbid it to their owner;
/// an absent one is success. Links are removed, not followed.
pub fn remove_tree(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let opened = match fs::remove_dir_all(path) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.exists() => return Ok(()),
        // One descriptor for each level of the tree is more than we may have.
        Err(error) if error.raw_os_error() == Some(libc::EMFILE) => {
            return deep::remove(path).context("remove tree", path);
        }
        Err(_) => open_up(path),
    };
    let removed = absent_as_none(fs::remove_dir_all(path).context("remove tree", path));
    // A directory that could not be opened up is why it cannot be emptied.
    removed
        .map(drop)
        .map_err(|error| opened.err().unwrap_or(error))
}

/// Gives the owner all rights on every directory below `top`, as far as that goes; the first reason why it goes no further.
fn open_up(top: &Path) -> Result<()> {
    let mut first = Ok(());
    let mut todo = vec![top.to_owned()];
    while let Some(dir) = todo.pop() {
        // One that is gone hinders nobody.
        let opened = absent_as_none(open_up_one(&dir, &mut todo));
        first = first.and(opened.map(drop));
    }
    first
}

/// The same for one directory; adds those below it to `todo`.
fn open_up_one(dir: &Path, todo: &mut Vec<PathBuf>) -> Result<()> {
    if !symlink_metadata(dir)?.is_dir() {
        return Ok(());
    }
    let opened = set_mode(dir, 0o700);
    let mut list = || {
        for entry in read_dir(dir)? {
            if entry.file_type().context("stat", entry.path())?.is_dir() {
                todo.push(entry.path());
            }
        }
        Ok(())
    };
    let listed = list();
    opened.and(listed)
}

/// Creates or overwrites a file with permission bits `mode`; for trees that only we see yet.
///
/// Closing is checked: NFS and Lustre report a full quota only there, unless somebody flushes. close(2).
pub fn write(path: impl AsRef<Path>, bytes: &[u8], mode: u32) -> Result<()> {
    let mut file = File::create(&path).context("create", &path)?;
    file.write_all(bytes).context("write", &path)?;
    nix::unistd::close(file).context("write", &path)?;
    set_mode(path, mode)
}

/// As [`write`], unless the file has these bytes. Others may be reading it, who must not find it cut short: a loader
/// that has it mapped would die of that. So a new file takes its place, and that of a pipe, which is not opened, as
/// that would wait for whoever has its other end. mmap(2), SIGBUS; fifo(7).
pub fn write_if_different(path: impl AsRef<Path>, bytes: &[u8], mode: u32) -> Result<()> {
    let path = path.as_ref();
    let has_them = || read(path, bytes.len() as u64).is_ok_and(|present| present == bytes);
    if symlink_metadata(path).is_ok_and(|meta| meta.is_file()) && has_them() {
        return Ok(());
    }
    let private = private_sibling(path)?;
    write(&private, bytes, mode)
        .and_then(|()| rename(&private, path))
        .inspect_err(|_| drop(remove_file(&private)))
}

/// As [`read`], for a place at which anybody may have put anything: what is no regular file is an error. A pipe is not
/// waited for. fifo(7).
pub fn read_regular(path: impl AsRef<Path>, limit: u64) -> Result<Vec<u8>> {
    let path = path.as_ref();
    let mut options = fs::OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK);
    let file = options.open(path).context("open", path)?;
    match file.metadata().context("stat", path)?.is_file() {
        true => read_opened(file, path, limit),
        false => Err(io::Error::other("not a regular file")).context("read", path),
    }
}

/// As [`read_regular`], with `None` where nothing has that name. Behind a link that leads nowhere, such as to a file
/// server that is not mounted, something is meant to be: that is an error.
pub fn read_regular_if_there(path: impl AsRef<Path>, limit: u64) -> Result<Option<Vec<u8>>> {
    let path = path.as_ref();
    let lies_behind_a_link = || {
        let nearest = path
            .ancestors()
            .find_map(|above| fs::symlink_metadata(above).ok());
        nearest.is_some_and(|meta| meta.is_symlink())
    };
    match read_regular(path, limit) {
        Err(error) if error.is_not_found() && !lies_behind_a_link() => Ok(None),
        read => read.map(Some),
    }
}

/// A name for a private sibling of `path`, unique among processes and hosts, which tells
/// its creator: `.<name>.<creator>`. Sweepers know such files by both.
pub fn private_sibling(path: impl AsRef<Path>) -> Result<PathBuf> {
    let path = path.as_ref();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let dir = path.parent().unwrap_or(path);
    Creator::current().private_name(dir, &format!(".{name}"))
}

/// Writes a file that appears under its name whole and durable, or not at all;
/// an older file of that name is replaced. `mode` are its permission bits.
pub fn write_atomic(path: impl AsRef<Path>, bytes: &[u8], mode: u32) -> Result<()> {
    let path = path.as_ref();
    let private = private_sibling(path)?;
    let written = write_private(&private, bytes, mode).and_then(|()| rename(&private, path));
    if written.is_err() {
        let _the_first_error_counts = remove_file(&private);
    }
    written
}

/// Writes a new file with permission bits `mode` and makes its content durable; its
/// name may still be lost. For names that nobody else looks at. fsync(2).
pub fn write_private(path: impl AsRef<Path>, bytes: &[u8], mode: u32) -> Result<()> {
    let path = path.as_ref();
    let mut file = create_new(path, mode)?;
    file.write_all(bytes).context("write", path)?;
    file.sync_all().context("flush", path)
}

/// The same for what need not survive a crash of the host: the content may be lost with it.
pub fn write_unsynced(path: impl AsRef<Path>, bytes: &[u8], mode: u32) -> Result<()> {
    let path = path.as_ref();
    let mut file = create_new(path, mode)?;
    file.write_all(bytes).context("write", path)?;
    nix::unistd::close(file).context("write", path)
}

/// Sets the times to now, by the clock of the file's server. utimensat(2), `UTIME_NOW`.
pub fn touch(path: impl AsRef<Path>) -> Result<()> {
    let now = TimeSpec::UTIME_NOW;
    utimensat(
        AT_FDCWD,
        path.as_ref(),
        &now,
        &now,
        UtimensatFlags::NoFollowSymlink,
    )
    .context("touch", path)
}

/// Sets the time of the last change to `seconds` and `nanoseconds` since 1970, of a link itself. utimensat(2).
pub fn set_changed(path: impl AsRef<Path>, seconds: i64, nanoseconds: i64) -> Result<()> {
    let time = TimeSpec::new(seconds, nanoseconds);
    let flags = UtimensatFlags::NoFollowSymlink;
    utimensat(AT_FDCWD, path.as_ref(), &time, &time, flags).context("set the times of", path)
}

/// Makes the names in a directory durable. fsync(2).
pub fn sync_dir(path: impl AsRef<Path>) -> Result<()> {
    open(&path)?.sync_all().context("flush", path)
}
