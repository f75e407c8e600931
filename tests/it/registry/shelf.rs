//! Images that a scripted server serves: made in memory, each object under its digest.

use std::collections::BTreeMap;

use coracle::base::digest::{Algorithm, Digest, Hasher};
use coracle::oci::media::{OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST};
use serde_json::{Value, json};

use super::server::{Answer, Asked};

/// What a registry holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf {
    objects: BTreeMap<String, (String, Vec<u8>)>,
    tags: BTreeMap<String, String>,
}

/// A plain layer with one file.
pub(crate) fn layer(name: &str, content: &str) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    let added = archive.append_data(&mut header, name, content.as_bytes());
    added.expect("in memory");
    archive.into_inner().expect("in memory")
}

/// The config of an image of these plain layers.
pub(crate) fn config(layers: &[&[u8]]) -> Vec<u8> {
    let diff_ids: Vec<_> = layers.iter().map(|layer| Digest::of(layer)).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/file"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    config.to_string().into_bytes()
}

/// The digest of `bytes` by `algorithm`.
pub(crate) fn digest(algorithm: Algorithm, bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}

impl Shelf {
    /// Puts an object there; its descriptor.
    pub(crate) fn put(&mut self, media_type: &str, bytes: &[u8]) -> Value {
        self.put_by(Algorithm::Sha256, media_type, bytes)
    }

    /// The same under a digest by `algorithm`.
    pub(crate) fn put_by(&mut self, algorithm: Algorithm, media_type: &str, bytes: &[u8]) -> Value {
        let digest = digest(algorithm, bytes);
        let object = (media_type.to_owned(), bytes.to_vec());
        self.objects.insert(digest.to_string(), object);
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    /// Puts an image of these plain layers there; the descriptor of its manifest.
    pub(crate) fn image(&mut self, layers: &[&[u8]]) -> Value {
        let config = self.put(OCI_CONFIG, &config(layers));
        let layers: Vec<_> = layers
            .iter()
            .map(|layer| self.put(OCI_LAYER, layer))
            .collect();
        self.manifest(json!({"config": config, "layers": layers}))
    }

    /// Puts a manifest with these fields there; its descriptor.
    pub(crate) fn manifest(&mut self, mut fields: Value) -> Value {
        fields["schemaVersion"] = json!(2);
        fields["mediaType"] = json!(OCI_MANIFEST);
        self.put(OCI_MANIFEST, fields.to_string().as_bytes())
    }

    /// Puts an index of these entries there; its descriptor.
    pub(crate) fn index(&mut self, entries: &[Value]) -> Value {
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries});
        self.put(OCI_INDEX, index.to_string().as_bytes())
    }

    /// Gives the content of a descriptor a tag.
    pub(crate) fn tag(&mut self, tag: &str, descriptor: &Value) {
        let digest = descriptor["digest"].as_str().expect("a descriptor");
        self.tags.insert(tag.to_owned(), digest.to_owned());
    }

    /// The entries of the index at a tag; none where there is none.
    pub(crate) fn entries_at(&self, tag: &str) -> Vec<Value> {
        let object = self
            .tags
            .get(tag)
            .and_then(|digest| self.objects.get(digest));
        let index =
            object.map(|(_, bytes)| serde_json::from_slice::<Value>(bytes).expect("an index"));
        index.map_or(Vec::new(), |index| {
            index["manifests"].as_array().expect("an index").clone()
        })
    }

    /// The digest of the config of a manifest.
    pub(crate) fn config_of(&self, manifest: &Digest) -> String {
        let (_, bytes) = &self.objects[&manifest.to_string()];
        let manifest: Value = serde_json::from_slice(bytes).expect("a manifest");
        manifest["config"]["digest"]
            .as_str()
            .expect("a digest")
            .to_owned()
    }

    /// Takes the content of a descriptor away.
    pub(crate) fn take(&mut self, descriptor: &Value) -> Vec<u8> {
        let digest = descriptor["digest"].as_str().expect("a descriptor");
        self.objects.remove(digest).expect("it was put there").1
    }

    /// Puts other bytes in the place of the content of a descriptor.
    pub(crate) fn spoil(&mut self, descriptor: &Value, bytes: &[u8]) {
        let digest = descriptor["digest"].as_str().expect("a descriptor");
        let object = self.objects.get_mut(digest).expect("it was put there");
        object.1 = bytes.to_vec();
    }

    /// What is said to be under the digest at the end of a path.
    pub(crate) fn media_type(&self, path: &str) -> Option<&str> {
        let object = self.objects.get(path.rsplit('/').next()?)?;
        Some(&object.0)
    }

    /// The bytes of the content under a digest.
    pub(crate) fn size(&self, digest: &str) -> u64 {
        let object = self.objects.get(digest).expect("it was put there");
        object.1.len() as u64
    }

    /// What an honest registry answers, for any repository, ranges included.
    pub(crate) fn answer(&self, asked: &Asked) -> Answer {
        if asked.path == "/v2/" {
            return Answer::ok("{}");
        }
        let Some(selector) = asked.path.rsplit('/').next() else {
            return Answer::new(404);
        };
        let digest = self.tags.get(selector).map_or(selector, String::as_str);
        let Some((media_type, bytes)) = self.objects.get(digest) else {
            return Answer::new(404);
        };
        let is_manifest = asked.path.contains("/manifests/");
        let answer = match asked
            .header("range")
            .and_then(|range| range.strip_prefix("bytes="))
        {
            Some(range) => {
                let from: usize = range.trim_end_matches('-').parse().expect("an open range");
                let range = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
                Answer::new(206)
                    .body(&bytes[from..])
                    .header("Content-Range", range)
            }
            None => Answer::ok(&bytes[..]),
        };
        match is_manifest {
            true => answer
                .header("Content-Type", media_type)
                .header("Docker-Content-Digest", digest),
            false => answer,
        }
    }
}
