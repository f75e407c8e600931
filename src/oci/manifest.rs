//! Manifests and indexes, from the bytes that a registry serves.
//!
//! image-spec, manifest.md and image-index.md. The bytes are kept as served by
//! whoever calls; what is parsed here is never written back.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::base::digest::Digest;
use crate::oci::descriptor::Descriptor;
use crate::oci::media::{self, Shape};
use crate::oci::platform::Platform;
use crate::oci::{DocumentError, Few, null_as_default, parse};

/// The longest list of layers. overlayfs itself stops at 500, Docker at 127.
pub const MAX_LAYERS: usize = 1000;
/// The longest list of manifests in an index.
pub const MAX_MANIFESTS: usize = 1000;

/// One image for one platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The image config.
    pub config: Descriptor,
    /// The layers, lowest first.
    pub layers: Vec<Descriptor>,
    /// What the artifact is, where it is not an image.
    pub artifact_type: Option<String>,
    /// The manifest that this one says something of, such as who signed it.
    pub subject: Option<Digest>,
}

/// A choice of images, one per platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// The entries that we understand, in their order.
    pub manifests: Vec<Descriptor>,
}

/// What a reference leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// A choice of images.
    Index(Index),
    /// One image.
    Manifest(Box<Manifest>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw<'a> {
    #[serde(default, deserialize_with = "null_as_default")]
    schema_version: u64,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Few<Descriptor, MAX_LAYERS>>,
    // Of no matter for an image, so nothing that stands there is an error.
    #[serde(borrow)]
    subject: Option<&'a RawValue>,
    // Entries of an index may be of kinds, or have digests, that we do not know;
    // image-index.md asks to ignore those instead of failing.
    #[serde(borrow)]
    manifests: Option<Few<&'a RawValue, MAX_MANIFESTS>>,
    #[serde(rename = "fsLayers")]
    fs_layers: Option<serde::de::IgnoredAny>,
}

/// What is read of a `subject`.
#[derive(Deserialize)]
struct Named {
    digest: Digest,
}

impl Named {
    fn of(subject: &RawValue) -> Option<Digest> {
        // A list would be taken for an object of that many fields.
        let object = Some(subject.get()).filter(|text| text.starts_with('{'));
        let named: Named = serde_json::from_str(object?).ok()?;
        Some(named.digest)
    }
}

impl Document {
    /// Reads what a registry served as `bytes` under the header `content_type`.
    ///
    /// A `Content-Type` that names a kind of manifest, the `mediaType` inside and the
    /// fields must all agree; a generic one (`application/json`) says nothing.
    pub fn parse(bytes: &[u8], content_type: Option<&str>) -> Result<Document, DocumentError> {
        let raw: Raw<'_> = parse("manifest", bytes)?;
        if raw.schema_version == 1 || raw.fs_layers.is_some() {
            return Err(DocumentError::Schema1);
        }
        let has_list = raw.manifests.is_some();
        let has_image = raw.config.is_some() || raw.layers.is_some();
        let by_fields = match (has_list, has_image) {
            (true, false) => Shape::Index,
            (false, true) => Shape::Manifest,
            (true, true) => {
                return Err(confused("it has both `manifests` and `layers` or `config`"));
            }
            (false, false) => return Err(confused("it has neither `manifests` nor `layers`")),
        };
        check_types(content_type, raw.media_type.as_deref(), by_fields)?;
        match by_fields {
            Shape::Index => Index::from_raw(raw).map(Document::Index),
            Shape::Manifest => {
                Manifest::from_raw(raw).map(|manifest| Document::Manifest(Box::new(manifest)))
            }
        }
    }

    /// The manifest, where an index would be of no use.
    pub fn into_manifest(self) -> Result<Manifest, DocumentError> {
        match self {
            Document::Manifest(manifest) => Ok(*manifest),
            Document::Index(_) => Err(confused("it is an index")),
        }
    }

    /// Whether it says something of the manifest `digest`.
    pub fn refers_to(&self, digest: &Digest) -> bool {
        match self {
            Document::Index(_) => false,
            Document::Manifest(manifest) => manifest.subject.as_ref() == Some(digest),
        }
    }
}

fn confused(how: impl Into<String>) -> DocumentError {
    DocumentError::Confused {
        what: "manifest",
        how: how.into(),
    }
}

/// Compares what the transport says, what the document says and what it holds.
fn check_types(
    header: Option<&str>,
    inside: Option<&str>,
    fields: Shape,
) -> Result<(), DocumentError> {
    let printable = |text: &str| text.escape_debug().take(120).collect::<String>();
    let named = header
        .filter(|text| Shape::of(text).is_some())
        .map(media::essence);
    if let (Some(header), Some(inside)) = (named, inside)
        && header != inside
    {
        let inside = printable(inside);
        return Err(confused(format!(
            "got media type `{inside}`, expected `{header}` as announced"
        )));
    }
    let Some(claim) = inside.or(named) else {
        return Ok(());
    };
    match Shape::of(claim) {
        Some(shape) if shape == fields => Ok(()),
        Some(_) => Err(confused(format!(
            "its fields are not those of `{}`",
            printable(claim)
        ))),
        None => Err(DocumentError::NotAnImage(printable(claim))),
    }
}

