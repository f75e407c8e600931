//! Archives of images as programs of all years wrote them, made in memory.

use std::io::Write;
use std::path::Path;

use coracle::base::digest::Digest;
use serde_json::{Value, json};

use crate::support::Sandbox;

/// An archive being written.
pub(crate) struct Archive(tar::Builder<Vec<u8>>);

impl Archive {
    pub(crate) fn new() -> Archive {
        Archive(tar::Builder::new(Vec::new()))
    }

    /// Adds a file.
    pub(crate) fn file(mut self, name: &str, content: impl AsRef<[u8]>) -> Archive {
        let content = content.as_ref();
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        let added = self.0.append_data(&mut header, name, content);
        added.expect("in memory");
        self
    }

    /// Adds a document.
    pub(crate) fn json(self, name: &str, content: &Value) -> Archive {
        self.file(name, content.to_string())
    }

    /// Adds a symbolic link.
    pub(crate) fn link(mut self, name: &str, target: &str) -> Archive {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        let added = self.0.append_link(&mut header, name, target);
        added.expect("in memory");
        self
    }

    /// Adds a blob of an OCI layout.
    pub(crate) fn blob(self, content: &[u8]) -> Archive {
        let digest = Digest::of(content);
        self.file(&format!("blobs/sha256/{}", digest.hex()), content)
    }

    /// The bytes of the archive.
    pub(crate) fn bytes(self) -> Vec<u8> {
        self.0.into_inner().expect("in memory")
    }
}

/// A plain layer with one file.
pub(crate) fn layer(name: &str, content: &str) -> Vec<u8> {
    Archive::new().file(name, content).bytes()
}

/// The same bytes in gzip.
pub(crate) fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(plain).expect("in memory");
    gzip.finish().expect("in memory")
}

/// The config of an image of these plain layers.
pub(crate) fn config(layers: &[&[u8]]) -> Value {
    let diff_ids: Vec<_> = layers.iter().map(|layer| Digest::of(layer)).collect();
    json!({
        "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/file"], "Env": ["A=1"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    })
}

/// A descriptor of bytes.
pub(crate) fn descriptor(kind: &str, bytes: &[u8]) -> Value {
    let media_type = format!("application/vnd.oci.image.{kind}");
    json!({"mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len()})
}

/// The manifest of an image of these plain layers.
pub(crate) fn manifest(config: &[u8], layers: &[&[u8]]) -> Vec<u8> {
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let layers: Vec<_> = layers
        .iter()
        .map(|layer| descriptor("layer.v1.tar", layer))
        .collect();
    let config = descriptor("config.v1+json", config);
    let manifest =
        json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers});
    manifest.to_string().into_bytes()
}

/// An OCI layout of one image, whose entry has these annotations.
pub(crate) fn layout(layers: &[&[u8]], annotations: Value) -> Archive {
    let config = config(layers).to_string().into_bytes();
    let manifest = manifest(&config, layers);
    let mut entry = descriptor("manifest.v1+json", &manifest);
    entry["annotations"] = annotations;
    let mut archive = Archive::new().json("oci-layout", &json!({"imageLayoutVersion": "1.0.0"}));
    for blob in layers.iter().copied().chain([&config[..], &manifest]) {
        archive = archive.blob(blob);
    }
    archive.json(
        "index.json",
        &json!({"schemaVersion": 2, "manifests": [entry]}),
    )
}

/// What lies in the store that is content or was about to be.
pub(crate) fn content(sandbox: &Sandbox) -> Vec<String> {
    let mut found = Vec::new();
    for folder in [
        "blobs/sha256",
        "trees",
        "ingest",
        "tmp",
        "trash",
        "leases",
        "containers",
        "names",
    ] {
        let entries = std::fs::read_dir(sandbox.store().join(folder))
            .into_iter()
            .flatten();
        found.extend(entries.map(|entry| {
            let name = entry.expect("the store is ours to list").file_name();
            Path::new(folder).join(name).display().to_string()
        }));
    }
    found
}

/// Asserts that nothing of an archive stayed.
#[track_caller]
pub(crate) fn left_nothing(sandbox: &Sandbox) {
    sandbox.coracle(["images", "-q"]).run().success().prints("");
    let found = content(sandbox);
    assert!(found.is_empty(), "left behind: {}", found.join(", "));
}
