//! `history`: how an image came about, as its maker tells it.

use crate::base::digest::Digest;
use crate::base::fault::BoxFault;
use crate::base::path::HostPath;
use crate::oci::MAX_DOCUMENT;
use crate::oci::config::ImageConfig;
use crate::oci::manifest::Document;
use crate::ops::images::{self, FindError};
use crate::store::Store;

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The image's id, of the newest step; the others have none.
    pub id: Option<Digest>,
    /// When, RFC 3339.
    pub created: Option<String>,
    /// By which command.
    pub created_by: String,
    /// What for.
    pub comment: String,
    /// Bytes of its layer as it was served, usually compressed; none where it made no layer.
    pub size: Option<u64>,
}

/// The steps of the image `text`, a name or the first digits of a digest, in the store at `home`; the newest first.
/// Layers of which the maker tells nothing are steps without a command.
pub fn history(home: &HostPath, text: &str) -> Result<Vec<Step>, BoxFault> {
    let store = Store::open(home.clone())?;
    let found = images::find(&store, text)?;
    let image = found
        .first()
        .ok_or_else(|| FindError::None(text.to_owned()))?;
    let config = ImageConfig::parse(&store.read_blob(&image.config, MAX_DOCUMENT)?)?;
    let manifest = Document::parse(&store.read_blob(&image.manifest, MAX_DOCUMENT)?, None)?;
    let mut sizes = match manifest {
        Document::Manifest(manifest) => manifest.layers,
        Document::Index(_) => Vec::new(),
    }
    .into_iter()
    .map(|layer| layer.size);
    let mut steps: Vec<Step> = Vec::new();
    for told in config.history {
        let size = if told.empty_layer { None } else { sizes.next() };
        steps.push(Step {
            id: None,
            created: told.created,
            created_by: told.created_by.unwrap_or_default(),
            comment: told.comment.unwrap_or_default(),
            size,
        });
    }
    steps.extend(sizes.map(|size| Step {
        id: None,
        created: None,
        created_by: String::new(),
        comment: String::new(),
        size: Some(size),
    }));
    steps.reverse();
    if let Some(newest) = steps.first_mut() {
        newest.id = Some(image.config.clone());
    }
    Ok(steps)
}
