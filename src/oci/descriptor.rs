//! Descriptors: what a document says of another piece of content.
//!
//! image-spec, descriptor.md.

use base64::Engine as _;
use serde::{Deserialize, Serialize};

use crate::base::digest::{Digest, Hasher};
use crate::oci::null_as_default;
use crate::oci::platform::Platform;

/// What a document says of another piece of content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the content is.
    #[serde(default, deserialize_with = "null_as_default")]
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Where else it lies; for deprecated non-distributable layers.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub urls: Vec<String>,
    /// The content itself in base64, where it is small; unverified, see [`Descriptor::inline`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// In an index: what the image runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// In an index: what the artifact is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// In an OCI layout: `org.opencontainers.image.ref.name` and kin.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "std::collections::BTreeMap::is_empty"
    )]
    pub annotations: std::collections::BTreeMap<String, String>,
}

impl Descriptor {
    /// A descriptor of `bytes`.
    pub fn of(media_type: &str, bytes: &[u8]) -> Descriptor {
        Descriptor {
            media_type: media_type.to_owned(),
            digest: Digest::of(bytes),
            size: bytes.len() as u64,
            urls: Vec::new(),
            data: None,
            platform: None,
            artifact_type: None,
            annotations: Default::default(),
        }
    }

    /// The content carried in the descriptor, if it is there and is what size and digest
    /// say. Anything else is as if it were absent: the content is fetched, and checked.
    pub fn inline(&self) -> Option<Vec<u8>> {
        let text = self.data.as_ref()?;
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(text)
            .ok()?;
        let mut hasher = Hasher::new(self.digest.algorithm());
        hasher.update(&bytes);
        let right = bytes.len() as u64 == self.size && hasher.finish() == self.digest;
        right.then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_content_is_believed_only_if_it_matches() {
        let mut descriptor = Descriptor::of("text/plain", b"hi");
        descriptor.data = Some("aGk=".into());
        assert_eq!(descriptor.inline().as_deref(), Some(&b"hi"[..]));
        descriptor.data = Some("aGo=".into());
        assert_eq!(descriptor.inline(), None);
    }
}
