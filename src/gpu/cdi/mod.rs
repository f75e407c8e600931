//! The Container Device Interface: devices that a host's administrator described in files.
//!
//! <https://github.com/cncf-tags/container-device-interface>, version 1.1.0. Specifications are read and carried out;
//! the programs that they name as hooks are never run: those of NVIDIA's toolkit are imitated, others are told of.

mod edits;
mod find;
mod hooks;
mod name;
mod spec;
mod version;
mod write;
mod yaml;

pub use edits::{CdiMount, CdiNode, CdiSource, Edits};
pub use find::{Broken, Catalogue, Found};
pub use name::{DeviceName, Kind, NameError};
pub use spec::{
    Checked, ContainerEdits, Device, DeviceNode, Format, Hook, Mount, Names, Spec, SpecError,
};
pub use version::{Version, VersionError};
pub use write::write;

use crate::base::fault::{Fault, Kind as FaultKind};
use crate::base::fsx::PathError;
use crate::base::path::HostPath;

/// What the devices `names` change in a container, by the specifications in `directories`, which stand in rising
/// priority. `sys` is where `/sys` is seen: it tells whether a specification of NVIDIA's fits the kernel's driver.
pub fn resolve(
    names: &[DeviceName],
    directories: &[HostPath],
    sys: &HostPath,
) -> Result<Edits, CdiError> {
    edits::gather(names, &Catalogue::read(directories), sys)
}

/// Why devices cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CdiError {
    /// No specification has it.
    #[error("no CDI specification describes the device `{name}`")]
    Unknown {
        /// As it was asked for.
        name: DeviceName,
        /// Files that could not be used, and which devices there are.
        hints: Vec<String>,
    },
    /// Two files of equal priority have it.
    #[error("the device `{name}` is described by both `{first}` and `{second}`")]
    Conflict {
        /// As it was asked for.
        name: DeviceName,
        /// One file.
        first: HostPath,
        /// The other.
        second: HostPath,
    },
    /// It needs something that the host does not have.
    #[error("`{file}` wants the {what} `{path}` of this host")]
    Missing {
        /// The specification.
        file: HostPath,
        /// `file` or `device node`.
        what: &'static str,
        /// On the host.
        path: HostPath,
        /// What the host says.
        source: Box<PathError>,
        /// How the specification is made anew.
        refresh: String,
    },
    /// It needs a device, and there is something else.
    #[error("`{file}` wants the device node `{path}`, which is no device")]
    NotDevice {
        /// The specification.
        file: HostPath,
        /// On the host.
        path: HostPath,
        /// How the specification is made anew.
        refresh: String,
    },
    /// It says something that cannot be carried out.
    #[error("`{file}`: {what} `{text}` {reason}")]
    Wrong {
        /// The specification.
        file: HostPath,
        /// Of which kind the text is.
        what: &'static str,
        /// As it is written.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A host without processors has nothing to describe.
    #[error("no NVIDIA processor was found that a specification could describe")]
    NothingToDescribe,
}

impl Fault for CdiError {
    fn kind(&self) -> FaultKind {
        match self {
            CdiError::Unknown { .. } | CdiError::Missing { .. } | CdiError::NothingToDescribe => {
                FaultKind::NotFound
            }
            CdiError::Conflict { .. } | CdiError::NotDevice { .. } | CdiError::Wrong { .. } => {
                FaultKind::Refused
            }
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            CdiError::Unknown { hints, .. } => hints.clone(),
            CdiError::Conflict { .. } => vec![
                "remove one of the two files, or move the one that is to count to a directory of higher priority"
                    .to_owned(),
            ],
            CdiError::Missing { refresh, .. } | CdiError::NotDevice { refresh, .. } => vec![refresh.clone()],
            CdiError::Wrong { .. } => vec!["correct the file, or make it anew with the vendor's tool".to_owned()],
            CdiError::NothingToDescribe => vec!["`coracle gpu list` shows what was looked at".to_owned()],
        }
    }
}
