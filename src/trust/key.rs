//! Public keys that somebody trusts, and whether one of them made a signature.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature as algorithm;
use ring::signature::{UnparsedPublicKey, VerificationAlgorithm};

use super::der::{NULL, OBJECT_ID, Reader, SEQUENCE};
use crate::base::digest::Digest;

/// Bytes of a key's PEM text. RSA with 8192 bits has 1.5 KB; people write words in front.
pub(super) const MAX_KEY: usize = 16 << 10;
/// Bits of an RSA key: fewer can be broken; more are refused by what verifies, and by most others.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The kinds of keys and curves, by their object identifiers. RFC 3279, 2.3.1; RFC 5480, 2.1.1; RFC 8410, 3.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const RSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0, 0x22];
const P521: &[u8] = &[0x2b, 0x81, 0x04, 0, 0x23];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// A public key that a policy trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKey {
    form: Form,
    /// What `form`'s verifier takes: a point, 32 bytes, or an `RSAPublicKey` of RFC 8017, A.1.1.
    material: Vec<u8>,
    fingerprint: String,
}

/// What the key itself says of how it signs; nothing that comes with a signature has a say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    P256,
    P384,
    Ed25519,
    Rsa,
}

/// Why a text is no key that can be trusted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Larger than any key.
    #[error("got {0} bytes, expected a public key of at most {MAX_KEY}")]
    TooLarge(usize),
    /// No block of PEM.
    #[error("expected a public key as PEM, which begins with `-----BEGIN PUBLIC KEY-----`")]
    NotPem,
    /// PEM of something else.
    #[error("got `{0}` as PEM, expected `PUBLIC KEY`")]
    Label(String),
    /// More than one block.
    #[error("got more than one block of PEM, expected one public key")]
    Several,
    /// Not what PEM says it is.
    #[error("the public key is damaged")]
    Damaged,
    /// A kind of key that we cannot use.
    #[error("got {0}, expected an RSA, P-256, P-384 or Ed25519 key")]
    Kind(&'static str),
    /// Too weak, or absurdly large.
    #[error("got an RSA key of {0} bits, expected 2048 to 8192")]
    Bits(usize),
}

impl TrustedKey {
    /// Reads one key as PEM (RFC 7468, 13): RSA with 2048 to 8192 bits, P-256, P-384 or Ed25519.
    pub fn from_pem(text: &[u8]) -> Result<TrustedKey, KeyError> {
        TrustedKey::from_spki(&pem(text)?)
    }

    /// Reads one key as a `SubjectPublicKeyInfo`. RFC 5280, 4.1
    pub fn from_spki(spki: &[u8]) -> Result<TrustedKey, KeyError> {
        if spki.len() > MAX_KEY {
            return Err(KeyError::TooLarge(spki.len()));
        }
        let (form, material) = parts(spki)?;
        Ok(TrustedKey {
            form,
            material: material.to_vec(),
            fingerprint: Digest::of(spki).to_string(),
        })
    }

    /// `sha256:` and the digest of the key's `SubjectPublicKeyInfo`, as `openssl pkey -pubin -outform DER | sha256sum`
    /// shows it.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Whether this key made `signature` over `message`.
    ///
    /// Where signers differ with one kind of key, each way is tried: cosign and containers/image hash with SHA-256
    /// whatever the curve, the Sigstore client specification wants SHA-384 with P-384.
    pub fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let ways: &[&dyn VerificationAlgorithm] = match self.form {
            Form::P256 => &[&algorithm::ECDSA_P256_SHA256_ASN1],
            Form::P384 => &[
                &algorithm::ECDSA_P384_SHA384_ASN1,
                &algorithm::ECDSA_P384_SHA256_ASN1,
            ],
            Form::Ed25519 => &[&algorithm::ED25519],
            Form::Rsa => &[
                &algorithm::RSA_PKCS1_2048_8192_SHA256,
                &algorithm::RSA_PSS_2048_8192_SHA256,
            ],
        };
        ways.iter().any(|way| {
            let key = UnparsedPublicKey::new(*way, &self.material);
            key.verify(message, signature).is_ok()
        })
    }
}

