//! How a run by PRoot can fail before PRoot takes over.

use std::ffi::OsString;
use std::fmt::Display;
use std::io;

use crate::base::fault::{Fault, Kind};
use crate::base::fsx::PathError;
use crate::base::path::GuestPath;

/// How a run by PRoot can fail before PRoot takes over.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProotError {
    /// The plan wants what PRoot cannot do.
    #[error("the engine `proot` cannot do this: {0}")]
    Refused(String),
    /// A step of the preparation failed.
    #[error("cannot {doing} `{object}`")]
    Step {
        /// The step, such as "create".
        doing: &'static str,
        /// On what.
        object: String,
        /// Why.
        source: io::Error,
    },
    /// Something of the host that was to be bound is absent.
    #[error("cannot bind `{0}` into the container: no such file or directory")]
    NoSource(String),
    /// The working directory is absent.
    #[error("the working directory `{0}` does not exist in the container")]
    NoCwd(GuestPath),
    /// The program is in no directory of the guest's PATH, or not where its path says.
    #[error("`{}`: no such program in the container", .0.display())]
    NoProgram(OsString),
    /// The program is no file that may be executed.
    #[error("cannot execute `{}`: permission denied", .0.display())]
    NotExecutable(OsString),
    /// A file could not be made or read.
    #[error(transparent)]
    File(#[from] PathError),
}

impl Fault for ProotError {
    fn kind(&self) -> Kind {
        match self {
            ProotError::Refused(_) | ProotError::Step { .. } => Kind::Refused,
            ProotError::NoSource(_) | ProotError::NoCwd(_) => Kind::NotFound,
            ProotError::NoProgram(_) => Kind::NoProgram,
            ProotError::NotExecutable(_) => Kind::NotExecutable,
            ProotError::File(error) => error.kind(),
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            ProotError::Refused(_) => {
                "leave it out, or use `--engine=ns` where `coracle doctor` allows it"
            }
            ProotError::NoSource(_) => "create it, or drop the option that names it",
            ProotError::NoCwd(_) => "name another one with `--workdir`",
            ProotError::File(error) => return error.hints(),
            _ => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}

/// Names the step and its object, should it be an error.
pub(super) trait Step<T> {
    fn step(self, doing: &'static str, object: impl Display) -> Result<T, ProotError>;
}

impl<T> Step<T> for io::Result<T> {
    fn step(self, doing: &'static str, object: impl Display) -> Result<T, ProotError> {
        self.map_err(|source| ProotError::Step {
            doing,
            object: object.to_string(),
            source,
        })
    }
}
