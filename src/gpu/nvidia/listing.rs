//! What of a directory has to do with the driver, by its names and by where links lead.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use nix::dir::Type;

use crate::base::fsx;
use crate::base::path::{GuestPath, HostPath};
use crate::gpu::nvidia::places::Place;
use crate::gpu::nvidia::{Reason, inspect, table, version};
use crate::gpu::vantage::Vantage;

/// Names of one directory beyond this are not looked at; a driver has some 150, links among them.
const MAX_ENTRIES: usize = 1024;

/// Links followed from name to name beside it; packages have two.
const MAX_LINKS: usize = 8;

/// Directories below one of libraries in which a driver has some: plug-ins of VDPAU, which the loader's cache never
/// names, and libraries for the thread-local storage of kernels after 2.6, as packages before 2020 had them.
const FOLDERS: [&str; 2] = ["vdpau", "tls"];

/// One name.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The last part.
    pub(super) name: String,
    /// Below the driver root; the directory's links are followed, its own are not.
    pub(super) path: GuestPath,
    /// Where it really is on the host.
    pub(super) real: Result<HostPath, Reason>,
}

impl Entry {
    /// The last part of where it really is.
    pub(super) fn real_name(&self) -> Option<&str> {
        self.real.as_ref().ok()?.file_name()?.to_str()
    }
}

/// Which names count.
#[derive(Clone, Copy, Debug)]
pub(super) enum Interest<'a> {
    /// Those of the table, and those that end with this version; where the version is not known yet, with any that
    /// could be one of a driver.
    Driver(Option<&'a str>),
    /// Those of any library.
    Libraries,
}

impl Interest<'_> {
    /// Whether a file of that name counts.
    pub(super) fn takes(self, name: &str) -> bool {
        match self {
            Interest::Libraries => table::stem(name).is_some(),
            Interest::Driver(Some(version)) => ends_with(name, version) || table::knows(name),
            Interest::Driver(None) => version::of_name(name).is_some() || table::knows(name),
        }
    }

    /// Whether a link of that name is followed to see what name it leads to: the file may carry the version
    /// (`libnvidia-new.so.1` in one directory, which leads to `libnvidia-new.so.580.159.04` in another).
    fn follows(self, name: &str) -> bool {
        matches!(self, Interest::Driver(_)) && (name.starts_with("libnv") || has_nvidia(name))
    }
}

/// Whether `_nvidia` is in a name. Most have no `_` at all, which is found sooner than that they lack the word.
fn has_nvidia(name: &str) -> bool {
    let mut parts = name.split('_').skip(1);
    parts.any(|part| part.starts_with("nvidia"))
}

/// The names of a directory that count, sorted.
pub(super) fn list(vantage: &Vantage, place: &Place, interest: Interest<'_>) -> Vec<Entry> {
    let mut entries = list_one(vantage, &place.host, &place.path, interest);
    for folder in FOLDERS {
        let path = place.path.join(folder);
        // It may be a link: to the directory itself, or out of the tree.
        let host = vantage.root.resolve(&path).ok();
        if let Some(host) = host.filter(|host| *host != place.host) {
            entries.extend(list_one(vantage, &host, &path, interest));
        }
    }
    entries.truncate(MAX_ENTRIES);
    entries
}

fn list_one(
    vantage: &Vantage,
    host: &HostPath,
    path: &GuestPath,
    interest: Interest<'_>,
) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut directories = Directories::of(vantage);
    let _what_cannot_be_listed_is_empty = fsx::each_entry(host, |name, kind| {
        let Some(name) = name.to_str() else {
            return;
        };
        let counts = interest.takes(name);
        if !counts && !interest.follows(name) {
            return;
        }
        let path = path.join(name);
        let real = match kind {
            // Where the file system does not tell, this finds out.
            Some(Type::Symlink) | None => directories.follow(host, &path),
            Some(_) => Ok(host.join(name)),
        };
        let name = name.to_owned();
        let entry = Entry { name, path, real };
        if counts || entry.real_name().is_some_and(|name| interest.takes(name)) {
            entries.push(entry);
        }
    });
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

/// Whether a library's name ends with a version.
pub(super) fn ends_with(name: &str, version: &str) -> bool {
    let stem = name.strip_suffix(version);
    stem.is_some_and(|stem| stem.ends_with(".so."))
}

/// Directories to which links led so far: a driver has a hundred links, and they lead to one or two.
struct Directories<'a> {
    vantage: &'a Vantage,
    known: HashMap<GuestPath, Option<HostPath>>,
}

impl<'a> Directories<'a> {
    fn of(vantage: &'a Vantage) -> Directories<'a> {
        Directories {
            vantage,
            known: HashMap::new(),
        }
    }

    /// Where a link leads. Most lead to a name beside them or in a known directory, which needs no walk from the root
    /// of the tree.
    fn follow(&mut self, directory: &HostPath, path: &GuestPath) -> Result<HostPath, Reason> {
        let mut directory = directory.clone();
        let mut name = path.as_path().file_name().map(OsString::from);
        for _ in 0..MAX_LINKS {
            let Some(here) = name.as_ref().map(|name| directory.join(name)) else {
                break;
            };
            match fsx::read_link(&here) {
                Ok(target) => match self.directory(&target) {
                    Some(other) => {
                        directory = other;
                        name = target.file_name().map(OsString::from);
                    }
                    None => name = sibling(target),
                },
                // It is there and no link. readlink(2)
                Err(error) if error.source.raw_os_error() == Some(libc::EINVAL) => return Ok(here),
                Err(error) => return Err(inspect::reason(error)),
            }
        }
        let resolved = self.vantage.root.resolve(path);
        resolved.map_err(|error| inspect::reason_of(&error))
    }

    /// The directory of an absolute target that names a file in it.
    fn directory(&mut self, target: &Path) -> Option<HostPath> {
        let is_plain =
            target.is_absolute() && target.components().all(|part| part != Component::ParentDir);
        let parent = GuestPath::new(target.parent().filter(|_| is_plain)?)?;
        let root = &self.vantage.root;
        let known = self.known.entry(parent);
        known
            .or_insert_with_key(|parent| root.resolve(parent).ok())
            .clone()
    }
}

/// A target that is nothing but a name.
fn sibling(target: PathBuf) -> Option<OsString> {
    let is_name = target.file_name() == Some(target.as_os_str());
    is_name.then(|| target.into_os_string())
}
