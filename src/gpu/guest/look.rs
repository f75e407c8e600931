//! Looks at an image's tree for what decides how a driver is put into it. No program of the image runs.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

use super::{Compat, Guest, Libc, OWN_CONF, Provider, Shipped};
use crate::base::fsx;
use crate::base::path::{GuestPath, RootDir};
use crate::base::stack::{Folder, Found, Stack};
use crate::gpu::elf::{self, Elf};
use crate::gpu::ldcache::{self, Cache};
use crate::gpu::vantage::Machine;

/// The dynamic loaders of the GNU C library; the ABI fixes their paths. glibc, `shlib-versions`.
const GLIBC_LOADERS: [(Machine, &str); 2] = [
    (Machine::X86_64, "/lib64/ld-linux-x86-64.so.2"),
    (Machine::Aarch64, "/lib/ld-linux-aarch64.so.1"),
];
/// The one library that says how old the GNU C library is.
const C_LIBRARY: &str = "libc.so.6";
/// The SONAMEs of a driver by which CUDA programs and `nvidia-smi` ask for it.
const DRIVER: [&str; 2] = ["libcuda.so.1", "libnvidia-ml.so.1"];
/// The place where a run puts the host's driver; what lies there in a tree is left over.
const OWN: &str = "/usr/local/nvidia";

/// The largest `/etc/ld.so.conf`; it has a line or two.
const MAX_CONF: u64 = 1 << 20;
/// Directories of the image's search path, entries of one name in its cache, folders `cuda*`, files in one of them, and
/// vendors of OpenCL that are looked at.
const MAX_FOLDERS: usize = 64;
/// The note of CUDA's packages for forward compatibility: its owner, and the section that it stands in.
const NOTE: (&str, &str) = ("NVIDIA Corporation", ".note.cuda.fwd_compatibility");

/// What `trees` (the uppermost first) say of the guest that has them as its root. Of the libraries `sonames` it is told
/// which the guest's programs would get, with `library_path` being their `LD_LIBRARY_PATH`.
///
/// A copy of everything that an engine made of an image is one tree, with nothing below it. What is damaged or cannot
/// be read counts as absent, as it does for the guest's loader.
pub fn look(trees: &[RootDir], sonames: &BTreeSet<String>, library_path: &[GuestPath]) -> Guest {
    let mut stack = Stack::of(trees);
    let bytes = stack.read(&place("/etc/ld.so.cache"), ldcache::MAX_SIZE);
    let cache = bytes.as_deref().and_then(Cache::parse).unwrap_or_default();
    let loader = glibc_loader(&mut stack);
    let machine = machine(&mut stack, &loader);
    let mut eyes = Eyes {
        machine: machine.and_then(Result::ok).unwrap_or(Machine::HERE),
        places: Vec::new(),
        cache,
        stack,
    };
    eyes.places = eyes.places(library_path);
    let providers: BTreeMap<String, Provider> = sonames
        .iter()
        .filter_map(|soname| Some((soname.clone(), eyes.provider(soname)?)))
        .collect();
    let compat = eyes.compat();
    Guest {
        libc: eyes.libc(loader.is_some(), &providers),
        machine,
        loader_conf: eyes.stack.read(&place("/etc/ld.so.conf"), MAX_CONF),
        own_conf: eyes.stack.read(&place(OWN_CONF), MAX_CONF),
        shipped: eyes.shipped(&compat),
        compat: compat.into_iter().map(|(package, _)| package).collect(),
        opencl_vendors: eyes.opencl_vendors(),
        providers,
        cache: bytes,
    }
}

/// What is known of a tree while it is looked at.
struct Eyes {
    stack: Stack,
    /// The guest's cache; empty where it has none.
    cache: Cache,
    /// Whose libraries count.
    machine: Machine,
    /// Where its loader looks for libraries without the cache.
    places: Vec<Place>,
}

/// A folder of libraries, and when it is searched.
struct Place {
    folder: Rc<Folder>,
    is_before_cache: bool,
}

