//! What an image's tree says of itself to whoever wants to put a driver into it.

mod look;

pub use self::look::look;

use std::collections::BTreeMap;

use crate::base::path::GuestPath;
use crate::gpu::vantage::Machine;

/// The file by which a run tells the guest's own `ldconfig` of the driver; it is read before all others.
pub const OWN_CONF: &str = "/etc/ld.so.conf.d/00-coracle-gpu.conf";

/// What matters of a guest's tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guest {
    /// Which C library its programs use.
    pub libc: Libc,
    /// The machine that its programs are made for, by `e_machine` where it is none that we know.
    pub machine: Option<Result<Machine, u16>>,
    /// The bytes of its `/etc/ld.so.cache`, where it has one that can be read.
    pub cache: Option<Vec<u8>>,
    /// The bytes of its `/etc/ld.so.conf`, where it has one.
    pub loader_conf: Option<Vec<u8>>,
    /// The bytes of the file by which we told its `ldconfig` of a driver in an earlier run, where there is one.
    pub own_conf: Option<Vec<u8>>,
    /// For each SONAME that was asked for and is there: its path and the version names that it defines (DT_VERDEF).
    pub providers: BTreeMap<String, Provider>,
    /// Driver libraries that the image itself brings.
    pub shipped: Vec<Shipped>,
    /// Packages for forward compatibility in it, such as `/usr/local/cuda/compat`.
    pub compat: Vec<Compat>,
    /// The names in its `/etc/OpenCL/vendors`.
    pub opencl_vendors: Vec<String>,
}

/// The C library of a guest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Libc {
    /// The GNU C library, with its version where that can be told.
    Glibc(Option<String>),
    /// musl, as in Alpine.
    Musl,
    /// None was found: an image of static programs.
    #[default]
    None,
}

/// A library of the guest that others ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Where.
    pub path: GuestPath,
    /// The version names that it defines.
    pub versions: Vec<String>,
}

/// A driver library in the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shipped {
    /// Where.
    pub path: GuestPath,
    /// The version in its name, where it has one.
    pub version: Option<String>,
}

/// A package for CUDA's forward compatibility: a newer `libcuda` for an older kernel module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compat {
    /// Its directory.
    pub path: GuestPath,
    /// The version of its `libcuda.so.*`.
    pub version: String,
    /// The major versions of kernel modules that its ELF note names; empty without one.
    pub accepts: Vec<u32>,
}
