//! A host as a small tree: libraries, kernel files and nodes, made file by file.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use coracle::base::path::{GuestPath, HostPath, RootDir};
use coracle::gpu::ldcache::{Cache, Entry};
use coracle::gpu::vantage::{Machine, NodeCheck, Vantage};

use crate::gpu::elf_file::{ElfFile, Target};

/// The driver of most hosts.
pub(super) const V: &str = "580.159.04";

/// Libraries that most hosts have: stem and the end of the SONAME; none where that is the full name.
pub(super) const CORE: &[(&str, Option<&str>)] = &[
    ("libcuda", Some("1")),
    ("libnvidia-ml", Some("1")),
    ("libnvidia-ptxjitcompiler", Some("1")),
    ("libnvidia-nvvm", Some("4")),
    ("libnvidia-gpucomp", None),
    ("libnvidia-encode", Some("1")),
    ("libGLX_nvidia", Some("0")),
];

/// A name, and what makes the host.
pub(super) type Maker = (&'static str, fn(&mut Host));

/// The tree, and from where it is looked at.
pub(super) struct Host {
    pub(super) root: PathBuf,
    pub(super) machine: Machine,
    pub(super) library_path: Vec<&'static str>,
    pub(super) program_path: Vec<&'static str>,
    /// The format of `etc/ld.so.cache`, as `ldconfig -c` takes it; none for a host without.
    pub(super) cache_format: Option<&'static str>,
    /// What is removed after the cache was written.
    pub(super) gone: Vec<&'static str>,
}

impl Host {
    pub(super) fn new(root: &Path) -> Host {
        Host {
            root: root.to_owned(),
            machine: Machine::X86_64,
            library_path: Vec::new(),
            program_path: Vec::new(),
            cache_format: None,
            gone: Vec::new(),
        }
    }

    pub(super) fn vantage(&self) -> Vantage {
        let host = |name: &str| HostPath::new(self.root.join(name));
        let paths = |names: &[&str]| names.iter().filter_map(GuestPath::new).collect();
        Vantage {
            root: RootDir::new(HostPath::new(&self.root)),
            proc: host("proc"),
            sys: host("sys"),
            dev: host("dev"),
            node_check: NodeCheck::AnyFile,
            library_path: paths(&self.library_path),
            program_path: paths(&self.program_path),
            mps_directory: None,
            machine: self.machine,
        }
    }

    pub(super) fn file(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.root.join(path);
        let folder = path.parent().expect("it is below the root");
        std::fs::create_dir_all(folder).expect("the sandbox is writable");
        std::fs::write(&path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    pub(super) fn folder(&self, path: &str) {
        std::fs::create_dir_all(self.root.join(path)).expect("the sandbox is writable");
    }

    pub(super) fn link(&self, path: &str, target: &str) {
        let path = self.root.join(path);
        let folder = path.parent().expect("it is below the root");
        std::fs::create_dir_all(folder).expect("the sandbox is writable");
        symlink(target, &path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Gives a file its permission bits.
    pub(super) fn allow(&self, path: &str, mode: u32) {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(self.root.join(path), mode).expect("it was made before");
    }

    pub(super) fn library(&self, path: &str, soname: &str) {
        self.file(path, elf(self.machine).soname(soname).bytes());
    }

    /// The driver's libraries of `version` in `folder`, with the links that packages have.
    pub(super) fn driver(&self, folder: &str, version: &str, libraries: &[(&str, Option<&str>)]) {
        for (stem, end) in libraries {
            let name = format!("{stem}.so.{version}");
            let soname = end.map_or(name.clone(), |end| format!("{stem}.so.{end}"));
            self.library(&format!("{folder}/{name}"), &soname);
            let link = format!("{folder}/{soname}");
            if soname != name && self.root.join(&link).symlink_metadata().is_err() {
                self.link(&link, &name);
            }
        }
    }

    pub(super) fn programs(&self, folder: &str, names: &[&str]) {
        let loader = "/lib64/ld-linux-x86-64.so.2";
        for name in names {
            let program = ElfFile::program(self.machine, loader);
            self.file(&format!("{folder}/{name}"), program.bytes());
        }
    }

    /// What the kernel module says, in the words of the open one, and its nodes but for those of processors.
    pub(super) fn kernel(&self, version: &str) {
        self.file("sys/module/nvidia/version", format!("{version}\n"));
        self.folder("sys/module/nvidia_uvm");
        self.file(
            "proc/driver/nvidia/version",
            format!(
                "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {version}  Release Build  (root@host)\n\
                 GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n"
            ),
        );
        self.nodes(&["nvidiactl", "nvidia-uvm", "nvidia-uvm-tools"]);
    }

    pub(super) fn nodes(&self, names: &[&str]) {
        for name in names {
            let path = format!("dev/{name}");
            self.file(&path, "");
            self.allow(&path, 0o666);
        }
    }

    /// A processor as the kernel module shows it, with its node.
    pub(super) fn processor(&self, bus_id: &str, minor: u32) {
        self.nodes(&[&format!("nvidia{minor}")]);
        self.information(bus_id, minor, "");
    }

    /// The same without a node, and with more lines.
    pub(super) fn information(&self, bus_id: &str, minor: u32, more: &str) {
        let text = format!(
            "Model: \t\t NVIDIA H200\nIRQ:   \t\t 99\nGPU UUID: \t GPU-00000000-1111-2222-3333-{minor:012}\n\
             Video BIOS: \t 96.00.74.00.0a\nBus Type: \t PCIe\nDMA Size: \t 52 bits\n\
             Bus Location: \t {bus_id}\nDevice Minor: \t {minor}\n{more}"
        );
        self.file(
            &format!("proc/driver/nvidia/gpus/{bus_id}/information"),
            text,
        );
    }

    /// One processor, and what the kernel says of it.
    pub(super) fn usual_kernel(&self) {
        self.kernel(V);
        self.processor("0000:1b:00.0", 0);
    }

    pub(super) fn loader_conf(&mut self, format: &'static str, folders: &[&str]) {
        self.file("etc/ld.so.conf", folders.join("\n") + "\n");
        self.cache_format = Some(format);
    }

    /// A cache for a machine that this host's `ldconfig` knows nothing of.
    pub(super) fn cache_by_hand(&self, entries: &[(&str, &str)]) {
        let entries = entries
            .iter()
            .map(|(name, path)| Entry::of(self.machine, *name, *path));
        self.file(
            "etc/ld.so.cache",
            Cache::default().with_first(entries).write(),
        );
    }

    /// What this host's `ldconfig` makes of the tree.
    pub(super) fn ldconfig(&self, format: &str) -> Vec<u8> {
        self.folder("var/cache/ldconfig");
        let root = self.root.as_os_str();
        let arguments = [
            "-X",
            "-c",
            format,
            "-C",
            "/etc/ld.so.cache",
            "-f",
            "/etc/ld.so.conf",
        ];
        let output = Command::new("/sbin/ldconfig")
            .arg("-r")
            .arg(root)
            .args(arguments)
            .output();
        let output = output.expect("who writes caches anew has ldconfig");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        std::fs::read(self.root.join("etc/ld.so.cache")).expect("ldconfig wrote it")
    }
}

/// A library that needs the C library.
pub(super) fn elf(target: impl Into<Target>) -> ElfFile {
    ElfFile::library(target).needs("libc.so.6", &["GLIBC_2.2.5"])
}
