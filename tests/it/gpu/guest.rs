//! What is told of images by looking at their trees.

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use coracle::base::path::{GuestPath, HostPath, RootDir};
use coracle::gpu::guest::{Compat, Guest, Libc, look};
use coracle::gpu::ldcache::{Cache, Entry};
use coracle::gpu::vantage::Machine;
use coracle::sys::xattr;

use super::elf_file::{ElfFile, Target};

/// A tree, which goes with everything in it.
struct Tree(PathBuf);

impl Tree {
    fn new() -> Tree {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("coracle-guest.{}.{count}", std::process::id());
        let tree = Tree(std::env::temp_dir().join(name));
        std::fs::create_dir_all(&tree.0).expect("the temporary directory takes directories");
        tree
    }

    /// A small image of glibc 2.31 with `/lib` and `/lib64` in `/usr`.
    fn debian() -> Tree {
        let tree = Tree::new();
        let lib = "usr/lib/x86_64-linux-gnu";
        let loader = ElfFile::library(Machine::X86_64).defines(&["GLIBC_2.2.5", "GLIBC_PRIVATE"]);
        let libc = ElfFile::library(Machine::X86_64).soname("libc.so.6");
        let versions = ["GLIBC_2.2.5", "GLIBC_2.31", "GLIBC_2.4", "GLIBC_PRIVATE"];
        tree.link("lib", "usr/lib")
            .link("lib64", "usr/lib64")
            .link("bin", "usr/bin");
        tree.put("usr/lib64/ld-linux-x86-64.so.2", &loader.bytes());
        tree.put(
            &format!("{lib}/libc.so.6"),
            &libc.defines(&versions).bytes(),
        );
        tree.put("usr/bin/dash", &program().bytes())
            .link("usr/bin/sh", "dash");
        tree
    }

    fn put(&self, path: &str, bytes: &[u8]) -> &Tree {
        let path = self.0.join(path);
        std::fs::create_dir_all(path.parent().expect("it lies in the tree"))
            .expect("directories can be made");
        std::fs::write(path, bytes).expect("files can be written");
        self
    }

    fn link(&self, path: &str, target: &str) -> &Tree {
        let path = self.0.join(path);
        std::fs::create_dir_all(path.parent().expect("it lies in the tree"))
            .expect("directories can be made");
        symlink(target, path).expect("links can be made");
        self
    }

    fn root(&self) -> RootDir {
        RootDir::new(HostPath::new(&self.0))
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _the_test_has_its_result = std::fs::remove_dir_all(&self.0);
    }
}

fn program() -> ElfFile {
    ElfFile::program(Machine::X86_64, "/lib64/ld-linux-x86-64.so.2").needed("libc.so.6")
}

fn library(soname: &str) -> Vec<u8> {
    ElfFile::library(Machine::X86_64).soname(soname).bytes()
}

/// Looks at `trees`, the uppermost first, for `sonames`, with these folders in `LD_LIBRARY_PATH`.
fn see(trees: &[&Tree], sonames: &[&str], library_path: &[&str]) -> Guest {
    let trees: Vec<RootDir> = trees.iter().map(|tree| tree.root()).collect();
    let sonames: BTreeSet<String> = sonames.iter().map(|name| (*name).to_owned()).collect();
    let paths: Vec<GuestPath> = library_path.iter().map(|path| guest(path)).collect();
    look(&trees, &sonames, &paths)
}

fn guest(path: &str) -> GuestPath {
    GuestPath::new(path).expect("the tests write absolute paths")
}

fn path_of(guest: &Guest, soname: &str) -> Option<String> {
    guest
        .providers
        .get(soname)
        .map(|provider| provider.path.to_string())
}

