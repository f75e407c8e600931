//! Signatures while they are gathered: what each is, what is kept of it, and how much is enough.

use crate::base::digest::Digest;
use crate::base::fault::{BoxFault, Kind};
use crate::oci::descriptor::Descriptor;
use crate::oci::manifest::Manifest;
use crate::oci::media;
use crate::ops::vouch::described;
use crate::trust::bundle::BUNDLE_TYPE;
use crate::trust::simple::{PAYLOAD_TYPE, SIGNATURE_ANNOTATION};
use crate::trust::{Candidate, Form, MAX_CANDIDATE, MAX_CANDIDATES};

/// What notation makes: signatures with certificates, in envelopes of their own.
pub(super) const NOTATION_TYPE: &str = "application/vnd.cncf.notary.signature";
/// Bytes of all signatures of one image, with the manifests that hold them; they are in memory together. One has about
/// 10 KB.
const MAX_BYTES: u64 = 16 << 20;

/// A manifest that holds signatures, with as much of what it holds as was read.
pub(in crate::ops) struct Object {
    pub(super) digest: Digest,
    pub(super) bytes: Vec<u8>,
    pub(super) blobs: Vec<(Digest, Vec<u8>)>,
}

/// What was gathered so far for one image.
pub(super) struct Pile<'a> {
    /// The digests of the image.
    pub(super) images: &'a [Digest],
    /// What may be signatures; at most one more than are looked at.
    pub(super) candidates: Vec<Candidate>,
    /// What they stand in.
    pub(super) objects: Vec<Object>,
    /// The first reason why something could not even be asked for.
    pub(super) failure: Option<BoxFault>,
    seen: Vec<Digest>,
    left: u64,
}

/// How the content of a descriptor is read, verified.
pub(super) type Reading<'a> = &'a dyn Fn(&Descriptor) -> Result<Vec<u8>, BoxFault>;

