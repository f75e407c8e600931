//! The host's own `ldconfig` and dynamic loader: what they write is read, and what we write they read.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use coracle::gpu::ldcache::{Cache, Entry, order};
use coracle::gpu::vantage::Machine;

use super::elf_file::{ElfFile, Target};
use super::ldcache::{GOLDEN, parse, text, words};
use crate::support::require;

/// A root with libraries, which goes with everything in it.
struct Root(PathBuf);

impl Root {
    fn new() -> Root {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("coracle-ldcache.{}.{count}", std::process::id());
        let root = Root(std::env::temp_dir().join(name));
        std::fs::create_dir_all(root.0.join("etc"))
            .expect("the temporary directory takes directories");
        root
    }

    fn put(&self, path: &str, file: &ElfFile) -> &Root {
        let path = self.0.join(path);
        std::fs::create_dir_all(path.parent().expect("it lies in the root"))
            .expect("directories can be made");
        std::fs::write(path, file.bytes()).expect("files can be written");
        self
    }

    fn link(&self, path: &str, target: &str) -> &Root {
        symlink(target, self.0.join(path)).expect("links can be made");
        self
    }

    /// The root that tests/it/gpu/golden/ldcache/README describes.
    fn golden() -> Root {
        let root = Root::new();
        let wide = |soname: &str| {
            ElfFile::library(Target::X86_64)
                .soname(soname)
                .needed("libc.so.6")
        };
        let narrow = |soname: &str| ElfFile::library(Target::I386).soname(soname);
        let (lib, lib32) = ("usr/lib/x86_64-linux-gnu", "usr/lib/i386-linux-gnu");
        std::fs::write(
            root.0.join("etc/ld.so.conf"),
            format!("/{lib}\n/{lib32}\n/opt/odd\n"),
        )
        .expect("files can be written");
        root.put(
            &format!("{lib}/libc.so.6"),
            &ElfFile::library(Target::X86_64).soname("libc.so.6"),
        )
        .put(
            &format!("{lib}/libcuda.so.999.88.77"),
            &wide("libcuda.so.1"),
        )
        .link(&format!("{lib}/libcuda.so.1"), "libcuda.so.999.88.77")
        .put(&format!("{lib}/libz.so.1"), &wide("libz.so.1"))
        .put(&format!("{lib}/libz.so.9"), &wide("libz.so.9"))
        .put(&format!("{lib}/libz.so.10"), &wide("libz.so.10"))
        .put(
            &format!("{lib}/glibc-hwcaps/x86-64-v3/libz.so.1"),
            &wide("libz.so.1"),
        )
        .put(
            &format!("{lib32}/libcuda.so.1"),
            &narrow("libcuda.so.1").needed("libc.so.6"),
        )
        .put(&format!("{lib32}/libtiny.so.2"), &narrow("libtiny.so.2"))
        .put("opt/odd/libz.so.1", &wide("libz.so.1"));
        root
    }

