//! The table of causes: each with the values that it names, how bad it is, its message and the way out.
//!
//! The numbers are what `cuInit` would return later, for those who search for them. They were seen on a real host
//! with driver 580, in a user namespace with the node or file in question taken away.

use serde::Serialize;

use super::Severity;
use crate::base::path::{GuestPath, HostPath};
use crate::gpu::fit::Misfit;

/// The most paths that one message names.
const MAX_NAMED: usize = 4;

/// What can keep a guest from the processors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(tag = "cause", rename_all = "kebab-case")]
pub enum Cause {
    /// Neither kernel module nor files.
    #[error(
        "there is no NVIDIA driver on this host: no kernel module, no device node, no `libcuda.so` in {}",
        named(searched)
    )]
    NoDriver {
        /// Where libraries were looked for.
        searched: Vec<GuestPath>,
    },
    /// The kernel's half of the driver alone.
    #[error(
        "the kernel has NVIDIA's driver{}, its library `libcuda.so` was not found in {}",
        of(version),
        named(searched)
    )]
    NoLibcuda {
        /// The module's version.
        version: Option<String>,
        /// Where libraries were looked for.
        searched: Vec<GuestPath>,
    },
    /// The halves of the driver are of different versions.
    #[error(
        "the kernel runs NVIDIA's driver {kernel}, the libraries on disk are of {library}: `{path}` (error 803)"
    )]
    OtherVersion {
        /// The kernel's version.
        kernel: String,
        /// The library's.
        library: String,
        /// The library.
        path: GuestPath,
    },
    /// All that is there is for linking.
    #[error("the only `libcuda.so` on this host is a stub to link against, `{path}` (error 34)")]
    OnlyStub {
        /// The stub.
        path: GuestPath,
    },
    /// The driver was installed for 32-bit programs alone.
    #[error("the host's `libcuda.so` is for 32-bit programs only: `{path}`")]
    Only32Bit {
        /// The library.
        path: GuestPath,
    },
    /// The driver's files are of another architecture.
    #[error("the host's `libcuda.so` is for another machine, {machine}: `{path}`")]
    LibcudaOfOtherMachine {
        /// The library.
        path: GuestPath,
        /// The machine's name.
        machine: String,
    },
    /// The library is there and no good.
    #[error("the host's `{path}` cannot be used: {why}")]
    BrokenLibcuda {
        /// The library.
        path: GuestPath,
        /// As discovery has it.
        why: String,
    },
    /// Without it CUDA compiles no PTX.
    #[error(
        "the driver's `libnvidia-ptxjitcompiler.so.1` {}: CUDA programs may fail with error 221",
        state(why)
    )]
    NoPtxCompiler {
        /// Why a file of that name was left aside.
        why: Option<String>,
    },
    /// Without it `nvidia-smi` fails, and what counts processors as it does.
    #[error(
        "the driver's `libnvidia-ml.so.1` {}: `nvidia-smi` and some CUDA programs will fail",
        state(why)
    )]
    NoNvml {
        /// Why a file of that name was left aside.
        why: Option<String>,
    },
    /// Files are installed, the kernel does not run their driver.
    #[error(
        "the files of NVIDIA's driver {version} are installed, its kernel module is not loaded"
    )]
    ModuleNotLoaded {
        /// That of the files.
        version: String,
    },
    /// `/dev/nvidiactl` is not there.
    #[error("there is no `/dev/nvidiactl`, through which every use of the driver goes (error 100)")]
    NoControlNode,
    /// No processor has a node.
    #[error("there is no `{node}`: this host or job has no NVIDIA processor (error 100)")]
    NoProcessorNode {
        /// The node of the first processor that was chosen.
        node: GuestPath,
    },
    /// Windows gives its guest no processor.
    #[error("there is no `/dev/dxg`, through which Windows lends its processors")]
    NoDxg,
    /// Permission bits.
    #[error("this user may not open `{node}`: {owner}")]
    NodeDenied {
        /// The node.
        node: HostPath,
        /// Owner, group and mode.
        owner: String,
        /// The group whose members may open it, where there is one.
        group: Option<String>,
    },
    /// A scheduler's control group of devices.
    #[error("a control group denies `{node}`: this job was given no GPU (error 100)")]
    NodeInCgroup {
        /// The node.
        node: HostPath,
    },
    /// Another error.
    #[error("`{node}` cannot be opened: {error}")]
    NodeFailed {
        /// The node.
        node: HostPath,
        /// As the kernel has it.
        error: String,
    },
    /// Some of the processors only.
    #[error(
        "{closed} of {all} NVIDIA processors cannot be opened by this user or job, the others can"
    )]
    SomeClosed {
        /// How many cannot.
        closed: usize,
        /// Of how many.
        all: usize,
    },
    /// Device nodes are dead.
    #[error("`/dev` is mounted nodev: no device node in it can be opened (error 100)")]
    DevIsNodev,
    /// The module for CUDA's memory.
    #[error(
        "the kernel module nvidia_uvm is not loaded: CUDA would fail with error 999, while `nvidia-smi` works"
    )]
    UvmNotLoaded,
    /// Its node.
    #[error(
        "there is no `/dev/nvidia-uvm`: CUDA would fail with error 999, while `nvidia-smi` works"
    )]
    NoUvmNode,
    /// Switches between processors that nobody has set up.
    #[error(
        "this host has NVSwitches and no running fabric manager was found: CUDA may fail with error 802"
    )]
    NoFabricManager,
    /// A toolkit's stub comes before the driver.
    #[error(
        "the stub `{path}` comes before the driver's `libcuda.so` in the host's search path; it is left out"
    )]
    StubFirst {
        /// The stub.
        path: GuestPath,
    },
    /// The program is told not to see any.
    #[error("CUDA_VISIBLE_DEVICES is `{value}`: CUDA programs will see no GPU (error 100)")]
    HiddenProcessors {
        /// Its value.
        value: String,
    },
    /// OpenGL and Vulkan render through these.
    #[error(
        "graphics (EGL, Vulkan) will not find the GPU: no `/dev/dri/renderD*` can be opened{}",
        because(why)
    )]
    NoGraphicsNode {
        /// What the first one says, if there is one.
        why: Option<String>,
    },
    /// The loader of Vulkan is not told of the driver.
    #[error("Vulkan will not find the GPU: the host has no `nvidia_icd.json` of the driver")]
    NoVulkanFile,

    /// The guest's programs are for other processors.
    #[error(
        "the image is for {guest}, the host's driver for {host}: an emulated program cannot load it"
    )]
    ImageOfOtherMachine {
        /// That of the image.
        guest: String,
        /// That of the driver.
        host: String,
    },
    /// Alpine and kin.
    #[error(
        "the image uses musl, NVIDIA's libraries are made for glibc: its programs cannot load them"
    )]
    Musl,
    /// Static programs only.
    #[error("the image has no C library: its programs are static and cannot load the driver")]
    NoLibc,
    /// A required file wants a newer glibc.
    #[error("the image is too old for the host's driver: `{file}` {misfit}")]
    ImageTooOld {
        /// The file's name in the guest.
        file: String,
        /// What it wants.
        misfit: Misfit,
    },
    /// An optional file wants something newer.
    #[error("`{file}` is left out: it {misfit}")]
    LeftOut {
        /// The file's name in the guest.
        file: String,
        /// What it wants.
        misfit: Misfit,
    },
    /// A required file wants a library.
    #[error("the image lacks a library of the host's driver: `{file}` {misfit}")]
    ImageLacks {
        /// The file's name in the guest.
        file: String,
        /// What it wants.
        misfit: Misfit,
    },
    /// Optional files want libraries of the image.
    #[error("{feature} needs {} in the image", names(libraries))]
    FeatureLacks {
        /// What will not work.
        feature: &'static str,
        /// SONAMEs.
        libraries: Vec<String>,
    },
    /// The image brings driver files of its own.
    #[error("the image brings driver {version}, the host's is {driver}: `{path}`{}; the host's comes first (else error 803)", more(*others))]
    ShippedDriver {
        /// The first of them.
        path: GuestPath,
        /// Its version.
        version: String,
        /// The host's.
        driver: String,
        /// How many others there are.
        others: usize,
    },
    /// A toolkit's stub in the image's search path.
    #[error(
        "the image's LD_LIBRARY_PATH names stubs to link against, `{path}`; the host's driver comes first (else error 34)"
    )]
    StubInImage {
        /// The directory.
        path: GuestPath,
    },
    /// The newer `libcuda` of the image is used.
    #[error(
        "the image's `{path}` (driver {version}) comes before the host's {driver}, for CUDA's forward compatibility"
    )]
    CompatTaken {
        /// The package's directory.
        path: GuestPath,
        /// Its version.
        version: String,
        /// The host's.
        driver: String,
    },
    /// The newer `libcuda` of the image is used where it is not made for.
    #[error(
        "the image's `{path}` comes first although `{model}` is none for data centres: CUDA may fail with error 804"
    )]
    CompatRefused {
        /// The package's directory.
        path: GuestPath,
        /// The processor.
        model: String,
    },
    /// The image would put its package first itself.
    #[error(
        "the image's LD_LIBRARY_PATH names `{path}`, which does not suit this host (error 803 or 804); the host's driver comes first"
    )]
    CompatOvertaken {
        /// The package's directory.
        path: GuestPath,
    },

    /// AMD's compute node.
    #[error("there is no `/dev/kfd`: this host or job has no AMD processor for compute")]
    NoKfd,
    /// No node to compute or render by.
    #[error("there is no `/dev/dri/renderD*` of {maker} on this host or in this job")]
    NoRenderNode {
        /// The maker's name.
        maker: String,
    },
}

