//! What `run` and `create` take from the command line, and the wish that it amounts to.

mod gpu;

pub use gpu::GpuOptions;

use std::ffi::OsString;
use std::path::PathBuf;

use crate::base::env;
use crate::base::fault::{BoxFault, Fault, Kind, While};
use crate::base::fsx::{self, Context};
use crate::base::path::HostPath;
use crate::plan::wish::{Text, Userns, Wish};
use crate::plan::{binds, build, environ};

/// Bytes of an environment file; `execve(2)` takes less of an environment.
const ENV_FILE_LIMIT: u64 = 4 << 20;

/// What was typed, as it was typed. The fields are Docker's flags.
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
    /// `--workdir`.
    pub workdir: Option<OsString>,
    /// `--user`.
    pub user: Option<String>,
    /// `--userns`.
    pub userns: Option<String>,
    /// `--volume`.
    pub volume: Vec<OsString>,
    /// `--mount`.
    pub mount: Vec<OsString>,
    /// `--hostname`.
    pub hostname: Option<String>,
    /// `--cpuset-cpus`.
    pub cpuset_cpus: Option<String>,
    /// `--read-only`.
    pub read_only: bool,
    /// `--tty`.
    pub tty: bool,
    /// Graphics processors and other devices.
    pub gpu: GpuOptions,
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
    /// The wish: environment files are read, relative sources of mounts are taken from
    /// the working directory. What makes no sense in any image is an error.
    pub fn into_wish(self) -> Result<Wish, BoxFault> {
        let userns = self.userns.as_deref().map(userns).transpose()?;
        let has_mounts = !self.volume.is_empty() || !self.mount.is_empty();
        let needs_cwd = has_mounts || self.gpu.driver_root.is_some();
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
        let volumes = self.volume.iter();
        let mounts = self.mount.iter();
        let wish = Wish {
            args: self.args.into_iter().map(Text).collect(),
            entrypoint: self.entrypoint.map(Text),
            environment,
            workdir: self.workdir.map(Text),
            user: self.user,
            userns,
            volumes: volumes
                .map(|text| binds::anchored_volume(text, &cwd))
                .chain(nodes)
                .collect(),
            mounts: mounts
                .map(|text| binds::anchored_mount(text, &cwd))
                .collect(),
            hostname: self.hostname,
            cpus: self.cpuset_cpus,
            read_only: self.read_only,
            terminal: self.tty,
            gpu,
        };
        build::check(&wish)?;
        Ok(wish)
    }
}

fn userns(text: &str) -> Result<Userns, BadValue> {
    match text {
        "single" => Ok(Userns::Single),
        "keep-id" => Ok(Userns::KeepId),
        "subids" => Ok(Userns::Subids),
        other => Err(BadValue::of(
            "--userns",
            other,
            "`single`, `keep-id` or `subids`",
        )),
    }
}

fn working_dir() -> fsx::Result<HostPath> {
    std::env::current_dir()
        .context("find the working directory", ".")
        .map(HostPath::new)
}
