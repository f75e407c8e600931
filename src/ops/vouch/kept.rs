//! Signatures that are kept with an image.

use crate::base::digest::Digest;
use crate::base::fault::BoxFault;
use crate::oci::MAX_DOCUMENT;
use crate::oci::descriptor::Descriptor;
use crate::oci::manifest::{Document, Manifest};
use crate::ops::pull::origin::read_whole;
use crate::ops::vouch::pile::{Known, Pile};
use crate::store::{Content, ImageRecord, Lease, Result as Stored, Store};
use crate::trust::MAX_CANDIDATES;

/// The digests by which a stored image may be signed.
pub(in crate::ops) fn images(record: &ImageRecord) -> Vec<Digest> {
    signable(&record.target, &record.manifest)
}

/// The same by what the name stands for, an index or the manifest, and by the manifest for the platform.
pub(in crate::ops) fn signable(target: &Digest, manifest: &Digest) -> Vec<Digest> {
    let mut images = vec![target.clone(), manifest.clone()];
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
    let manifest = Document::parse(&bytes, None)?.into_manifest()?;
    Ok((bytes, manifest))
}

/// A small blob, read again and verified.
fn read(store: &Store, digest: &Digest, size: u64) -> Result<Vec<u8>, BoxFault> {
    let file = store.open_blob(digest)?;
    read_whole(file, &format!("blob `{digest}`"), digest, size)
}
