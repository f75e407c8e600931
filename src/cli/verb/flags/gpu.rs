//! Graphics processors and other devices.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::ops::options::GpuOptions;

/// The heading of [`GpuFlags`] in the help.
const GPU: &str = "Graphics processors";

/// What of the host's graphics processors is shown. The names are Docker's, Apptainer's and udocker's.
#[derive(clap::Args)]
pub(super) struct GpuFlags {
    /// Show NVIDIA's GPUs with the driver as it is found on this host at each run; `cdi` takes what a
    /// specification of the Container Device Interface says instead
    #[arg(
        long,
        visible_alias = "nv",
        value_name = "host|cdi",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "host",
        help_heading = GPU
    )]
    nvidia: Option<String>,
    /// Show these of NVIDIA's only: `all`, `none` (the driver alone), positions in `coracle gpu list`,
    /// UUIDs, bus ids, `mig`, `0:1` (an instance), `count=2`
    #[arg(long, value_name = "LIST", help_heading = GPU)]
    gpus: Option<String>,
    /// Show a device: a node of /dev, `nvidia.com/gpu=0`, or another name of the Container Device
    /// Interface (repeatable)
    #[arg(
        long,
        value_name = "NODE[:NODE]|NAME",
        help_heading = GPU
    )]
    device: Vec<OsString>,
    /// Show AMD's GPUs, and check before the start that they can be used; their libraries are the image's
    #[arg(long, visible_alias = "amd", help_heading = GPU)]
    rocm: bool,
    /// The same for Intel's
    #[arg(long, help_heading = GPU)]
    intel: bool,
    /// The same for whatever has nodes in /dev/dri
    #[arg(long, help_heading = GPU)]
    dri: bool,
    /// Where the root is in which NVIDIA's driver was installed [default: $CORACLE_DRIVER_ROOT, else /]
    #[arg(long, value_name = "DIR", help_heading = GPU)]
    driver_root: Option<PathBuf>,
    /// Whether the image's own newer libcuda goes before the host's: `auto` (where NVIDIA's rule allows
    /// it), `on`, `off`
    #[arg(long, value_name = "WHEN", help_heading = GPU)]
    cuda_compat: Option<String>,
}

impl GpuFlags {
    /// What was typed.
    pub(super) fn into_options(self) -> GpuOptions {
        GpuOptions {
            nvidia: self.nvidia,
            gpus: self.gpus,
            device: self.device,
            rocm: self.rocm,
            intel: self.intel,
            dri: self.dri,
            driver_root: self.driver_root,
            cuda_compat: self.cuda_compat,
        }
    }
}
