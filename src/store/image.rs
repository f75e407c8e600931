//! Images: what a name means in this store.

use serde::{Deserialize, Serialize};

use crate::base::digest::Digest;
use crate::base::fsx;
use crate::base::path::HostPath;
use crate::oci::platform::Platform;
use crate::oci::source::Source;
use crate::store::layout::Layout;
use crate::store::site::if_usable;
use crate::store::{Result, Store, read_document};

/// What a name means here: an image, with all that it consists of.
///
/// Holds what a run needs, so that starting a stored image reads three small files:
/// this one, the config, and the tree's marker. Everything named here was verified
/// before it was stored, so that is not recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRecord {
    /// The full name, [`Source`] as it prints itself.
    pub name: String,
    /// The digest that the name had in the registry: of an index or of the manifest.
    pub target: Digest,
    /// The manifest of the chosen platform.
    pub manifest: Digest,
    /// The image config.
    pub config: Digest,
    /// The chain ID of all layers: which tree is the image's.
    pub chain: Digest,
    /// What the image runs on, from its config.
    pub platform: Platform,
    /// Every blob of the image: index, manifest, config and layers, each once.
    pub content: Vec<Content>,
    /// When it was pulled, RFC 3339 in UTC.
    pub pulled: String,
    /// The signatures that came with it; none where nobody asked for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signatures: Option<Signatures>,
    /// The home of the other user's store in which it is; none for one of our own.
    #[serde(skip)]
    pub site: Option<HostPath>,
}

/// What vouched for an image when it was brought here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signatures {
    /// Manifests that hold signatures; they and what they hold are among the image's content.
    pub manifests: Vec<Digest>,
    /// Fingerprints of the keys that a policy demanded and that had signed.
    pub keys: Vec<String>,
}

/// One blob of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Its name in the store.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

impl Store {
    /// What `source` means here; `None` where it was not pulled. Reads one file and
    /// does not look whether the content is there. Our own meaning of a name comes before that of other stores.
    pub fn image(&self, source: &Source) -> Result<Option<ImageRecord>> {
        if let Some(own) = read_document(&self.layout.reference(source))? {
            return Ok(Some(own));
        }
        for site in &self.sites {
            if let Some(image) = if_usable(read_document(&site.reference(source))) {
                return Ok(Some(of_site(image, site)));
            }
        }
        Ok(None)
    }

    /// All images, by name, with those of other stores that are not hidden by our own. A record of ours that cannot be
    /// read is an error.
    pub fn images(&self) -> Result<Vec<ImageRecord>> {
        let mut images = self.own_images()?;
        for site in &self.sites {
            for path in reference_files(site).unwrap_or_default() {
                let image = if_usable(read_document::<ImageRecord>(&path));
                let is_new = |image: &ImageRecord| images.iter().all(|it| it.name != image.name);
                if let Some(image) = image.filter(is_new) {
                    images.push(of_site(image, site));
                }
            }
        }
        images.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(images)
    }

    /// The images of this store alone.
    pub(super) fn own_images(&self) -> Result<Vec<ImageRecord>> {
        let mut images = Vec::new();
        for path in reference_files(&self.layout)? {
            images.extend(read_document::<ImageRecord>(&path)?);
        }
        images.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(images)
    }

    /// Forgets what `source` means, unless it is protected; whether it meant something.
    /// Content stays until the next sweep.
    pub fn remove_image(&self, source: &Source) -> Result<bool> {
        self.require_unprotected(source)?;
        let path = self.layout.reference(source);
        self.require_own(&path, || format!("image `{source}`"))?;
        let was_there = fsx::absent_as_none(fsx::symlink_metadata(&path))?.is_some();
        fsx::remove_file(&path)?;
        Ok(was_there)
    }
}

fn of_site(image: ImageRecord, site: &Layout) -> ImageRecord {
    ImageRecord {
        site: Some(site.home().clone()),
        ..image
    }
}

/// The files of all references.
fn reference_files(layout: &Layout) -> Result<Vec<HostPath>> {
    let mut files = Vec::new();
    let mut todo = vec![layout.refs()];
    while let Some(dir) = todo.pop() {
        // A sweep may remove a directory as soon as it is empty.
        for entry in fsx::absent_as_none(fsx::read_dir(&dir))?.unwrap_or_default() {
            let path = HostPath::new(entry.path());
            match fsx::absent_as_none(fsx::symlink_metadata(&path))? {
                Some(meta) if meta.is_dir() => todo.push(path),
                // Beside a reference may stand the mark that it is protected.
                Some(_) if path.extension().is_some_and(|it| it == "json") => files.push(path),
                _ => {}
            }
        }
    }
    Ok(files)
}