impl Cause {
    /// How bad it is for a program that wants to compute.
    pub fn severity(&self) -> Severity {
        match self {
            Cause::SomeClosed { .. }
            | Cause::StubFirst { .. }
            | Cause::NoGraphicsNode { .. }
            | Cause::NoVulkanFile
            | Cause::LeftOut { .. }
            | Cause::FeatureLacks { .. }
            | Cause::StubInImage { .. }
            | Cause::CompatTaken { .. }
            | Cause::CompatOvertaken { .. } => Severity::Detail,
            // The fabric manager may run where we cannot see its socket. In a container that was given the compute
            // half of the driver, CUDA works without NVML. The others spoil some programs only.
            Cause::NoFabricManager
            | Cause::NoNvml { .. }
            | Cause::HiddenProcessors { .. }
            | Cause::Musl
            | Cause::NoLibc
            | Cause::ShippedDriver { .. }
            | Cause::CompatRefused { .. } => Severity::Warning,
            _ => Severity::Fatal,
        }
    }

    /// What somebody can do, in one sentence; `None` where nothing needs to be done.
    pub fn remedy(&self) -> Option<String> {
        if let Cause::NodeDenied {
            group: Some(group), ..
        } = self
        {
            return Some(format!(
                "have the administrator put you into its group (`usermod -aG {group} <you>`), then log in anew"
            ));
        }
        let fixed = self.remedy_for_driver().or_else(|| self.remedy_for_node());
        fixed.or_else(|| self.remedy_for_image()).map(str::to_owned)
    }

