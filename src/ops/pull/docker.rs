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
use crate::oci::manifest::MAX_LAYERS;
use crate::oci::reference::Reference;
use crate::oci::{DocumentError, media};
use crate::ops::pull::archive::{ArchiveError, TarFiles};
use crate::ops::pull::origin::{Local, Part, Shelf, blob_error};
use crate::store::Store;

const MANIFEST: &str = "manifest.json";
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
}

/// Opens the archive `path` at the image called `name` (complete), or at its only image.
pub(super) fn open(path: &HostPath, name: Option<&str>, store: &Store) -> Result<Local, BoxFault> {
    let files = TarFiles::open(path, store)?;
    let saved = choose(&files, name)?;
    let config = require(&files, &saved.config)?;
    let config = files.read(&config, &saved.config)?;
    let mut parts = HashMap::new();
    let mut layers = Vec::new();
    for file in saved.layers.iter().flatten() {
        let part = require(&files, file)?;
        let layer = describe(&part, &format!("`{file}` in `{path}`"))?;
        parts.insert(layer.digest.clone(), part);
        layers.push(layer);
    }
    Ok(assemble(config, &layers, parts))
}

/// An image from its config, its layers' descriptors and the layers themselves: adds the
/// manifest. The same image always gets the same one.
pub(super) fn assemble(
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
    let bytes = files.read(&part, MANIFEST)?;
    let mut all: Vec<Saved> =
        serde_json::from_slice(&bytes).map_err(|source| ArchiveError::Malformed {
            path: path.clone(),
            file: MANIFEST.to_owned(),
            source,
        })?;
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
    let saved = all.swap_remove(position);
    let got = saved.layers.as_ref().map_or(0, Vec::len);
    if got > MAX_LAYERS {
        return Err(DocumentError::TooMany {
            what: "manifest",
            things: "layers",
            got,
            limit: MAX_LAYERS,
        }
        .into());
    }
    Ok(saved)
}

fn require(files: &TarFiles, name: &str) -> Result<Part, BoxFault> {
    let part = files.find(Path::new(name));
    Ok(part.ok_or_else(|| files.missing(name))?)
}

/// Hashes a layer.
fn describe(part: &Part, object: &str) -> Result<Descriptor, BoxFault> {
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
