//! From where a host is looked at: which trees, which search paths, for which machine.
//!
//! Everything that `gpu` reads of a host it reads through a [`Vantage`], so that a driver container's root
//! (`--driver-root`), another machine's tree or a test's small imitation is looked at in the same way.

use crate::base::path::{GuestPath, HostPath, RootDir};

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
