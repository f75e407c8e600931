//! `inspect`: an image or a container as JSON, in the words of `docker inspect`.

use serde_json::{Value, json};

use crate::base::digest::Digest;
use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::fsx;
use crate::base::path::HostPath;
use crate::oci::MAX_DOCUMENT;
use crate::oci::config::ImageConfig;
use crate::oci::source::Source;
use crate::ops::life::Activity;
use crate::ops::{containers, images, vouch};
use crate::store::{Container, Extent, ImageRecord, Store, StoreError};

/// A config that is not JSON, although its digest is right.
#[derive(Debug, thiserror::Error)]
#[error("the config of `{image}` cannot be read")]
struct Unreadable {
    image: String,
    source: serde_json::Error,
}

impl Fault for Unreadable {
    fn kind(&self) -> Kind {
        Kind::Integrity
    }
}

/// The container or, if there is none, the image that `text` names in the store at
/// `home`, as an array of one object. What Docker has no word for is under `Coracle`.
pub fn inspect(home: &HostPath, text: &str) -> Result<Value, BoxFault> {
    let store = Store::open(home.clone())?;
    match store.container(text) {
        Ok(found) => return Ok(json!([container(&store, &found)?])),
        Err(StoreError::NoContainer(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let found = images::find(&store, text)?;
    let first = found
        .first()
        .ok_or_else(|| images::FindError::None(text.to_owned()))?;
    Ok(json!([image(&store, first)?]))
}

/// Where the tree of something lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    /// A container's own.
    Own(HostPath),
    /// A container's changes lie over its image's.
    Shared {
        /// The tree of the image.
        image: HostPath,
        /// The changes.
        changes: HostPath,
    },
    /// An image's.
    Image(HostPath),
}

/// The config of the image that `text` names, or of which a container of that name is made, as its maker wrote it.
pub fn document(home: &HostPath, text: &str) -> Result<Value, BoxFault> {
    let store = Store::open(home.clone())?;
    let (name, digest, _) = find(&store, text)?;
    config(&store, &name, &digest)
}

/// Where the tree of the container or image `text` lies.
pub fn tree(home: &HostPath, text: &str) -> Result<Tree, BoxFault> {
    let store = Store::open(home.clone())?;
    let (name, _, container) = find(&store, text)?;
    let chain = match &container {
        Some(container) => container.record.chain.clone(),
        None => first(&store, text)?.chain,
    };
    let copy = container
        .as_ref()
        .map(|container| container.dir.join("rootfs"));
    if let Some(copy) = copy.filter(|copy| copy.is_dir()) {
        return Ok(Tree::Own(copy));
    }
    let image = store.tree(&chain)?.map(|tree| tree.rootfs);
    let image = image.ok_or(images::FindError::None(name))?;
    Ok(match container {
        Some(container) => Tree::Shared {
            image,
            changes: container.dir.join("upper"),
        },
        None => Tree::Image(image),
    })
}

/// The platform of the container or image `text`.
pub fn platform(home: &HostPath, text: &str) -> Result<String, BoxFault> {
    let document = document(home, text)?;
    let part = |name| document[name].as_str().map(str::to_owned);
    let parts = ["os", "architecture", "variant"]
        .into_iter()
        .filter_map(part);
    Ok(parts.collect::<Vec<_>>().join("/"))
}

/// Whether the image `text` says nothing of what is to be run in it.
pub fn is_without_command(home: &HostPath, text: &str) -> Result<bool, BoxFault> {
    let store = Store::open(home.clone())?;
    let image = first(&store, text)?;
    let config = ImageConfig::parse(&store.read_blob(&image.config, MAX_DOCUMENT)?)?.config;
    Ok(config.entrypoint.is_empty() && config.cmd.is_empty())
}

/// The bytes of what is the container's own: what removing it frees.
pub fn own_bytes(home: &HostPath, name_or_id: &str) -> Result<u64, BoxFault> {
    let container = Store::open(home.clone())?.container(name_or_id)?;
    let mut bytes = 0;
    for part in ["upper", "rootfs"].map(|part| container.dir.join(part)) {
        if fsx::absent_as_none(fsx::symlink_metadata(&part))?.is_some() {
            bytes += Extent::of(&part)?.bytes;
        }
    }
    Ok(bytes)
}

/// The name and the config's digest of what `text` names, and the container if it is one.
fn find(store: &Store, text: &str) -> Result<(String, Digest, Option<Container>), BoxFault> {
    match store.container(text) {
        Ok(found) => {
            let record = &found.record;
            Ok((record.image.clone(), record.config.clone(), Some(found)))
        }
        Err(StoreError::NoContainer(_)) => {
            let image = first(store, text)?;
            Ok((image.name, image.config, None))
        }
        Err(error) => Err(error.into()),
    }
}

fn first(store: &Store, text: &str) -> Result<ImageRecord, BoxFault> {
    let found = images::find(store, text)?.into_iter().next();
    Ok(found.ok_or_else(|| images::FindError::None(text.to_owned()))?)
}

fn config(store: &Store, name: &str, digest: &Digest) -> Result<Value, BoxFault> {
    let bytes = store.read_blob(digest, MAX_DOCUMENT)?;
    let unreadable = |source| Unreadable {
        image: name.to_owned(),
        source,
    };
    Ok(serde_json::from_slice(&bytes).map_err(unreadable)?)
}

fn image(store: &Store, image: &ImageRecord) -> Result<Value, BoxFault> {
    let config = config(store, &image.name, &image.config)?;
    let tree = store.tree(&image.chain)?;
    let all = store.images()?;
    let same = all.iter().filter(|other| other.manifest == image.manifest);
    let (mut tags, mut digests) = (Vec::new(), Vec::new());
    for other in same {
        if let Ok(Source::Registry(reference)) = other.name.parse() {
            digests.push(reference.at(&other.target).familiar());
            if reference.tag().is_some() {
                tags.push(reference.familiar());
            }
        }
    }
    Ok(json!({
        "Id": image.config,
        "RepoTags": tags,
        "RepoDigests": digests,
        "Created": config["created"],
        "Author": config["author"],
        "Architecture": image.platform.architecture,
        "Os": image.platform.os,
        "Variant": image.platform.variant,
        "Size": tree.as_ref().map(|tree| tree.extent.bytes),
        "Config": config["config"],
        "RootFS": {"Type": "layers", "Layers": config["rootfs"]["diff_ids"]},
        "Coracle": {
            "Name": image.name,
            "Target": image.target,
            "Manifest": image.manifest,
            "Chain": image.chain,
            "Pulled": image.pulled,
            "Verified": vouch::verified(image),
            "Signatures": image.signatures.as_ref().map(|kept| &kept.manifests),
            "Store": image.site.as_ref().map(|site| site.display().to_string()),
            "Content": image.content,
            "Entries": tree.as_ref().map(|tree| tree.extent.entries),
            "Rootfs": tree.map(|tree| tree.rootfs.display().to_string()),
        },
    }))
}

fn container(store: &Store, container: &Container) -> Result<Value, BoxFault> {
    let record = &container.record;
    let mut config = config(store, &record.image, &record.config)?;
    let (wish, image) = containers::remembered(store, record);
    if config["config"].is_object() {
        config["config"]["Labels"] = json!(containers::labels(&wish, &image));
        let signal = wish.stop_signal.or(image.stop_signal);
        config["config"]["StopSignal"] = json!(signal.as_deref().unwrap_or("SIGTERM"));
        config["config"]["StopTimeout"] = json!(wish.stop_timeout);
    }
    let state = store.state(&record.id)?;
    let names: Vec<String> = store
        .names()?
        .into_iter()
        .filter(|(_, id)| *id == record.id)
        .map(|(name, _)| name)
        .collect();
    let seen = store.running_containers()?.contains(&record.id);
    let activity = Activity::of(state.as_ref(), seen);
    let tree = store.tree(&record.chain)?;
    Ok(json!({
        "Id": record.id,
        "Created": record.created,
        "Name": names.first(),
        "Image": record.config,
        "State": activity.json(state.as_ref()),
        "Config": config["config"],
        "HostConfig": {"Annotations": wish.annotations},
        "Coracle": {
            "Names": names,
            "Image": record.image,
            "Manifest": record.manifest,
            "Chain": record.chain,
            "Directory": container.dir.display().to_string(),
            "Rootfs": tree.map(|tree| tree.rootfs.display().to_string()),
            "Options": record.options,
        },
    }))
}
