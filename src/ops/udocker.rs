//! The images of a repository of udocker's, as its own program keeps them in `~/.udocker`.
//!
//! udocker, `container/localrepo.py`: below `repos` a directory for each name and tag, in it `v1` or `v2` for its form,
//! and links to the layers. `v2` is what `pull` makes: the manifest, written anew, and blobs called by their digests.
//! `v1` is what `load` and `import` make: `ancestry` lists the layers, the uppermost first.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::base::digest::{Algorithm, Digest, Mismatch};
use crate::base::fault::{BoxFault, Fault, Kind, While};
use crate::base::fsx::{self, Context};
use crate::base::path::HostPath;
use crate::base::progress::Progress;
use crate::oci::MAX_DOCUMENT;
use crate::oci::descriptor::Descriptor;
use crate::oci::manifest::Document;
use crate::oci::media;
use crate::ops::load::{self, Loaded};
use crate::ops::pull::docker::{self, require_few_layers};
use crate::ops::pull::fetch;
use crate::ops::pull::origin::{Local, Part, Shelf};
use crate::ops::reach::Reach;
use crate::store::Store;

/// The deepest directory that is looked at: names have hardly more than four parts.
const MAX_DEPTH: usize = 16;
/// The most names and tags, far above those of any user.
const MAX_TAGS: usize = 10_000;
/// The longest id of a layer, in bytes, as long as a digest by SHA-512; those that Docker makes have 64.
const MAX_ID: usize = 128;
/// What `pull` keeps the manifest in.
const MANIFEST: &str = "manifest";
/// Where `load` keeps the config.
const CONFIG: &str = "container.json";

/// What became of a repository's images and containers.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The images that are here now.
    pub loaded: Vec<Loaded>,
    /// Those that are not, with the reason of each.
    pub failed: Vec<BoxFault>,
    /// The containers, which stay where they are, by their names or ids.
    pub containers: Vec<String>,
}

/// Why something is no image of udocker's.
#[derive(Debug, thiserror::Error)]
enum UdockerError {
    #[error("`{0}` is no repository of udocker: it has no directory `repos`")]
    NoRepository(HostPath),
    #[error("`{0}` has more than {MAX_TAGS} images, too many for a repository")]
    TooMany(HostPath),
    #[error("`{0}` has neither the mark `v1` nor `v2`: udocker did not finish it")]
    Unfinished(HostPath),
    #[error("`{0}`, of which it consists, is no file or a link to none: udocker lost it")]
    NoFile(HostPath),
    #[error("`{path}` names a layer `{id}`, expected its id: hexadecimal digits")]
    NoId { path: HostPath, id: String },
    #[error("`{path}` cannot be read")]
    Malformed {
        path: HostPath,
        source: serde_json::Error,
    },
}

impl Fault for UdockerError {
    fn kind(&self) -> Kind {
        match self {
            UdockerError::NoRepository(_) => Kind::NotFound,
            _ => Kind::Integrity,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            UdockerError::NoRepository(_) => {
                vec!["udocker keeps it in `~/.udocker`, or where UDOCKER_DIR says".to_owned()]
            }
            UdockerError::Unfinished(_) | UdockerError::NoFile(_) => {
                vec!["pull or load the image again, with coracle".to_owned()]
            }
            _ => Vec::new(),
        }
    }
}

/// Loads all images of the repository in `dir` under the names that they have there. Each stands for itself: where one
/// is broken the others are loaded.
pub fn load(dir: &HostPath, reach: &Reach, progress: &dyn Progress) -> Result<Outcome, BoxFault> {
    let repos = dir.join("repos");
    if !fsx::metadata(&repos).is_ok_and(|meta| meta.is_dir()) {
        return Err(UdockerError::NoRepository(dir.clone()).into());
    }
    let store = Store::open(reach.home.clone())?;
    let mut outcome = Outcome {
        containers: containers(dir),
        ..Outcome::default()
    };
    let mut tags = Vec::new();
    find_tags(&repos, MAX_DEPTH, &mut tags, &mut outcome.failed)?;
    for tag in tags {
        let name = name_of(&repos, &tag);
        match one(&store, &tag, &name, reach, progress) {
            Ok(loaded) => outcome.loaded.extend(loaded),
            Err(cause) => {
                let doing = format!("cannot load udocker's image `{}`", name.escape_debug());
                outcome.failed.push(While::new(doing, cause).into());
            }
        }
    }
    if !outcome.failed.is_empty() {
        let _the_first_error_counts = store.sweep();
    }
    Ok(outcome)
}

