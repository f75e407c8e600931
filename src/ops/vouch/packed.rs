//! Kept signatures on their way into an archive, where whoever unpacks an OCI layout finds them.

use crate::base::digest::Digest;
use crate::oci::MAX_DOCUMENT;
use crate::oci::descriptor::Descriptor;
use crate::oci::manifest::{Document, Manifest};
use crate::oci::media;
use crate::oci::platform::Platform;
use crate::ops::pull::archive::REF_NAME;
use crate::ops::vouch::images;
use crate::registry::signature_tag;
use crate::store::{ImageRecord, Store};
use crate::trust::bundle::BUNDLE_TYPE;
use crate::trust::simple::{self, PAYLOAD_TYPE};

/// What is packed beside an image.
#[derive(Default)]
pub(in crate::ops) struct Packed {
    /// Entries for the layout's list: what stands at a tag has its name, what refers to an image its kind.
    pub(in crate::ops) listed: Vec<Descriptor>,
    /// What these consist of, themselves included.
    pub(in crate::ops) blobs: Vec<Descriptor>,
    /// The image's index, by which it may be signed; none where the manifest is all that there is, or whoever unpacks
    /// the index here would find another platform's manifest in it.
    pub(in crate::ops) index: Option<Descriptor>,
}

/// The signatures that are kept with `record`. What is damaged stays away: it serves nobody.
pub(in crate::ops) fn packed(store: &Store, record: &ImageRecord) -> Packed {
    let mut packed = Packed::default();
    let images = images(record);
    for digest in record.signatures.iter().flat_map(|kept| &kept.manifests) {
        let Some((bytes, Document::Manifest(manifest))) = document(store, digest) else {
            continue;
        };
        let is_here = |blob: &&Descriptor| {
            let mut content = record.content.iter();
            content.any(|known| known.digest == blob.digest && known.size == blob.size)
                && store.has_blob(&blob.digest, blob.size).unwrap_or_default()
        };
        let parts = manifest.layers.iter().chain([&manifest.config]);
        let parts: Vec<_> = parts.filter(is_here).cloned().collect();
        let mut entry = Descriptor {
            digest: digest.clone(),
            ..Descriptor::of(media::OCI_MANIFEST, &bytes)
        };
        packed.blobs.push(entry.clone());
        packed.blobs.extend(parts);
        match signed_by_payload(store, &manifest, &images) {
            Some(image) => {
                let tag = signature_tag(&image);
                entry.annotations.insert(REF_NAME.to_owned(), tag);
            }
            None => entry.artifact_type = Some(BUNDLE_TYPE.to_owned()),
        }
        packed.listed.push(entry);
    }
    if !packed.listed.is_empty() {
        packed.index = index(store, record);
    }
    packed
}

/// Which of `images` the first simple signature in `manifest` says that it is for: at whose tag it stood. None where
/// there are no simple signatures.
fn signed_by_payload(store: &Store, manifest: &Manifest, images: &[Digest]) -> Option<Digest> {
    let is_simple = |layer: &&Descriptor| layer.media_type == PAYLOAD_TYPE;
    let mut simple = manifest.layers.iter().filter(is_simple).peekable();
    simple.peek()?;
    let payloads = simple.filter_map(|layer| store.read_blob(&layer.digest, MAX_DOCUMENT).ok());
    let mut named = payloads.filter_map(|bytes| Some(simple::parse(&bytes).ok()?.digest));
    let signed = named.find(|digest| images.contains(digest));
    signed.or_else(|| images.last().cloned())
}

/// The index of `record`, if it leads to the image's manifest on this host as well.
fn index(store: &Store, record: &ImageRecord) -> Option<Descriptor> {
    let (bytes, Document::Index(index)) = document(store, &record.target)? else {
        return None;
    };
    if index.choose(&Platform::host()).ok()?.digest != record.manifest {
        return None;
    }
    let stated: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    let media_type = stated["mediaType"].as_str().unwrap_or(media::OCI_INDEX);
    Some(Descriptor {
        digest: record.target.clone(),
        ..Descriptor::of(media_type, &bytes)
    })
}

fn document(store: &Store, digest: &Digest) -> Option<(Vec<u8>, Document)> {
    let bytes = store.read_blob(digest, MAX_DOCUMENT).ok()?;
    let document = Document::parse(&bytes, None).ok()?;
    Some((bytes, document))
}
