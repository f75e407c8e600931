//! Content digests as OCI writes them, and readers that check while they read.
//!
//! OCI image-spec, descriptor.md, "Digests". Only registered algorithms that we
//! can compute are accepted, so a `Digest` is always safe as a file name.

use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

use sha2::{Digest as _, Sha256, Sha512};

use crate::base::fault::{Fault, Kind};

/// A hash function of the OCI registry of algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256, 64 hexadecimal digits.
    Sha256,
    /// SHA-512, 128 hexadecimal digits.
    Sha512,
}

impl Algorithm {
    /// The name in front of the colon.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
        }
    }

    fn hex_len(self) -> usize {
        match self {
            Algorithm::Sha256 => 64,
            Algorithm::Sha512 => 128,
        }
    }
}

/// A digest: algorithm and lower-case hexadecimal value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    hex: String,
}

impl Digest {
    /// The SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Digest {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(bytes);
        hasher.finish()
    }

    /// The hash function.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The value: lower-case hexadecimal digits only.
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// The first twelve digits, for people.
    pub fn short(&self) -> &str {
        &self.hex[..12]
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex)
    }
}

/// A text that is not a digest we can check.
#[derive(Debug, thiserror::Error)]
pub enum DigestError {
    /// The text does not have the form `algorithm:hex`.
    #[error("`{0}` is not a digest: expected `sha256:` and 64 lower-case hexadecimal digits")]
    Malformed(String),
    /// The algorithm is one that we cannot compute.
    #[error("digest algorithm `{0}` is not supported, expected `sha256` or `sha512`")]
    Unsupported(String),
}

impl Fault for DigestError {
    fn kind(&self) -> Kind {
        Kind::Integrity
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Digest, DigestError> {
        let malformed = || DigestError::Malformed(text.escape_debug().take(160).collect());
        let (name, hex) = text.split_once(':').ok_or_else(malformed)?;
        let algorithm = match name {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            _ => {
                return Err(DigestError::Unsupported(
                    name.escape_debug().take(40).collect(),
                ));
            }
        };
        let lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if hex.len() != algorithm.hex_len() || !hex.bytes().all(lower_hex) {
            return Err(malformed());
        }
        Ok(Digest {
            algorithm,
            hex: hex.to_owned(),
        })
    }
}

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A digest in the making.
#[derive(Clone, Debug)]
pub struct Hasher(State);

#[derive(Clone, Debug)]
enum State {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    /// Starts an empty hash.
    pub fn new(algorithm: Algorithm) -> Hasher {
        Hasher(match algorithm {
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
            Algorithm::Sha512 => State::Sha512(Sha512::new()),
        })
    }

    /// Takes in `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
        }
    }

    /// The digest of all bytes taken in.
    pub fn finish(self) -> Digest {
        let (algorithm, value) = match self.0 {
            State::Sha256(state) => (Algorithm::Sha256, state.finalize().to_vec()),
            State::Sha512(state) => (Algorithm::Sha512, state.finalize().to_vec()),
        };
        Digest {
            algorithm,
            hex: value.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

/// Content that is not what was promised. Travels inside an [`io::Error`] of
/// kind `InvalidData`; [`Mismatch::from_io`] finds it again.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Mismatch {
    /// More or fewer bytes than the descriptor says.
    #[error("{object}: got {got} bytes, expected {expected}")]
    Size {
        /// What was read.
        object: String,
        /// Bytes seen; for a surplus, the first count that is too high.
        got: u64,
        /// Bytes promised.
        expected: u64,
    },
    /// Other bytes than the descriptor says.
    #[error("{object}: got digest `{got}`, expected `{expected}`")]
    Content {
        /// What was read.
        object: String,
        /// The digest of the bytes seen.
        got: Digest,
        /// The digest promised.
        expected: Digest,
    },
}

impl Mismatch {
    /// The mismatch inside `error`, if that is why it failed.
    pub fn from_io(error: &io::Error) -> Option<&Mismatch> {
        error.get_ref()?.downcast_ref()
    }
}

impl Fault for Mismatch {
    fn kind(&self) -> Kind {
        Kind::Integrity
    }
}

impl From<Mismatch> for io::Error {
    fn from(mismatch: Mismatch) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, mismatch)
    }
}

/// Passes bytes through and fails at the end unless size and digest are right.
///
/// The end of file is reported only when both are; a surplus fails at once.
#[derive(Debug)]
pub struct VerifyingReader<R> {
    inner: R,
    object: String,
    hasher: Option<Hasher>,
    seen: u64,
    expected_size: u64,
    expected: Digest,
}

impl<R: Read> VerifyingReader<R> {
    /// Checks `inner` against `expected` and `expected_size` (bytes); `object` names it in errors.
    pub fn new(inner: R, object: impl Into<String>, expected: Digest, expected_size: u64) -> Self {
        let hasher = Some(Hasher::new(expected.algorithm()));
        VerifyingReader {
            inner,
            object: object.into(),
            hasher,
            seen: 0,
            expected_size,
            expected,
        }
    }

    fn size_mismatch(&self) -> io::Error {
        let object = self.object.clone();
        Mismatch::Size {
            object,
            got: self.seen,
            expected: self.expected_size,
        }
        .into()
    }

    fn check_end(&mut self) -> io::Result<usize> {
        if self.seen != self.expected_size {
            return Err(self.size_mismatch());
        }
        let Some(hasher) = self.hasher.take() else {
            return Ok(0);
        };
        let got = hasher.finish();
        if got != self.expected {
            let (object, expected) = (self.object.clone(), self.expected.clone());
            return Err(Mismatch::Content {
                object,
                got,
                expected,
            }
            .into());
        }
        Ok(0)
    }
}

impl<R: Read> Read for VerifyingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = self.inner.read(buffer)?;
        if count == 0 {
            return self.check_end();
        }
        self.seen += count as u64;
        if self.seen > self.expected_size {
            return Err(self.size_mismatch());
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..count]);
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lower_case_registered_digests_parse() {
        let good = format!("sha256:{}", "ab".repeat(32));
        assert_eq!(
            good.parse::<Digest>().expect("well-formed").to_string(),
            good
        );
        for bad in [
            "",
            "sha256",
            "sha256:ab",
            "md5:abcd",
            "sha256:../../etc",
            &good.to_uppercase(),
        ] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }

    #[test]
    fn reader_rejects_short_long_and_other_content() {
        let digest = Digest::of(b"hello");
        let read = |bytes: &'static [u8], size| {
            io::read_to_string(VerifyingReader::new(bytes, "blob", digest.clone(), size))
        };
        assert_eq!(read(b"hello", 5).expect("right content"), "hello");
        for (bytes, size) in [
            (&b"hell"[..], 5),
            (b"hello!", 5),
            (b"hallo", 5),
            (b"hello", 6),
        ] {
            let error = read(bytes, size).expect_err("wrong content");
            assert!(Mismatch::from_io(&error).is_some(), "{error}");
        }
    }
}