/// The directories of tags below `dir`, in the order of their names, and why others may have some that nobody sees.
fn find_tags(
    dir: &HostPath,
    depth: usize,
    tags: &mut Vec<HostPath>,
    failed: &mut Vec<BoxFault>,
) -> Result<(), UdockerError> {
    let mut entries = match fsx::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => {
            failed.push(error.into());
            return Ok(());
        }
    };
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = dir.join(entry.file_name());
        // Not through links, which could lead in circles.
        match entry.file_type().context("stat", &path) {
            Ok(kind) if kind.is_dir() => {}
            Ok(_) => continue,
            Err(error) => {
                failed.push(error.into());
                continue;
            }
        }
        if fsx::symlink_metadata(path.join("TAG")).is_ok() {
            tags.push(path);
        } else if depth > 0 {
            find_tags(&path, depth - 1, tags, failed)?;
        }
        if tags.len() + failed.len() > MAX_TAGS {
            return Err(UdockerError::TooMany(dir.clone()));
        }
    }
    Ok(())
}

/// The name and tag that a directory stands for.
fn name_of(repos: &HostPath, tag: &HostPath) -> String {
    let below = tag.strip_prefix(&**repos).unwrap_or(tag);
    let words: Vec<_> = below.iter().map(|it| it.to_string_lossy()).collect();
    match words.split_last() {
        Some((tag, name)) => format!("{}:{tag}", name.join("/")),
        None => String::new(),
    }
}

/// The containers by their names, and by their ids where they have none.
fn containers(dir: &HostPath) -> Vec<String> {
    let places = dir.join("containers");
    let (mut ids, mut names) = (Vec::new(), Vec::new());
    for entry in fsx::read_dir(&places).unwrap_or_default() {
        let name = entry.file_name().to_string_lossy().into_owned();
        match fsx::read_link(entry.path()) {
            Ok(target) => names.push((name, target.to_string_lossy().into_owned())),
            Err(_) if entry.path().join("ROOT").is_dir() => ids.push(name),
            Err(_) => {}
        }
    }
    names.sort();
    let nameless = |id: &String| !names.iter().any(|(_, target)| target == id);
    ids.retain(nameless);
    ids.sort();
    let names = names.iter().map(|(name, _)| name.clone());
    names.chain(ids).collect()
}

fn one(
    store: &Store,
    tag: &HostPath,
    name: &str,
    reach: &Reach,
    progress: &dyn Progress,
) -> Result<Vec<Loaded>, BoxFault> {
    let has = |mark: &str| fsx::symlink_metadata(tag.join(mark)).is_ok();
    let image = match (has("v1"), has("v2")) {
        (true, _) => of_ancestry(tag)?,
        (false, true) => of_manifest(tag)?,
        (false, false) => return Err(UdockerError::Unfinished(tag.clone()).into()),
    };
    let lease = store.lease()?;
    let records = load::bring(&lease, &[name.to_owned()], &[], &image, reach, progress)?;
    load::publish(&lease, records)
}

/// The image that `pull` brought. Its manifest is not the registry's, byte by byte, but what it names is.
fn of_manifest(tag: &HostPath) -> Result<Local, BoxFault> {
    let bytes = fsx::read_regular(tag.join(MANIFEST), MAX_DOCUMENT)?;
    let target = Descriptor::of(media::OCI_MANIFEST, &bytes);
    let mut parts = HashMap::new();
    let mut stated = None;
    if let Document::Manifest(manifest) = Document::parse(&bytes, None)? {
        for descriptor in manifest.layers.iter().chain([&manifest.config]) {
            let file = part(&tag.join(descriptor.digest.to_string()))?;
            parts.insert(descriptor.digest.clone(), file);
        }
        let document: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        stated = document["mediaType"].as_str().map(str::to_owned);
    }
    parts.insert(target.digest.clone(), Part::Memory(Arc::from(bytes)));
    let media_type = stated.unwrap_or(target.media_type);
    Ok(Local {
        listed: Arc::default(),
        target: Descriptor {
            media_type,
            ..target
        },
        shelf: Shelf::Parts(parts),
    })
}

