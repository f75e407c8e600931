//! The flags that several verbs share.

mod account;
mod files;
mod gpu;
mod limits;
mod meta;
mod nature;
mod network;
mod profile;
pub(crate) mod refused;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ArgAction;

use crate::base::fault::BoxFault;
use crate::base::path::HostPath;
use crate::cli::meant::Meant;
use crate::cli::typed::Misuse;
use crate::oci::platform::Platform;
use crate::ops::options::Options;
use crate::ops::reach::Pull;
use account::AccountFlags;
use files::FileFlags;
use gpu::GpuFlags;
use limits::LimitFlags;
use meta::MetaFlags;
use nature::NatureFlags;
use network::NetworkFlags;
use profile::ProfileFlags;

/// Which image, and when a registry is asked for it.
#[derive(clap::Args)]
pub(crate) struct ImageFlags {
    /// When to ask the registry for the image [default: missing]
    #[arg(long, value_enum, value_name = "WHEN")]
    pull: Option<When>,
    #[command(flatten)]
    platform: PlatformFlag,
    #[command(flatten)]
    locked: LockedFlag,
}

/// Which file locks images.
#[derive(clap::Args)]
pub(crate) struct LockedFlag {
    /// Refuse an image that is not the one that this file has under its name [default: coracle.lock]
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "coracle.lock"
    )]
    locked: Option<PathBuf>,
}

impl LockedFlag {
    /// The file, if one is to be obeyed.
    pub(crate) fn file(&self) -> Option<HostPath> {
        self.locked.as_ref().map(HostPath::new)
    }
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
    pub(crate) fn pull(&self, meant: &Meant) -> Pull {
        match self.pull {
            Some(When::Missing) => Pull::Missing,
            Some(When::Always) => Pull::Always,
            Some(When::Never) => Pull::Never,
            None => meant.pull(),
        }
    }

    /// The file that locks images.
    pub(crate) fn locked(&self) -> Option<HostPath> {
        self.locked.file()
    }

    /// The platform typed, else that of the configuration.
    pub(crate) fn platform(&self, meant: &Meant) -> Result<Option<Platform>, BoxFault> {
        self.platform.read(meant)
    }
}

impl PlatformFlag {
    /// The platform typed, else that of the configuration.
    pub(crate) fn read(&self, meant: &Meant) -> Result<Option<Platform>, BoxFault> {
        match self.platform.as_deref() {
            Some(typed) => Ok(Some(typed.parse()?)),
            None => meant.platform(),
        }
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
    /// Set all of your own variables as well, below those of the image; but for PATH and others that say where
    /// things lie on the host
    #[arg(long)]
    hostenv: bool,
    /// Take no notice of what the image says of runs: its command, variables, user and directory
    #[arg(long)]
    nometa: bool,
    /// Start in this directory of the guest; created if absent
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<OsString>,
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
    files: FileFlags,
    #[command(flatten)]
    account: AccountFlags,
    #[command(flatten)]
    network: NetworkFlags,
    #[command(flatten)]
    limits: LimitFlags,
    #[command(flatten)]
    meta: MetaFlags,
    #[command(flatten)]
    gpu: GpuFlags,
    #[command(flatten)]
    _nature: NatureFlags,
    #[command(flatten)]
    profile: ProfileFlags,
}

impl ContainerFlags {
    /// What was typed, with the words after the image, and what holds for every new container.
    pub(crate) fn into_options(
        self,
        args: Vec<OsString>,
        meant: &Meant,
    ) -> Result<Options, BoxFault> {
        let profiles = self.profile.into_options(meant)?;
        Ok(Options {
            standing: meant.standing(&profiles)?,
            profiles,
            args,
            entrypoint: self.entrypoint,
            env: self.env,
            env_file: self.env_file,
            hostenv: self.hostenv,
            nometa: self.nometa,
            workdir: self.workdir,
            tty: self.tty,
            interactive: self.interactive,
            files: self.files.into_options(),
            account: self.account.into_options(),
            network: self.network.into_options(),
            limits: self.limits.into_options(),
            meta: self.meta.into_options(),
            gpu: self.gpu.into_options(),
            ..Options::default()
        })
    }
}