#[test]
fn the_c_library_and_its_version_are_told() {
    let tree = Tree::debian();
    let seen = see(&[&tree], &["libc.so.6"], &[]);
    assert_eq!(seen.machine, Some(Ok(Machine::X86_64)));
    assert_eq!(seen.libc, Libc::Glibc(Some("2.31".to_owned())));
    let libc = &seen.providers["libc.so.6"];
    assert_eq!(libc.path, guest("/usr/lib/x86_64-linux-gnu/libc.so.6"));
    assert!(libc.versions.contains(&"GLIBC_2.31".to_owned()));
    assert!(seen.shipped.is_empty() && seen.compat.is_empty() && seen.cache.is_none());

    let generator =
        Some("ldconfig (Ubuntu GLIBC 2.35-0ubuntu3) stable release version 2.35".to_owned());
    let cache = Cache {
        generator,
        ..Cache::default()
    };
    tree.put("etc/ld.so.cache", &cache.write());
    assert_eq!(
        see(&[&tree], &[], &[]).libc,
        Libc::Glibc(Some("2.35".to_owned()))
    );
    tree.put("etc/ld.so.cache", b"glibc-ld.so.cache1.1 and then nothing");
    assert_eq!(
        see(&[&tree], &[], &[]).libc,
        Libc::Glibc(Some("2.31".to_owned()))
    );
}

#[test]
fn a_real_image_is_told() {
    crate::support::require!(Fixtures);
    let root = RootDir::new(HostPath::new(crate::support::fixture::path("base")));
    let names = ["libc.so.6", "libstdc++.so.6", "libX11.so.6"].map(str::to_owned);
    let seen = look(&[root], &BTreeSet::from(names), &[]);
    assert_eq!(seen.machine, Some(Ok(Machine::HERE)));
    assert_eq!(seen.libc, Libc::Glibc(Some("2.36".to_owned())));
    let lib = format!("/usr/lib/{}", Machine::HERE.triplet());
    assert_eq!(
        path_of(&seen, "libc.so.6"),
        Some(format!("{lib}/libc.so.6"))
    );
    assert_eq!(
        path_of(&seen, "libstdc++.so.6"),
        Some(format!("{lib}/libstdc++.so.6.0.30"))
    );
    assert_eq!(seen.providers.len(), 2);
    for version in ["GLIBC_2.17", "GLIBC_2.34"] {
        assert!(
            seen.providers["libc.so.6"]
                .versions
                .contains(&version.to_owned())
        );
    }
    let cache = seen
        .cache
        .as_deref()
        .and_then(Cache::parse)
        .expect("its cache is whole");
    assert!(cache.find(Machine::HERE, b"libstdc++.so.6").is_some());
    assert!(
        seen.loader_conf
            .is_some_and(|conf| conf.starts_with(b"include "))
    );
    assert!(seen.shipped.is_empty() && seen.compat.is_empty() && seen.opencl_vendors.is_empty());
}

#[test]
fn other_c_libraries_and_machines_are_told() {
    let nothing = see(&[&Tree::new()], &["libc.so.6"], &[]);
    assert_eq!(nothing, Guest::default());

    let alpine = Tree::new();
    let musl = ElfFile::library(Machine::X86_64)
        .soname("libc.musl-x86_64.so.1")
        .bytes();
    alpine
        .put("lib/ld-musl-x86_64.so.1", &musl)
        .put("bin/busybox", &program().bytes());
    alpine.link("bin/sh", "/bin/busybox");
    assert_eq!(see(&[&alpine], &[], &[]).libc, Libc::Musl);
    // gcompat, a stand-in for glibc's loader.
    alpine.put(
        "lib64/ld-linux-x86-64.so.2",
        &library("ld-linux-x86-64.so.2"),
    );
    assert_eq!(see(&[&alpine], &[], &[]).libc, Libc::Musl);

    let foreign = Tree::new();
    foreign.put(
        "bin/sh",
        &ElfFile::program(Target::Ppc64le, "/lib64/ld64.so.2").bytes(),
    );
    assert_eq!(see(&[&foreign], &[], &[]).machine, Some(Err(21)));
}

