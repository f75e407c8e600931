//! Sigstore bundles of version 0.3 with a signed statement about an image: what cosign makes since its version 3.
//!
//! sigstore/protobuf-specs, `sigstore_bundle.proto`; secure-systems-lab/dsse, `envelope.md` and `protocol.md`;
//! in-toto/attestation, `spec/v1/statement.md`.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::json::{self, Json};
use crate::base::digest::Digest;

/// The artifact type of a manifest that carries a bundle, and the bundle's media type.
pub const BUNDLE_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// The media type in its older spelling.
const BUNDLE_TYPE_OLD: &str = "application/vnd.dev.sigstore.bundle+json;version=0.3";
/// What the envelope holds.
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// The types of a statement, which mean the same here.
const STATEMENTS: [&str; 2] = [
    "https://in-toto.io/Statement/v1",
    "https://in-toto.io/Statement/v0.1",
];
/// What a statement must state to be an image's signature. One about an image's contents or origin is signed, too, and
/// says nothing of who vouches for it.
const PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";
/// Signatures of one envelope. The bundle's definition wants one; the envelope's allows any number.
const MAX_SIGNATURES: usize = 8;
/// Images that one statement is about. cosign names one.
const MAX_SUBJECTS: usize = 256;

/// An envelope, taken out of its bundle.
#[derive(Debug)]
pub struct Envelope {
    /// What is signed.
    pub payload: Vec<u8>,
    /// What it is.
    payload_type: String,
    /// Its signatures.
    pub signatures: Vec<Vec<u8>>,
}

/// Takes the envelope out of a bundle.
///
/// Nothing outside of the envelope is signed, and nothing there is believed: not the hint of the key, not the key's
/// name, not a certificate, whose dates then do not matter either. The error says what is wrong with it.
pub fn open(bytes: &[u8]) -> Result<Envelope, String> {
    let bundle = json::parse(bytes).map_err(|error| format!("it is no JSON: {error}"))?;
    match bundle.text_of("mediaType") {
        Some(BUNDLE_TYPE | BUNDLE_TYPE_OLD) => {}
        Some(other) => return Err(format!("it is a `{other}`, expected `{BUNDLE_TYPE}`")),
        None => return Err("it lacks `mediaType`".to_owned()),
    }
    if bundle.get("messageSignature").is_some() {
        return Err("it signs a file (`messageSignature`), not an image".to_owned());
    }
    let envelope = bundle
        .get("dsseEnvelope")
        .ok_or("it lacks `dsseEnvelope`")?;
    let lacks = |name: &str| format!("its envelope lacks `{name}`");
    let payload = envelope
        .text_of("payload")
        .ok_or_else(|| lacks("payload"))?;
    let payload_type = envelope.text_of("payloadType");
    let payload_type = payload_type.ok_or_else(|| lacks("payloadType"))?;
    let listed = envelope.get("signatures").and_then(Json::list);
    let listed = listed.ok_or_else(|| lacks("signatures"))?;
    if listed.len() > MAX_SIGNATURES {
        let n = listed.len();
        return Err(format!(
            "its envelope has {n} signatures, expected at most {MAX_SIGNATURES}"
        ));
    }
    let mut signatures = Vec::new();
    for one in listed {
        let text = one.text_of("sig").ok_or_else(|| lacks("sig"))?;
        signatures.push(decoded(text).ok_or("one of its signatures is no base64")?);
    }
    Ok(Envelope {
        payload: decoded(payload).ok_or("its payload is no base64")?,
        payload_type: payload_type.to_owned(),
        signatures,
    })
}

impl Envelope {
    /// The bytes over which the signatures are made: the pre-authentication encoding of dsse, `protocol.md`.
    pub fn signed_bytes(&self) -> Vec<u8> {
        let kind = &self.payload_type;
        let head = format!("DSSEv1 {} {kind} {} ", kind.len(), self.payload.len());
        [head.as_bytes(), &self.payload].concat()
    }

    /// The images that the statement is about, read once a signature was found good.
    pub fn subjects(&self) -> Result<Vec<Digest>, String> {
        if self.payload_type != PAYLOAD_TYPE {
            let kind = &self.payload_type;
            return Err(format!(
                "its envelope holds `{kind}`, expected `{PAYLOAD_TYPE}`"
            ));
        }
        subjects(&self.payload)
    }
}

/// The digests that a statement is about. The error says why it is no image's signature.
pub fn subjects(statement: &[u8]) -> Result<Vec<Digest>, String> {
    let statement = json::parse(statement);
    let statement = statement.map_err(|error| format!("its statement is no JSON: {error}"))?;
    let lacks = |name: &str| format!("its statement lacks `{name}`");
    let kind = statement.text_of("_type").ok_or_else(|| lacks("_type"))?;
    if !STATEMENTS.contains(&kind) {
        return Err(format!(
            "its statement is a `{kind}`, expected `{}`",
            STATEMENTS[0]
        ));
    }
    let predicate = statement.text_of("predicateType");
    let predicate = predicate.ok_or_else(|| lacks("predicateType"))?;
    if predicate != PREDICATE {
        return Err(format!(
            "it states `{predicate}`, which is no signature of an image"
        ));
    }
    let subjects = statement.get("subject").and_then(Json::list);
    let subjects = subjects.ok_or_else(|| lacks("subject"))?;
    if subjects.len() > MAX_SUBJECTS {
        let n = subjects.len();
        return Err(format!(
            "its statement is about {n} things, expected at most {MAX_SUBJECTS}"
        ));
    }
    let mut digests = Vec::new();
    for subject in subjects {
        let known = subject.get("digest").and_then(Json::members);
        for (algorithm, value) in known.ok_or_else(|| lacks("subject.digest"))? {
            // Other algorithms may stand there, and do not name what is pulled.
            let value = value.text().ok_or_else(|| lacks("subject.digest"))?;
            digests.extend(format!("{algorithm}:{value}").parse::<Digest>().ok());
        }
    }
    Ok(digests)
}

/// Bytes written as base64, in either alphabet. dsse, `envelope.md`: "Either standard or URL-safe".
fn decoded(text: &str) -> Option<Vec<u8>> {
    let alphabet = match text.contains(['-', '_']) {
        true => &URL_SAFE,
        false => &STANDARD,
    };
    alphabet.decode(text).ok()
}
