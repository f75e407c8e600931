//! Where specifications are found, and which of them describes a device.
//!
//! Container Device Interface 1.1.0, README.md, "CDI cache" and SPEC.md, "Error Handling".

use std::collections::BTreeSet;

use crate::base::fsx;
use crate::base::path::HostPath;
use crate::gpu::cdi::CdiError;
use crate::gpu::cdi::name::DeviceName;
use crate::gpu::cdi::spec::{Checked, Device, Format, Spec, SpecError};

/// Bytes of a specification. One for sixteen partitioned processors has half a million.
const MAX_BYTES: u64 = 4 << 20;
/// Specifications in one directory; orchestrators write one for each container.
const MAX_FILES: usize = 1024;

/// Names of devices that a message lists.
const MAX_LISTED: usize = 12;

/// All specifications of a host.
#[derive(Debug)]
pub struct Catalogue {
    /// Those that can be used.
    pub found: Vec<Found>,
    /// The others.
    pub broken: Vec<Broken>,
    /// Where was looked.
    pub directories: Vec<HostPath>,
}

/// A specification.
#[derive(Debug)]
pub struct Found {
    /// Its file.
    pub path: HostPath,
    /// The position of its directory; the highest counts.
    pub priority: usize,
    /// What it says.
    pub checked: Checked,
}

/// A file that cannot be used.
#[derive(Debug)]
pub struct Broken {
    /// The file, or a directory that cannot be listed.
    pub path: HostPath,
    /// As that of a specification.
    pub priority: usize,
    /// Why.
    pub error: SpecError,
    /// Its bytes, as far as they were read.
    bytes: Vec<u8>,
}

impl Catalogue {
    /// Reads the specifications in `directories`, which stand in rising priority and need not exist. A file that cannot
    /// be used does not hide another.
    pub fn read(directories: &[HostPath]) -> Catalogue {
        let mut catalogue = Catalogue {
            found: Vec::new(),
            broken: Vec::new(),
            directories: directories.to_vec(),
        };
        for (priority, directory) in directories.iter().enumerate() {
            // A directory that is named twice must not contradict itself.
            if directories[priority + 1..].contains(directory) {
                continue;
            }
            catalogue.read_directory(directory, priority);
        }
        catalogue
    }

    /// The names of all devices that can be had, sorted.
    pub fn names(&self) -> BTreeSet<&DeviceName> {
        self.found
            .iter()
            .flat_map(|found| &found.checked.devices)
            .collect()
    }

    /// The specification that describes `name`, and what it says of it.
    pub fn device(&self, name: &DeviceName) -> Result<(&Found, &Device), CdiError> {
        let has = |found: &&Found| found.checked.devices.contains(name);
        let Some(priority) = self
            .found
            .iter()
            .filter(has)
            .map(|found| found.priority)
            .max()
        else {
            return Err(self.unknown(name));
        };
        let mut best = self
            .found
            .iter()
            .filter(has)
            .filter(|found| found.priority == priority);
        let first = best.next().ok_or_else(|| self.unknown(name))?;
        if let Some(second) = best.next() {
            return Err(CdiError::Conflict {
                name: name.clone(),
                first: first.path.clone(),
                second: second.path.clone(),
            });
        }
        let position = first
            .checked
            .devices
            .iter()
            .position(|device| device == name);
        let device = position.and_then(|position| first.checked.spec.devices.get(position));
        device
            .map(|device| (first, device))
            .ok_or_else(|| self.unknown(name))
    }

    /// Files that cannot be used, are of no lower priority than `found`, and may well be about the kind of `name`.
    pub fn doubts<'a>(
        &'a self,
        name: &DeviceName,
        found: &Found,
    ) -> impl Iterator<Item = &'a Broken> {
        let kind = name.kind().to_string();
        let priority = found.priority;
        let is_doubt =
            move |broken: &&Broken| broken.priority >= priority && broken.mentions(&kind);
        self.broken.iter().filter(is_doubt)
    }

    fn unknown(&self, name: &DeviceName) -> CdiError {
        let mut hints: Vec<String> = self.broken.iter().map(Broken::told).collect();
        let all = self.names();
        let same = all.iter().any(|known| known.kind() == name.kind());
        let listed: Vec<String> = all
            .iter()
            .filter(|known| !same || known.kind() == name.kind())
            .map(|known| format!("`{known}`"))
            .collect();
        hints.push(match listed.len() {
            0 => format!(
                "no other device is described in {}; vendors' tools write specifications, such as \
                 `nvidia-ctk cdi generate`",
                quoted(&self.directories)
            ),
            1..=MAX_LISTED => format!("there are {}", listed.join(", ")),
            more => format!(
                "there are {} and {} more",
                listed[..MAX_LISTED].join(", "),
                more - MAX_LISTED
            ),
        });
        CdiError::Unknown {
            name: name.clone(),
            hints,
        }
    }

    fn read_directory(&mut self, directory: &HostPath, priority: usize) {
        let entries = match fsx::absent_as_none(fsx::read_dir(directory)) {
            Ok(entries) => entries.unwrap_or_default(),
            Err(error) => {
                self.leave_out(
                    directory.clone(),
                    priority,
                    SpecError::Unreadable(error),
                    Vec::new(),
                );
                return;
            }
        };
        let paths = entries.into_iter().map(|entry| HostPath::new(entry.path()));
        let mut files: Vec<(HostPath, Format)> = paths
            .filter_map(|path| Some((path.clone(), format(&path)?)))
            .collect();
        files.sort_by(|one, other| one.0.cmp(&other.0));
        for (idx, (path, format)) in files.into_iter().enumerate() {
            let read = match idx < MAX_FILES {
                true => read_file(&path),
                false => Err(SpecError::TooMany(MAX_FILES)),
            };
            let (bytes, parsed) = match read {
                Ok(bytes) => {
                    let parsed = Spec::parse(&bytes, format);
                    (bytes, parsed)
                }
                Err(error) => (Vec::new(), Err(error)),
            };
            match parsed {
                Ok(checked) => self.found.push(Found {
                    path,
                    priority,
                    checked,
                }),
                Err(error) => self.leave_out(path, priority, error, bytes),
            }
        }
    }

    fn leave_out(&mut self, path: HostPath, priority: usize, error: SpecError, bytes: Vec<u8>) {
        self.broken.push(Broken {
            path,
            priority,
            error,
            bytes,
        });
    }
}

impl Broken {
    /// The file and its reason, for a message.
    pub fn told(&self) -> String {
        format!("`{}` cannot be used: {}", self.path, self.error)
    }

    /// Whether the file contains the text `kind`. A guess, since the file could not be understood.
    fn mentions(&self, kind: &str) -> bool {
        self.bytes
            .windows(kind.len())
            .any(|window| window == kind.as_bytes())
    }
}

fn quoted(paths: &[HostPath]) -> String {
    let quoted: Vec<String> = paths.iter().map(|path| format!("`{path}`")).collect();
    quoted.join(", ")
}

/// Which format a file has, by its name; `None` for a file that is no specification.
fn format(path: &HostPath) -> Option<Format> {
    match path.extension()?.to_str()? {
        "json" => Some(Format::Json),
        "yaml" => Some(Format::Yaml),
        _ => None,
    }
}

/// The bytes of a regular file. Opening anything else could wait for ever. fifo(7).
fn read_file(path: &HostPath) -> Result<Vec<u8>, SpecError> {
    let facts = fsx::metadata(path).map_err(SpecError::Unreadable)?;
    if !facts.is_file() {
        return Err(SpecError::NotFile);
    }
    fsx::read(path, MAX_BYTES).map_err(SpecError::Unreadable)
}
