//! Signatures that are kept with an image.

use std::io::Read;

use crate::base::digest::{Digest, VerifyingReader};
use crate::base::fault::BoxFault;
use crate::oci::descriptor::Descriptor;
use crate::oci::manifest::{Document, Manifest};
use crate::oci::{DocumentError, MAX_DOCUMENT};
use crate::ops::pull::origin::blob_error;
use crate::ops::vouch::pile::{Known, Pile};
use crate::store::{Content, ImageRecord, Lease, Result as Stored, Store};
use crate::trust::MAX_CANDIDATES;

/// The digests by which a stored image may be signed.
pub(in crate::ops) fn images(record: &ImageRecord) -> Vec<Digest> {
    let mut images = vec![record.target.clone(), record.manifest.clone()];
    images.dedup();
    images
}

/// The signatures that are kept with `record`, whose digests are `images`. What was damaged does not count.
pub(super) fn signatures<'a>(
    store: &Store,
    record: &ImageRecord,
    images: &'a [Digest],
) -> Pile<'a> {
    let mut pile = Pile::new(images);
    let kept = record.signatures.iter();
    let manifests = kept.flat_map(|kept| &kept.manifests);
    for digest in manifests.take(MAX_CANDIDATES) {
        let name = format!("manifest {}, which is kept here", digest.short());
        match manifest(store, record, digest) {
            Ok((bytes, manifest)) => {
                let served = (digest.clone(), bytes, &manifest);
                let read = |layer: &Descriptor| self::read(store, &layer.digest, layer.size);
                pile.manifest(&name, served, Known::Yes, &read);
            }
            Err(fault) => pile.useless(&name, super::described(&*fault)),
        }
    }
    pile
}

/// Makes the signatures of `before`, the same image, part of `record`, as far as they are still here.
pub(super) fn carry_over(
    lease: &Lease,
    record: &mut ImageRecord,
    before: Option<&ImageRecord>,
) -> Stored<()> {
    let Some(before) = before.filter(|before| before.signatures.is_some()) else {
        return Ok(());
    };
    let is_new = |content: &&Content| !record.content.contains(content);
    let more: Vec<Content> = before.content.iter().filter(is_new).cloned().collect();
    for content in &more {
        if !lease.has_blob(&content.digest, content.size)? {
            return Ok(());
        }
    }
    record.content.extend(more);
    record.signatures.clone_from(&before.signatures);
    Ok(())
}

fn manifest(
    store: &Store,
    record: &ImageRecord,
    digest: &Digest,
) -> Result<(Vec<u8>, Manifest), BoxFault> {
    let content = record.content.iter().find(|known| known.digest == *digest);
    let size = content.map_or(0, |content| content.size).min(MAX_DOCUMENT);
    let bytes = read(store, digest, size)?;
    match Document::parse(&bytes, None)? {
        Document::Manifest(manifest) => Ok((bytes, *manifest)),
        Document::Index(_) => Err(DocumentError::Confused {
            what: "manifest",
            how: "it is an index".to_owned(),
        }
        .into()),
    }
}

/// A small blob, read again and verified.
fn read(store: &Store, digest: &Digest, size: u64) -> Result<Vec<u8>, BoxFault> {
    let object = format!("blob `{digest}`");
    let file = store.open_blob(digest)?;
    let mut bytes = Vec::new();
    let mut reader = VerifyingReader::new(file, object.as_str(), digest.clone(), size);
    let read = reader.read_to_end(&mut bytes);
    read.map_err(|error| blob_error(error, &object))?;
    Ok(bytes)
}
