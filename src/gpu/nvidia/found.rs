//! What there is of NVIDIA's driver on a host, as data.

use serde::Serialize;

use crate::base::path::{GuestPath, HostPath};

/// The driver of one host as it was found. A host without one has nothing in it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Nvidia {
    /// The kernel module's version, such as `580.159.04`, and where it stands. `None` without a driver, and on WSL,
    /// whose files do not tell.
    pub driver: Option<DriverVersion>,
    /// Whose kernel it is.
    pub flavour: Flavour,
    /// The directories that were looked at for libraries, in that order.
    pub searched: Vec<Searched>,
    /// Every file that looked like the driver's: libraries, programs, data; taken ones and others.
    pub files: Vec<DriverFile>,
    /// The processors, in the order of their bus ids, which is NVML's.
    pub processors: Vec<Processor>,
    /// The device nodes.
    pub nodes: Vec<Node>,
    /// Sockets and directories through which driver daemons are reached.
    pub sockets: Vec<Socket>,
    /// Directories that libraries open by their full paths, so that each has to be where it is on the host, with all
    /// that is mounted below it: WSL's driver store. None elsewhere.
    pub trees: Vec<Tree>,
    /// Whether the module `nvidia_uvm` is loaded. `None` where that cannot be told.
    pub uvm_loaded: Option<bool>,
    /// Whether device nodes cannot be opened where `/dev` lies (`nodev`). mount(8).
    pub dev_is_nodev: bool,
}

/// A version and where it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DriverVersion {
    /// Digits and dots.
    pub version: String,
    /// The file that says so; that of `libcuda.so.*` where the kernel says nothing.
    pub source: HostPath,
    /// Whether the kernel itself says so.
    pub from_kernel: bool,
}

/// Kinds of hosts that differ in where the driver is and how its version is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Flavour {
    /// A kernel with the module `nvidia`, or nothing at all.
    #[default]
    Native,
    /// Windows' kernel side through `/dev/dxg`; files do not carry the version.
    Wsl,
}

/// One directory that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Searched {
    /// Below the driver root, with links followed.
    pub path: GuestPath,
    /// Why it was looked at: `ld.so.cache`, `link target` (of a library found before), `LD_LIBRARY_PATH`,
    /// `ld-musl path`, `known place`.
    pub because: &'static str,
    /// Whether files of this driver that are taken, or links to them, are in it.
    pub holds_driver: bool,
    /// Versions of other drivers in it.
    pub other_versions: Vec<String>,
}

/// What a file is for: NVIDIA's names of driver capabilities (`NVIDIA_DRIVER_CAPABILITIES`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// `nvidia-smi`, NVML.
    Utility,
    /// CUDA and OpenCL.
    Compute,
    /// Encoding and decoding.
    Video,
    /// OpenGL, EGL, Vulkan, OptiX.
    Graphics,
    /// Modules of an X server; left out unless asked for.
    Display,
    /// DLSS and kin.
    Ngx,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// A shared object; appears in the farm's `lib64`.
    Library,
    /// A program; appears in the farm's `bin`.
    Program,
    /// A file that tells a loader of Vulkan, EGL or OpenCL of the driver, or data of it; appears in the farm's `share`.
    Data,
}

/// One file that looked like the driver's.
#[derive(Clone, Debug, Serialize)]
pub struct DriverFile {
    /// What it is.
    pub kind: FileKind,
    /// What it is for.
    pub group: Group,
    /// Below the driver root, as found in one of the directories.
    pub path: GuestPath,
    /// The file itself on this host, links followed inside the driver root.
    pub host: HostPath,
    /// The name that it gets, relative to the farm: `lib64/libcuda.so.580.159.04`.
    pub name: String,
    /// Further names in the same directory that lead to it: SONAME and the names that programs ask for.
    pub links: Vec<String>,
    /// The text that stands for the file where its own cannot be used as it is: a JSON file with its paths put right.
    #[serde(skip)]
    pub text: Option<Vec<u8>>,
    /// Whether CUDA programs fail without it.
    pub required: bool,
    /// Whether it is taken, and why not.
    pub verdict: Verdict,
    /// What the dynamic loader has to find for it; empty for data.
    #[serde(skip)]
    pub wants: Wants,
}

/// What the dynamic loader has to find for a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// DT_NEEDED: SONAMEs.
    pub libraries: Vec<String>,
    /// DT_VERNEED without the weak ones: SONAME and version name, such as `libc.so.6`, `GLIBC_2.26`.
    pub versions: Vec<(String, String)>,
}