impl Eyes {
    /// The folders of `library_path` and those that loaders know, each once. ld.so(8), "DESCRIPTION".
    fn places(&mut self, library_path: &[GuestPath]) -> Vec<Place> {
        let triplet = self.machine.triplet();
        let known = [
            format!("/lib/{triplet}"),
            format!("/usr/lib/{triplet}"),
            "/lib64".to_owned(),
            "/usr/lib64".to_owned(),
            "/lib".to_owned(),
            "/usr/lib".to_owned(),
        ];
        let own = library_path.iter().take(MAX_FOLDERS).cloned();
        let own = own
            .filter(|path| !path.as_path().starts_with(OWN))
            .map(|path| (path, true));
        let known = known.iter().map(|path| (place(path), false));
        let mut places: Vec<Place> = Vec::new();
        for (path, is_before_cache) in own.chain(known) {
            let Some(folder) = self.stack.folder(&path) else {
                continue;
            };
            if places.iter().all(|place| place.folder.path != folder.path) {
                places.push(Place {
                    folder,
                    is_before_cache,
                });
            }
        }
        places
    }

    /// Every path that `soname` may lead to, in the order in which the loader of the guest tries them.
    fn candidates(&self, soname: &str) -> Vec<GuestPath> {
        let in_places = |is_before_cache: bool| {
            let places = self.places.iter();
            let places = places.filter(move |place| place.is_before_cache == is_before_cache);
            places.map(|place| place.folder.path.join(soname))
        };
        let cached = self.cache.entries.iter();
        let cached =
            cached.filter(|entry| entry.name == soname.as_bytes() && entry.is_for(self.machine));
        let cached = cached.take(MAX_FOLDERS);
        let cached = cached.filter_map(|entry| GuestPath::new(OsStr::from_bytes(&entry.path)));
        in_places(true)
            .chain(cached)
            .chain(in_places(false))
            .collect()
    }

    fn provider(&mut self, soname: &str) -> Option<Provider> {
        if soname.contains('/') {
            return None;
        }
        self.candidates(soname).iter().find_map(|path| {
            let found = self.stack.file(path)?;
            // A loader passes by files of another machine.
            let elf = read(&found).filter(|elf| elf.machine() == Ok(self.machine))?;
            Some(Provider {
                path: found.path,
                versions: elf.defines,
            })
        })
    }

    /// The GNU C library's version is in the cache, which its `ldconfig` wrote (since 2.33), or is the newest of which
    /// the library has symbols; not every version has new ones, so that one may be too low.
    fn libc(&mut self, has_glibc: bool, providers: &BTreeMap<String, Provider>) -> Libc {
        if !has_glibc {
            let names = self.stack.names(&place("/lib"));
            let is_musl = |name: &str| name.starts_with("ld-musl-") && name.ends_with(".so.1");
            let has_musl = names.iter().any(|name| name.to_str().is_some_and(is_musl));
            return if has_musl { Libc::Musl } else { Libc::None };
        }
        if let Some((_, version)) = self
            .cache
            .generator
            .as_deref()
            .and_then(|text| text.rsplit_once("release version "))
            && version.starts_with(|first: char| first.is_ascii_digit())
        {
            return Libc::Glibc(Some(version.trim_end().to_owned()));
        }
        let provider = providers
            .get(C_LIBRARY)
            .cloned()
            .or_else(|| self.provider(C_LIBRARY));
        let versions = provider
            .map(|provider| provider.versions)
            .unwrap_or_default();
        let numbers = versions
            .iter()
            .filter_map(|name| name.strip_prefix("GLIBC_"));
        let numbers = numbers.filter(|number| number.starts_with("2."));
        Libc::Glibc(
            numbers
                .max_by(|one, other| order(one, other))
                .map(str::to_owned),
        )
    }

    /// Libraries of a driver outside of packages for forward compatibility, for which other rules hold, and of folders
    /// of stubs to link against.
    fn shipped(&mut self, compat: &[(Compat, GuestPath)]) -> Vec<Shipped> {
        let mut found: BTreeMap<GuestPath, Shipped> = BTreeMap::new();
        for soname in DRIVER {
            let beginning = soname.trim_end_matches('1');
            for path in self.candidates(soname) {
                let Some(file) = self.stack.file(&path) else {
                    continue;
                };
                let path = file.path.as_path();
                let is_other = path.starts_with(OWN) || path.iter().any(|part| part == "stubs");
                let is_compat = compat
                    .iter()
                    .any(|(_, folder)| path.starts_with(folder.as_path()));
                if is_other || is_compat {
                    continue;
                }
                let name = path
                    .file_name()
                    .and_then(|name| name.to_str())
                    .unwrap_or_default();
                let version = name
                    .strip_prefix(beginning)
                    .filter(|version| is_version(version));
                let version = version.map(str::to_owned);
                found.insert(
                    file.path.clone(),
                    Shipped {
                        path: file.path,
                        version,
                    },
                );
            }
        }
        found.into_values().collect()
    }

