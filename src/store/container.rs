//! Containers: a record, and the directory in which an engine keeps the writable view.

use std::time::SystemTime;

use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::base::creator::Creator;
use crate::base::digest::Digest;
use crate::base::fsx::{self, Context};
use crate::base::near;
use crate::base::path::HostPath;
use crate::base::subids;
use crate::store::image::ImageRecord;
use crate::store::{
    Missing, Result, Store, StoreError, document, read_document, remove_any, usage,
};
use crate::sys;

/// `container.json`: what a container was made of and how it is run again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerRecord {
    /// 64 hexadecimal digits, random.
    pub id: String,
    /// When it was created, RFC 3339 in UTC.
    pub created: String,
    /// The full name of its image, which may mean another image by now.
    pub image: String,
    /// The image's manifest.
    pub manifest: Digest,
    /// The image's config.
    pub config: Digest,
    /// The chain ID of the tree below its writable view.
    pub chain: Digest,
    /// The options it was created with, in the form of whoever runs it.
    pub options: serde_json::Value,
}

/// A container of the store.
#[derive(Clone, Debug)]
pub struct Container {
    /// What it is.
    pub record: ContainerRecord,
    /// Its directory, for the plan's `View::Kept`.
    pub dir: HostPath,
}

/// What engines keep of a guest's writes in a container's directory: the upper half of an overlay, a copy of the tree.
const VIEWS: [&str; 2] = ["upper", "rootfs"];

impl Store {
    /// Creates a container of `image`, called `name` where that is given.
    ///
    /// The name is taken first and the container published then; where this process is
    /// killed in between, the name counts as free.
    pub fn create_container(
        &self,
        image: &ImageRecord,
        name: Option<&str>,
        options: serde_json::Value,
    ) -> Result<Container> {
        let record = ContainerRecord {
            id: String::new(),
            created: String::new(),
            image: image.name.clone(),
            manifest: image.manifest.clone(),
            config: image.config.clone(),
            chain: image.chain.clone(),
            options,
        };
        self.make_container(record, name, |_| Ok(()))
    }

    /// Creates a container that is a copy of `original`, with all that was written in it, called `name` where that is
    /// given. Nothing may run in the original meanwhile.
    pub fn clone_container(&self, original: &Container, name: Option<&str>) -> Result<Container> {
        self.make_container(original.record.clone(), name, |dir| {
            for view in VIEWS {
                let from = original.dir.join(view);
                if fsx::absent_as_none(fsx::symlink_metadata(&from))?.is_some() {
                    subids::copy_tree(&from, &dir.join(view))?;
                }
            }
            Ok(())
        })
    }

    /// Creates a container as `record` says, under a new id; `fill` puts into its directory what else is in it.
    fn make_container(
        &self,
        record: ContainerRecord,
        name: Option<&str>,
        fill: impl Fn(&HostPath) -> Result<()>,
    ) -> Result<Container> {
        self.prepare()?;
        let id = sys::random::hex::<32>().context("draw a random id in", self.home())?;
        let record = ContainerRecord {
            id: id.clone(),
            created: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            ..record
        };
        if let Some(name) = name {
            self.add_name(name, &id)?;
        }
        let published = self.publish_container(&record, fill);
        if published.is_err() {
            let _the_first_error_counts = self.remove_container(&id);
        }
        let dir = published?;
        Ok(Container { record, dir })
    }

    /// Publishes the record, which claims image and tree, and looks for these then.
    fn publish_container(
        &self,
        record: &ContainerRecord,
        fill: impl Fn(&HostPath) -> Result<()>,
    ) -> Result<HostPath> {
        let private = Creator::current().private_name(&self.layout.ingest(), "container")?;
        let private = HostPath::new(private);
        let dir = self.layout.container(&record.id);
        fsx::create_dir(&private, 0o755)?;
        // Its options hold what was given with `-e`, and a home may be open to others.
        let published = fsx::write_private(record_path(&private), &document(record), 0o600)
            .map_err(StoreError::from)
            .and_then(|()| fill(&private))
            .and_then(|()| Ok(fsx::rename(&private, &dir)?))
            .and_then(|()| Ok(fsx::sync_dir(self.layout.containers())?));
        if published.is_err() {
            let _the_first_error_counts = subids::remove_tree(&private);
        }
        published?;
        self.await_sweeps()?;
        for digest in [&record.manifest, &record.config] {
            if fsx::absent_as_none(fsx::metadata(self.blob_path(digest)))?.is_none() {
                return Err(StoreError::Vanished(format!("blob `{digest}`")));
            }
        }
        match self.tree(&record.chain)? {
            Some(_) => Ok(dir),
            None => Err(StoreError::Vanished(format!("tree `{}`", record.chain))),
        }
    }

