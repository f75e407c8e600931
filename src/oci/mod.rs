//! OCI documents: names, descriptors, manifests, configs. Parses and prints; never fetches.
//!
//! Everything here comes from strangers, so everything is bounded, and every
//! optional field may be `null`: image-spec is written in Go, whose encoder
//! writes `null` for an empty list.

pub mod config;
pub mod descriptor;
pub mod manifest;
pub mod media;
pub mod platform;
pub mod reference;
pub mod source;

use std::fmt;
use std::marker::PhantomData;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::base::digest::DigestError;
use crate::base::fault::{Fault, Kind};

/// The largest manifest, index or config in bytes; distribution-spec, "Pushing manifests",
/// asks both ends for at least this much, and other clients stop here too.
pub const MAX_DOCUMENT: u64 = 4 << 20;

/// Why a document is not one that we can use.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// More bytes than [`MAX_DOCUMENT`].
    #[error("the {what} has {got} bytes, expected at most {MAX_DOCUMENT}")]
    TooLarge {
        /// Which document.
        what: &'static str,
        /// Its size in bytes.
        got: u64,
    },
    /// Not JSON, or fields of other types than the specification gives them.
    #[error("the {what} cannot be read")]
    Malformed {
        /// Which document.
        what: &'static str,
        /// Where and why.
        source: serde_json::Error,
    },
    /// The parts of a document contradict each other or its description; CVE-2021-41190.
    #[error("the {what} is ambiguous: {how}")]
    Confused {
        /// Which document.
        what: &'static str,
        /// What contradicts what.
        how: String,
    },
    /// A list that is longer than any honest one.
    #[error("the {what} lists {got} {things}, expected at most {limit}")]
    TooMany {
        /// Which document.
        what: &'static str,
        /// What is listed.
        things: &'static str,
        /// How many there are.
        got: usize,
        /// How many we accept.
        limit: usize,
    },
    /// Docker's format of before 2016, which has no digests for its layers.
    #[error("the manifest has schema version 1, expected 2")]
    Schema1,
    /// A chart, a signature or another artifact that is no container image.
    #[error("this is an artifact of type `{0}`, not a container image")]
    NotAnImage(String),
    /// No entry of an index fits.
    #[error("the image has no `{wanted}`, it has {}", offered.join(", "))]
    NoPlatform {
        /// The platform that was looked for.
        wanted: platform::Platform,
        /// The platforms in the index, each in backticks.
        offered: Vec<String>,
    },
    /// A digest inside the document is malformed or of an unknown kind.
    #[error("the {what} has a digest that we cannot check")]
    Digest {
        /// Which document.
        what: &'static str,
        /// Why.
        source: DigestError,
    },
}

impl Fault for DocumentError {
    fn kind(&self) -> Kind {
        match self {
            DocumentError::NoPlatform { .. } | DocumentError::NotAnImage(_) => Kind::NotFound,
            _ => Kind::Integrity,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            DocumentError::Schema1 => {
                vec![
                    "push the image again with a current tool, or copy it with `skopeo copy`"
                        .into(),
                ]
            }
            DocumentError::NotAnImage(kind) if kind.contains(".helm.") => {
                vec!["it is a chart: `helm pull oci://…` fetches it".into()]
            }
            DocumentError::NotAnImage(kind) if kind.contains(".sif.") => {
                vec!["it is an image of Apptainer: `apptainer pull oras://…` fetches it".into()]
            }
            DocumentError::NotAnImage(_) => vec!["`oras pull` fetches artifacts".into()],
            DocumentError::NoPlatform { .. } => {
                vec![
                    "choose one of them with `--platform`; foreign ones need an emulator to run"
                        .into(),
                ]
            }
            _ => Vec::new(),
        }
    }
}

/// Reads JSON of at most [`MAX_DOCUMENT`] bytes.
fn parse<'a, T: Deserialize<'a>>(what: &'static str, bytes: &'a [u8]) -> Result<T, DocumentError> {
    let got = bytes.len() as u64;
    if got > MAX_DOCUMENT {
        return Err(DocumentError::TooLarge { what, got });
    }
    let malformed = |source| DocumentError::Malformed { what, source };
    // A list would be taken for an object of that many fields.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        let message = "got a list, expected an object";
        return Err(malformed(serde::de::Error::custom(message)));
    }
    serde_json::from_slice(bytes).map_err(malformed)
}

/// A list of which at most `MOST` items are kept, and the others counted: many small things in a document of 4 MiB would
/// take hundreds of them in memory.
struct Few<T, const MOST: usize> {
    items: Vec<T>,
    /// How many there are.
    got: usize,
}

impl<T, const MOST: usize> Few<T, MOST> {
    /// The items, unless there are more than can be kept.
    fn all(self, what: &'static str, things: &'static str) -> Result<Vec<T>, DocumentError> {
        let (got, limit) = (self.got, MOST);
        match got <= limit {
            true => Ok(self.items),
            false => Err(DocumentError::TooMany {
                what,
                things,
                got,
                limit,
            }),
        }
    }
}

impl<T, const MOST: usize> Default for Few<T, MOST> {
    fn default() -> Self {
        let (items, got) = (Vec::new(), 0);
        Few { items, got }
    }
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for Few<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(FewVisitor(PhantomData))
    }
}

struct FewVisitor<T, const MOST: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for FewVisitor<T, MOST> {
    type Value = Few<T, MOST>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut few = Few::default();
        while few.got < MOST
            && let Some(item) = list.next_element()?
        {
            few.items.push(item);
            few.got += 1;
        }
        while let Some(IgnoredAny) = list.next_element()? {
            few.got += 1;
        }
        Ok(few)
    }
}

/// For `deserialize_with`: an absent field and `null` both mean the type's default.
fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