    /// The packages for forward compatibility, each under the shortest of its names, with their real folders.
    fn compat(&mut self) -> Vec<(Compat, GuestPath)> {
        let mut names = self.stack.names(&place("/usr/local"));
        names.retain(|name| name.as_encoded_bytes().starts_with(b"cuda"));
        names.sort_by_key(|name| name.len());
        let mut packages: Vec<(Compat, GuestPath)> = Vec::new();
        for name in names.iter().take(MAX_FOLDERS) {
            let path = place("/usr/local").join(name).join("compat");
            let Some(folder) = self.stack.folder(&path) else {
                continue;
            };
            if packages.iter().all(|(_, real)| *real != folder.path)
                && let Some((version, file)) = self.newest_driver(&folder.path)
            {
                packages.push((
                    Compat {
                        path,
                        version,
                        accepts: accepts(&file),
                    },
                    folder.path.clone(),
                ));
            }
        }
        packages
    }

    /// The `libcuda.so.*` with the highest version in `folder`, links left out.
    fn newest_driver(&mut self, folder: &GuestPath) -> Option<(String, Found)> {
        let names = self
            .stack
            .names(folder)
            .into_iter()
            .filter_map(|name| name.into_string().ok());
        let versions = names.filter_map(|name| name.strip_prefix("libcuda.so.").map(str::to_owned));
        let mut versions: Vec<String> = versions.filter(|version| is_version(version)).collect();
        versions.sort_by(|one, other| order(other, one));
        versions.into_iter().take(MAX_FOLDERS).find_map(|version| {
            let path = folder.join(format!("libcuda.so.{version}"));
            let found = self.stack.file(&path).filter(|found| found.path == path)?;
            Some((version, found))
        })
    }

    fn opencl_vendors(&mut self) -> Vec<String> {
        let names = self.stack.names(&place("/etc/OpenCL/vendors")).into_iter();
        let names = names.filter_map(|name| name.into_string().ok());
        names.take(MAX_FOLDERS).collect()
    }
}

/// The GNU C library's loader. A file of its name also belongs to stand-ins for it, such as gcompat beside musl, which
/// define none of its versions.
fn glibc_loader(stack: &mut Stack) -> Option<Elf> {
    let loaders = GLIBC_LOADERS
        .iter()
        .filter_map(|(_, path)| stack.file(&place(path)));
    let mut loaders = loaders.filter_map(|found| read(&found));
    loaders.find(|elf| {
        elf.defines
            .iter()
            .any(|version| version.starts_with("GLIBC_"))
    })
}

/// The machine of the guest's shell, else of the loader, else of what any image has that has programs.
fn machine(stack: &mut Stack, loader: &Option<Elf>) -> Option<Result<Machine, u16>> {
    let mut elf_of = |path: &str| stack.file(&place(path)).and_then(|found| read(&found));
    let elf = elf_of("/bin/sh").or_else(|| loader.clone());
    elf.or_else(|| elf_of("/usr/bin/env"))
        .map(|elf| elf.machine())
}

/// The major versions of kernel modules that a compatibility package's note names. The note is JSON; the names of its
/// fields come in several cases, and readers take them as the same (Go, encoding/json).
fn accepts(file: &Found) -> Vec<u32> {
    let open = fsx::open(&file.host).ok();
    let notes = open
        .and_then(|file| elf::notes(&file, NOTE.0, NOTE.1).ok())
        .unwrap_or_default();
    let mut lists = notes.iter().filter_map(|note| {
        let fields: BTreeMap<String, serde_json::Value> = serde_json::from_slice(note).ok()?;
        let driver = fields
            .into_iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("driver"));
        let (_, numbers) = driver?;
        let numbers = numbers
            .as_array()?
            .iter()
            .filter_map(serde_json::Value::as_u64);
        Some(
            numbers
                .filter_map(|number| u32::try_from(number).ok())
                .collect(),
        )
    });
    lists.next().unwrap_or_default()
}

fn read(found: &Found) -> Option<Elf> {
    let file = fsx::open(&found.host).ok()?;
    elf::read(&file).ok()
}

/// Digits with a dot somewhere between them: the `1` of a SONAME is no version of a driver.
fn is_version(text: &str) -> bool {
    let mut parts = text.split('.');
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.contains('.') && parts.all(is_number)
}

/// By numbers, as the loader compares names.
fn order(one: &str, other: &str) -> Ordering {
    ldcache::order(one.as_bytes(), other.as_bytes())
}

fn place(path: &str) -> GuestPath {
    GuestPath::root().join(path)
}
