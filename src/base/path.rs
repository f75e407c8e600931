//! Paths of the host and paths of the guest, kept apart by type.
//!
//! A [`GuestPath`] becomes a [`HostPath`] only through a [`RootDir`], which
//! resolves it the way a process with that root would see it.
#![expect(
    clippy::disallowed_methods,
    reason = "the walk wants bare errno values"
)]

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::ops::Deref;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use serde::{Serialize, Serializer};

/// Symbolic links followed before a path counts as a loop; path_resolution(7).
const MAX_SYMLINKS: usize = 40;

/// A path as this process sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPath(PathBuf);

impl HostPath {
    /// Takes `path` as one of the host's.
    pub fn new(path: impl Into<PathBuf>) -> HostPath {
        HostPath(path.into())
    }

    /// This path with `name` appended.
    pub fn join(&self, name: impl AsRef<Path>) -> HostPath {
        HostPath(self.0.join(name))
    }
}

impl Deref for HostPath {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for HostPath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for HostPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

/// For reports: what is not UTF-8 shows as U+FFFD.
impl Serialize for HostPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An absolute path inside a container, without `.`, `..` and doubled slashes.
///
/// `..` is taken away by name, as Docker does with `-v` and `-w`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GuestPath(PathBuf);

impl GuestPath {
    /// The root of the container.
    pub fn root() -> GuestPath {
        GuestPath(PathBuf::from("/"))
    }

    /// Cleans an absolute path; `None` for a relative one or one with a NUL byte.
    pub fn new(path: impl AsRef<OsStr>) -> Option<GuestPath> {
        let path = Path::new(path.as_ref());
        if !path.is_absolute() || path.as_os_str().as_bytes().contains(&0) {
            return None;
        }
        Some(GuestPath::root().join(path))
    }

    /// This path followed by `rest`, whose `..` stop at the root.
    pub fn join(&self, rest: impl AsRef<Path>) -> GuestPath {
        let mut clean = self.0.clone();
        for component in rest.as_ref().components() {
            match component {
                Component::Normal(name) => clean.push(name),
                Component::ParentDir => {
                    clean.pop();
                }
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            }
        }
        GuestPath(clean)
    }

    /// The path below the root: `/a/b` gives `a/b`, the root gives an empty path.
    pub fn relative(&self) -> &Path {
        self.0.strip_prefix("/").unwrap_or(&self.0)
    }

    /// The path as such, starting with `/`.
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for GuestPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

/// As [`HostPath`].
impl Serialize for GuestPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A directory that serves as somebody's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootDir(HostPath);

impl RootDir {
    /// Takes `path` as a root directory; nothing is opened.
    pub fn new(path: HostPath) -> RootDir {
        RootDir(path)
    }

    /// The directory itself, on the host.
    pub fn path(&self) -> &HostPath {
        &self.0
    }

    /// Where `guest` lies on the host once every symbolic link in it is followed
    /// inside this root. The last component may be absent; parents may not.
    ///
    /// For trees that nobody changes meanwhile (our own store): the answer is a
    /// name, and a name can be swapped under a reader. path_resolution(7).
    pub fn resolve(&self, guest: &GuestPath) -> io::Result<HostPath> {
        self.walk(guest, Absent::LastOnly)
    }

    /// As [`RootDir::resolve`], for a path that is about to be created: whatever
    /// follows an absent component is taken by name.
    pub fn locate(&self, guest: &GuestPath) -> io::Result<HostPath> {
        self.walk(guest, Absent::Any)
    }

    fn walk(&self, guest: &GuestPath, absent: Absent) -> io::Result<HostPath> {
        let mut links = 0;
        let mut done = PathBuf::new();
        let mut todo: Vec<OsString> = reversed(guest.relative());
        while let Some(name) = todo.pop() {
            if name == ".." {
                done.pop();
                continue;
            }
            let here = self.0.join(&done).join(&name);
            match std::fs::symlink_metadata(&here) {
                Ok(meta) if meta.file_type().is_symlink() => {
                    links += 1;
                    if links > MAX_SYMLINKS {
                        return Err(io::Error::from_raw_os_error(libc::ELOOP));
                    }
                    let target = std::fs::read_link(&here)?;
                    if target.is_absolute() {
                        done = PathBuf::new();
                    }
                    todo.extend(reversed(&target));
                }
                Err(error) if absent == Absent::LastOnly && !todo.is_empty() => return Err(error),
                _ => done.push(name),
            }
        }
        Ok(self.0.join(done))
    }
}

/// Which components of a path may be absent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Absent {
    LastOnly,
    Any,
}

/// The names of `path`, last first, with `..` kept and `/` and `.` dropped.
fn reversed(path: &Path) -> Vec<OsString> {
    let names = path.as_os_str().as_bytes().split(|byte| *byte == b'/');
    let kept = names.filter(|name| !name.is_empty() && *name != b".");
    let mut names: Vec<_> = kept.map(|name| OsString::from_vec(name.to_vec())).collect();
    names.reverse();
    names
}
