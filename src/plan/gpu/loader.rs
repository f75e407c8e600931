//! How the guest's dynamic loader finds the driver's libraries whatever the environment: by its cache.
//!
//! A program that is set-id, or that was started with an empty environment, sees no `LD_LIBRARY_PATH`. So the guest
//! gets a cache of its own entries and ours, and a line of configuration by which its own `ldconfig` comes to the same
//! result. They are ordinary files in its writable view, made anew for each run: a file bound over the cache would make
//! that `ldconfig` fail (EBUSY), and with it every installation of a package.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::PLACES;
use crate::base::path::GuestPath;
use crate::gpu::guest::{Guest, Libc, OWN_CONF};
use crate::gpu::ldcache::{Cache, Entry};
use crate::gpu::vantage::Machine;
use crate::plan::{GuestFile, Mount};

const CACHE: &str = "/etc/ld.so.cache";
const CONF: &str = "/etc/ld.so.conf";
/// Lines of `ld.so.conf` by which it is read. ldconfig(8)
const INCLUDES: [&str; 3] = [
    "include /etc/ld.so.conf.d/*.conf",
    "include ld.so.conf.d/*.conf",
    "include /etc/ld.so.conf.d/*",
];
/// How a line of [`OWN_CONF`] begins that names a library which the cache has from us.
const MARK: &[u8] = b"# ";

/// What the loader is to find.
#[derive(Debug, Default)]
pub(super) struct Libraries {
    /// Names, and where each lies; those that come first win.
    pub(super) named: Vec<(Vec<u8>, GuestPath)>,
    /// The directories that hold them.
    pub(super) folders: Vec<GuestPath>,
}

impl Libraries {
    /// Puts a package for CUDA's forward compatibility before what comes later. That it has this one library is known
    /// of it; what it loads beside it, it finds by `LD_LIBRARY_PATH`.
    pub(super) fn put_first(&mut self, dir: &GuestPath) {
        self.named
            .push((b"libcuda.so.1".to_vec(), dir.join("libcuda.so.1")));
        self.folders.push(dir.clone());
    }
}

/// The files by which `guest` finds `libraries`, and nothing that an earlier run let it find.
pub(super) fn files(guest: &Guest, libraries: &Libraries) -> Vec<GuestFile> {
    if !reads_cache(guest) {
        return Vec::new();
    }
    let earlier = guest.own_conf.as_deref();
    if libraries.named.is_empty() && earlier.is_none() {
        return Vec::new();
    }
    let mut files = vec![
        file(
            CACHE,
            cache(guest, libraries, earlier.unwrap_or_default()).write(),
        ),
        file(OWN_CONF, own_conf(libraries)),
    ];
    let conf = guest.loader_conf.as_deref().unwrap_or_default();
    let includes = |line: &[u8]| INCLUDES.iter().any(|known| words(line) == *known);
    if !conf.split(|byte| *byte == b'\n').any(includes) {
        files.push(file(CONF, [INCLUDES[0].as_bytes(), b"\n", conf].concat()));
    }
    files
}

/// Whether the loader of `guest` will have the cache that [`files`] makes: that it reads one, and that no mount covers it.
pub(super) fn has_cache(guest: &Guest, mounts: &[Mount]) -> bool {
    let covers = |mount: &Mount| Path::new(CACHE).starts_with(mount.target.as_path());
    reads_cache(guest) && !mounts.iter().any(covers)
}

/// Musl has no cache, and static programs look for nothing.
fn reads_cache(guest: &Guest) -> bool {
    let is_foreign = guest
        .machine
        .is_some_and(|machine| machine != Ok(Machine::HERE));
    !is_foreign && matches!(guest.libc, Libc::Glibc(_))
}

/// The guest's entries but those of an earlier run of ours, and ours before them.
fn cache(guest: &Guest, libraries: &Libraries, earlier: &[u8]) -> Cache {
    let marked: Vec<&[u8]> = earlier
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.strip_prefix(MARK))
        .collect();
    let is_ours = |entry: &Entry| {
        let path = Path::new(std::ffi::OsStr::from_bytes(&entry.path));
        PLACES.iter().any(|place| path.starts_with(place))
            || marked.contains(&entry.path.as_slice())
    };
    let mut cache = guest
        .cache
        .as_deref()
        .and_then(Cache::parse)
        .unwrap_or_default();
    cache.entries.retain(|entry| !is_ours(entry));
    let entry = |(name, path): &(Vec<u8>, GuestPath)| {
        Entry::of(
            Machine::HERE,
            name.clone(),
            path.as_path().as_os_str().as_bytes(),
        )
    };
    cache.with_first(libraries.named.iter().map(entry))
}

fn own_conf(libraries: &Libraries) -> Vec<u8> {
    let mut text =
        b"# Written by coracle for each run: the driver of the host that this container runs on.\n"
            .to_vec();
    for folder in &libraries.folders {
        text.extend_from_slice(folder.as_path().as_os_str().as_bytes());
        text.push(b'\n');
    }
    // What lies outside of our own directory could not be told from the guest's own entries later.
    let elsewhere =
        |path: &&GuestPath| !PLACES.iter().any(|place| path.as_path().starts_with(place));
    for path in libraries
        .named
        .iter()
        .map(|(_, path)| path)
        .filter(elsewhere)
    {
        text.extend_from_slice(MARK);
        text.extend_from_slice(path.as_path().as_os_str().as_bytes());
        text.push(b'\n');
    }
    text
}

/// The words of a line of configuration, without its comment, one blank between them.
fn words(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    let line = line.split('#').next().unwrap_or_default();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn file(path: &str, content: Vec<u8>) -> GuestFile {
    GuestFile {
        path: GuestPath::root().join(path),
        content,
        mode: 0o644,
    }
}