    fn remedy_for_driver(&self) -> Option<&'static str> {
        Some(match self {
            Cause::NoDriver { .. } => {
                "run this on a host with an NVIDIA GPU and its driver (on a cluster, in a job on a GPU node), or name \
                 the driver's place with `--driver-root`"
            }
            Cause::NoLibcuda { .. } => {
                "install the driver's CUDA library of the same version, or put its directory into LD_LIBRARY_PATH, or \
                 name the tree that holds it with `--driver-root`"
            }
            Cause::OtherVersion { .. } => {
                "reboot the host, or have its administrator reload the NVIDIA kernel modules: the driver was updated \
                 while the old one was running"
            }
            Cause::OnlyStub { .. } => {
                "install NVIDIA's driver on this host; the CUDA toolkit does not bring it"
            }
            Cause::Only32Bit { .. } => "install the driver's 64-bit libraries on this host",
            Cause::LibcudaOfOtherMachine { .. } => {
                "install the driver for this host's own architecture"
            }
            Cause::BrokenLibcuda { .. } | Cause::NoPtxCompiler { .. } | Cause::NoNvml { .. } => {
                "install the driver's libraries on this host anew; `coracle gpu list` shows what was found"
            }
            Cause::ModuleNotLoaded { .. } => {
                "run this on a node with a GPU (login nodes often have the files alone), or have the administrator \
                 run `modprobe nvidia`"
            }
            Cause::UvmNotLoaded | Cause::NoUvmNode => {
                "run `nvidia-modprobe -u -c=0` on the host (any user may where it is setuid), or have the \
                 administrator do so or run a CUDA program once"
            }
            Cause::NoFabricManager => {
                "have the administrator start the service nvidia-fabricmanager"
            }
            Cause::NoVulkanFile => {
                "install the driver's package for Vulkan or graphics on this host"
            }
            _ => return None,
        })
    }

    fn remedy_for_node(&self) -> Option<&'static str> {
        Some(match self {
            Cause::NoControlNode | Cause::NoProcessorNode { .. } => {
                "run `nvidia-smi` once on the host, which makes the nodes; inside of another container, start that \
                 one with its GPU option; in a job, ask the scheduler for a GPU (Slurm: `--gres=gpu:1` or `--gpus=1`)"
            }
            Cause::NoDxg => "update WSL (`wsl --update`) and Windows' NVIDIA driver",
            Cause::NodeInCgroup { .. } => {
                "ask the scheduler for a GPU (Slurm: `--gres=gpu:1` or `--gpus=1`), or choose one that the job has"
            }
            Cause::NodeDenied { .. } => "ask the administrator for access to it",
            Cause::NodeFailed { .. } => {
                "see what the kernel's log says of it (`dmesg`), and ask the administrator"
            }
            Cause::DevIsNodev => {
                "have whoever mounts `/dev` here leave `nodev` out: it is an option of the surrounding container or \
                 of `/etc/fstab`"
            }
            Cause::HiddenProcessors { .. } => {
                "unset CUDA_VISIBLE_DEVICES, or in a job ask the scheduler for a GPU (Slurm: `--gres=gpu:1`)"
            }
            Cause::NoGraphicsNode { .. } => {
                "have the administrator put you into the groups that own the nodes, often `render` and `video`"
            }
            Cause::NoKfd => {
                "have the administrator load the kernel module amdgpu (`modprobe amdgpu`), or in a job ask the \
                 scheduler for a GPU"
            }
            Cause::NoRenderNode { .. } => {
                "run this on a host with such a GPU and its kernel module, or in a job ask the scheduler for a GPU"
            }
            _ => return None,
        })
    }

    fn remedy_for_image(&self) -> Option<&'static str> {
        Some(match self {
            Cause::ImageOfOtherMachine { .. } => {
                "use the image for this host's machine (`--platform`)"
            }
            Cause::Musl => {
                "use an image with glibc, such as Debian's or Ubuntu's variant of the same image"
            }
            Cause::NoLibc => "use an image with glibc, such as Debian's or Ubuntu's",
            Cause::ImageTooOld { .. } => "use a newer release of the image's distribution",
            Cause::ImageLacks { .. } => "use an image that has it, or install it in the container",
            Cause::FeatureLacks { .. } => "install them in the image if you need it",
            Cause::ShippedDriver { .. } => {
                "remove the driver's packages from the image: it must not bring any"
            }
            Cause::CompatRefused { .. } => "leave out `--cuda-compat=on`",
            _ => return None,
        })
    }
}

fn named(paths: &[GuestPath]) -> String {
    match paths {
        [] => "any directory of `/etc/ld.so.cache`, of LD_LIBRARY_PATH or known to hold drivers"
            .to_owned(),
        paths => names(paths),
    }
}

fn names<T: std::fmt::Display>(all: &[T]) -> String {
    let first = all.iter().take(MAX_NAMED);
    let first: Vec<String> = first.map(|one| format!("`{one}`")).collect();
    let rest = all.len().saturating_sub(MAX_NAMED);
    let rest = (rest > 0).then(|| format!(" and {rest} more"));
    first.join(", ") + &rest.unwrap_or_default()
}

fn of(version: &Option<String>) -> String {
    let known = version.as_ref().map(|version| format!(" {version}"));
    known.unwrap_or_default()
}

fn state(why: &Option<String>) -> String {
    match why {
        None => "is not on this host".to_owned(),
        Some(why) => format!("cannot be used ({why})"),
    }
}

fn because(why: &Option<String>) -> String {
    let known = why.as_ref().map(|why| format!(" ({why})"));
    known.unwrap_or_default()
}

fn more(others: usize) -> String {
    match others {
        0 => String::new(),
        others => format!(" and {others} more"),
    }
}
