//! All that a store holds, with what differs between two runs of the same commands taken out.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::support::tree::{self, Entry};

/// Members of our documents that are random, or the time of day.
const VOLATILE: [&str; 5] = ["id", "created", "pulled", "origin", "container"];

/// Every path of a store with a description of what is there.
pub(super) type Snapshot = BTreeMap<String, String>;

/// Lists the store `home` to the last file. Random ids of containers become `ID`.
pub(super) fn snapshot(home: &Path) -> Snapshot {
    let mut found = Snapshot::new();
    if !home.exists() {
        return found;
    }
    let dated = dated(home);
    for (name, entry) in tree::list(home) {
        let name = String::from_utf8_lossy(&name).into_owned();
        let described = describe(home, &name, entry);
        let parts =
            name.split('/').map(
                |part| match is_random(part) && name.starts_with("containers/") {
                    true => "ID",
                    false => part,
                },
            );
        let (mut name, mut described) = (parts.collect::<Vec<_>>().join("/"), described);
        for (digest, label) in &dated {
            if name.ends_with(digest) {
                described = String::new();
            }
            name = name.replace(digest, label);
            described = described.replace(digest, label);
        }
        found.insert(name, described);
    }
    found
}

/// The digests of configs that say when they were made, as `commit` writes them, and of their manifests; each with what
/// stands for it.
fn dated(home: &Path) -> Vec<(String, &'static str)> {
    let blobs = std::fs::read_dir(home.join("blobs/sha256"))
        .into_iter()
        .flatten()
        .flatten();
    let texts = blobs.filter_map(|blob| {
        let bytes = std::fs::read(blob.path())
            .ok()
            .filter(|bytes| bytes.starts_with(b"{"))?;
        Some((
            blob.file_name().into_string().ok()?,
            String::from_utf8(bytes).ok()?,
        ))
    });
    let texts: Vec<(String, String)> = texts.collect();
    let configs = texts
        .iter()
        .filter(|(_, text)| text.contains("\"created\""));
    let configs: Vec<_> = configs
        .map(|(digest, _)| (digest.clone(), "CONFIG"))
        .collect();
    let of_them = |text: &str| configs.iter().any(|(digest, _)| text.contains(digest));
    let manifests = texts.iter().filter(|(_, text)| of_them(text));
    let manifests: Vec<_> = manifests
        .map(|(digest, _)| (digest.clone(), "MANIFEST"))
        .collect();
    configs.into_iter().chain(manifests).collect()
}

fn is_random(part: &str) -> bool {
    part.len() == 64 && part.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn describe(home: &Path, name: &str, mut entry: Entry) -> String {
    // What the image says of times is to be kept; when our own files came to be is not.
    let is_of_image = name.starts_with("trees/") && name.contains("/rootfs");
    if !is_of_image {
        entry.modified = (0, 0);
    }
    if !is_of_image && name.ends_with(".json") {
        let bytes = std::fs::read(home.join(name)).expect("it was listed just now");
        let mut document: Value = serde_json::from_slice(&bytes).expect("our documents are JSON");
        let members = document.as_object_mut().expect("our documents are objects");
        VOLATILE
            .iter()
            .for_each(|member| drop(members.remove(*member)));
        (entry.content, entry.size) = (Vec::new(), 0);
        return format!("{entry:?} {document}");
    }
    format!("{entry:?}")
}

/// In what two stores differ, in lines.
pub(super) fn differences(expected: &Snapshot, got: &Snapshot) -> String {
    let missing = expected.iter().filter(|(name, _)| !got.contains_key(*name));
    let missing = missing.map(|(name, _)| format!("missing: {name}"));
    let others = got
        .iter()
        .filter_map(|(name, described)| match expected.get(name) {
            None => Some(format!("orphan: {name}")),
            Some(twin) if twin != described => Some(format!("{name}:\n  {twin}\n  {described}")),
            Some(_) => None,
        });
    missing.chain(others).collect::<Vec<_>>().join("\n")
}
