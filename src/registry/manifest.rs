//! Fetching manifests and indexes: the bytes as served, their digest, what they mean.
//!
//! distribution-spec, "Pulling manifests".

use std::io::Read;

use ureq::http::Method;

use crate::base::digest::{Digest, Hasher, Mismatch};
use crate::oci::descriptor::Descriptor;
use crate::oci::manifest::Document;
use crate::oci::reference::Reference;
use crate::oci::{DocumentError, MAX_DOCUMENT, media};
use crate::registry::error::RegistryError;
use crate::registry::transport::{Call, Reply};
use crate::registry::{Registry, reply};

/// A manifest or index as a registry served it; the digest is that of the bytes.
#[derive(Clone, Debug)]
pub struct Served {
    /// The bytes, to be stored as they are.
    pub bytes: Vec<u8>,
    /// Their digest.
    pub digest: Digest,
    /// What they mean.
    pub document: Document,
}

impl Registry<'_> {
    /// Asks which digest stands behind `reference` without fetching it; HEAD does not
    /// count against Docker Hub's limit. `None` where the registry does not say: some
    /// refuse HEAD, and none may explain a failure in its body, so GET has the last word.
    pub fn digest_of(&self, reference: &Reference) -> Result<Option<Digest>, RegistryError> {
        let mut call = self.manifest_call(&reference.selector())?;
        call.method = Method::HEAD;
        let reply = self.send_authorized(&call, &describe(reference));
        Ok(reply
            .ok()
            .filter(|reply| reply.status == 200)
            .and_then(|reply| announced(&reply)))
    }

    /// Fetches what `reference` names. With a digest the bytes are checked against it.
    pub fn manifest(&self, reference: &Reference) -> Result<Served, RegistryError> {
        self.fetch(
            &reference.selector(),
            reference.digest(),
            None,
            &describe(reference),
        )
    }

    /// Fetches the entry `descriptor` of an index, checked against its digest and size.
    pub fn manifest_of(&self, descriptor: &Descriptor) -> Result<Served, RegistryError> {
        let (digest, size) = (&descriptor.digest, descriptor.size);
        self.fetch(
            &digest.to_string(),
            Some(digest),
            Some(size),
            &format!("manifest `{digest}`"),
        )
    }

    fn manifest_call(&self, selector: &str) -> Result<Call, RegistryError> {
        let mut call = Call::get(self.url(&format!("{}/manifests/{selector}", self.repository))?);
        call.headers
            .push(("Accept", media::ACCEPT_MANIFEST.join(", ")));
        Ok(call)
    }

    pub(super) fn fetch(
        &self,
        selector: &str,
        expected: Option<&Digest>,
        size: Option<u64>,
        what: &str,
    ) -> Result<Served, RegistryError> {
        let answer = self.request_and(self.manifest_call(selector)?, what, Answer::read)?;
        for warning in &answer.warnings {
            let said = self.authority.veiled_text(&reply::one_line(warning));
            let host = &self.api_host;
            self.progress.warn(&format!("`{host}` says: {said}"));
        }
        let bytes = answer.bytes;
        let got = bytes.len() as u64;
        if let Some(expected) = size.filter(|size| *size != got) {
            let object = what.to_owned();
            return Err(Mismatch::Size {
                object,
                got,
                expected,
            }
            .into());
        }
        for expected in expected.into_iter().chain(answer.announced.as_ref()) {
            check(&bytes, expected, what)?;
        }
        let document = Document::parse(&bytes, answer.content_type.as_deref());
        let document = document.map_err(|error| self.authority.veiled(error.into()))?;
        Ok(Served {
            digest: expected.cloned().unwrap_or_else(|| Digest::of(&bytes)),
            bytes,
            document,
        })
    }
}

fn describe(reference: &Reference) -> String {
    format!("`{}`", reference.familiar())
}

/// The digest that the registry announces; a hint, never a proof.
fn announced(reply: &Reply) -> Option<Digest> {
    reply.header("docker-content-digest")?.parse().ok()
}

fn check(bytes: &[u8], expected: &Digest, what: &str) -> Result<(), Mismatch> {
    let mut hasher = Hasher::new(expected.algorithm());
    hasher.update(bytes);
    let got = hasher.finish();
    if got == *expected {
        return Ok(());
    }
    Err(Mismatch::Content {
        object: what.to_owned(),
        got,
        expected: expected.clone(),
    })
}

/// What of a reply matters for a manifest.
struct Answer {
    warnings: Vec<String>,
    content_type: Option<String>,
    announced: Option<Digest>,
    bytes: Vec<u8>,
}

impl Answer {
    fn read(reply: Reply) -> Result<Answer, RegistryError> {
        let warnings = reply.all_headers("warning");
        let warnings = warnings.filter_map(|text| text.strip_prefix("299 ").map(str::to_owned));
        let (warnings, announced) = (warnings.collect(), announced(&reply));
        let content_type = reply.header("content-type").map(str::to_owned);
        let host = reply.origin.authority();
        let mut bytes = Vec::new();
        let body = reply.into_reader();
        let read = body.take(MAX_DOCUMENT + 1).read_to_end(&mut bytes);
        read.map_err(|source| RegistryError::Unreachable { host, source })?;
        let (what, got) = ("manifest", bytes.len() as u64);
        if got > MAX_DOCUMENT {
            return Err(DocumentError::TooLarge { what, got }.into());
        }
        Ok(Answer {
            warnings,
            content_type,
            announced,
            bytes,
        })
    }
}
