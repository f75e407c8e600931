//! Signatures where an image comes from: at tags beside it, and among what refers to it.

use crate::base::digest::Digest;
use crate::base::fault::BoxFault;
use crate::oci::descriptor::Descriptor;
use crate::oci::manifest::{Document, Manifest};
use crate::ops::pull::origin::{Origin, read_whole};
use crate::ops::vouch::pile::{Known, NOTATION_TYPE, Pile};
use crate::registry::{Served, signature_tag};
use crate::trust::MAX_CANDIDATES;
use crate::trust::bundle::BUNDLE_TYPE;

/// Simple signatures that refer to an image instead of standing at a tag. cosign, `--registry-referrers-mode=oci-1-1`
const REFERRING_TYPE: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";

/// Gathers what cosign makes, in both its forms.
pub(super) fn for_signatures(origin: &dyn Origin, pile: &mut Pile<'_>) {
    for image in pile.images {
        at_tag(origin, image, pile);
    }
    for image in pile.images {
        referring(origin, image, BUNDLE_TYPE, pile);
    }
}

/// Gathers what is rare, asked for only where the rest does not suffice, so that a message can tell of it.
pub(super) fn for_rare_ones(origin: &dyn Origin, pile: &mut Pile<'_>) {
    for kind in [REFERRING_TYPE, NOTATION_TYPE] {
        for image in pile.images {
            referring(origin, image, kind, pile);
        }
    }
}

fn at_tag(origin: &dyn Origin, image: &Digest, pile: &mut Pile<'_>) {
    let tag = signature_tag(image);
    let name = format!("`{tag}`");
    match origin.tagged(&tag) {
        Ok(None) => {}
        Ok(Some(served)) if pile.has_seen(&served.digest) => {}
        Ok(Some(served)) => add(origin, &name, served, Known::Yes, pile),
        Err(fault) => pile.fault(&name, fault),
    }
}

fn referring(origin: &dyn Origin, image: &Digest, kind: &str, pile: &mut Pile<'_>) {
    // One more, so that it can be said that there are more.
    let entries = match origin.referrers(image, kind, MAX_CANDIDATES + 1) {
        Ok(entries) => entries,
        Err(fault) => return pile.fault("the list of what refers to the image", fault),
    };
    for entry in entries {
        if pile.is_full() {
            return;
        }
        if pile.has_seen(&entry.digest) {
            continue;
        }
        let name = format!("manifest {}", entry.digest.short());
        let said = entry.artifact_type.as_deref();
        if said == Some(NOTATION_TYPE) {
            pile.notation(&name);
            continue;
        }
        let known = if said.is_some() {
            Known::Yes
        } else {
            Known::No
        };
        match origin.document(&entry) {
            Ok(served) => add(origin, &name, served, known, pile),
            Err(fault) => pile.fault(&name, fault),
        }
    }
}

fn add(origin: &dyn Origin, name: &str, served: Served, known: Known, pile: &mut Pile<'_>) {
    let manifest: &Manifest = match &served.document {
        Document::Manifest(manifest) => manifest,
        Document::Index(_) => return pile.useless(name, "it is an index"),
    };
    let read = |layer: &Descriptor| read(origin, layer);
    pile.manifest(name, (served.digest, served.bytes, manifest), known, &read);
}

/// A small blob, verified; its size is bounded by whoever asks.
fn read(origin: &dyn Origin, descriptor: &Descriptor) -> Result<Vec<u8>, BoxFault> {
    if let Some(bytes) = descriptor.inline() {
        return Ok(bytes);
    }
    let object = format!("signature {}", descriptor.digest);
    let bytes = origin.blob(descriptor, 0)?;
    read_whole(bytes, &object, &descriptor.digest, descriptor.size)
}
