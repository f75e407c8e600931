//! How a guest can fail to start, for whatever engine.

use std::ffi::OsString;
use std::fmt::Display;
use std::io;
use std::os::unix::ffi::OsStrExt;

use crate::base::fault::{Fault, Kind};
use crate::base::fsx::PathError;
use crate::base::path::GuestPath;

/// How a guest can fail to start.
#[derive(Debug, thiserror::Error)]
pub(super) enum GuestError {
    /// The plan wants what this engine cannot do.
    #[error("the engine `{engine}` cannot do this: {wish}")]
    Refused {
        /// The engine.
        engine: &'static str,
        /// What the plan wants.
        wish: String,
    },
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
    /// A file is to be shown where the guest has a directory, or the other way round.
    #[error("cannot show {wanted} at `{target}`, where the container has {there}")]
    OtherKind {
        /// Where in the guest.
        target: GuestPath,
        /// What is to be shown.
        wanted: &'static str,
        /// What is there.
        there: &'static str,
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

impl Fault for GuestError {
    fn kind(&self) -> Kind {
        match self {
            GuestError::Refused { .. }
            | GuestError::Step { .. }
            | GuestError::MountPoint { .. } => Kind::Refused,
            GuestError::OtherKind { .. } => Kind::Usage,
            GuestError::NoSource(_) | GuestError::NoCwd(_) => Kind::NotFound,
            GuestError::NoProgram(_) => Kind::NoProgram,
            // What is absent is its interpreter; Docker, dash and PRoot call that 127, too.
            GuestError::Exec { source, .. } if source.raw_os_error() == Some(libc::ENOENT) => {
                Kind::NoProgram
            }
            GuestError::Exec { .. } => Kind::NotExecutable,
            GuestError::File(error) => error.kind(),
        }
    }

    fn hints(&self) -> Vec<String> {
        let errno = |error: &io::Error| error.raw_os_error().unwrap_or(0);
        let hint = match self {
            GuestError::Step { source, .. } if errno(source) == libc::ENOSPC => {
                "a limit of this host is reached: see the sysctls fs.mount-max and user.max_mnt_namespaces"
            }
            GuestError::Step { .. } => {
                "`coracle doctor` tells what this host allows; `--engine` takes another engine"
            }
            GuestError::Refused { engine: "ns", .. } => {
                "leave it out, or use `--engine=proot` where `coracle doctor` allows it"
            }
            GuestError::Refused { .. } => {
                "leave it out, or use `--engine=ns` where `coracle doctor` allows it"
            }
            GuestError::NoSource(_) => "create it, or drop the option that names it",
            GuestError::MountPoint { .. } => "choose a place outside `/proc`, `/sys` and `/dev`",
            GuestError::OtherKind { .. } => {
                "a file goes on a file, a directory on a directory: name the place of the mount in full"
            }
            GuestError::NoCwd(_) => "name another one with `--workdir`",
            GuestError::Exec { source, .. } if errno(source) == libc::ENOEXEC => {
                "is it for another processor? see `coracle inspect`, and pull with `--platform`"
            }
            GuestError::Exec { source, .. } if errno(source) == libc::ENOENT => {
                "its interpreter (the `#!` line, or the ELF loader) is not in the container"
            }
            GuestError::File(error) => return error.hints(),
            GuestError::NoProgram(name) if name.as_bytes().starts_with(b"-") => {
                "flags stand before the image: what follows it is the guest's command"
            }
            GuestError::NoProgram(_) | GuestError::Exec { .. } => return Vec::new(),
        };
        vec![hint.into()]
    }
}

/// Refuses to mount a directory on a file or a file on a directory, which the kernel would do with a word (ENOTDIR)
/// that leaves open what is meant.
pub(super) fn check_kind(
    is_dir: bool,
    wants_dir: bool,
    target: &GuestPath,
) -> Result<(), GuestError> {
    let name = |is_dir| if is_dir { "a directory" } else { "a file" };
    if is_dir == wants_dir {
        return Ok(());
    }
    Err(GuestError::OtherKind {
        target: target.clone(),
        wanted: name(wants_dir),
        there: name(is_dir),
    })
}

/// Names the step and its object, should it be an error.
pub(super) trait Step<T> {
    fn step(self, doing: &'static str, object: impl Display) -> Result<T, GuestError>;
}

impl<T> Step<T> for io::Result<T> {
    fn step(self, doing: &'static str, object: impl Display) -> Result<T, GuestError> {
        self.map_err(|source| GuestError::Step {
            doing,
            object: object.to_string(),
            source,
        })
    }
}
