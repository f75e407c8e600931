//! `commit`: an image of a container: its image's layers, and one more with what has changed.

mod config;
mod difference;

use std::collections::HashMap;
use std::io::{BufWriter, Write};
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Map, Value};

use crate::base::fault::{BoxFault, Fault, Kind, While};
use crate::base::path::HostPath;
use crate::base::progress::Progress;
use crate::oci::MAX_DOCUMENT;
use crate::oci::config::ImageConfig;
use crate::oci::descriptor::Descriptor;
use crate::oci::manifest::{Document, Manifest};
use crate::oci::media::{self, Compression};
use crate::oci::reference::Reference;
use crate::oci::source::Source;
use crate::ops::containers::{familiar, is_running};
use crate::ops::create::Subject;
use crate::ops::export::GuestTree;
use crate::ops::import::changes::ChangeError;
use crate::ops::pull::keep::Keeper;
use crate::ops::pull::origin::{Local, Shelf, blob_error};
use crate::ops::{compose, create, tag};
use crate::store::{Container, ImageRecord, Lease, Store};
use difference::Difference;

/// What an image is called that was given no name; its digest follows.
const NAMELESS: &str = "localhost/committed";
/// Bytes written at once.
const BUFFER: usize = 256 << 10;

/// What the image is to be.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// What it is to be called; by its digest alone where absent.
    pub name: Option<String>,
    /// Lines of a Dockerfile that change its config (`-c`).
    pub changes: Vec<String>,
    /// What its history says (`-m`).
    pub message: Option<String>,
    /// Who made it (`-a`).
    pub author: Option<String>,
}

/// Why a container does not become an image.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The image's layers went with its last name.
    #[error("the layers of its image `{image}` are no longer in the store")]
    NoLayers {
        /// As short as Docker shows it.
        image: String,
        /// What to pull for the very same image.
        again: String,
        /// The container.
        container: String,
    },
    /// A line of `-c`.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// A config is JSON, which is text.
    #[error("`{0}`, with which the container was created, is not text")]
    NotText(String),
    /// What the image's config is not.
    #[error("the config of its image cannot be read")]
    Config(#[source] serde_json::Error),
}

impl Fault for CommitError {
    fn kind(&self) -> Kind {
        match self {
            CommitError::NoLayers { .. } => Kind::NotFound,
            CommitError::Change(error) => error.kind(),
            CommitError::NotText(_) => Kind::Usage,
            CommitError::Config(_) => Kind::Integrity,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            CommitError::NoLayers {
                again, container, ..
            } => vec![
                format!("`coracle pull {again}` brings them back"),
                format!(
                    "`coracle export {container} | coracle import - NAME` makes an image of one layer"
                ),
            ],
            CommitError::Change(error) => error.hints(),
            _ => Vec::new(),
        }
    }
}

/// Makes an image of the container with this name or id. Must be called while there is one thread: files of sub-ids are
/// read from inside namespaces that this process enters.
///
/// Nothing is swept where it fails: from inside such a namespace nobody sees which guests run.
pub fn commit(
    home: &HostPath,
    name_or_id: &str,
    request: &Request,
    progress: &dyn Progress,
) -> Result<ImageRecord, BoxFault> {
    let store = Store::open(home.clone())?;
    let container = store.container(name_or_id)?;
    let name = request.name.as_deref().map(tag::new_name).transpose()?;
    if let Some(name) = &name {
        store.require_unprotected(name)?;
    }
    if is_running(&store, &container.record.id)? {
        progress.warn(&format!(
            "container `{name_or_id}` is running: what it is writing just now may be in the image in part"
        ));
    }
    let lease = store.lease()?;
    let work = Work {
        lease: &lease,
        container: &container,
        request,
        progress,
    };
    let made = work.image(name);
    made.map_err(|cause| {
        While::new(
            format!("cannot make an image of container `{name_or_id}`"),
            cause,
        )
        .into()
    })
}

/// One commit.
struct Work<'a> {
    lease: &'a Lease,
    container: &'a Container,
    request: &'a Request,
    progress: &'a dyn Progress,
}

