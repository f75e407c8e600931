//! What can go wrong with the payload, and the way out of each.

use std::io;

use crate::base::fault::{Fault, Kind};
use crate::base::fsx::PathError;
use crate::base::path::HostPath;

/// Why a payload cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// This binary was built without it.
    #[error("no `{0}` is inside this binary")]
    Missing(String),
    /// The packed bytes do not unpack.
    #[error("the `{payload}` inside this binary is damaged")]
    Broken {
        /// Which payload.
        payload: &'static str,
        /// What the decoder says.
        source: io::Error,
    },
    /// A directory that cannot be made, or a file that cannot be written there.
    #[error("cannot unpack `{payload}` to `{dir}`")]
    Unpack {
        /// Which payload.
        payload: &'static str,
        /// Where to.
        dir: HostPath,
        /// What failed, on which path.
        source: PathError,
    },
    /// The kernel does not execute what lies there.
    #[error(
        "`{0}` is there, and the kernel refuses to execute it: its file system is mounted `noexec`, or a policy forbids it"
    )]
    NoExec(HostPath),
    /// A directory that somebody else could put programs into.
    #[error("will not execute from `{0}`, which others can write or own")]
    Foreign(HostPath),
    /// What was unpacked before cannot be read or removed.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl Fault for EmbedError {
    fn kind(&self) -> Kind {
        match self {
            EmbedError::Missing(_) => Kind::NotFound,
            EmbedError::Broken { .. } => Kind::Integrity,
            EmbedError::Unpack { .. } => Kind::Storage,
            EmbedError::NoExec(_) | EmbedError::Foreign(_) => Kind::Refused,
            EmbedError::Path(source) => source.kind(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            EmbedError::Missing(_) => {
                vec!["build coracle with `ci/build`, or take a released file".into()]
            }
            EmbedError::Broken { .. } => {
                vec!["copy the `coracle` file again and compare its sha256".into()]
            }
            EmbedError::Unpack { .. } | EmbedError::NoExec(_) => vec![
                "set CORACLE_HOME to a directory with some megabytes free that you can write and execute files in".into(),
                "or set CORACLE_TMPDIR to such a directory, for the programs only".into(),
                "or use `--engine=ns` where the host allows user namespaces: it needs no programs unpacked".into(),
            ],
            EmbedError::Foreign(_) => {
                vec!["set CORACLE_TMPDIR to a directory of your own".into()]
            }
            EmbedError::Path(source) => source.hints(),
        }
    }
}
