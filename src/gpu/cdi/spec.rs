//! One specification: a document of the Container Device Interface, read and checked.
//!
//! Container Device Interface 1.1.0, SPEC.md. The reference implementation refuses fields that it does not know; here
//! they are told of, since a device that works without them is worth more than none.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

use crate::base::fsx::PathError;
use crate::gpu::cdi::name::{DeviceName, Kind, NameError, shown};
use crate::gpu::cdi::version::{Version, VersionError};
use crate::gpu::cdi::yaml;

/// A document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// The version of the interface that it is written for.
    #[serde(rename = "cdiVersion")]
    pub version: String,
    /// `vendor/class` of all its devices.
    pub kind: String,
    /// Data for whoever knows their names.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
    /// The devices.
    #[serde(default, deserialize_with = "null_as_default")]
    pub devices: Vec<Device>,
    /// What every container gets that has one of them, once.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "ContainerEdits::is_empty"
    )]
    pub container_edits: ContainerEdits,
    /// Names of fields that no version has.
    #[serde(flatten, skip_serializing)]
    pub unknown: Names,
}

/// One device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// Its name among those of its kind.
    pub name: String,
    /// As those of the document.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
    /// What a container gets that has it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub container_edits: ContainerEdits,
    /// As those of the document.
    #[serde(flatten, skip_serializing)]
    pub unknown: Names,
}

/// What changes in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerEdits {
    /// `NAME=value`.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub env: Vec<String>,
    /// Device nodes.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub device_nodes: Vec<DeviceNode>,
    /// Files and directories.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub mounts: Vec<Mount>,
    /// Programs of the host that would be run at certain moments.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub hooks: Vec<Hook>,
    /// Supplementary groups; 0 counts as none.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub additional_gids: Vec<u32>,
    /// Cache and memory bandwidth of Intel's processors: the names of its fields.
    #[serde(skip_serializing)]
    pub intel_rdt: Option<Names>,
    /// Network interfaces, likewise.
    #[serde(deserialize_with = "null_as_default", skip_serializing)]
    pub net_devices: Vec<Names>,
    /// As those of the document.
    #[serde(flatten, skip_serializing)]
    pub unknown: Names,
}

/// A device node. Owner, mode and permissions of the document are not kept: what is bound has those of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeviceNode {
    /// In the container.
    pub path: String,
    /// On the host, where that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_path: Option<String>,
    /// `b`, `c`, `u` or `p`. mknod(1).
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub node_type: Option<String>,
    /// The driver's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub major: Option<i64>,
    /// The device's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minor: Option<i64>,
    /// Permission bits.
    #[serde(skip_serializing)]
    pub file_mode: Option<u32>,
    /// What a control group would allow.
    #[serde(skip_serializing)]
    pub permissions: Option<String>,
    /// The owner.
    #[serde(skip_serializing)]
    pub uid: Option<u32>,
    /// The group.
    #[serde(skip_serializing)]
    pub gid: Option<u32>,
    /// As those of the document.
    #[serde(flatten, skip_serializing)]
    pub unknown: Names,
}

/// A mount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Mount {
    /// What is mounted.
    pub host_path: String,
    /// Where.
    pub container_path: String,
    /// The type of its file system; says nothing where the options say `bind`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub mount_type: Option<String>,
    /// As those of mount(8).
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub options: Vec<String>,
    /// As those of the document.
    #[serde(flatten, skip_serializing)]
    pub unknown: Names,
}

/// A program that would be run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Hook {
    /// When: `createContainer` and others. OCI runtime-spec, config.md, "POSIX-platform Hooks".
    pub hook_name: String,
    /// The program.
    pub path: String,
    /// Its arguments, the name of the program first.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub args: Vec<String>,
    /// Its environment.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub env: Vec<String>,
    /// Seconds that it may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
    /// As those of the document.
    #[serde(flatten, skip_serializing)]
    pub unknown: Names,
}

/// The names of fields whose values nobody looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(pub Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Names, D::Error> {
        let fields = BTreeMap::<String, IgnoredAny>::deserialize(deserializer)?;
        Ok(Names(fields.into_keys().collect()))
    }
}

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `*.json`
    Json,
    /// `*.yaml`
    Yaml,
}

