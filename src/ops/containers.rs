//! `ps`, `rm`, `name`, `rename`, `rmname`: containers as entries of the store.

use std::collections::BTreeMap;

use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::path::HostPath;
use crate::oci::MAX_DOCUMENT;
use crate::oci::config::{ImageConfig, RunConfig};
use crate::oci::source::Source;
use crate::ops::life::{self, Activity};
use crate::plan::argv;
use crate::plan::wish::Wish;
use crate::store::{Container, ContainerRecord, Store};

/// One container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// 64 hexadecimal digits; twelve are enough for people.
    pub id: String,
    /// All its names.
    pub names: Vec<String>,
    /// The name of its image, as short as Docker shows it.
    pub image: String,
    /// When it was created, RFC 3339.
    pub created: String,
    /// Whether a guest runs in it on this host.
    pub running: bool,
    /// What it does, or did last.
    pub activity: Activity,
    /// The program and its arguments, by the image and by what it was created with.
    pub command: Vec<String>,
    /// Its labels and those of its image.
    pub labels: BTreeMap<String, String>,
    /// What it publishes, as typed.
    pub ports: Vec<String>,
}

/// A guest still runs in the container.
#[derive(Debug, thiserror::Error)]
#[error("container `{0}` is running")]
pub struct Running(String);

impl Fault for Running {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec!["end what runs in it with `coracle stop`, or use `--force`".into()]
    }
}

/// All containers in the store at `home`, the oldest first.
pub fn list(home: &HostPath) -> Result<Vec<Row>, BoxFault> {
    let store = Store::open(home.clone())?;
    let (names, running) = (store.names()?, store.running_containers()?);
    let rows = store.containers()?.into_iter().map(|container| {
        let state = store.state(&container.record.id)?;
        let seen = running.contains(&container.record.id);
        let activity = Activity::of(state.as_ref(), seen);
        let Container { record, .. } = container;
        let (wish, image) = remembered(&store, &record);
        let argv = argv::argv(&wish, &image).unwrap_or_default();
        let own = names.iter().filter(|(_, id)| *id == record.id);
        Ok(Row {
            names: own.map(|(name, _)| name.clone()).collect(),
            image: familiar(&record.image),
            running: matches!(activity, Activity::Up { host: None, .. }),
            activity,
            command: argv
                .iter()
                .map(|word| word.to_string_lossy().into_owned())
                .collect(),
            labels: labels(&wish, &image),
            ports: wish.publish,
            id: record.id,
            created: record.created,
        })
    });
    rows.collect()
}

/// What a container was created with, and what its image says. What cannot be read says nothing: one damaged container
/// does not hide the others.
pub(super) fn remembered(store: &Store, record: &ContainerRecord) -> (Wish, RunConfig) {
    let wish = serde_json::from_value(record.options.clone()).unwrap_or_default();
    let bytes = store.read_blob(&record.config, MAX_DOCUMENT);
    let image = bytes.ok().and_then(|bytes| ImageConfig::parse(&bytes).ok());
    (wish, image.map(|image| image.config).unwrap_or_default())
}

/// The labels of a container over those of its image.
pub(super) fn labels(wish: &Wish, image: &RunConfig) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for (name, value) in &image.labels {
        labels.insert(name.clone(), value.clone().unwrap_or_default());
    }
    labels.extend(wish.labels.clone());
    labels
}

/// The name of an image as short as Docker shows it.
pub(super) fn familiar(image: &str) -> String {
    match image.parse() {
        Ok(Source::Registry(reference)) => reference.familiar(),
        _ => image.to_owned(),
    }
}

/// Removes the container with this name or id and all that was written in it, and
/// returns its id. One in which a guest runs on this host only with `force`.
pub fn remove(home: &HostPath, name_or_id: &str, force: bool) -> Result<String, BoxFault> {
    let store = Store::open(home.clone())?;
    let id = store.container(name_or_id)?.record.id;
    life::check_place(&store, &id, name_or_id)?;
    // Before anything is ended for it.
    store.require_unprotected_container(&id)?;
    match force {
        true => life::stop::end(&store, &id, name_or_id)?,
        false if is_running(&store, &id)? => return Err(Running(name_or_id.to_owned()).into()),
        false => {}
    }
    store.remove_container(&id)?;
    Ok(id)
}

/// Whether a guest runs in the container `id` on this host, or somebody is still about the end of one.
pub(super) fn is_running(store: &Store, id: &str) -> Result<bool, BoxFault> {
    let state = store.state(id)?;
    Ok(state.is_some_and(|state| state.is_kept())
        || store.running_containers()?.iter().any(|it| it == id))
}

/// Gives a container a further name.
pub fn add_name(home: &HostPath, name_or_id: &str, name: &str) -> Result<(), BoxFault> {
    let store = Store::open(home.clone())?;
    let id = store.container(name_or_id)?.record.id;
    Ok(store.add_name(name, &id)?)
}

/// Gives a container the name `new` in place of `old`; killed in between, it has both.
pub fn rename(home: &HostPath, old: &str, new: &str) -> Result<(), BoxFault> {
    let store = Store::open(home.clone())?;
    let id = store.named(old)?;
    let id = id.ok_or_else(|| store.no_container(old))?;
    store.add_name(new, &id)?;
    store.remove_name(old)?;
    Ok(())
}

/// Takes a name away from its container, which stays; returns the container's id.
pub fn remove_name(home: &HostPath, name: &str) -> Result<String, BoxFault> {
    let store = Store::open(home.clone())?;
    let id = store.remove_name(name)?;
    Ok(id.ok_or_else(|| store.no_container(name))?)
}
