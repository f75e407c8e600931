//! From where a host is looked at: which trees, which search paths, for which machine.
//!
//! Everything that `gpu` reads of a host it reads through a [`Vantage`], so that a driver container's root
//! (`--driver-root`), another machine's tree or a test's small imitation is looked at in the same way.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::base::env;
use crate::base::path::{GuestPath, HostPath, RootDir};

/// Directories of a search path that are looked at. Module systems of clusters make paths of
/// hundreds, each on a server far away; the driver's is among the first, or it would not be found.
const MAX_SEARCHED: usize = 64;

/// What counts as a device node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeCheck {
    /// Character devices only.
    Device,
    /// Any file; for trees in which nobody may make devices.
    AnyFile,
}

/// The machines that drivers are made for, by their numbers in ELF (`e_machine`). elf(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Machine {
    /// EM_X86_64, 64 bit.
    #[serde(rename = "x86_64")]
    X86_64,
    /// EM_AARCH64, 64 bit.
    #[serde(rename = "aarch64")]
    Aarch64,
}

impl Machine {
    /// That of this program.
    pub const HERE: Machine = match cfg!(target_arch = "aarch64") {
        true => Machine::Aarch64,
        false => Machine::X86_64,
    };

    /// The name of directories such as `/usr/lib/x86_64-linux-gnu`. Debian, "multiarch tuples".
    pub fn triplet(self) -> &'static str {
        match self {
            Machine::X86_64 => "x86_64-linux-gnu",
            Machine::Aarch64 => "aarch64-linux-gnu",
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Machine::X86_64 => "x86_64",
            Machine::Aarch64 => "aarch64",
        })
    }
}

/// From where a host is looked at.
#[derive(Clone, Debug)]
pub struct Vantage {
    /// Libraries, programs and data of drivers; links in it stay in it.
    pub root: RootDir,
    /// `/proc`.
    pub proc: HostPath,
    /// `/sys`.
    pub sys: HostPath,
    /// `/dev`.
    pub dev: HostPath,
    /// What counts as a node in it.
    pub node_check: NodeCheck,
    /// The directories of `LD_LIBRARY_PATH`, as paths below `root`.
    pub library_path: Vec<GuestPath>,
    /// The directories of `PATH`, likewise.
    pub program_path: Vec<GuestPath>,
    /// `CUDA_MPS_PIPE_DIRECTORY`, where set.
    pub mps_directory: Option<HostPath>,
    /// The machine that libraries must be made for.
    pub machine: Machine,
}

impl Vantage {
    /// This host, as the caller's environment has it.
    pub fn host() -> Vantage {
        Vantage {
            root: RootDir::new(HostPath::new("/")),
            proc: HostPath::new("/proc"),
            sys: HostPath::new("/sys"),
            dev: HostPath::new("/dev"),
            node_check: NodeCheck::Device,
            library_path: directories(env::get(env::LD_LIBRARY_PATH)),
            program_path: directories(env::get(env::PATH)),
            mps_directory: mps_directory(),
            machine: Machine::HERE,
        }
    }

    /// The driver that is installed in the tree `dir`, as containers of drivers have it.
    ///
    /// Such a tree may have a `/proc`, `/sys` and `/dev` of its own; of those it has that know of NVIDIA, these count,
    /// otherwise the host's. The caller's search paths are about another tree, so they do not count.
    pub fn of_root(dir: HostPath) -> Vantage {
        let own = |name: &str, sign: &str| match dir.join(name).join(sign).exists() {
            true => dir.join(name),
            false => HostPath::new("/").join(name),
        };
        Vantage {
            proc: own("proc", "driver/nvidia"),
            sys: own("sys", "module/nvidia"),
            dev: own("dev", "nvidiactl"),
            root: RootDir::new(dir),
            node_check: NodeCheck::Device,
            library_path: Vec::new(),
            program_path: Vec::new(),
            mps_directory: mps_directory(),
            machine: Machine::HERE,
        }
    }
}

/// The absolute directories of a search path, in its order. An empty or relative one is about the
/// working directory, where no driver is.
fn directories(path: Option<OsString>) -> Vec<GuestPath> {
    let path = path.unwrap_or_default();
    // The loader takes semicolons too. ld.so(8)
    let parts = path.as_bytes().split(|byte| matches!(byte, b':' | b';'));
    let absolute = parts.filter_map(|part| GuestPath::new(OsString::from_vec(part.to_vec())));
    absolute.take(MAX_SEARCHED).collect()
}

fn mps_directory() -> Option<HostPath> {
    env::get(env::CUDA_MPS_PIPE_DIRECTORY).map(HostPath::new)
}
