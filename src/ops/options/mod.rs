//! What `run` and `create` take from the command line, and the wish that it amounts to.

mod account;
mod files;
mod gpu;
mod limits;
mod meta;
mod network;
mod profile;

pub use account::AccountOptions;
pub use files::FileOptions;
pub use gpu::GpuOptions;
pub use limits::LimitOptions;
pub use meta::MetaOptions;
pub use network::NetworkOptions;
pub use profile::ProfileOptions;

use std::ffi::OsString;
use std::path::PathBuf;

use crate::base::env;
use crate::base::fault::{BoxFault, Fault, Kind, While};
use crate::base::fsx::{self, Context};
use crate::base::path::HostPath;
use crate::plan::wish::{Text, Wish};
use crate::plan::{build, environ};

/// Bytes of an environment file; `execve(2)` takes less of an environment.
const ENV_FILE_LIMIT: u64 = 4 << 20;

/// What was typed, as it was typed. The fields are Docker's flags, and udocker's where Docker has none.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The command and its arguments.
    pub args: Vec<OsString>,
    /// `--entrypoint`.
    pub entrypoint: Option<OsString>,
    /// `--env`.
    pub env: Vec<OsString>,
    /// `--env-file`.
    pub env_file: Vec<PathBuf>,
    /// `--hostenv`.
    pub hostenv: bool,
    /// `--nometa`.
    pub nometa: bool,
    /// `--workdir`.
    pub workdir: Option<OsString>,
    /// `--tty`.
    pub tty: bool,
    /// `--interactive`.
    pub interactive: bool,
    /// `--kernel`.
    pub kernel: Option<String>,
    /// Files.
    pub files: FileOptions,
    /// Users and ids.
    pub account: AccountOptions,
    /// Network and names.
    pub network: NetworkOptions,
    /// Resources and rights.
    pub limits: LimitOptions,
    /// What is only kept and shown.
    pub meta: MetaOptions,
    /// Graphics processors and other devices.
    pub gpu: GpuOptions,
    /// Profiles that were typed, the stronger ones first.
    pub profiles: Vec<ProfileOptions>,
    /// What holds for every new container, below all that was typed.
    pub standing: Option<Box<Options>>,
}

/// An option with a value that it does not take.
#[derive(Debug, thiserror::Error)]
#[error("got `{got}` for `{flag}`, expected {expected}")]
pub struct BadValue {
    /// The flag.
    pub flag: &'static str,
    /// What was typed.
    pub got: String,
    /// What it takes.
    pub expected: &'static str,
}

impl BadValue {
    fn of(flag: &'static str, got: &str, expected: &'static str) -> BadValue {
        BadValue {
            flag,
            got: got.escape_debug().take(80).collect(),
            expected,
        }
    }
}

impl Fault for BadValue {
    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

impl Options {
    /// The wish that every new container has to begin with, below all that was typed.
    pub fn standing_wish(&self) -> Result<Wish, BoxFault> {
        let standing = self.standing.as_deref().cloned();
        standing.map_or_else(|| Ok(Wish::default()), Options::into_wish)
    }

    /// The wish: environment files are read, relative sources of mounts are taken from
    /// the working directory. What makes no sense in any image is an error.
    pub fn into_wish(self) -> Result<Wish, BoxFault> {
        let profiles = self.profiles.iter();
        let needs_cwd = self.files.has_sources()
            || self.gpu.driver_root.is_some()
            || profiles.clone().any(ProfileOptions::has_sources);
        let cwd = if needs_cwd {
            working_dir()?
        } else {
            HostPath::new("/")
        };
        let mut environment = Vec::new();
        for path in &self.env_file {
            let doing = || format!("cannot use environment file `{}`", path.display());
            let content = fsx::read(path, ENV_FILE_LIMIT).map_err(|e| While::new(doing(), e))?;
            let entries = environ::from_file(&content, &env::all());
            environment.extend(entries.map_err(|e| While::new(doing(), e))?);
        }
        environment.extend(self.env.into_iter().map(Text));
        let (gpu, nodes) = self.gpu.into_wish(&cwd)?;
        let mut wish = Wish {
            args: self.args.into_iter().map(Text).collect(),
            entrypoint: self.entrypoint.map(Text),
            environment,
            workdir: self.workdir.map(Text),
            terminal: self.tty,
            interactive: self.interactive,
            kernel: self.kernel,
            host_environment: self.hostenv,
            no_meta: self.nometa,
            gpu,
            ..Wish::default()
        };
        self.files.add_to(&mut wish, &cwd)?;
        self.account.add_to(&mut wish)?;
        self.network.add_to(&mut wish)?;
        self.limits.add_to(&mut wish)?;
        self.meta.add_to(&mut wish)?;
        for profile in self.profiles {
            profile.add_to(&mut wish, &cwd)?;
        }
        wish.volumes.extend(nodes);
        build::check(&wish)?;
        Ok(wish)
    }
}

/// The caller's working directory.
pub(super) fn working_dir() -> fsx::Result<HostPath> {
    std::env::current_dir()
        .context("find the working directory", ".")
        .map(HostPath::new)
}
