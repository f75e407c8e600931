//! Simple signatures: a payload that names a manifest, and a signature over its bytes.
//!
//! cosign keeps them as layers of the manifest `sha256-<hex>.sig` (cosign, specs/SIGNATURE_SPEC.md); podman and skopeo
//! make the same (containers/image, docs/containers-signature.5.md, "JSON data format").

use super::json::{self, Json};
use crate::base::digest::Digest;

/// The media type of a payload among the layers of a `.sig` manifest.
pub const PAYLOAD_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The annotation of that layer in which the signature stands, as base64.
pub const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";
/// What `critical.type` must be.
const KIND: &str = "cosign container image signature";

/// What a payload says.
#[derive(Debug)]
pub struct Payload {
    /// The manifest that is signed.
    pub digest: Digest,
    /// The repository or image that it was signed as.
    pub name: String,
}

/// Reads a payload, whose signature is good already. The error says what is wrong with it.
///
/// What is critical must be understood, so there an unknown member is an error; `optional` may hold anything.
pub fn parse(bytes: &[u8]) -> Result<Payload, String> {
    let payload = json::parse(bytes).map_err(|error| format!("its payload is no JSON: {error}"))?;
    let only = |value: &Json, known: &[&str]| match value.stranger(known) {
        Some(name) => Err(format!("its payload has the unknown member `{name}`")),
        None => Ok(()),
    };
    only(&payload, &["critical", "optional"])?;
    let critical = member(&payload, "critical")?;
    only(critical, &["type", "image", "identity"])?;
    let kind = text(critical, "type")?;
    if kind != KIND {
        return Err(format!("its payload is a `{kind}`, expected a `{KIND}`"));
    }
    let image = member(critical, "image")?;
    only(image, &["docker-manifest-digest"])?;
    let digest = text(image, "docker-manifest-digest")?;
    let identity = member(critical, "identity")?;
    only(identity, &["docker-reference"])?;
    Ok(Payload {
        digest: digest
            .parse()
            .map_err(|error| format!("its payload is wrong: {error}"))?,
        name: text(identity, "docker-reference")?.to_owned(),
    })
}

fn member<'a>(value: &'a Json, name: &str) -> Result<&'a Json, String> {
    let found = value.get(name).filter(|found| found.members().is_some());
    found.ok_or_else(|| format!("its payload lacks `{name}`"))
}

fn text<'a>(value: &'a Json, name: &str) -> Result<&'a str, String> {
    let found = value.text_of(name);
    found.ok_or_else(|| format!("its payload lacks `{name}`"))
}