impl Manifest {
    fn from_raw(raw: Raw<'_>) -> Result<Manifest, DocumentError> {
        let layers = raw.layers.unwrap_or_default().all("manifest", "layers")?;
        let config = raw.config.ok_or_else(|| confused("it has no `config`"))?;
        Ok(Manifest {
            config,
            layers,
            artifact_type: raw.artifact_type,
            subject: raw.subject.and_then(Named::of),
        })
    }

    /// Fails unless this is a container image: an image config, and nothing but tar layers.
    pub fn require_image(&self) -> Result<(), DocumentError> {
        let is_config = matches!(
            media::essence(&self.config.media_type),
            media::OCI_CONFIG | media::DOCKER_CONFIG
        );
        let odd_layer = self
            .layers
            .iter()
            .find(|layer| media::layer_compression(&layer.media_type).is_none());
        if is_config && odd_layer.is_none() {
            return Ok(());
        }
        // What it calls itself, and what it is made of: either may be all that its makers filled in.
        let own = (!is_config).then_some(&self.config.media_type);
        let own = self.artifact_type.as_ref().or(own);
        let names = own.into_iter().chain(odd_layer.map(|it| &it.media_type));
        let printable = |name: &String| name.escape_debug().take(120).collect::<String>();
        let names: Vec<String> = names.filter(|it| !it.is_empty()).map(printable).collect();
        Err(DocumentError::NotAnImage(names.join("` with `")))
    }
}

impl Index {
    fn from_raw(raw: Raw<'_>) -> Result<Index, DocumentError> {
        let entries = raw.manifests.unwrap_or_default();
        let entries = entries.all("index", "manifests")?;
        let understood = |entry: &RawValue| serde_json::from_str::<Descriptor>(entry.get()).ok();
        let is_manifest = |entry: &Descriptor| Shape::of(&entry.media_type).is_some();
        Ok(Index {
            manifests: entries
                .into_iter()
                .filter_map(understood)
                .filter(is_manifest)
                .collect(),
        })
    }

    /// The entry for `wanted`: the best variant that runs, the first of several; an entry
    /// without a platform only where nothing else fits, for the config to decide.
    pub fn choose(&self, wanted: &Platform) -> Result<&Descriptor, DocumentError> {
        let rank = |entry: &Descriptor| match &entry.platform {
            Some(platform) => wanted.rank(platform),
            // Signatures and the like, which are not for any platform.
            None if entry.artifact_type.is_some() => None,
            None => Some(usize::MAX),
        };
        let ranked = self
            .manifests
            .iter()
            .filter_map(|entry| Some((rank(entry)?, entry)));
        let best = ranked.min_by_key(|(rank, _)| *rank);
        best.map(|(_, entry)| entry)
            .ok_or_else(|| DocumentError::NoPlatform {
                wanted: wanted.clone(),
                offered: self.offered(),
            })
    }

    fn offered(&self) -> Vec<String> {
        let platforms = self
            .manifests
            .iter()
            .filter_map(|entry| entry.platform.as_ref());
        let real = platforms.filter(|platform| platform.os != "unknown");
        let mut names: Vec<String> = real.map(|platform| format!("`{platform}`")).collect();
        names.sort();
        names.dedup();
        if names.is_empty() {
            names.push("no platform at all".to_owned());
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::media::{DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};
    use serde_json::{Value, json};

    fn descriptor(media_type: &str) -> Value {
        json!({"mediaType": media_type, "digest": format!("sha256:{}", "0".repeat(64)), "size": 2})
    }

    fn read(document: &Value, content_type: Option<&str>) -> Result<Document, DocumentError> {
        Document::parse(document.to_string().as_bytes(), content_type)
    }

    #[test]
    fn type_confusion_is_refused() {
        let image = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor(OCI_CONFIG), "layers": null});
        assert!(read(&image, Some(OCI_MANIFEST)).is_ok());
        assert!(read(&image, Some("application/json; charset=utf-8")).is_ok());
        assert!(read(&image, Some(DOCKER_MANIFEST)).is_err());
        let mut both = image.clone();
        both["manifests"] = json!([]);
        assert!(read(&both, None).is_err());
        let disguised =
            json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "config": descriptor(OCI_CONFIG)});
        assert!(read(&disguised, None).is_err());
        let untyped = json!({"schemaVersion": 2, "manifests": []});
        assert!(read(&untyped, Some(OCI_MANIFEST)).is_err());
    }

    #[test]
    fn an_index_skips_what_it_does_not_know() {
        let entry = |os: &str, architecture: &str| {
            let mut entry = descriptor(OCI_MANIFEST);
            entry["platform"] = json!({"os": os, "architecture": architecture});
            entry
        };
        let strange = json!({"mediaType": OCI_MANIFEST, "digest": "blake3:00", "size": 2});
        let index = json!({"schemaVersion": 2, "manifests": [
            strange, descriptor("text/plain"), entry("unknown", "unknown"), entry("linux", "arm64"), entry("linux", "amd64"),
        ]});
        let Ok(Document::Index(index)) = read(&index, Some(OCI_INDEX)) else {
            panic!("not an index");
        };
        let wanted = |text: &str| text.parse::<Platform>().expect("a literal of this test");
        let chosen = index
            .choose(&wanted("linux/amd64"))
            .expect("it is in there");
        assert_eq!(chosen.platform, Some(wanted("linux/amd64")));
        let error = index
            .choose(&wanted("linux/s390x"))
            .expect_err("it is not in there");
        assert!(
            error
                .to_string()
                .ends_with("it has `linux/amd64`, `linux/arm64`"),
            "{error}"
        );
    }
}
