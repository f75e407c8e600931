//! Whether signatures that were found are those that a policy demands.
//!
//! The order is that of distrust: sizes, then the signature over the bytes as they came, then what the bytes mean.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::bundle;
use super::error::{Reasons, TrustError};
use super::identity::Identity;
use super::key::TrustedKey;
use super::simple;
use crate::base::digest::Digest;
use crate::base::path::HostPath;
use crate::oci::source::Source;

/// Signatures of one image that are looked at; of more, the rest does not count.
pub const MAX_CANDIDATES: usize = 50;
/// Bytes of a payload or a bundle. A bundle has about 10 KB, with the proof of a log in it.
pub const MAX_CANDIDATE: usize = 4 << 20;
/// Bytes over which a signature is made. They have 300; every key that is tried hashes them again.
const MAX_SIGNED: usize = 128 << 10;
/// Bytes of a signature. RSA with 8192 bits has 1,024.
const MAX_SIGNATURE: usize = 4096;

/// Something that may be a signature of an image.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Where it was found, for messages, such as "layer 2 of `sha256-….sig`".
    pub found: String,
    /// What it is.
    pub form: Form,
}

/// The forms of signatures.
#[derive(Clone, Debug)]
pub enum Form {
    /// A payload, and the base64 of a signature over its bytes: [`simple::PAYLOAD_TYPE`].
    Simple {
        /// The payload as it came, compared with its digest already.
        payload: Vec<u8>,
        /// The annotation [`simple::SIGNATURE_ANNOTATION`].
        signature: String,
    },
    /// A Sigstore bundle, [`bundle::BUNDLE_TYPE`].
    Bundle {
        /// The bundle as it came, compared with its digest already.
        json: Vec<u8>,
    },
    /// Something that cannot count, such as a signature in another form, or one that could not be fetched.
    Useless {
        /// Why not, as in "it is a signature of notation, which cannot be checked".
        why: String,
    },
}

/// What a policy demands of the signatures of one image: every rule, each by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The rules, one or more.
    pub rules: Vec<Rule>,
}

/// One demand: signatures by some of these keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Whose signatures count; no two are the same.
    pub keys: Vec<TrustedKey>,
    /// How many of these keys must have signed; at least one.
    pub threshold: usize,
    /// Which names count.
    pub identity: Identity,
    /// The file that demands it.
    pub by: HostPath,
    /// Its scope that covers the image.
    pub scope: String,
}

/// That what was demanded is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Which of the image's digests are signed, in the order in which they were asked for: that of the index, that of
    /// the manifest, or both.
    pub signed: Vec<Digest>,
    /// The fingerprints of the keys whose signatures count, each once.
    pub keys: Vec<String>,
    /// The files whose demands are met.
    pub by: Vec<HostPath>,
}

impl Requirement {
    /// Compares what was found with every rule. `images` are the digests of the image: of its index, if it has one, and
    /// of the manifest that was chosen; a signature over either counts, because the first leads to the second.
    ///
    /// A key counts once however often it signed. The error of the first rule that is not met tells why each signature
    /// does not count.
    pub fn check(
        &self,
        source: &Source,
        images: &[Digest],
        candidates: &[Candidate],
    ) -> Result<Proof, TrustError> {
        let mut proof = Proof {
            signed: Vec::new(),
            keys: Vec::new(),
            by: Vec::new(),
        };
        let mut seen = Vec::new();
        for rule in &self.rules {
            let (keys, digests) = rule.check(source, images, candidates)?;
            for key in keys {
                if !proof.keys.iter().any(|known| known == key.fingerprint()) {
                    proof.keys.push(key.fingerprint().to_owned());
                }
            }
            if !proof.by.contains(&rule.by) {
                proof.by.push(rule.by.clone());
            }
            seen.extend(digests);
        }
        let is_signed = |image: &&Digest| seen.contains(image);
        proof.signed = images.iter().filter(is_signed).cloned().collect();
        proof.signed.dedup();
        Ok(proof)
    }
}