/// Why a document cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// The file system said no, or it is too large.
    #[error("{}", .0.source)]
    Unreadable(PathError),
    /// A pipe, a device, a directory.
    #[error("not a regular file")]
    NotFile,
    /// More files in one directory than anybody has.
    #[error("the directory has more than {0} specifications, and this one was not read")]
    TooMany(usize),
    /// Neither format, or other fields.
    #[error("{0}")]
    Syntax(String),
    /// Its version.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// Its kind, or the name of a device.
    #[error(transparent)]
    Name(#[from] NameError),
    /// It has none.
    #[error("it describes no device")]
    NoDevice,
    /// One name for two.
    #[error("it describes the device `{0}` twice")]
    Twice(String),
    /// A value that the specification forbids.
    #[error("{field} `{value}` {reason}")]
    Value {
        /// Of which field.
        field: &'static str,
        /// As it is written.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// A document that was checked.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The document.
    pub spec: Spec,
    /// Vendor and class of its devices.
    pub kind: Kind,
    /// The names of its devices, in its order.
    pub devices: Vec<DeviceName>,
    /// What was passed over.
    pub warnings: Vec<String>,
}

impl Spec {
    /// Reads a document and checks it.
    pub fn parse(bytes: &[u8], format: Format) -> Result<Checked, SpecError> {
        let syntax = |reason: String| SpecError::Syntax(shown(&reason));
        let spec: Spec = match format {
            Format::Json => {
                serde_json::from_slice(bytes).map_err(|error| syntax(error.to_string()))?
            }
            Format::Yaml => {
                let text = std::str::from_utf8(bytes).map_err(|error| syntax(error.to_string()))?;
                yaml::read(text).map_err(|error| syntax(error.to_string()))?
            }
        };
        spec.checked()
    }

    fn checked(self) -> Result<Checked, SpecError> {
        let kind: Kind = self.kind.parse()?;
        let mut warnings = Vec::new();
        warnings.extend(Version::check(&self)?);
        if self.devices.is_empty() {
            return Err(SpecError::NoDevice);
        }
        let mut seen = BTreeSet::new();
        let mut devices = Vec::new();
        for device in &self.devices {
            if !seen.insert(&device.name) {
                return Err(SpecError::Twice(shown(&device.name)));
            }
            devices.push(kind.device(&device.name)?);
        }
        let mut unknown = Vec::new();
        unknown.extend(&self.unknown.0);
        for device in &self.devices {
            unknown.extend(&device.unknown.0);
        }
        for edits in self.all_edits() {
            edits.check()?;
            edits.unknown_fields(&mut unknown);
        }
        let unknown: BTreeSet<&String> = unknown.into_iter().collect();
        let passed_over = unknown
            .into_iter()
            .map(|field| format!("the field `{}` is not known", shown(field)));
        warnings.extend(passed_over);
        Ok(Checked {
            kind,
            devices,
            warnings,
            spec: self,
        })
    }

    /// The edits of the document and those of each device.
    pub fn all_edits(&self) -> impl Iterator<Item = &ContainerEdits> {
        let of_devices = self.devices.iter().map(|device| &device.container_edits);
        std::iter::once(&self.container_edits).chain(of_devices)
    }

    /// The document as JSON, which is YAML as well.
    pub fn to_json(&self) -> String {
        let mut text =
            serde_json::to_string_pretty(self).expect("keys are text, and no value is a float");
        text.push('\n');
        text
    }
}

/// When a hook may be run. Container Device Interface, "OCI Edits".
const HOOK_NAMES: [&str; 6] = [
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
];

impl ContainerEdits {
    /// Whether nothing of it would be written: fields whose values are not kept do not count.
    pub fn is_empty(&self) -> bool {
        self.env.is_empty()
            && self.device_nodes.is_empty()
            && self.mounts.is_empty()
            && self.hooks.is_empty()
            && self.additional_gids.is_empty()
    }

    /// What the specification says of values, and that no text has a NUL, which no path and no variable can have.
    fn check(&self) -> Result<(), SpecError> {
        for entry in &self.env {
            text("env", entry)?;
            rule(
                entry.find('=').is_some_and(|at| at > 0),
                "env",
                entry,
                "is not `NAME=value`",
            )?;
        }
        for node in &self.device_nodes {
            absolute("the device node", &node.path)?;
            let host_path = node.host_path.as_deref().filter(|path| !path.is_empty());
            host_path.map_or(Ok(()), |path| absolute("hostPath", path))?;
            let node_type = node.node_type.as_deref().unwrap_or_default();
            let is_type = matches!(node_type, "" | "b" | "c" | "u" | "p");
            rule(
                is_type,
                "the type",
                node_type,
                "of a device node is none of `b`, `c`, `u`, `p`",
            )?;
        }
        for mount in &self.mounts {
            absolute("containerPath", &mount.container_path)?;
            text("hostPath", &mount.host_path)?;
            rule(
                !mount.host_path.is_empty(),
                "hostPath",
                "",
                "of a mount is empty",
            )?;
            mount
                .options
                .iter()
                .try_for_each(|option| text("the option", option))?;
        }
        for hook in &self.hooks {
            absolute("the hook's path", &hook.path)?;
            let is_moment = HOOK_NAMES.contains(&hook.hook_name.as_str());
            rule(
                is_moment,
                "hookName",
                &hook.hook_name,
                "is no moment of a container's life",
            )?;
            hook.args
                .iter()
                .try_for_each(|argument| text("the argument", argument))?;
        }
        Ok(())
    }

    fn unknown_fields<'a>(&'a self, found: &mut Vec<&'a String>) {
        found.extend(&self.unknown.0);
        found.extend(self.device_nodes.iter().flat_map(|node| &node.unknown.0));
        found.extend(self.mounts.iter().flat_map(|mount| &mount.unknown.0));
        found.extend(self.hooks.iter().flat_map(|hook| &hook.unknown.0));
    }
}

fn rule(
    holds: bool,
    field: &'static str,
    value: &str,
    reason: &'static str,
) -> Result<(), SpecError> {
    match holds {
        true => Ok(()),
        false => Err(SpecError::Value {
            field,
            value: shown(value),
            reason,
        }),
    }
}

fn text(field: &'static str, value: &str) -> Result<(), SpecError> {
    rule(!value.contains('\0'), field, value, "has a NUL in it")
}

fn absolute(field: &'static str, path: &str) -> Result<(), SpecError> {
    text(field, path)?;
    rule(path.starts_with('/'), field, path, "is not absolute")
}

/// Go writes `null` for what is empty.
fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
