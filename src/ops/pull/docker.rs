//! `docker-archive:`: what `docker save` writes, given the manifest that it lacks.
//!
//! moby, image/spec/v1.2. Layers have no digests there, so they are hashed once here; from
//! then on the image is pulled and verified like any other.

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use crate::base::digest::{Algorithm, Digest, Hasher};
use crate::base::fault::BoxFault;
use crate::base::path::HostPath;
use crate::oci::descriptor::Descriptor;
use crate::oci::manifest::{MAX_LAYERS, MAX_MANIFESTS};
use crate::oci::reference::Reference;
use crate::oci::{DocumentError, media};
use crate::ops::pull::archive::ArchiveError;
use crate::ops::pull::files::{Input, TarFiles};
use crate::ops::pull::legacy;
use crate::ops::pull::origin::{Local, Part, Shelf, blob_error};
use crate::store::Store;

pub(in crate::ops) const MANIFEST: &str = "manifest.json";
/// Bytes hashed at once.
const CHUNK: usize = 256 * 1024;

/// One image in `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

impl Saved {
    /// Its names, complete.
    fn names(&self) -> Vec<String> {
        let tags = self.repo_tags.iter().flatten();
        let full = |tag: &String| Some(tag.parse::<Reference>().ok()?.to_string());
        tags.filter_map(full).collect()
    }

    /// The image, given the manifest that it lacks. `hashed` are the layers of other images in the archive: those that
    /// several share are hashed once.
    fn image(
        &self,
        files: &TarFiles,
        hashed: &mut HashMap<String, Descriptor>,
    ) -> Result<Local, BoxFault> {
        let config = require(files, &self.config)?;
        let config = files.read(&config, &self.config)?;
        let names = self.layers.iter().flatten();
        image_of(files, config, &names.collect::<Vec<_>>(), hashed)
    }
}

/// An image of a config and the files of its layers.
pub(in crate::ops) fn image_of(
    files: &TarFiles,
    config: Vec<u8>,
    layers: &[&String],
    hashed: &mut HashMap<String, Descriptor>,
) -> Result<Local, BoxFault> {
    let mut parts = HashMap::new();
    let mut descriptors = Vec::new();
    for file in layers {
        let part = require(files, file)?;
        let layer = match hashed.get(*file) {
            Some(known) => known.clone(),
            None => describe(&part, &format!("`{file}` in `{}`", files.path))?,
        };
        hashed.insert((*file).clone(), layer.clone());
        parts.insert(layer.digest.clone(), part);
        descriptors.push(layer);
    }
    Ok(assemble(config, &descriptors, parts))
}

/// Opens the archive `path` at the image called `name` (complete), or at its only image.
pub(in crate::ops) fn open(
    path: &HostPath,
    name: Option<&str>,
    store: &Store,
) -> Result<Local, BoxFault> {
    let files = TarFiles::open(Input::at(path)?, store)?;
    let saved = choose(&files, name)?;
    saved.image(&files, &mut HashMap::new())
}

/// Images of an archive, each with its names as they stand there.
pub(in crate::ops) type Images = Vec<(Vec<String>, Local)>;

/// Every image in the archive; `None` for what is no such archive.
pub(in crate::ops) fn all(files: &TarFiles) -> Result<Option<Images>, BoxFault> {
    let Some(bytes) = files.read_if_there(MANIFEST)? else {
        return legacy::all(files);
    };
    let mut hashed = HashMap::new();
    let mut images = Vec::new();
    for saved in parse(files, &bytes)? {
        let image = saved.image(files, &mut hashed)?;
        images.push((saved.repo_tags.unwrap_or_default(), image));
    }
    Ok(Some(images))
}

/// The digests of configs with the names that `manifest.json` has for them.
pub(in crate::ops) fn names_of_configs(
    files: &TarFiles,
) -> Result<Vec<(Digest, Vec<String>)>, BoxFault> {
    let Some(bytes) = files.read_if_there(MANIFEST)? else {
        return Ok(Vec::new());
    };
    let mut names = Vec::new();
    for saved in parse(files, &bytes)? {
        let config = require(files, &saved.config)?;
        let config = Digest::of(&files.read(&config, &saved.config)?);
        names.push((config, saved.repo_tags.unwrap_or_default()));
    }
    Ok(names)
}

