//! What can be wrong with the files and settings that say where references are had.

use crate::base::fault::{Fault, Kind};
use crate::base::fsx::PathError;
use crate::base::path::HostPath;
use crate::oci::reference::ReferenceError;

/// Why nobody can say from where a reference comes.
#[derive(Debug, thiserror::Error)]
pub enum RegistriesError {
    /// A file says what nobody understands.
    #[error("cannot use `{path}`: line {line}: {what}")]
    Wrong {
        /// The file.
        path: HostPath,
        /// Where in it, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// One entry of the setting `mirror` is malformed.
    #[error("cannot use the mirror `{text}`: {what}")]
    Setting {
        /// What was given.
        text: String,
        /// What is wrong with it.
        what: String,
    },
    /// The host's administrator or the user does not want anything from there.
    #[error("`{name}` is blocked: {by} says so")]
    Blocked {
        /// The reference.
        name: String,
        /// File and line.
        by: String,
    },
    /// Another name was put in its place, and that is none.
    #[error("{by} gives `{name}` a name that cannot be used")]
    Rewritten {
        /// The reference.
        name: String,
        /// File and line, or the setting.
        by: String,
        /// What is wrong with the new name.
        source: ReferenceError,
    },
    /// A file is there and cannot be read.
    #[error(transparent)]
    File(#[from] PathError),
}

impl Fault for RegistriesError {
    fn kind(&self) -> Kind {
        match self {
            RegistriesError::Blocked { .. } => Kind::Refused,
            RegistriesError::File(error) => error.kind(),
            _ => Kind::Usage,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            RegistriesError::Setting { .. } => {
                vec!["write `HOST[/PATH]`, which mirrors docker.io, or `PREFIX=HOST[/PATH]`".into()]
            }
            RegistriesError::File(error) => error.hints(),
            RegistriesError::Blocked { .. } => Vec::new(),
            _ => vec![
                "see containers-registries.conf(5); CONTAINERS_REGISTRIES_CONF names another file"
                    .into(),
            ],
        }
    }
}