    /// What the host's `ldconfig` writes for it in `format`.
    fn cache(&self, format: &str) -> Vec<u8> {
        let name = format!("etc/cache.{format}");
        let run = Command::new("/sbin/ldconfig")
            .args([
                "-X",
                "-c",
                format,
                "-f",
                "/etc/ld.so.conf",
                "-C",
                &format!("/{name}"),
                "-r",
            ])
            .arg(&self.0)
            .output()
            .expect("ldconfig starts");
        assert!(
            run.status.success(),
            "{}",
            String::from_utf8_lossy(&run.stderr)
        );
        std::fs::read(self.0.join(name)).expect("ldconfig has written it")
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _the_test_has_its_result = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_host_s_ldconfig_agrees() {
    require!(Ldconfig);
    let mut caches = vec![];
    let root = Root::golden();
    for format in ["new", "old", "compat"] {
        let bytes = root.cache(format);
        let expected = GOLDEN
            .iter()
            .find(|golden| golden.0 == format)
            .map(|golden| golden.2);
        assert_eq!(Some(words(&parse(&bytes)).as_str()), expected, "{format}");
        caches.push(bytes);
    }
    assert!(
        parse(&caches[0]).write() == caches[0],
        "it writes another order than we"
    );
    // What ldconfig says of one that we wrote.
    let ours = Entry::of(
        Machine::X86_64,
        "libcuda.so.1",
        "/usr/local/nvidia/lib64/libcuda.so.1",
    );
    let merged = parse(&caches[0]).with_first([ours]);
    std::fs::write(root.0.join("etc/ours"), merged.write()).expect("files can be written");
    let run = Command::new("/sbin/ldconfig")
        .arg("-p")
        .arg("-C")
        .arg(root.0.join("etc/ours"))
        .output();
    let said = String::from_utf8(run.expect("ldconfig starts").stdout).expect("it says text");
    let lines: String = said
        .lines()
        .filter_map(|line| line.strip_prefix('\t'))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(lines, words(&merged));
}

#[test]
fn real_caches_come_out_as_they_were_and_are_in_order() {
    require!(Ldconfig);
    let bytes = std::fs::read("/etc/ld.so.cache").expect("a host with ldconfig has a cache");
    let cache = parse(&bytes);
    assert!(!cache.entries.is_empty());
    assert_eq!(parse(&cache.write()), cache);
    for pair in cache.entries.windows(2) {
        let (one, other) = (&pair[0], &pair[1]);
        assert!(
            order(&one.name, &other.name).is_ge(),
            "{} before {}",
            text(&one.name),
            text(&other.name)
        );
        if one.name == other.name {
            assert!(one.flags >= other.flags, "{}", text(&one.name));
        }
    }
}

#[test]
fn the_real_loader_finds_what_we_wrote() {
    require!(Ldconfig, UserNamespaces);
    let root = Root::new();
    let loader = match Machine::HERE {
        Machine::X86_64 => "/lib64/ld-linux-x86-64.so.2",
        Machine::Aarch64 => "/lib/ld-linux-aarch64.so.1",
    };
    let library = |soname: &str| {
        ElfFile::library(Machine::HERE)
            .soname(soname)
            .needed("libc.so.6")
    };
    root.put("image/libboth.so.1", &library("libboth.so.1"))
        .put("farm/libboth.so.1", &library("libboth.so.1"))
        .put("farm/libours.so.1", &library("libours.so.1"))
        .put("image/libtheirs.so.1", &library("libtheirs.so.1"));
    let program = ElfFile::program(Machine::HERE, loader);
    let program = ["libboth.so.1", "libours.so.1", "libtheirs.so.1"]
        .iter()
        .fold(program, |file, soname| file.needed(soname));
    root.put("program", &program);

    let entry = |folder: &str, name: &str| {
        let path = root.0.join(folder).join(name);
        Entry::of(
            Machine::HERE,
            name,
            path.into_os_string().into_encoded_bytes(),
        )
    };
    let host = parse(&std::fs::read("/etc/ld.so.cache").expect("a host with ldconfig has a cache"));
    let image = host.with_first([
        entry("image", "libboth.so.1"),
        entry("image", "libtheirs.so.1"),
    ]);
    let merged = image.with_first([entry("farm", "libboth.so.1"), entry("farm", "libours.so.1")]);
    let (cache, said) = (root.0.join("etc/ld.so.cache"), |cache: &Path| {
        listed(cache, loader, &root.0.join("program"))
    });
    std::fs::write(&cache, Cache::default().write()).expect("files can be written");
    assert!(
        said(&cache).contains("libours.so.1 => not found"),
        "{}",
        said(&cache)
    );
    std::fs::write(&cache, merged.write()).expect("files can be written");
    for (name, folder) in [
        ("libboth.so.1", "farm"),
        ("libours.so.1", "farm"),
        ("libtheirs.so.1", "image"),
    ] {
        let line = format!("{name} => {} ", root.0.join(folder).join(name).display());
        assert!(said(&cache).contains(&line), "{}", said(&cache));
    }
    assert!(!said(&cache).contains("not found"), "{}", said(&cache));
}

/// What `loader` says of the libraries of `program` where `cache` is the host's.
fn listed(cache: &Path, loader: &str, program: &Path) -> String {
    let script =
        "mount --bind \"$1\" /etc/ld.so.cache && LD_TRACE_LOADED_OBJECTS=1 exec \"$2\" \"$3\"";
    let run = Command::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            script,
            "sh",
        ])
        .args([cache.as_os_str(), loader.as_ref(), program.as_os_str()])
        .env_remove("LD_LIBRARY_PATH")
        .output()
        .expect("unshare starts");
    let (out, errors) = (
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr),
    );
    format!("{out}{errors}")
}