impl Work<'_> {
    fn image(&self, name: Option<Source>) -> Result<ImageRecord, BoxFault> {
        let store = self.lease.store();
        let (manifest, bytes, before) = self.base()?;
        let subject = create::of_container(store, self.container.clone())?;
        let mut config: Map<String, Value> =
            serde_json::from_slice(&bytes).map_err(CommitError::Config)?;
        config::change(&mut config, &subject.wish, self.request)?;
        let top = self.layer(&subject)?;
        let created = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let is_empty = top.is_none();
        config::note(&mut config, &subject.wish, self.request, &created, is_empty);
        let mut layers: Vec<_> = manifest.layers.into_iter().map(as_oci).collect();
        let mut diff_ids = before.rootfs.diff_ids;
        if let Some(layer) = top {
            diff_ids.push(layer.digest.clone());
            layers.push(layer);
        }
        let resolved = compose::compose(config, &layers, &diff_ids)?;
        // All of its blobs are in the store.
        let nowhere = Local {
            listed: Arc::default(),
            target: Descriptor::of(media::OCI_MANIFEST, &[]),
            shelf: Shelf::Parts(HashMap::new()),
        };
        Keeper::new(self.lease, self.progress).bring(&nowhere, &resolved)?;
        let source = match name {
            Some(name) => name,
            None => {
                let nameless: Reference = NAMELESS.parse()?;
                Source::Registry(nameless.at(&resolved.manifest_digest))
            }
        };
        let record = resolved.record(&source);
        self.lease.publish(&source, &record)?;
        Ok(record)
    }

    /// The image below the container: all of its layers must be here.
    fn base(&self) -> Result<(Manifest, Vec<u8>, ImageConfig), BoxFault> {
        let (store, record) = (self.lease.store(), &self.container.record);
        let bytes = store.read_blob(&record.manifest, MAX_DOCUMENT)?;
        let manifest = Document::parse(&bytes, None)?.into_manifest()?;
        for layer in &manifest.layers {
            if !self.lease.has_blob(&layer.digest, layer.size)? {
                let again = match record.image.parse() {
                    Ok(Source::Registry(name)) => name.at(&record.manifest).familiar(),
                    _ => record.image.clone(),
                };
                return Err(CommitError::NoLayers {
                    image: familiar(&record.image),
                    again,
                    container: record.id[..12].to_owned(),
                }
                .into());
            }
        }
        let bytes = store.read_blob(&record.config, MAX_DOCUMENT)?;
        let config = ImageConfig::parse_for(&manifest, &bytes)?;
        Ok((manifest, bytes, config))
    }

    /// What has changed, as a layer in the store; none where nothing has.
    fn layer(&self, subject: &Subject) -> Result<Option<Descriptor>, BoxFault> {
        let tree = GuestTree::of(self.lease.store(), self.container)?;
        let difference = Difference::of(&tree, subject)?;
        if difference.is_none() {
            return Ok(None);
        }
        let mut out = BufWriter::with_capacity(BUFFER, self.lease.spool()?);
        difference.write(&mut out)?;
        let unwritten = |error| blob_error(error, "the new layer");
        out.flush().map_err(unwritten)?;
        let spool = out.into_inner();
        let spool = spool.map_err(|error| unwritten(error.into_error()))?;
        let (digest, size) = self.lease.keep(spool)?;
        Ok(Some(Descriptor {
            digest,
            size,
            ..Descriptor::of(media::OCI_LAYER, &[])
        }))
    }
}

/// A layer under OCI's name for what it is: a manifest of OCI has no room for Docker's.
fn as_oci(layer: Descriptor) -> Descriptor {
    let compression = media::layer_compression(&layer.media_type);
    let suffix = match compression.unwrap_or(Compression::None) {
        Compression::None => "",
        Compression::Gzip => "+gzip",
        Compression::Zstd => "+zstd",
    };
    let kind = match media::is_foreign_layer(&layer.media_type) {
        true => media::OCI_LAYER.replace(".layer.", ".layer.nondistributable."),
        false => media::OCI_LAYER.to_owned(),
    };
    Descriptor {
        media_type: format!("{kind}{suffix}"),
        ..layer
    }
}
