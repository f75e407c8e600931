//! A host and an image with which all is well, as discovery would describe them.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use coracle::base::path::{GuestPath, HostPath};
use coracle::gpu::drm::{Card, Drm, Port, Vendor};
use coracle::gpu::guest::{Guest, Libc, Provider};
use coracle::gpu::nvidia::{
    Access, DriverFile, DriverVersion, FileKind, Flavour, Group, Node, NodeRole, Nvidia, Processor,
    Reason, Searched, Verdict, Wants,
};
use coracle::gpu::preflight::{
    Finding, Setting, Wanted, check_amd, check_guest, check_host, check_intel,
};
use coracle::gpu::vantage::Machine;

/// The driver's version.
pub(super) const DRIVER: &str = "580.159.04";
/// The directory of its libraries on the host.
const LIBRARIES: &str = "/usr/lib/x86_64-linux-gnu";

/// All that the checks go by.
pub(super) struct World {
    pub(super) nvidia: Nvidia,
    pub(super) guest: Guest,
    pub(super) chosen: Option<Vec<usize>>,
    pub(super) cuda_visible: Option<&'static str>,
    pub(super) compat: Option<GuestPath>,
    pub(super) library_path: Vec<GuestPath>,
    pub(super) amd: Option<Drm>,
    pub(super) intel: Option<Drm>,
}

/// An absolute path.
pub(super) fn guest(path: &str) -> GuestPath {
    GuestPath::new(path).expect("tests name absolute paths")
}

/// A library of the driver, with what it wants of others as `library` or `library:version`.
pub(super) fn library(soname: &str, group: Group, wants: &[&str]) -> DriverFile {
    let beginning = soname.trim_end_matches(|end: char| end == '.' || end.is_ascii_digit());
    let name = format!("{beginning}.{DRIVER}");
    let wanted = |want: &&str| want.split(':').next().expect("split gives one").to_owned();
    let version = |want: &&str| {
        let (library, version) = want.split_once(':')?;
        Some((library.to_owned(), version.to_owned()))
    };
    DriverFile {
        kind: FileKind::Library,
        group,
        path: guest(LIBRARIES).join(&name),
        host: HostPath::new(LIBRARIES).join(&name),
        name: format!("lib64/{name}"),
        links: vec![soname.to_owned()],
        text: None,
        required: matches!(
            beginning,
            "libcuda.so" | "libnvidia-ml.so" | "libnvidia-ptxjitcompiler.so"
        ),
        verdict: Verdict::Taken,
        wants: Wants {
            libraries: wants.iter().map(wanted).collect(),
            versions: wants.iter().filter_map(version).collect(),
        },
    }
}

fn node(path: &str, role: NodeRole) -> Node {
    Node {
        path: guest(path),
        host: HostPath::new(path),
        role,
        access: Access::Granted,
    }
}

fn processor(index: usize) -> Processor {
    Processor {
        index: Some(index),
        bus_id: format!("0000:{index}b:00.0"),
        uuid: None,
        minor: Some(u32::try_from(index).expect("tests have few")),
        model: Some("NVIDIA H200".to_owned()),
        mig: Vec::new(),
        dri: Vec::new(),
    }
}

fn nvidia() -> Nvidia {
    let mut vulkan = library("nvidia_icd.json", Group::Graphics, &[]);
    vulkan.kind = FileKind::Data;
    vulkan.name = "share/vulkan/icd.d/nvidia_icd.json".to_owned();
    Nvidia {
        driver: Some(DriverVersion {
            version: DRIVER.to_owned(),
            source: HostPath::new("/sys/module/nvidia/version"),
            from_kernel: true,
        }),
        flavour: Flavour::Native,
        searched: vec![Searched {
            path: guest(LIBRARIES),
            because: "ld.so.cache",
            holds_driver: true,
            other_versions: Vec::new(),
        }],
        files: vec![
            library(
                "libcuda.so.1",
                Group::Compute,
                &["libc.so.6:GLIBC_2.9", "libm.so.6:GLIBC_2.2.5"],
            ),
            library(
                "libnvidia-ml.so.1",
                Group::Utility,
                &["libc.so.6:GLIBC_2.9"],
            ),
            library(
                "libnvidia-ptxjitcompiler.so.1",
                Group::Compute,
                &["libc.so.6:GLIBC_2.7"],
            ),
            library(
                "libcudadebugger.so.1",
                Group::Compute,
                &["libc.so.6:GLIBC_2.26"],
            ),
            library(
                "libGLX_nvidia.so.0",
                Group::Graphics,
                &["libX11.so.6", "libc.so.6:GLIBC_2.4"],
            ),
            vulkan,
        ],
        processors: vec![processor(0), processor(1)],
        nodes: vec![
            node("/dev/dri/renderD128", NodeRole::Dri),
            node("/dev/nvidia-uvm", NodeRole::Uvm),
            node("/dev/nvidia0", NodeRole::Processor),
            node("/dev/nvidia1", NodeRole::Processor),
            node("/dev/nvidiactl", NodeRole::Control),
        ],
        uvm_loaded: Some(true),
        ..Nvidia::default()
    }
}

