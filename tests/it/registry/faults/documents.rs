//! What a registry may hold that is no image, with right digests throughout.

use coracle::oci::media::{OCI_CONFIG, OCI_LAYER, OCI_MANIFEST};
use serde_json::{Value, json};

use super::super::shelf::{Shelf, config, layer};

/// An image's document with other fields.
fn image(shelf: &mut Shelf, change: impl FnOnce(&mut Value)) -> Value {
    let layer = layer("file", "x");
    let config = shelf.put(OCI_CONFIG, &config(&[&layer]));
    let layer = shelf.put(OCI_LAYER, &layer);
    let mut document =
        json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer]});
    change(&mut document);
    shelf.put(OCI_MANIFEST, document.to_string().as_bytes())
}

pub(super) fn deep(shelf: &mut Shelf) -> Value {
    let image = shelf.image(&[]);
    (0..50).fold(image, |inner, _| shelf.index(&[inner]))
}

pub(super) fn two_faced(shelf: &mut Shelf) -> Value {
    image(shelf, |document| document["manifests"] = json!([]))
}

pub(super) fn confused(shelf: &mut Shelf) -> Value {
    let document = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "manifests": []});
    shelf.put(OCI_MANIFEST, document.to_string().as_bytes())
}

pub(super) fn old(shelf: &mut Shelf) -> Value {
    let document =
        json!({"schemaVersion": 1, "name": "x", "tag": "1", "fsLayers": [], "history": []});
    let kind = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    shelf.put(kind, document.to_string().as_bytes())
}

pub(super) fn other_platform(shelf: &mut Shelf) -> Value {
    let mut image = shelf.image(&[]);
    image["platform"] = json!({"os": "linux", "architecture": "s390x"});
    shelf.index(&[image])
}

pub(super) fn nonsense_config(shelf: &mut Shelf) -> Value {
    let config = shelf.put(OCI_CONFIG, b"[[[");
    image(shelf, |document| document["config"] = config)
}

pub(super) fn other_layer(shelf: &mut Shelf) -> Value {
    let other = shelf.put(OCI_LAYER, &layer("file", "y"));
    image(shelf, |document| document["layers"] = json!([other]))
}

pub(super) fn many_layers(shelf: &mut Shelf) -> Value {
    let other = shelf.put(OCI_LAYER, &layer("file", "y"));
    image(shelf, |document| {
        let layers = document["layers"].as_array_mut();
        layers.expect("a list").push(other);
    })
}

pub(super) fn no_layer_list(shelf: &mut Shelf) -> Value {
    image(shelf, |document| document["layers"] = json!({"0": "x"}))
}

pub(super) fn wrong_size(shelf: &mut Shelf) -> Value {
    image(shelf, |document| document["layers"][0]["size"] = json!(7))
}

pub(super) fn huge_layer(shelf: &mut Shelf) -> Value {
    image(shelf, |document| {
        document["layers"][0]["size"] = json!(i64::MAX);
    })
}

pub(super) fn malformed(shelf: &mut Shelf) -> Value {
    let bytes = [b'x'; 2048];
    let config = shelf.put(OCI_CONFIG, &config(&[&bytes]));
    let layer = shelf.put(OCI_LAYER, &bytes);
    image(shelf, |document| {
        document["config"] = config;
        document["layers"] = json!([layer]);
    })
}

pub(super) fn unknown_digest(shelf: &mut Shelf) -> Value {
    image(shelf, |document| {
        document["layers"][0]["digest"] = json!("md5:d41d8cd98f00b204e9800998ecf8427e");
    })
}

pub(super) fn far_up(shelf: &mut Shelf) -> Value {
    image(shelf, |document| {
        document["layers"][0]["digest"] = json!("sha256:../../../../../../../../etc/passwd");
    })
}
