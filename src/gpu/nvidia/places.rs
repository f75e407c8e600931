//! The directories in which the driver's libraries may be, and why.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::base::path::{GuestPath, HostPath};
use crate::base::{env, fsx};
use crate::gpu::ldcache::{self, Cache};
use crate::gpu::vantage::{Machine, Vantage};

/// Directories beyond this are not looked at.
const MAX_PLACES: usize = 64;
/// One line, or a few.
const MAX_MUSL_PATH: u64 = 64 << 10;

/// The two libraries that every driver has; where they are, the others are.
const LANDMARKS: [&str; 2] = ["libcuda.so.1", "libnvidia-ml.so.1"];

/// What is in a directory that has to do with the driver, though it be only the toolkit's stub.
const SIGNS: [&str; 3] = ["libcuda.so.1", "libnvidia-ml.so.1", "libcuda.so"];

/// Directories of distributions and clusters, for what neither cache nor path leads to; `{T}` is the multiarch
/// tuple and `{M}` the machine. `/cvmfs` is left out: to look there mounts it, which takes seconds.
const KNOWN: [&str; 21] = [
    "/usr/lib/{T}", // Debian, Ubuntu
    "/usr/lib/{T}/nvidia/current",
    "/usr/lib64", // Red Hat, SUSE, Gentoo
    "/usr/lib64/nvidia",
    "/usr/lib", // Arch, Void
    "/usr/lib/nvidia",
    "/run/opengl-driver/lib",  // NixOS
    "/usr/local/nvidia/lib64", // in a pod of Kubernetes
    "/usr/local/nvidia/lib",
    "/usr/lib64-nvidia",                 // Colab
    "/.singularity.d/libs",              // in a container of Apptainer
    "/home/kubernetes/bin/nvidia/lib64", // nodes of GKE
    "/var/lib/nvidia/lib64",
    "/opt/nvidia/lib64",
    "/cm/local/apps/cuda/libs/current/lib64", // Bright Cluster Manager
    "/{M}-bottlerocket-linux-gnu/sys-root/usr/lib/nvidia/tesla",
    "/usr/local/glibc/usr/lib", // Talos
    "/usr/lib/{T}/tegra",
    "/usr/local/lib64",
    "/usr/local/lib/{T}",
    "/usr/local/lib",
];

/// Directories that hold a part of the driver and neither of the landmarks: Debian has `libnvidia-cfg` there.
const COMPANIONS: [&str; 1] = ["/usr/lib/{T}/nvidia"];

/// Why a directory is looked at to which nothing on the host leads.
pub(super) const KNOWN_PLACE: &str = "known place";

/// One directory.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Below the driver root, links followed.
    pub(super) path: GuestPath,
    /// The same on the host.
    pub(super) host: HostPath,
    /// Why it is looked at.
    pub(super) because: &'static str,
}

/// Directories in the order in which they were found, each once.
pub(super) struct Places<'a> {
    vantage: &'a Vantage,
    found: Vec<Place>,
}

