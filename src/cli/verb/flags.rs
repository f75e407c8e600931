//! The flags that several verbs share.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ArgAction;

use crate::base::fault::BoxFault;
use crate::cli::typed::Misuse;
use crate::oci::platform::Platform;
use crate::ops::options::{GpuOptions, Options};
use crate::ops::reach::Pull;

/// Which image, and when a registry is asked for it.
#[derive(clap::Args)]
pub(crate) struct ImageFlags {
    /// When to ask the registry for the image
    #[arg(long, value_enum, value_name = "WHEN", default_value = "missing")]
    pull: When,
    #[command(flatten)]
    platform: PlatformFlag,
}

/// For which platform.
#[derive(clap::Args)]
pub(crate) struct PlatformFlag {
    /// The platform of the image, where it has several [default: this host's]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<String>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum When {
    /// When it is not here
    Missing,
    /// Every time: a tag may mean another image by now
    Always,
    /// Never
    Never,
}

impl ImageFlags {
    /// When a registry is asked.
    pub(crate) fn pull(&self) -> Pull {
        match self.pull {
            When::Missing => Pull::Missing,
            When::Always => Pull::Always,
            When::Never => Pull::Never,
        }
    }

    /// The platform typed.
    pub(crate) fn platform(&self) -> Result<Option<Platform>, BoxFault> {
        self.platform.read()
    }
}

impl PlatformFlag {
    /// The platform typed.
    pub(crate) fn read(&self) -> Result<Option<Platform>, BoxFault> {
        let typed = self.platform.as_deref();
        Ok(typed.map(str::parse).transpose()?)
    }
}

/// Takes the words after the flags apart: what is run, and the words for it.
pub(crate) fn target_and_args(words: Vec<OsString>) -> Result<(String, Vec<OsString>), BoxFault> {
    let mut words = words.into_iter();
    let target = words.next().unwrap_or_default().into_string();
    let target = target.map_err(|word| {
        Misuse::of(format!(
            "`{}` names no image: it is not UTF-8",
            word.to_string_lossy()
        ))
    })?;
    Ok((target, words.collect()))
}

/// Docker's flags for what a container is made of.
#[derive(clap::Args)]
pub(crate) struct ContainerFlags {
    /// Run this program instead of the image's entry point; empty for none
    #[arg(long, value_name = "PROGRAM", allow_hyphen_values = true)]
    entrypoint: Option<OsString>,
    /// Set a variable in the guest; without a value, take the host's (repeatable)
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<OsString>,
    /// Read variables from a file, one NAME=VALUE a line (repeatable)
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Start in this directory of the guest; created if absent
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<OsString>,
    /// Be this user of the image, by name or number
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// Whose ids the guest has: `single` (root, or the image's user), `keep-id` (your own), or
    /// `subids` (root, with ids of /etc/subuid behind the others)
    #[arg(long, value_name = "KIND")]
    userns: Option<String>,
    /// Show a file or directory of the host in the guest (repeatable)
    #[arg(short, long, value_name = "SRC:DST[:ro|rw]")]
    volume: Vec<OsString>,
    /// The same in words, or an empty directory in memory: `type=bind,source=…,target=…[,readonly]`,
    /// `type=tmpfs,target=…[,tmpfs-size=…][,tmpfs-mode=…]` (repeatable)
    #[arg(long, value_name = "KEY=VALUE,…")]
    mount: Vec<OsString>,
    /// The guest's host name
    #[arg(short = 'h', long, value_name = "NAME")]
    hostname: Option<String>,
    /// Let the guest use these processors only
    #[arg(long, value_name = "LIST")]
    cpuset_cpus: Option<String>,
    /// Let no write of the guest reach its root file system
    #[arg(long)]
    read_only: bool,
    /// Keep standard input open; it always reaches the guest, so this changes nothing
    #[arg(short, long)]
    interactive: bool,
    /// Insist on a terminal, and tell the guest its type
    #[arg(short, long)]
    tty: bool,
    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
    #[command(flatten)]
    gpu: GpuFlags,
}

/// The heading of [`GpuFlags`] in the help.
const GPU: &str = "Graphics processors";

/// What of the host's graphics processors is shown. The names are Docker's, Apptainer's and udocker's.
#[derive(clap::Args)]
struct GpuFlags {
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
    fn into_options(self) -> GpuOptions {
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

impl ContainerFlags {
    /// What was typed, with the words after the image.
    pub(crate) fn into_options(self, args: Vec<OsString>) -> Options {
        Options {
            args,
            entrypoint: self.entrypoint,
            env: self.env,
            env_file: self.env_file,
            workdir: self.workdir,
            user: self.user,
            userns: self.userns,
            volume: self.volume,
            mount: self.mount,
            hostname: self.hostname,
            cpuset_cpus: self.cpuset_cpus,
            read_only: self.read_only,
            tty: self.tty,
            gpu: self.gpu.into_options(),
        }
    }
}