/// The bytes of the one block `PUBLIC KEY` in a text. RFC 7468, 2: words may stand before it.
fn pem(text: &[u8]) -> Result<Vec<u8>, KeyError> {
    if text.len() > MAX_KEY {
        return Err(KeyError::TooLarge(text.len()));
    }
    let text = std::str::from_utf8(text).map_err(|_| KeyError::NotPem)?;
    let (_words, rest) = text.split_once("-----BEGIN ").ok_or(KeyError::NotPem)?;
    let (label, rest) = rest.split_once("-----").ok_or(KeyError::NotPem)?;
    if label != "PUBLIC KEY" {
        return Err(KeyError::Label(label.escape_debug().take(40).collect()));
    }
    let end = rest.split_once("-----END PUBLIC KEY-----");
    let (body, rest) = end.ok_or(KeyError::Damaged)?;
    if rest.contains("-----BEGIN ") {
        return Err(KeyError::Several);
    }
    let body: String = body.split_ascii_whitespace().collect();
    STANDARD.decode(body).map_err(|_| KeyError::Damaged)
}

/// What kind of key it is, and what its verifier takes.
fn parts(spki: &[u8]) -> Result<(Form, &[u8]), KeyError> {
    let mut outer = Reader::new(spki);
    let mut info = Reader::new(outer.take(SEQUENCE).ok_or(KeyError::Damaged)?);
    let mut kind = Reader::new(info.take(SEQUENCE).ok_or(KeyError::Damaged)?);
    let material = info.bits().ok_or(KeyError::Damaged)?;
    if !outer.is_empty() || !info.is_empty() {
        return Err(KeyError::Damaged);
    }
    let form = match kind.take(OBJECT_ID).ok_or(KeyError::Damaged)? {
        EC => match kind.take(OBJECT_ID).ok_or(KeyError::Damaged)? {
            P256 => is_point(material, 32).then_some(Form::P256),
            P384 => is_point(material, 48).then_some(Form::P384),
            P521 => return Err(KeyError::Kind("a P-521 key")),
            _ => return Err(KeyError::Kind("a key on another curve")),
        },
        ED25519 => (material.len() == 32).then_some(Form::Ed25519),
        // RFC 3279, 2.3.1: the parameters are NULL, and are not left out.
        RSA => match kind.take(NULL) {
            Some([]) => rsa(material)?,
            _ => None,
        },
        RSA_PSS => return Err(KeyError::Kind("an RSA-PSS key")),
        _ => return Err(KeyError::Kind("a key of another kind")),
    };
    let form = form.filter(|_| kind.is_empty());
    Ok((form.ok_or(KeyError::Damaged)?, material))
}

/// An uncompressed point with two coordinates of `size` bytes. SEC 1, 2.3.3. Whether it is on its curve is looked at
/// with each signature.
fn is_point(bytes: &[u8], size: usize) -> bool {
    bytes.first() == Some(&4) && bytes.len() == 1 + 2 * size
}

/// `RSAPublicKey`. RFC 8017, A.1.1
fn rsa(bytes: &[u8]) -> Result<Option<Form>, KeyError> {
    let numbers = || {
        let mut outer = Reader::new(bytes);
        let mut key = Reader::new(outer.take(SEQUENCE)?);
        let modulus = key.positive()?;
        let exponent = key.positive()?;
        (key.is_empty() && outer.is_empty()).then_some((modulus, exponent))
    };
    let Some((modulus, exponent)) = numbers() else {
        return Ok(None);
    };
    let unused = modulus.first().map_or(0, |byte| byte.leading_zeros());
    let bits = modulus.len() * 8 - unused as usize;
    if !RSA_BITS.contains(&bits) {
        return Err(KeyError::Bits(bits));
    }
    let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
    // With the exponent 1 everybody signs.
    let sound = is_odd(modulus) && is_odd(exponent) && exponent != [1];
    Ok(sound.then_some(Form::Rsa))
}
