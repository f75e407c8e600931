//! Versions of the interface, and which of them a document needs.
//!
//! Container Device Interface 1.1.0, SPEC.md, "Released versions".

use std::fmt;
use std::str::FromStr;

use crate::gpu::cdi::name::shown;
use crate::gpu::cdi::spec::{ContainerEdits, Spec};

/// A version: major, minor, patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(u32, u32, u32);

/// The oldest that has all that every document has.
const EARLIEST: Version = Version(0, 3, 0);
/// The newest that this program knows.
const NEWEST: Version = Version(1, 1, 0);

/// What is wrong with the version of a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// No version.
    #[error("cdiVersion `{0}` is no version: expected three numbers, such as `0.6.0`")]
    NotVersion(String),
    /// From before the first release.
    #[error("cdiVersion {0} is older than {EARLIEST}, the first release")]
    TooOld(Version),
    /// Of another generation.
    #[error("cdiVersion {0} is not one that coracle knows; the newest is {NEWEST}")]
    TooNew(Version),
    /// It has what its version does not have.
    #[error("{what} needs cdiVersion {needs}, and the file says {declared}")]
    Newer {
        /// The field.
        what: &'static str,
        /// The version that brought it.
        needs: Version,
        /// That of the document.
        declared: Version,
    },
}

impl Version {
    /// Whether the version of `spec` is known and has all of its fields; a warning where it is newer than what is known
    /// here, but of the same generation.
    pub(super) fn check(spec: &Spec) -> Result<Option<String>, VersionError> {
        let declared: Version = spec.version.parse()?;
        if declared < EARLIEST {
            return Err(VersionError::TooOld(declared));
        }
        if declared.0 > NEWEST.0 {
            return Err(VersionError::TooNew(declared));
        }
        for (needs, what, has) in BROUGHT {
            if needs > declared && has(spec) {
                return Err(VersionError::Newer {
                    what,
                    needs,
                    declared,
                });
            }
        }
        let is_newer = (declared.0, declared.1) > (NEWEST.0, NEWEST.1);
        Ok(is_newer.then(|| {
            format!("cdiVersion {declared} is newer than {NEWEST}; what it brought is passed over")
        }))
    }

    /// The lowest version that has all fields of `spec`.
    pub fn lowest(spec: &Spec) -> Version {
        let needed = BROUGHT.iter().filter(|(_, _, has)| has(spec));
        needed
            .map(|(version, _, _)| *version)
            .max()
            .unwrap_or(EARLIEST)
    }
}

/// Whether a document has something.
type Has = fn(&Spec) -> bool;

/// What later versions brought, and whether a document has it.
const BROUGHT: [(Version, &str, Has); 9] = [
    (Version(0, 4, 0), "`type` of a mount", has_mount_type),
    (
        Version(0, 5, 0),
        "`hostPath` of a device node",
        has_host_path,
    ),
    (
        Version(0, 5, 0),
        "a device name that begins with a digit",
        has_digit,
    ),
    (Version(0, 6, 0), "`annotations`", has_annotations),
    (Version(0, 6, 0), "a dot in the class", has_dot),
    (Version(0, 7, 0), "`intelRdt`", |spec| {
        any(spec, |edits| edits.intel_rdt.is_some())
    }),
    (Version(0, 7, 0), "`additionalGids`", |spec| {
        any(spec, |edits| !edits.additional_gids.is_empty())
    }),
    (
        Version(1, 1, 0),
        "`schemata` or `enableMonitoring` of `intelRdt`",
        has_schemata,
    ),
    (Version(1, 1, 0), "`netDevices`", |spec| {
        any(spec, |edits| !edits.net_devices.is_empty())
    }),
];

fn any(spec: &Spec, has: fn(&ContainerEdits) -> bool) -> bool {
    spec.all_edits().any(has)
}

fn has_mount_type(spec: &Spec) -> bool {
    let is_said = |kind: &Option<String>| kind.as_ref().is_some_and(|kind| !kind.is_empty());
    spec.all_edits()
        .any(|edits| edits.mounts.iter().any(|mount| is_said(&mount.mount_type)))
}

fn has_host_path(spec: &Spec) -> bool {
    let is_said = |path: &Option<String>| path.as_ref().is_some_and(|path| !path.is_empty());
    spec.all_edits().any(|edits| {
        edits
            .device_nodes
            .iter()
            .any(|node| is_said(&node.host_path))
    })
}

fn has_digit(spec: &Spec) -> bool {
    let is_digit = |first: char| !first.is_ascii_alphabetic();
    spec.devices
        .iter()
        .any(|device| device.name.starts_with(is_digit))
}

fn has_annotations(spec: &Spec) -> bool {
    !spec.annotations.is_empty()
        || spec
            .devices
            .iter()
            .any(|device| !device.annotations.is_empty())
}

fn has_dot(spec: &Spec) -> bool {
    spec.kind
        .split_once('/')
        .is_some_and(|(_, class)| class.contains('.'))
}

fn has_schemata(spec: &Spec) -> bool {
    let is_new = |field: &String| field == "schemata" || field == "enableMonitoring";
    spec.all_edits().any(|edits| {
        edits
            .intel_rdt
            .iter()
            .any(|names| names.0.iter().any(is_new))
    })
}

impl FromStr for Version {
    type Err = VersionError;

    /// Reads `1.1.0`; a `v` before it is allowed, as in the reference implementation.
    fn from_str(text: &str) -> Result<Version, VersionError> {
        let wrong = || VersionError::NotVersion(shown(text));
        let is_number =
            |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let parts: Vec<&str> = text
            .strip_prefix('v')
            .unwrap_or(text)
            .split('.')
            .filter(is_number)
            .collect();
        let numbers: Option<Vec<u32>> = parts.iter().map(|part| part.parse().ok()).collect();
        match numbers.as_deref() {
            Some([major, minor, patch]) if text.matches('.').count() == 2 => {
                Ok(Version(*major, *minor, *patch))
            }
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}