/// The image that `load` or `import` made, given the manifest that it lacks.
fn of_ancestry(tag: &HostPath) -> Result<Local, BoxFault> {
    let path = tag.join("ancestry");
    let mut ids: Vec<String> = parse(&path)?;
    require_few_layers(ids.len())?;
    if let Some(id) = ids.iter().find(|id| !is_id(id)) {
        let id = id.escape_debug().take(MAX_ID).collect();
        return Err(UdockerError::NoId { path, id }.into());
    }
    let uppermost = ids.first().cloned().unwrap_or_default();
    ids.reverse();
    let (mut layers, mut diff_ids, mut parts) = (Vec::new(), Vec::new(), HashMap::new());
    let config = config_of(tag, ids.len())?;
    for id in &ids {
        let path = tag.join(format!("{id}.layer"));
        let file = part(&path)?;
        let layer = docker::describe(&file, &format!("`{path}`"))?;
        if config.is_none() {
            let read = fetch::read(None, file.reader(0), layer.size, Algorithm::Sha256);
            let (_, diff_id) = read.map_err(|error| While::new(format!("`{path}`"), error))?;
            diff_ids.push(diff_id);
        }
        parts.insert(layer.digest.clone(), file);
        layers.push(layer);
    }
    let config = match config {
        Some(bytes) => bytes,
        None => {
            // `import` takes the digest of a compressed file for that of its content.
            let mut config: Map<String, Value> = parse(&tag.join(format!("{uppermost}.json")))?;
            let rootfs = json!({"type": "layers", "diff_ids": diff_ids});
            config.insert("rootfs".to_owned(), rootfs);
            for key in ["id", "parent", "size", "container_config"] {
                config.remove(key);
            }
            Value::Object(config).to_string().into_bytes()
        }
    };
    Ok(docker::assemble(config, &layers, parts))
}

/// Whether a layer may be called so: its files are called after it, and another name could lead anywhere.
fn is_id(id: &str) -> bool {
    (1..=MAX_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The config of an image that was loaded, byte by byte, if it speaks of so many layers. The file that it is a link to
/// is called by its digest.
fn config_of(tag: &HostPath, n_layers: usize) -> Result<Option<Vec<u8>>, BoxFault> {
    let path = tag.join(CONFIG);
    if fsx::absent_as_none(fsx::metadata(&path))?.is_none() {
        return Ok(None);
    }
    let bytes = fsx::read_regular(&path, MAX_DOCUMENT)?;
    let document: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let listed = document["rootfs"]["diff_ids"].as_array().map(Vec::len);
    if listed != Some(n_layers) {
        return Ok(None);
    }
    let target = fsx::read_link(&path).unwrap_or_default();
    let stem = target.file_stem().map(|stem| stem.to_string_lossy());
    let named: Option<Digest> = stem.and_then(|hex| format!("sha256:{hex}").parse().ok());
    match named.filter(|named| *named != Digest::of(&bytes)) {
        None => Ok(Some(bytes)),
        Some(expected) => Err(Mismatch::Content {
            object: format!("`{path}`"),
            got: Digest::of(&bytes),
            expected,
        }
        .into()),
    }
}

fn parse<T: serde::de::DeserializeOwned>(path: &HostPath) -> Result<T, BoxFault> {
    let bytes = fsx::read_regular(path, MAX_DOCUMENT)?;
    let parsed = serde_json::from_slice(&bytes);
    let malformed = |source| UdockerError::Malformed {
        path: path.clone(),
        source,
    };
    Ok(parsed.map_err(malformed)?)
}

/// A file of the repository; mostly a link to one.
fn part(path: &HostPath) -> Result<Part, BoxFault> {
    let lost = || UdockerError::NoFile(path.clone());
    // Before it is opened: a pipe would wait for a writer.
    let meta = fsx::absent_as_none(fsx::metadata(path))?.ok_or_else(lost)?;
    if !meta.is_file() {
        return Err(lost().into());
    }
    Ok(Part::File {
        file: Arc::new(fsx::open(path)?),
        offset: 0,
        size: meta.len(),
    })
}
