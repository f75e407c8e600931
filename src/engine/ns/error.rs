//! How entering a container can fail once the namespaces exist.

use std::ffi::OsString;
use std::fmt::Display;
use std::io;

use crate::base::fault::{Fault, Kind};
use crate::base::fsx::PathError;
use crate::base::path::GuestPath;

/// How entering a container can fail once the namespaces exist.
#[derive(Debug, thiserror::Error)]
pub(super) enum NsError {
    /// The kernel refused a step of the set-up.
    #[error("cannot {doing} `{object}`")]
    Step {
        /// The step, such as "mount over".
        doing: &'static str,
        /// On what.
        object: String,
        /// Why.
        source: io::Error,
    },
    /// A file or directory of the host that was to be mounted is absent.
    #[error("cannot bind `{0}` into the container: no such file or directory")]
    NoSource(String),
    /// There is nothing to mount on, and nothing can be made there.
    #[error("cannot make the mount point `{target}`")]
    MountPoint {
        /// Where in the guest.
        target: GuestPath,
        /// Why.
        source: io::Error,
    },
    /// The working directory is absent.
    #[error("the working directory `{0}` does not exist in the container")]
    NoCwd(GuestPath),
    /// The program is in no directory of the guest's PATH, or not where its path says.
    #[error("`{}`: no such program in the container", .0.display())]
    NoProgram(OsString),
    /// The program exists and the kernel does not start it.
    #[error("cannot execute `{}`", program.display())]
    Exec {
        /// Where it lies in the guest.
        program: OsString,
        /// Why.
        source: io::Error,
    },
    /// A file could not be written.
    #[error(transparent)]
    File(#[from] PathError),
}

impl Fault for NsError {
    fn kind(&self) -> Kind {
        match self {
            NsError::Step { .. } | NsError::MountPoint { .. } => Kind::Refused,
            NsError::NoSource(_) | NsError::NoCwd(_) => Kind::NotFound,
            NsError::NoProgram(_) => Kind::NoProgram,
            // What is absent is its interpreter; Docker, dash and PRoot call that 127, too.
            NsError::Exec { source, .. } if source.raw_os_error() == Some(libc::ENOENT) => {
                Kind::NoProgram
            }
            NsError::Exec { .. } => Kind::NotExecutable,
            NsError::File(error) => error.kind(),
        }
    }

    fn hints(&self) -> Vec<String> {
        let errno = |error: &io::Error| error.raw_os_error().unwrap_or(0);
        let hint = match self {
            NsError::Step { source, .. } if errno(source) == libc::ENOSPC => {
                "a limit of this host is reached: see the sysctls fs.mount-max and user.max_mnt_namespaces"
            }
            NsError::Step { .. } => {
                "`--engine=proot` needs no mounts; `coracle doctor` tells what this host allows"
            }
            NsError::NoSource(_) => "create it, or drop the option that names it",
            NsError::MountPoint { .. } => "choose a place outside `/proc`, `/sys` and `/dev`",
            NsError::NoCwd(_) => "name another one with `--workdir`",
            NsError::Exec { source, .. } if errno(source) == libc::ENOEXEC => {
                "is it for another processor? see `coracle inspect`, and pull with `--platform`"
            }
            NsError::Exec { source, .. } if errno(source) == libc::ENOENT => {
                "its interpreter (the `#!` line, or the ELF loader) is not in the container"
            }
            NsError::File(error) => return error.hints(),
            NsError::NoProgram(_) | NsError::Exec { .. } => return Vec::new(),
        };
        vec![hint.into()]
    }
}

/// Names the step and its object, should it be an error.
pub(super) trait Step<T> {
    fn step(self, doing: &'static str, object: impl Display) -> Result<T, NsError>;
}

impl<T> Step<T> for io::Result<T> {
    fn step(self, doing: &'static str, object: impl Display) -> Result<T, NsError> {
        self.map_err(|source| NsError::Step {
            doing,
            object: object.to_string(),
            source,
        })
    }
}