/// What a guest has under a SONAME.
pub(super) fn provider(path: &str, versions: &[&str]) -> Provider {
    Provider {
        path: guest(path),
        versions: versions.iter().map(|&version| version.to_owned()).collect(),
    }
}

/// An image with glibc 2.36 and libX11.
pub(super) fn debian() -> Guest {
    let versions = [
        "GLIBC_2.2.5",
        "GLIBC_2.4",
        "GLIBC_2.7",
        "GLIBC_2.9",
        "GLIBC_2.26",
        "GLIBC_2.36",
    ];
    let libraries = [
        ("libc.so.6", &versions[..]),
        ("libm.so.6", &versions[..]),
        ("libX11.so.6", &[]),
    ];
    let provided = libraries.map(|(soname, versions)| {
        let path = format!("/lib/x86_64-linux-gnu/{soname}");
        (soname.to_owned(), provider(&path, versions))
    });
    Guest {
        libc: Libc::Glibc(Some("2.36".to_owned())),
        machine: Some(Ok(Machine::X86_64)),
        providers: BTreeMap::from(provided),
        ..Guest::default()
    }
}

impl World {
    /// All is well.
    pub(super) fn healthy() -> World {
        World {
            nvidia: nvidia(),
            guest: debian(),
            chosen: Some(vec![0, 1]),
            cuda_visible: None,
            compat: None,
            library_path: Vec::new(),
            amd: None,
            intel: None,
        }
    }

    /// What all the checks say.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let wanted = Wanted {
            processors: self.chosen.as_deref(),
            cuda_visible: self.cuda_visible.map(OsStr::new),
        };
        let taken = self
            .nvidia
            .files
            .iter()
            .filter(|file| file.verdict == Verdict::Taken);
        let files: Vec<&DriverFile> = taken.collect();
        let setting = Setting {
            machine: Machine::X86_64,
            files: &files,
            compat: self.compat.as_ref(),
            library_path: &self.library_path,
        };
        let mut findings = check_host(&self.nvidia, &wanted);
        findings.extend(check_guest(&self.nvidia, &self.guest, &setting, &wanted));
        findings.extend(self.amd.iter().flat_map(check_amd));
        findings.extend(self.intel.iter().flat_map(check_intel));
        findings
    }

    /// The file whose name begins like that.
    pub(super) fn file(&mut self, beginning: &str) -> &mut DriverFile {
        let beginning = format!("lib64/{beginning}.");
        let mut files = self.nvidia.files.iter_mut();
        files
            .find(|file| file.name.starts_with(&beginning))
            .expect("the healthy world has it")
    }

    /// Leaves that file for `reason`.
    pub(super) fn leave(&mut self, beginning: &str, reason: Reason) {
        self.file(beginning).verdict = Verdict::Left(reason);
    }

    /// Takes the files away whose names begin like that.
    pub(super) fn without_files(&mut self, beginning: &str) {
        let beginning = format!("lib64/{beginning}");
        self.nvidia
            .files
            .retain(|file| !file.name.starts_with(&beginning));
    }

    /// The node of that path.
    pub(super) fn node(&mut self, path: &str) -> &mut Node {
        let mut nodes = self.nvidia.nodes.iter_mut();
        nodes
            .find(|node| node.path == guest(path))
            .expect("the healthy world has it")
    }

    /// Adds a node.
    pub(super) fn add_node(&mut self, path: &str, role: NodeRole) {
        self.nvidia.nodes.push(node(path, role));
    }

    /// Takes the nodes away whose paths begin like that.
    pub(super) fn without_nodes(&mut self, beginning: &str) {
        self.nvidia
            .nodes
            .retain(|node| !node.path.to_string().starts_with(beginning));
    }
}

/// A node of another maker's.
pub(super) fn port(path: &str, access: Access) -> Port {
    Port {
        path: guest(path),
        host: HostPath::new(path),
        access,
    }
}

/// A card with a render node.
pub(super) fn card(vendor: Vendor, access: Access) -> Card {
    Card {
        vendor,
        driver: None,
        device: None,
        display: None,
        render: Some(port("/dev/dri/renderD129", access)),
        by_path: Vec::new(),
        topology_node: None,
    }
}
