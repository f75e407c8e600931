//! Any bytes as a manifest, an index and a config: never two of them at once, and bounded.
#![no_main]

use coracle::base::fault::Fault;
use coracle::oci::config::ImageConfig;
use coracle::oci::manifest::{Document, MAX_LAYERS, MAX_MANIFESTS};
use coracle::oci::media::{ACCEPT_MANIFEST, Shape};
use coracle::oci::platform::Platform;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let plain = Document::parse(bytes, None);
    let parsed: Vec<_> = ACCEPT_MANIFEST
        .iter()
        .map(|it| (*it, Document::parse(bytes, Some(it))))
        .collect();
    for (announced, document) in parsed {
        let Ok(document) = document else { continue };
        // What was announced narrows the choice, and changes nothing of what is read.
        assert_eq!(Some(&document), plain.as_ref().ok());
        let is_index = matches!(document, Document::Index(_));
        assert_eq!(Shape::of(announced) == Some(Shape::Index), is_index);
    }
    match &plain {
        Ok(document) => check(document, bytes),
        Err(error) => drop((error.to_string(), error.kind(), error.hints())),
    }
    if let Ok(config) = ImageConfig::parse(bytes) {
        assert!(config.rootfs.diff_ids.len() <= MAX_LAYERS && config.rootfs.kind == "layers");
        assert_eq!(
            config.chain_id().hex().len(),
            64.max(config.chain_id().hex().len())
        );
        if let Ok(Document::Manifest(manifest)) = &plain {
            let fits = ImageConfig::parse_for(manifest, bytes).is_ok();
            assert_eq!(fits, manifest.layers.len() == config.rootfs.diff_ids.len());
        }
    }
});

fn check(document: &Document, bytes: &[u8]) {
    // Half a character in a field that nobody looks at is no error.
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else {
        return;
    };
    let has = |name: &str| value.get(name).is_some_and(|it| !it.is_null());
    assert!(!has("fsLayers") && value["schemaVersion"] != 1);
    let claimed = value["mediaType"].as_str().map(Shape::of);
    match document {
        Document::Index(index) => {
            assert!(has("manifests") && !has("layers") && !has("config"));
            assert!(claimed.is_none_or(|shape| shape == Some(Shape::Index)));
            assert!(index.manifests.len() <= MAX_MANIFESTS);
            let listed = value["manifests"].as_array().map_or(0, Vec::len);
            assert!(index.manifests.len() <= listed);
            for wanted in ["linux/amd64/v3", "linux/arm64", "linux/arm/v7"] {
                let wanted: Platform = wanted.parse().expect("a platform");
                match index.choose(&wanted) {
                    Ok(chosen) => {
                        let platform = chosen.platform.as_ref();
                        assert!(platform.is_none_or(|it| wanted.rank(it).is_some()));
                        assert!(Shape::of(&chosen.media_type).is_some());
                    }
                    Err(error) => assert!(error.to_string().contains("the image has no")),
                }
            }
        }
        Document::Manifest(manifest) => {
            assert!(!has("manifests") && has("config"));
            assert!(claimed.is_none_or(|shape| shape == Some(Shape::Manifest)));
            assert!(manifest.layers.len() <= MAX_LAYERS);
            let _either_is_fine = manifest.require_image();
            for descriptor in manifest.layers.iter().chain([&manifest.config]) {
                if let Some(content) = descriptor.inline() {
                    assert_eq!(content.len() as u64, descriptor.size);
                }
            }
        }
    }
}