/// Whether a file is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It appears in the guest.
    Taken,
    /// It does not, for this reason.
    Left(Reason),
}

/// Why a file is left out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// A library of the CUDA toolkit to link against; calling it fails with error 34.
    #[error("a stub to link against, no driver")]
    Stub,
    /// Left behind by another container tool.
    #[error("it is empty")]
    Empty,
    /// Bytes that no loader takes.
    #[error("no loader takes it: {0}")]
    NotElf(String),
    /// A companion for 32-bit programs.
    #[error("made for 32 bit")]
    Bits32,
    /// Of another architecture.
    #[error("made for another machine ({0})")]
    OtherMachine(String),
    /// Of another driver than the kernel's.
    #[error("version {0}, the driver is another")]
    OtherVersion(String),
    /// A link to nowhere.
    #[error("it leads to nothing")]
    Dangling,
    /// Neither file nor link to one.
    #[error("not a regular file")]
    NotFile,
    /// This user cannot read it.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// Already found under the same name.
    #[error("`{0}` comes first")]
    Shadowed(GuestPath),
    /// A library that images bring themselves (`libGL`, `libOpenCL`); the host's would want the host's libc.
    #[error("vendor-neutral: the image brings its own")]
    VendorNeutral,
    /// A module of an X server.
    #[error("of use to an X server only")]
    DisplayServer,
}

/// One processor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Processor {
    /// Its position among those that this user can open, in the order of bus ids; what `--gpus` counts. `None` for
    /// one that cannot be opened.
    pub index: Option<usize>,
    /// `0000:1b:00.0`.
    pub bus_id: String,
    /// `GPU-…`.
    pub uuid: Option<String>,
    /// The number of its node, `/dev/nvidia<minor>`.
    pub minor: Option<u32>,
    /// Such as `NVIDIA H200`.
    pub model: Option<String>,
    /// Its MIG instances, as the capability files name them.
    pub mig: Vec<MigInstance>,
    /// Its nodes of the kernel's graphics subsystem, such as `/dev/dri/renderD128`.
    pub dri: Vec<HostPath>,
}

/// One compute instance of a partitioned processor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MigInstance {
    /// The GPU instance.
    pub gi: u32,
    /// The compute instance in it.
    pub ci: u32,
    /// Minors of the two capability nodes, `/dev/nvidia-caps/nvidia-cap<minor>`.
    pub caps: [u32; 2],
}

/// What a node is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeRole {
    /// `/dev/nvidiactl`: everything.
    Control,
    /// `/dev/nvidia<minor>`: one processor.
    Processor,
    /// `/dev/nvidia-uvm`: CUDA.
    Uvm,
    /// `/dev/nvidia-uvm-tools`: profilers.
    UvmTools,
    /// `/dev/nvidia-modeset`: displays, EGL, Vulkan.
    Modeset,
    /// `/dev/nvidia-caps/*`: MIG.
    MigCapability,
    /// `/dev/nvidia-caps-imex-channels/*`: NVLink between hosts.
    Imex,
    /// `/dev/nvidia-nvswitch*`, `/dev/nvidia-nvlink`: fabric manager.
    Switch,
    /// `/dev/nvidia-fs*`, `/dev/gdrdrv`: storage and copies that go past the processor.
    Direct,
    /// `/dev/dri/*`.
    Dri,
    /// `/dev/dxg`: WSL.
    Dxg,
}

/// One device node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Its name in the guest, such as `/dev/nvidia0`.
    pub path: GuestPath,
    /// On this host.
    pub host: HostPath,
    /// What it is for.
    pub role: NodeRole,
    /// Whether this user may open it for reading and writing. It is not opened: that would wake the device.
    pub access: Access,
}

/// Whether a node may be opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// It may.
    Granted,
    /// EACCES: permission bits; owner, group and mode as `ls` shows them.
    Denied(String),
    /// EPERM: a control group of devices, as schedulers make them.
    Cgroup,
    /// Another error.
    Failed(String),
}

/// A socket or directory of a driver daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Socket {
    /// On the host.
    pub host: HostPath,
    /// Where the guest looks for it.
    pub path: GuestPath,
    /// Whose: `nvidia-persistenced`, `nvidia-fabricmanager`, `mps`.
    pub daemon: &'static str,
}

/// A directory that appears where it is on the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tree {
    /// On the host.
    pub host: HostPath,
    /// The same below the driver root, which is where libraries look for it.
    pub path: GuestPath,
}
