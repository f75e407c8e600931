//! The tree of a host with a driver, in small files, as discovery reads it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use coracle::base::path::{GuestPath, HostPath, RootDir};
use coracle::gpu::vantage::{Machine, NodeCheck, Vantage};

use super::super::elf_file::{ElfFile, Target};
use super::world::DRIVER;
use crate::support::Sandbox;

/// The directory of libraries.
pub(super) const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";

/// A folder that stands for a host.
pub(super) struct Tree<'a> {
    sandbox: &'a Sandbox,
    name: &'static str,
    /// What `LD_LIBRARY_PATH` is there.
    pub(super) library_path: Vec<GuestPath>,
}

impl<'a> Tree<'a> {
    /// A host with one processor and the driver's libraries for computing.
    pub(super) fn healthy(sandbox: &'a Sandbox, name: &'static str) -> Tree<'a> {
        let tree = Tree {
            sandbox,
            name,
            library_path: Vec::new(),
        };
        for library in ["libcuda", "libnvidia-ml", "libnvidia-ptxjitcompiler"] {
            tree.library(library, DRIVER, Target::X86_64);
        }
        tree.file("sys/module/nvidia/version", format!("{DRIVER}\n"));
        tree.file("sys/module/nvidia_uvm/refcnt", "0\n");
        tree.file(
            "proc/driver/nvidia/version",
            format!("NVRM version: NVIDIA UNIX {DRIVER}\n"),
        );
        tree.processor(0);
        for node in ["nvidiactl", "nvidia-uvm"] {
            tree.node(node);
        }
        tree
    }

    /// The folder.
    pub(super) fn path(&self) -> PathBuf {
        self.sandbox.path(self.name)
    }

    /// Writes a file.
    pub(super) fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = Path::new(self.name).join(name);
        let folder = path
            .parent()
            .and_then(Path::to_str)
            .expect("tests name files in folders");
        self.sandbox.folder(folder);
        self.sandbox
            .file(path.to_str().expect("names are text"), content);
    }

    /// Writes a library that wants glibc 2.2.5, and the link that `ldconfig` makes.
    pub(super) fn library(&self, stem: &str, version: &str, target: Target) {
        let file = ElfFile::library(target);
        let file = file
            .soname(&format!("{stem}.so.1"))
            .needs("libc.so.6", &["GLIBC_2.2.5"]);
        self.file(&format!("{LIBRARIES}/{stem}.so.{version}"), file.bytes());
        let link = self.path().join(LIBRARIES).join(format!("{stem}.so.1"));
        let _it_may_be_there = symlink(format!("{stem}.so.{version}"), link);
    }

    /// A processor with its node.
    pub(super) fn processor(&self, minor: u32) {
        let information = format!("Model: \t\t NVIDIA H200\nDevice Minor: \t {minor}\n");
        self.file(
            &format!("proc/driver/nvidia/gpus/0000:{minor}b:00.0/information"),
            information,
        );
        self.node(&format!("nvidia{minor}"));
    }

    /// A node: every user may make a link to a device, and none may make a device.
    pub(super) fn node(&self, name: &str) {
        let path = self.path().join("dev").join(name);
        fs::create_dir_all(path.parent().expect("it is in dev")).expect("the sandbox is writable");
        symlink("/dev/null", path).expect("no node is made twice");
    }

    /// Takes a file or folder away.
    pub(super) fn remove(&self, name: &str) {
        let path = self.path().join(name);
        let removed = match path.is_dir() {
            true if !path.is_symlink() => fs::remove_dir_all(&path),
            _ => fs::remove_file(&path),
        };
        removed.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Takes a library away, and its link.
    pub(super) fn without(&self, stem: &str) {
        for ending in [DRIVER, "1"] {
            self.remove(&format!("{LIBRARIES}/{stem}.so.{ending}"));
        }
    }

    /// From where discovery looks at it.
    pub(super) fn vantage(&self) -> Vantage {
        let root = HostPath::new(self.path());
        Vantage {
            proc: root.join("proc"),
            sys: root.join("sys"),
            dev: root.join("dev"),
            root: RootDir::new(root),
            node_check: NodeCheck::Device,
            library_path: self.library_path.clone(),
            program_path: Vec::new(),
            mps_directory: None,
            machine: Machine::X86_64,
        }
    }
}
