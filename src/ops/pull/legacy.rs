//! What `docker save` wrote before version 1.10, and udocker still does: a directory for each layer, linked to the one
//! below it, and `repositories`, which names the uppermost. moby, image/spec/v1.md.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::base::digest::{Algorithm, Digest};
use crate::base::fault::BoxFault;
use crate::ops::pull::archive::ArchiveError;
use crate::ops::pull::docker::{Images, image_of, require_few_images, require_few_layers};
use crate::ops::pull::fetch;
use crate::ops::pull::files::TarFiles;
use crate::ops::pull::origin::Part;

const REPOSITORIES: &str = "repositories";
/// The `json` of a layer: what is needed of it to walk down.
#[derive(Deserialize)]
struct Link {
    parent: Option<String>,
}

/// Every image in the archive, with its names; `None` for what is no such archive.
pub(super) fn all(files: &TarFiles) -> Result<Option<Images>, BoxFault> {
    let Some(bytes) = files.read_if_there(REPOSITORIES)? else {
        return Ok(None);
    };
    let repositories: BTreeMap<String, BTreeMap<String, String>> =
        serde_json::from_slice(&bytes).map_err(|source| malformed(files, REPOSITORIES, source))?;
    let mut named: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (repository, tags) in repositories {
        for (tag, id) in tags {
            named
                .entry(id)
                .or_default()
                .push(format!("{repository}:{tag}"));
        }
    }
    require_few_images(REPOSITORIES, named.len())?;
    let (mut hashed, mut diff_ids) = (HashMap::new(), HashMap::new());
    let mut images = Vec::new();
    for (id, names) in named {
        let (config, layers) = image(files, &id, &mut diff_ids)?;
        let local = image_of(
            files,
            config,
            &layers.iter().collect::<Vec<_>>(),
            &mut hashed,
        )?;
        images.push((names, local));
    }
    Ok(Some(images))
}

/// The config that an image of those days lacks, and the files of its layers, lowest first.
fn image(
    files: &TarFiles,
    top: &str,
    diff_ids: &mut HashMap<String, Digest>,
) -> Result<(Vec<u8>, Vec<String>), BoxFault> {
    let (mut layers, mut history) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    let mut newest = None;
    let mut next = Some(top.to_owned());
    // A circle of parents ends where it closes.
    while let Some(id) = next.filter(|id| seen.insert(id.clone())) {
        require_few_layers(seen.len())?;
        let name = format!("{id}/json");
        let bytes = files
            .read_if_there(&name)?
            .ok_or_else(|| files.missing(&name))?;
        let wrong = |source| malformed(files, &name, source);
        let link: Link = serde_json::from_slice(&bytes).map_err(wrong)?;
        let config: Value = serde_json::from_slice(&bytes).map_err(wrong)?;
        history.push(json!({
            "created": config["created"],
            "created_by": words(&config["container_config"]["Cmd"]),
        }));
        newest.get_or_insert(config);
        layers.push(format!("{id}/layer.tar"));
        next = link.parent;
    }
    layers.reverse();
    history.reverse();
    let mut known = Vec::new();
    for layer in &layers {
        let diff_id = match diff_ids.get(layer) {
            Some(diff_id) => diff_id.clone(),
            None => diff_id(files, layer)?,
        };
        diff_ids.insert(layer.clone(), diff_id.clone());
        known.push(diff_id);
    }
    let newest = newest.unwrap_or_default();
    let config = json!({
        "created": newest["created"],
        "author": newest["author"],
        "architecture": newest["architecture"].as_str().unwrap_or("amd64"),
        "os": newest["os"].as_str().unwrap_or("linux"),
        "config": newest["config"],
        "rootfs": {"type": "layers", "diff_ids": known},
        "history": history,
    });
    Ok((config.to_string().into_bytes(), layers))
}

/// The digest of a layer's plain bytes.
fn diff_id(files: &TarFiles, name: &str) -> Result<Digest, BoxFault> {
    let part = files.find(Path::new(name));
    let part = part.ok_or_else(|| files.missing(name))?;
    let size = match &part {
        Part::File { size, .. } => *size,
        Part::Memory(bytes) => bytes.len() as u64,
    };
    let (_, diff_id) = fetch::read(None, part.reader(0), size, Algorithm::Sha256)?;
    Ok(diff_id)
}

/// A command as one text.
fn words(command: &Value) -> Option<String> {
    let words = command.as_array()?.iter().filter_map(Value::as_str);
    Some(words.collect::<Vec<_>>().join(" "))
}

fn malformed(files: &TarFiles, file: &str, source: serde_json::Error) -> ArchiveError {
    ArchiveError::Malformed {
        path: files.path.clone(),
        file: file.escape_debug().take(200).collect(),
        source,
    }
}