impl Rule {
    /// The keys that signed, and what they signed; an error where they are too few.
    fn check(
        &self,
        source: &Source,
        images: &[Digest],
        candidates: &[Candidate],
    ) -> Result<(Vec<&TrustedKey>, Vec<Digest>), TrustError> {
        let mut keys: Vec<&TrustedKey> = Vec::new();
        let mut digests = Vec::new();
        let mut reasons = Vec::new();
        for candidate in candidates.iter().take(MAX_CANDIDATES) {
            match self.examine(source, images, &candidate.form) {
                Ok((signers, digest)) => {
                    keys.extend(signers);
                    digests.push(digest);
                }
                Err(why) => reasons.push(format!("{}: {why}", candidate.found)),
            }
        }
        keys.sort_by(|a, b| a.fingerprint().cmp(b.fingerprint()));
        keys.dedup();
        // No policy without a threshold is made; should one be, it is not met by nothing.
        let threshold = self.threshold.max(1);
        if keys.len() >= threshold {
            return Ok((keys, digests));
        }
        if candidates.len() > MAX_CANDIDATES {
            // First, as a message does not tell all of them.
            reasons.insert(0, format!("only the first {MAX_CANDIDATES} are looked at"));
        }
        Err(TrustError::Unsigned {
            by: self.by.clone(),
            scope: self.scope.clone(),
            got: keys.len(),
            threshold,
            n_found: candidates.len(),
            reasons: Reasons::new(&reasons),
        })
    }

    /// Who of the trusted made a signature over one of `images`; else why it does not count.
    fn examine(
        &self,
        source: &Source,
        images: &[Digest],
        form: &Form,
    ) -> Result<(Vec<&TrustedKey>, Digest), String> {
        match form {
            Form::Useless { why } => Err(why.clone()),
            Form::Simple { payload, signature } => {
                bounded("it", payload.len(), MAX_CANDIDATE)?;
                bounded("its signature", signature.len(), MAX_SIGNATURE)?;
                let signature = STANDARD.decode(signature);
                let signature = signature.map_err(|_| "its signature is no base64")?;
                let signers = self.signers(payload, &[signature])?;
                let payload = simple::parse(payload)?;
                let digest = among(images, &[payload.digest])?;
                self.identity.check(source, Some(&payload.name))?;
                Ok((signers, digest))
            }
            Form::Bundle { json } => {
                bounded("it", json.len(), MAX_CANDIDATE)?;
                let envelope = bundle::open(json)?;
                for signature in &envelope.signatures {
                    bounded("its signature", signature.len(), MAX_SIGNATURE)?;
                }
                let signers = self.signers(&envelope.signed_bytes(), &envelope.signatures)?;
                let digest = among(images, &envelope.subjects()?)?;
                self.identity.check(source, None)?;
                Ok((signers, digest))
            }
        }
    }

    /// The trusted keys that made one of `signatures` over `message`. The others may be by anybody: one envelope can be
    /// signed by several, of whom we know some.
    fn signers(&self, message: &[u8], signatures: &[Vec<u8>]) -> Result<Vec<&TrustedKey>, String> {
        bounded("what it signs", message.len(), MAX_SIGNED)?;
        let made = |key: &&TrustedKey| signatures.iter().any(|one| key.signed(message, one));
        let signers: Vec<&TrustedKey> = self.keys.iter().filter(made).collect();
        match (signers.is_empty(), self.keys.len()) {
            (false, _) => Ok(signers),
            (true, 1) => Err(format!(
                "it was not made with the trusted key {}",
                self.keys[0].fingerprint()
            )),
            (true, n) => Err(format!("it was made with none of the {n} trusted keys")),
        }
    }
}

/// The first of `images` that is among `signed`.
fn among(images: &[Digest], signed: &[Digest]) -> Result<Digest, String> {
    let found = images.iter().find(|image| signed.contains(image));
    found.cloned().ok_or_else(|| match signed {
        [] => "it is for no digest that we know".to_owned(),
        [one] => format!("it is for another image, {one}"),
        [one, rest @ ..] => format!("it is for other images, {one} and {} more", rest.len()),
    })
}

fn bounded(what: &str, got: usize, most: usize) -> Result<(), String> {
    if got <= most {
        return Ok(());
    }
    Err(format!("{what} has {got} bytes, expected at most {most}"))
}