/// An image from its config, its layers' descriptors and the layers themselves: adds the
/// manifest. The same image always gets the same one.
pub(in crate::ops) fn assemble(
    config: Vec<u8>,
    layers: &[Descriptor],
    mut parts: HashMap<Digest, Part>,
) -> Local {
    let config_descriptor = Descriptor::of(media::OCI_CONFIG, &config);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media::OCI_MANIFEST,
        "config": config_descriptor,
        "layers": layers,
    });
    let manifest = manifest.to_string().into_bytes();
    let target = Descriptor::of(media::OCI_MANIFEST, &manifest);
    for (digest, bytes) in [
        (config_descriptor.digest, config),
        (target.digest.clone(), manifest),
    ] {
        parts.insert(digest, Part::Memory(Arc::from(bytes)));
    }
    Local {
        target,
        listed: Arc::default(),
        shelf: Shelf::Parts(parts),
    }
}

fn choose(files: &TarFiles, name: Option<&str>) -> Result<Saved, BoxFault> {
    let path = files.path.clone();
    let part = files
        .find(Path::new(MANIFEST))
        .ok_or_else(|| ArchiveError::OtherForm {
            path: path.clone(),
            form: "an archive of `docker save`",
            file: MANIFEST,
        })?;
    let mut all = parse(files, &files.read(&part, MANIFEST)?)?;
    let names = all.iter().flat_map(Saved::names).collect();
    let position = match name {
        Some(name) => all
            .iter()
            .position(|saved| saved.names().iter().any(|known| known == name)),
        None => (all.len() == 1).then_some(0),
    };
    let Some(position) = position else {
        return Err(match name.map(str::to_owned) {
            Some(wanted) => ArchiveError::NoSuchImage {
                path,
                wanted,
                names,
            }
            .into(),
            None => ArchiveError::Several { path, names }.into(),
        });
    };
    Ok(all.swap_remove(position))
}

/// The images of a `manifest.json`, none of them with more layers than any honest one.
fn parse(files: &TarFiles, bytes: &[u8]) -> Result<Vec<Saved>, BoxFault> {
    let all: Vec<Saved> =
        serde_json::from_slice(bytes).map_err(|source| ArchiveError::Malformed {
            path: files.path.clone(),
            file: MANIFEST.to_owned(),
            source,
        })?;
    require_few_images(MANIFEST, all.len())?;
    let counts = all.iter().filter_map(|saved| saved.layers.as_ref());
    for got in counts.map(Vec::len) {
        require_few_layers(got)?;
    }
    Ok(all)
}

/// Fails for an archive of more images than any honest one has.
pub(in crate::ops) fn require_few_images(
    what: &'static str,
    got: usize,
) -> Result<(), DocumentError> {
    match got > MAX_MANIFESTS {
        false => Ok(()),
        true => Err(DocumentError::TooMany {
            what,
            things: "images",
            got,
            limit: MAX_MANIFESTS,
        }),
    }
}

/// Fails for a list of layers that is longer than any honest one.
pub(in crate::ops) fn require_few_layers(got: usize) -> Result<(), DocumentError> {
    match got > MAX_LAYERS {
        false => Ok(()),
        true => Err(DocumentError::TooMany {
            what: "manifest",
            things: "layers",
            got,
            limit: MAX_LAYERS,
        }),
    }
}

fn require(files: &TarFiles, name: &str) -> Result<Part, BoxFault> {
    let part = files.find(Path::new(name));
    Ok(part.ok_or_else(|| files.missing(name))?)
}

/// Hashes a layer, which messages call `object`.
pub(in crate::ops) fn describe(part: &Part, object: &str) -> Result<Descriptor, BoxFault> {
    let mut reader = part.reader(0);
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut size = 0;
    let mut first = None;
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = match reader.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(blob_error(error, object)),
        };
        first.get_or_insert(chunk[0]);
        hasher.update(&chunk[..count]);
        size += count as u64;
    }
    let mut descriptor = Descriptor::of(media::OCI_LAYER, &[]);
    if first == Some(0x1f) {
        descriptor.media_type.push_str("+gzip");
    }
    descriptor.digest = hasher.finish();
    descriptor.size = size;
    Ok(descriptor)
}