impl<'a> Places<'a> {
    /// What the loader's cache and the caller's search path lead to.
    pub(super) fn named(vantage: &'a Vantage) -> Places<'a> {
        let mut places = Places {
            vantage,
            found: Vec::new(),
        };
        for path in cached(vantage) {
            places.add_with_target(&path, "ld.so.cache");
        }
        for directory in &vantage.library_path {
            places.add_if_signed(directory, env::LD_LIBRARY_PATH);
        }
        places.add_companions();
        places
    }

    /// Adds what is known of distributions: for hosts without a cache, or with one that is stale. How many there were
    /// before is returned.
    pub(super) fn add_known(&mut self) -> usize {
        let n_before = self.found.len();
        for directory in musl_path(self.vantage) {
            self.add_if_signed(&directory, "ld-musl path");
        }
        for directory in KNOWN
            .iter()
            .filter_map(|name| expand(name, self.vantage.machine))
        {
            self.add_if_signed(&directory, KNOWN_PLACE);
        }
        self.add_companions();
        n_before
    }

    /// The directories.
    pub(super) fn all(&self) -> &[Place] {
        &self.found
    }

    /// Adds the directory of a library, and that of the file to which it leads: Debian's alternatives and NixOS have
    /// links in the one and the driver in the other.
    fn add_with_target(&mut self, library: &GuestPath, because: &'static str) {
        if let Some(directory) = parent(library) {
            self.add(&directory, because);
        }
        let target = self.vantage.root.resolve(library).ok();
        let directory = target.and_then(|target| parent(&below(self.vantage, &target)?));
        if let Some(directory) = directory {
            self.add(&directory, "link target");
        }
    }

    /// Adds a directory if something of a driver is in it. To ask for three names is cheap where a directory is on a
    /// server; to list it is not.
    fn add_if_signed(&mut self, directory: &GuestPath, because: &'static str) {
        let Ok(host) = self.vantage.root.resolve(directory) else {
            return;
        };
        let is_there = |name: &str| fsx::symlink_metadata(host.join(name)).is_ok();
        for sign in SIGNS.iter().filter(|name| is_there(name)) {
            self.add_with_target(&directory.join(sign), because);
        }
    }

    fn add_companions(&mut self) {
        // Without a driver beside it, its directory means nothing.
        if self.found.is_empty() {
            return;
        }
        let machine = self.vantage.machine;
        for directory in COMPANIONS.iter().filter_map(|name| expand(name, machine)) {
            self.add(&directory, KNOWN_PLACE);
        }
    }

    fn add(&mut self, directory: &GuestPath, because: &'static str) {
        let Ok(host) = self.vantage.root.resolve(directory) else {
            return;
        };
        let is_new = self.found.iter().all(|place| place.host != host);
        if !is_new || self.found.len() >= MAX_PLACES || !host.is_dir() {
            return;
        }
        if let Some(path) = below(self.vantage, &host) {
            self.found.push(Place {
                path,
                host,
                because,
            });
        }
    }
}

/// Where a path of the host is below the driver root.
pub(super) fn below(vantage: &Vantage, host: &HostPath) -> Option<GuestPath> {
    let rest = host.strip_prefix(&**vantage.root.path()).ok()?;
    Some(GuestPath::root().join(rest))
}

/// The directory of a path.
pub(super) fn parent(path: &GuestPath) -> Option<GuestPath> {
    path.as_path().parent().and_then(GuestPath::new)
}

/// What the loader's cache says of the landmarks, for programs of this machine.
fn cached(vantage: &Vantage) -> Vec<GuestPath> {
    let path = GuestPath::root().join("etc/ld.so.cache");
    let file = vantage.root.resolve(&path).ok();
    let bytes = file.and_then(|file| fsx::read_regular(file, ldcache::MAX_SIZE).ok());
    let Some(cache) = bytes.and_then(|bytes| Cache::parse(&bytes)) else {
        return Vec::new();
    };
    let of_name = |name: &&str| {
        let entries = cache.entries.iter();
        let name = name.as_bytes().to_owned();
        entries.filter(move |entry| entry.name == name && entry.is_for(vantage.machine))
    };
    let entries = LANDMARKS.iter().flat_map(|name| of_name(name));
    let paths = entries.filter_map(|entry| GuestPath::new(OsStr::from_bytes(&entry.path)));
    paths.take(MAX_PLACES).collect()
}

/// The directories that musl's loader searches, where it is told. musl, ldso/dynlink.c.
fn musl_path(vantage: &Vantage) -> Vec<GuestPath> {
    let path = GuestPath::root().join(format!("etc/ld-musl-{}.path", vantage.machine));
    let file = vantage.root.resolve(&path).ok();
    let bytes = file.and_then(|file| fsx::read_regular(file, MAX_MUSL_PATH).ok());
    let text = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
    let directories = text.split([':', '\n']).filter_map(GuestPath::new);
    directories.take(MAX_PLACES).collect()
}

fn expand(name: &str, machine: Machine) -> Option<GuestPath> {
    let name = name.replace("{T}", machine.triplet());
    GuestPath::new(name.replace("{M}", &machine.to_string()))
}