#[test]
fn a_library_is_found_where_the_loader_would_find_it() {
    let tree = Tree::debian();
    let narrow = ElfFile::library(Target::I386).soname("libz.so.1").bytes();
    tree.put("usr/lib/x86_64-linux-gnu/libz.so.1", &library("libz.so.1"));
    tree.put("opt/a/libz.so.1", &library("libz.so.1"));
    tree.put("opt/b/libz.so.1", &library("libz.so.1"));
    tree.put("opt/narrow/libz.so.1", &narrow);
    let find =
        |library_path: &[&str]| path_of(&see(&[&tree], &["libz.so.1"], library_path), "libz.so.1");

    assert_eq!(
        find(&[]).as_deref(),
        Some("/usr/lib/x86_64-linux-gnu/libz.so.1")
    );
    let entries = ["/opt/gone/libz.so.1", "/opt/a/libz.so.1"];
    let entries = entries.map(|path| Entry::of(Machine::X86_64, "libz.so.1", path));
    tree.put(
        "etc/ld.so.cache",
        &Cache::default().with_first(entries).write(),
    );
    assert_eq!(find(&[]).as_deref(), Some("/opt/a/libz.so.1"));
    assert_eq!(
        find(&["/opt/narrow", "/opt/b"]).as_deref(),
        Some("/opt/b/libz.so.1")
    );
    assert_eq!(
        path_of(&see(&[&tree], &["libnone.so.1"], &[]), "libnone.so.1"),
        None
    );
    assert_eq!(
        path_of(
            &see(&[&tree], &["../a/libz.so.1"], &["/opt/b"]),
            "../a/libz.so.1"
        ),
        None
    );
}

#[test]
fn what_a_container_wrote_lies_over_its_image() {
    let (upper, lower) = (Tree::new(), Tree::debian());
    lower.put(
        "usr/lib/x86_64-linux-gnu/libold.so.1",
        &library("libold.so.1"),
    );
    lower.put("opt/lib/libopt.so.1", &library("libopt.so.1"));
    // Installed in the container, through a link that only the image has.
    upper.put(
        "usr/lib/x86_64-linux-gnu/libnew.so.1.2",
        &library("libnew.so.1"),
    );
    upper.link("usr/lib/x86_64-linux-gnu/libnew.so.1", "libnew.so.1.2");
    let entries = ["libnew.so.1", "libold.so.1"].map(|name| {
        Entry::of(
            Machine::X86_64,
            name,
            format!("/lib/x86_64-linux-gnu/{name}"),
        )
    });
    upper.put(
        "etc/ld.so.cache",
        &Cache::default().with_first(entries).write(),
    );
    let all = ["libnew.so.1", "libold.so.1", "libopt.so.1"];
    let seen = see(&[&upper, &lower], &all, &["/opt/lib"]);
    let lib = "/usr/lib/x86_64-linux-gnu";
    assert_eq!(
        path_of(&seen, "libnew.so.1"),
        Some(format!("{lib}/libnew.so.1.2"))
    );
    assert_eq!(
        path_of(&seen, "libold.so.1"),
        Some(format!("{lib}/libold.so.1"))
    );
    assert_eq!(
        path_of(&seen, "libopt.so.1").as_deref(),
        Some("/opt/lib/libopt.so.1")
    );
}

#[test]
fn what_a_container_removed_is_gone() {
    crate::support::require!(Root);
    let (upper, lower) = (Tree::new(), Tree::debian());
    lower.put(
        "usr/lib/x86_64-linux-gnu/libold.so.1",
        &library("libold.so.1"),
    );
    lower.put("opt/lib/libopt.so.1", &library("libopt.so.1"));
    lower
        .put("etc/OpenCL/vendors/mesa.icd", b"")
        .put("etc/OpenCL/vendors/pocl.icd", b"");
    upper.put("usr/lib/x86_64-linux-gnu/other", b"");
    upper.put("etc/OpenCL/vendors/nvidia.icd", b"");
    for gone in [
        "usr/lib/x86_64-linux-gnu/libold.so.1",
        "opt",
        "etc/OpenCL/vendors/mesa.icd",
    ] {
        whiteout(&upper.0.join(gone));
    }
    let seen = see(
        &[&upper, &lower],
        &["libold.so.1", "libopt.so.1"],
        &["/opt/lib"],
    );
    assert!(seen.providers.is_empty(), "{:?}", seen.providers);
    assert_eq!(seen.opencl_vendors, ["nvidia.icd", "pocl.icd"]);
}