    /// Puts `options` in the place of those in `record`. Of two writers the later one wins; a container that was
    /// removed meanwhile stays so.
    pub fn set_options(&self, record: ContainerRecord, options: serde_json::Value) -> Result<()> {
        let record = ContainerRecord { options, ..record };
        let dir = self.layout.container(&record.id);
        let private = Creator::current().private_name(&self.layout.ingest(), "record")?;
        let replaced = fsx::write_private(&private, &document(&record), 0o600)
            .and_then(|()| fsx::rename(&private, record_path(&dir)))
            .and_then(|()| fsx::sync_dir(&dir));
        if replaced.is_err() {
            let _the_first_error_counts = fsx::remove_file(&private);
        }
        Ok(replaced?)
    }

    /// The container with this name, this id, or the only one whose id starts so.
    pub fn container(&self, name_or_id: &str) -> Result<Container> {
        if let Some(id) = self.named(name_or_id)?
            && let Some(container) = self.container_by_id(&id)?
        {
            return Ok(container);
        }
        let none = || self.no_container(name_or_id);
        let is_hex = name_or_id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex || name_or_id.is_empty() {
            return Err(none());
        }
        let mut ids = self.container_ids()?;
        ids.retain(|id| id.starts_with(name_or_id));
        match ids.as_slice() {
            [id] => self.container_by_id(id)?.ok_or_else(none),
            [] => Err(none()),
            many => Err(StoreError::Ambiguous {
                prefix: name_or_id.to_owned(),
                count: many.len(),
            }),
        }
    }

    /// That there is no container of this name, and which one may have been meant.
    pub fn no_container(&self, name: &str) -> StoreError {
        let names = self.names().unwrap_or_default();
        let meant = near::nearest(name, names.iter().map(|(name, _)| &**name));
        StoreError::NoContainer(Missing {
            name: name.escape_debug().take(160).collect(),
            meant: meant.map(str::to_owned),
        })
    }

    /// All containers, the oldest first.
    pub fn containers(&self) -> Result<Vec<Container>> {
        let mut containers = Vec::new();
        for id in self.container_ids()? {
            containers.extend(self.container_by_id(&id)?);
        }
        containers.sort_by(|a, b| a.record.created.cmp(&b.record.created));
        Ok(containers)
    }

    /// Removes a container with its names and all that was written in it, unless it is protected.
    ///
    /// Its names go after it: where this process is killed in between, they count as free, while a container that has
    /// lost its names would stay, and nobody who asks for it again by one would find it.
    pub fn remove_container(&self, id: &str) -> Result<()> {
        self.require_unprotected_container(id)?;
        let aside = self.set_aside(&self.layout.container(id), "container")?;
        self.remove_names_of(id)?;
        aside.map_or(Ok(()), |aside| remove_any(&aside))
    }

    /// The ids of the containers in which a guest is running on this host.
    pub fn running_containers(&self) -> Result<Vec<String>> {
        let ids = self.container_ids()?;
        let names = ids.iter().map(|id| format!("containers/{id}")).collect();
        let running = usage::in_use(self.home(), &names)?;
        let is_running = |id: &String| running.contains_key(&format!("containers/{id}"));
        Ok(ids.into_iter().filter(is_running).collect())
    }

    /// The processes on this host that run in the container `id`, as far as that can be seen.
    pub fn processes(&self, id: &str) -> Vec<Pid> {
        usage::processes(self.home(), &format!("containers/{id}"))
    }

    pub(super) fn container_exists(&self, id: &str) -> Result<bool> {
        let path = record_path(&self.layout.container(id));
        Ok(fsx::absent_as_none(fsx::metadata(path))?.is_some())
    }

    fn container_by_id(&self, id: &str) -> Result<Option<Container>> {
        let dir = self.layout.container(id);
        let record = read_document(&record_path(&dir))?;
        Ok(record.map(|record| Container { record, dir }))
    }

    pub(super) fn container_ids(&self) -> Result<Vec<String>> {
        let entries = fsx::absent_as_none(fsx::read_dir(self.layout.containers()))?;
        let names = entries.unwrap_or_default().into_iter();
        Ok(names
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect())
    }
}

fn record_path(dir: &HostPath) -> HostPath {
    dir.join("container.json")
}
