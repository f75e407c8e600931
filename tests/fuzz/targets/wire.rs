//! Any bytes as our own index and sidecar: what is read is clean, and comes out of writing and reading as it was.
#![no_main]

use coracle::layer::{EntryKind, LayerIndex, MAX_PATH, Sidecar};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for file in [
        bytes.to_vec(),
        whole("coracle layer index 1\n", bytes),
        whole("coracle sidecar 1\n", bytes),
    ] {
        if let Ok(index) = LayerIndex::decode(&file) {
            assert_eq!(
                LayerIndex::decode(&index.encode()).as_ref().ok(),
                Some(&index)
            );
            let _no_overflow = index.content_bytes();
            for entry in &index.entries {
                assert_clean(&entry.path);
                assert!(entry.kind != EntryKind::HardLink || !entry.link.starts_with(b"/"));
            }
        }
        if let Ok(sidecar) = Sidecar::decode(&file) {
            assert_eq!(
                Sidecar::decode(&sidecar.encode()).as_ref().ok(),
                Some(&sidecar)
            );
            for truth in &sidecar.truths {
                assert_clean(&truth.path);
                assert!(truth.kind != EntryKind::HardLink && truth.mode <= 0o7777);
            }
        }
    }
});

fn assert_clean(path: &[u8]) {
    assert!(path.len() < MAX_PATH && !path.contains(&0));
    let mut names = path
        .split(|byte| *byte == b'/')
        .filter(|_| !path.is_empty());
    assert!(
        names.all(|name| !matches!(name, b"" | b"." | b"..")),
        "{}",
        path.escape_ascii()
    );
}

/// A file with this first line and a checksum that is right, so that what is between is looked at.
fn whole(magic: &str, body: &[u8]) -> Vec<u8> {
    let mut file = [magic.as_bytes(), body].concat();
    let mut crc = flate2::Crc::new();
    crc.update(&file);
    file.extend(crc.sum().to_le_bytes());
    file
}
