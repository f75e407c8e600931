//! What of a directory has to do with the driver, by its names and by where links lead.

use crate::base::fsx;
use crate::base::path::{GuestPath, HostPath};
use crate::gpu::nvidia::places::Place;
use crate::gpu::nvidia::{Reason, table, version};
use crate::gpu::vantage::Vantage;

/// Names of one directory beyond this are not looked at; a driver has some 150, links among them.
const MAX_ENTRIES: usize = 1024;

/// Directories below one of libraries in which a driver has some: plug-ins of VDPAU, which the loader's cache never
/// names, and libraries for the thread-local storage of kernels after 2.6, as packages before 2020 had them.
const FOLDERS: [&str; 3] = ["", "vdpau", "tls"];

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
    fn takes(self, name: &str) -> bool {
        let Some(stem) = table::stem(name) else {
            return false;
        };
        match self {
            Interest::Libraries => true,
            Interest::Driver(Some(version)) => {
                ends_with(name, version) || table::row(stem).is_some()
            }
            Interest::Driver(None) => {
                version::of_name(name).is_some() || table::row(stem).is_some()
            }
        }
    }

    /// Whether a link of that name is followed to see what name it leads to: the file may carry the version
    /// (`libnvidia-new.so.1` in one directory, which leads to `libnvidia-new.so.580.159.04` in another).
    fn follows(self, name: &str) -> bool {
        matches!(self, Interest::Driver(_))
            && (name.starts_with("libnv") || name.contains("_nvidia"))
    }
}

/// The names of a directory that count, sorted.
pub(super) fn list(vantage: &Vantage, place: &Place, interest: Interest<'_>) -> Vec<Entry> {
    let folders = FOLDERS.iter().flat_map(|folder| {
        // `join` with an empty name would end the path with a slash.
        let (host, path) = match *folder {
            "" => (place.host.clone(), place.path.clone()),
            folder => (place.host.join(folder), place.path.join(folder)),
        };
        list_one(vantage, &host, &path, interest)
    });
    folders.take(MAX_ENTRIES).collect()
}

fn list_one(
    vantage: &Vantage,
    host: &HostPath,
    path: &GuestPath,
    interest: Interest<'_>,
) -> Vec<Entry> {
    let mut entries = Vec::new();
    for entry in fsx::read_dir(host).unwrap_or_default() {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.contains(".so")) else {
            continue;
        };
        let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        let counts = interest.takes(name);
        let may_count = counts || is_link && interest.follows(name);
        if !may_count {
            continue;
        }
        let path = path.join(name);
        let real = match is_link {
            true => vantage.root.resolve(&path).map_err(broken),
            false => Ok(host.join(name)),
        };
        let name = name.to_owned();
        let entry = Entry { name, path, real };
        if counts || entry.real_name().is_some_and(|name| interest.takes(name)) {
            entries.push(entry);
        }
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

/// Whether a library's name ends with a version.
pub(super) fn ends_with(name: &str, version: &str) -> bool {
    let stem = name.strip_suffix(version);
    stem.is_some_and(|stem| stem.ends_with(".so."))
}

fn broken(error: std::io::Error) -> Reason {
    match error.kind() {
        std::io::ErrorKind::NotFound => Reason::Dangling,
        _ => Reason::Unreadable(error.to_string()),
    }
}