impl<'a> Pile<'a> {
    pub(super) fn new(images: &'a [Digest]) -> Pile<'a> {
        Pile {
            images,
            candidates: Vec::new(),
            objects: Vec::new(),
            failure: None,
            seen: Vec::new(),
            left: MAX_BYTES,
        }
    }

    /// Whether no more is looked at.
    pub(super) fn is_full(&self) -> bool {
        self.candidates.len() > MAX_CANDIDATES
    }

    /// Whether the manifest `digest` was seen before; from now on it was.
    pub(super) fn has_seen(&mut self, digest: &Digest) -> bool {
        let has = self.seen.contains(digest);
        if !has {
            self.seen.push(digest.clone());
        }
        has
    }

    /// Notes something that cannot count.
    pub(super) fn useless(&mut self, found: &str, why: impl Into<String>) {
        let (found, why) = (found.to_owned(), why.into());
        let form = Form::Useless { why };
        self.push(Candidate { found, form });
    }

    /// Notes that something could not be had: what is wrong does not count, and what did not answer may be there.
    pub(super) fn fault(&mut self, found: &str, fault: BoxFault) {
        match fault.kind() {
            Kind::Integrity | Kind::NotFound => self.useless(found, described(&*fault)),
            _ => drop(self.failure.get_or_insert(fault)),
        }
    }

    /// Takes the signatures out of a manifest that `name` names in messages. `known` says that there are some in it; of
    /// any other manifest that holds none, nothing is said.
    pub(super) fn manifest(
        &mut self,
        name: &str,
        served: (Digest, Vec<u8>, &Manifest),
        known: Known,
        read: Reading<'_>,
    ) {
        let (digest, bytes, manifest) = served;
        let own = manifest.artifact_type.as_ref();
        if *own.unwrap_or(&manifest.config.media_type) == NOTATION_TYPE {
            return self.notation(name);
        }
        let is_form = |layer: &Descriptor| Shape::of(layer).is_some();
        if known == Known::No && !manifest.layers.iter().any(is_form) {
            return;
        }
        if let Some(subject) = manifest.subject.as_ref()
            && !self.images.contains(subject)
        {
            return self.useless(name, format!("it refers to another manifest, {subject}"));
        }
        let Some(left) = self.left.checked_sub(bytes.len() as u64) else {
            return self.useless(name, too_much());
        };
        self.left = left;
        if manifest.layers.is_empty() {
            self.useless(name, "there is nothing in it");
        }
        let mut blobs = Vec::new();
        for (layer_idx, layer) in manifest.layers.iter().enumerate() {
            let found = format!("layer {} of {name}", layer_idx + 1);
            if self.candidates.len() == MAX_CANDIDATES {
                self.useless(&found, "it is one too many");
                break;
            }
            // Those who sign the same payload share it.
            let known = |layer: &Descriptor| {
                let mut blobs = blobs.iter();
                let found: Option<&(Digest, Vec<u8>)> =
                    blobs.find(|(digest, _)| *digest == layer.digest);
                found.map_or_else(|| read(layer), |(_, bytes)| Ok(bytes.clone()))
            };
            match self.form(layer, &known) {
                Ok((form, blob)) => {
                    self.push(Candidate { found, form });
                    blobs.push((layer.digest.clone(), blob));
                }
                Err(Loss::Useless(why)) => self.useless(&found, why),
                Err(Loss::Fault(fault)) => self.fault(&found, fault),
            }
        }
        // Nobody reads it, but a manifest without its config cannot be copied on.
        if let Some(left) = self.left.checked_sub(manifest.config.size)
            && let Ok(config) = read(&manifest.config)
        {
            self.left = left;
            blobs.push((manifest.config.digest.clone(), config));
        }
        self.objects.push(Object {
            digest,
            bytes,
            blobs,
        });
    }

    /// Notes a signature of notation.
    pub(super) fn notation(&mut self, name: &str) {
        self.useless(name, "it is a signature of notation, which does not count");
    }

    /// The signature in a layer, and the layer's bytes.
    fn form(&mut self, layer: &Descriptor, read: Reading<'_>) -> Result<(Form, Vec<u8>), Loss> {
        let useless = |why: String| Err(Loss::Useless(why));
        let Some(shape) = Shape::of(layer) else {
            return useless(format!(
                "it is a `{}`, which is no signature that is known",
                layer.media_type
            ));
        };
        let signature = layer.annotations.get(SIGNATURE_ANNOTATION);
        if shape == Shape::Simple && signature.is_none() {
            return useless(format!("it lacks the annotation `{SIGNATURE_ANNOTATION}`"));
        }
        if layer.size > MAX_CANDIDATE as u64 {
            return useless(format!(
                "it has {} bytes, expected at most {MAX_CANDIDATE}",
                layer.size
            ));
        }
        let Some(left) = self.left.checked_sub(layer.size) else {
            return useless(too_much());
        };
        let blob = read(layer).map_err(Loss::Fault)?;
        self.left = left;
        let form = match (shape, signature) {
            (Shape::Simple, Some(signature)) => Form::Simple {
                payload: blob.clone(),
                signature: signature.clone(),
            },
            _ => Form::Bundle { json: blob.clone() },
        };
        Ok((form, blob))
    }

    fn push(&mut self, candidate: Candidate) {
        if !self.is_full() {
            self.candidates.push(candidate);
        }
    }
}

fn too_much() -> String {
    format!("all together have more than {MAX_BYTES} bytes")
}

/// Whether a manifest is where only signatures are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Yes,
    No,
}

/// Why a layer gives no signature.
enum Loss {
    Useless(String),
    Fault(BoxFault),
}

/// The forms of signatures in layers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Simple,
    Bundle,
}

impl Shape {
    fn of(layer: &Descriptor) -> Option<Shape> {
        match media::essence(&layer.media_type) {
            PAYLOAD_TYPE => Some(Shape::Simple),
            BUNDLE_TYPE => Some(Shape::Bundle),
            _ => None,
        }
    }
}
