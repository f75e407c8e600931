//! The documents of an image of layers that are here: its config, which lacks the list of them, and its manifest.

use serde_json::{Map, Value, json};

use crate::base::digest::Digest;
use crate::base::fault::BoxFault;
use crate::oci::config::ImageConfig;
use crate::oci::descriptor::Descriptor;
use crate::oci::manifest::Manifest;
use crate::oci::media;
use crate::ops::pull::resolve::Resolved;

/// The image of `layers`, lowest first, with their `diff_ids`.
pub(super) fn compose(
    mut config: Map<String, Value>,
    layers: &[Descriptor],
    diff_ids: &[Digest],
) -> Result<Resolved, BoxFault> {
    let rootfs = json!({"type": "layers", "diff_ids": diff_ids});
    config.insert("rootfs".to_owned(), rootfs);
    let config_bytes = Value::Object(config).to_string().into_bytes();
    let manifest = Manifest {
        config: Descriptor::of(media::OCI_CONFIG, &config_bytes),
        layers: layers.to_vec(),
        artifact_type: None,
        subject: None,
    };
    let bytes = json!({
        "schemaVersion": 2,
        "mediaType": media::OCI_MANIFEST,
        "config": manifest.config,
        "layers": manifest.layers,
    });
    let bytes = bytes.to_string().into_bytes();
    let target = Digest::of(&bytes);
    let config = manifest.config.digest.clone();
    Ok(Resolved {
        config: ImageConfig::parse_for(&manifest, &config_bytes)?,
        target: target.clone(),
        manifest_digest: target.clone(),
        manifest,
        documents: vec![(target, bytes), (config, config_bytes)],
    })
}
