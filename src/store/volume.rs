//! Volumes: directories with a name, which outlive the containers that see them.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::base::creator::Creator;
use crate::base::fsx::{self, Context};
use crate::base::merged;
use crate::base::path::HostPath;
use crate::store::{Result, Store, StoreError, document, read_document, usage};
use crate::sys;

/// `volume.json`: what a volume is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeRecord {
    /// Its name.
    pub name: String,
    /// When it was created, RFC 3339 in UTC.
    pub created: String,
    /// Data for people.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// A volume of the store.
#[derive(Clone, Debug)]
pub struct Volume {
    /// What it is.
    pub record: VolumeRecord,
    /// What guests see of it.
    pub content: HostPath,
}

impl Store {
    /// Where the content of the volume `name` lies, or would.
    pub fn volume_content(&self, name: &str) -> HostPath {
        content(&self.layout.volume(name))
    }

    /// The volume with this name.
    pub fn volume(&self, name: &str) -> Result<Option<Volume>> {
        self.volume_in(&self.layout.volume(name))
    }

    /// All volumes, by name.
    pub fn volumes(&self) -> Result<Vec<Volume>> {
        let mut volumes = Vec::new();
        let entries = fsx::absent_as_none(fsx::read_dir(self.layout.volumes()))?;
        for entry in entries.unwrap_or_default() {
            volumes.extend(self.volume_in(&HostPath::new(entry.path()))?);
        }
        volumes.sort_by(|a, b| a.record.name.cmp(&b.record.name));
        Ok(volumes)
    }

    /// Creates the volume `name`, with a copy of the directory `first` in it; false where there is one. It appears
    /// whole: who finds it finds its first content.
    pub fn create_volume(
        &self,
        name: &str,
        labels: BTreeMap<String, String>,
        first: Option<&HostPath>,
    ) -> Result<bool> {
        let dir = self.layout.volume(name);
        if fsx::absent_as_none(fsx::symlink_metadata(&dir))?.is_some() {
            return Ok(false);
        }
        self.prepare()?;
        let record = VolumeRecord {
            name: name.to_owned(),
            created: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            labels,
        };
        let private =
            HostPath::new(Creator::current().private_name(&self.layout.ingest(), "volume")?);
        let filled = content(&private);
        let made = fsx::create_dir(&private, 0o755)
            .and_then(|()| match first {
                Some(first) => merged::copy(first, &filled),
                None => fsx::create_dir(&filled, 0o755),
            })
            .and_then(|()| fsx::write_private(private.join(RECORD), &document(&record), 0o644))
            .and_then(|()| fsx::rename(&private, &dir));
        let Err(error) = made else {
            fsx::sync_dir(self.layout.volumes())?;
            return Ok(true);
        };
        let _the_first_error_counts = fsx::remove_tree(&private);
        match error.is_already_there() {
            // Another process was faster.
            true => Ok(false),
            false => Err(error.into()),
        }
    }

    /// A name for a volume that was given none: 64 hexadecimal digits.
    pub fn random_volume_name(&self) -> Result<String> {
        Ok(sys::random::hex::<32>().context("draw a random name in", self.home())?)
    }

    /// Gives a volume that is empty a copy of the directory `first`; false where it is not empty, or nothing was to be
    /// copied.
    pub fn fill_volume(&self, volume: &Volume, first: &HostPath) -> Result<bool> {
        if !fsx::names(&volume.content).is_empty() || fsx::names(first).is_empty() {
            return Ok(false);
        }
        let private =
            HostPath::new(Creator::current().private_name(&self.layout.ingest(), "volume")?);
        let filled = merged::copy(first, &private).and_then(|()| {
            match self.is_volume_in_use(&volume.record.name) {
                // A guest that sees the empty directory would go on with that, were its place taken.
                true => move_content(&private, &volume.content),
                // rename(2) puts a directory in the place of an empty one, and of no other.
                false => fsx::rename(&private, &volume.content),
            }
        });
        let Err(error) = filled else {
            return Ok(true);
        };
        let _the_first_error_counts = fsx::remove_tree(&private);
        match error.is_already_there() {
            true => Ok(false),
            false => Err(error.into()),
        }
    }

    /// Removes a volume with all that is in it.
    pub fn remove_volume(&self, name: &str) -> Result<()> {
        match self.volume(name)? {
            Some(_) => self.discard(&self.layout.volume(name), "volume"),
            None => Err(StoreError::NoVolume(
                name.escape_debug().take(160).collect(),
            )),
        }
    }

    /// Whether a guest on this host sees the volume.
    pub fn is_volume_in_use(&self, name: &str) -> bool {
        let path = self.volume_content(name);
        let below = path.strip_prefix(self.home()).unwrap_or(&path);
        let names = [below.to_string_lossy().into_owned()].into();
        // What cannot be told may be.
        usage::in_use(self.home(), &names).map_or(true, |used| !used.is_empty())
    }

    fn volume_in(&self, dir: &HostPath) -> Result<Option<Volume>> {
        let record = read_document(&dir.join(RECORD))?;
        Ok(record.map(|record| Volume {
            record,
            content: content(dir),
        }))
    }
}

/// Moves all that is in the directory `from` to `to`, and removes `from`.
fn move_content(from: &HostPath, to: &HostPath) -> fsx::Result<()> {
    for entry in fsx::read_dir(from)? {
        fsx::rename(entry.path(), to.join(entry.file_name()))?;
    }
    fsx::remove_tree(from)
}

/// The name of the record in a volume's directory.
const RECORD: &str = "volume.json";

/// What guests see, beside the record; moby calls it so.
fn content(dir: &HostPath) -> HostPath {
    dir.join("_data")
}