/// A folder that was removed and made again in the container, as an overlay with `userxattr` marks it.
#[test]
fn a_folder_made_again_has_nothing_of_the_image() {
    let (upper, lower) = (Tree::new(), Tree::debian());
    lower.put("opt/lib/libold.so.1", &library("libold.so.1"));
    upper.put("opt/lib/libnew.so.1", &library("libnew.so.1"));
    let find = || {
        see(
            &[&upper, &lower],
            &["libold.so.1", "libnew.so.1"],
            &["/opt/lib"],
        )
    };
    assert_eq!(find().providers.len(), 2);
    let folder = std::fs::File::open(upper.0.join("opt")).expect("it was made above");
    let marked = xattr::set(folder.as_fd(), c"user.overlay.opaque", b"y").is_ok();
    assert_eq!(marked, xattr::user_attributes_work(&upper.0));
    let found: Vec<String> = find().providers.into_keys().collect();
    assert_eq!(found == ["libnew.so.1"], marked, "{found:?}");
}

fn whiteout(path: &Path) {
    use nix::sys::stat::{Mode, SFlag, mknod};
    mknod(path, SFlag::S_IFCHR, Mode::empty(), 0).expect("root makes devices");
}

#[test]
fn driver_libraries_of_the_image_are_told() {
    let tree = Tree::debian();
    let lib = "usr/lib/x86_64-linux-gnu";
    tree.put(&format!("{lib}/libcuda.so.535.104.05"), b"");
    tree.link(&format!("{lib}/libcuda.so.1"), "libcuda.so.535.104.05");
    tree.put("opt/ml/libnvidia-ml.so.1", &library("libnvidia-ml.so.1"));
    tree.put(
        "usr/local/cuda/lib64/stubs/libcuda.so.1",
        &library("libcuda.so.1"),
    );
    tree.put(
        "usr/local/nvidia/lib64/libcuda.so.1",
        &library("libcuda.so.1"),
    );
    let library_path = [
        "/usr/local/nvidia/lib64",
        "/usr/local/cuda/lib64/stubs",
        "/opt/ml",
    ];
    let shipped = see(&[&tree], &[], &library_path).shipped;
    let told: Vec<(String, Option<&str>)> = shipped
        .iter()
        .map(|file| (file.path.to_string(), file.version.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            ("/opt/ml/libnvidia-ml.so.1".to_owned(), None),
            (format!("/{lib}/libcuda.so.535.104.05"), Some("535.104.05")),
        ]
    );
}

#[test]
fn packages_for_forward_compatibility_are_told() {
    let tree = Tree::debian();
    let note = br#"{"Format":1,"CUDA Version":"13.1","Driver":[535,550,580],"Device":[1,2]}"#;
    let noted = ElfFile::library(Machine::X86_64)
        .note("NVIDIA Corporation", note)
        .bytes();
    tree.put("usr/local/cuda-13.1/compat/libcuda.so.590.44.01", &noted);
    tree.link(
        "usr/local/cuda-13.1/compat/libcuda.so.1",
        "libcuda.so.590.44.01",
    );
    tree.link("usr/local/cuda", "/etc/alternatives/cuda")
        .link("etc/alternatives/cuda", "/usr/local/cuda-13.1");
    tree.put(
        "usr/local/cuda-11/compat/libcuda.so.450.9.1",
        &library("libcuda.so.1"),
    );
    tree.put(
        "usr/local/cuda-11/compat/libcuda.so.450.51.1",
        &library("libcuda.so.1"),
    );
    let seen = see(&[&tree], &[], &["/usr/local/cuda/compat"]);
    let package = |path: &str, version: &str, accepts: &[u32]| Compat {
        path: guest(path),
        version: version.to_owned(),
        accepts: accepts.to_vec(),
    };
    assert_eq!(
        seen.compat,
        [
            package("/usr/local/cuda/compat", "590.44.01", &[535, 550, 580]),
            package("/usr/local/cuda-11/compat", "450.51.1", &[]),
        ]
    );
    assert_eq!(seen.shipped, []);
}
