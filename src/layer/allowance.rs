//! What all layers of one image may hold together, counted while they are read.
//!
//! Limits on each layer alone would not bound an image, which may have a thousand of them. Per
//! entry this costs three additions to shared counters, next to several system calls.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::layer::codec::{MAX_PLAIN, MAX_RATIO};
use crate::layer::entry::Entry;
use crate::layer::error::{LayerError, at_most, printable};
use crate::layer::reader::{MAX_ENTRIES, most_metadata};

/// Directories that no entry describes, beside one for each entry: an honest archive that leaves out
/// directories has files in them, while a few long names can imply millions.
pub(super) const MAX_IMPLIED: u64 = 1 << 14;

/// What was counted so far.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    entries: AtomicU64,
    metadata: AtomicU64,
    content: AtomicU64,
    directories: AtomicU64,
    /// Bytes of all compressed layers.
    packed: AtomicU64,
}

impl Allowance {
    /// Makes room for what layers of `packed` bytes may inflate to.
    pub(super) fn grant(&self, packed: u64) {
        add(&self.packed, packed);
    }

    /// Counts an entry; how many there are now.
    pub(super) fn entry(&self, entry: &Entry) -> Result<u64, LayerError> {
        let entries = add(&self.entries, 1);
        within(&entry.path, "entries in all layers", entries, MAX_ENTRIES)?;
        let what = "bytes of names and attributes in all layers";
        let metadata = add(&self.metadata, entry.metadata_bytes());
        within(&entry.path, what, metadata, most_metadata(entries))?;
        self.content(entry)?;
        Ok(entries)
    }

    /// Counts the content of an entry.
    pub(super) fn content(&self, entry: &Entry) -> Result<(), LayerError> {
        let content = add(&self.content, entry.size);
        let packed = self.packed.load(Ordering::Relaxed);
        let most = packed.saturating_mul(MAX_RATIO).max(MAX_PLAIN);
        let what =
            "bytes of content in all layers (1 GiB, or 1000 times as many as its layers have)";
        within(&entry.path, what, content, most)
    }

    /// Counts a directory that is made for `path`.
    pub(super) fn directory(&self, path: &[u8]) -> Result<(), LayerError> {
        let directories = add(&self.directories, 1);
        let entries = self.entries.load(Ordering::Relaxed);
        let what = "directories that no entry describes";
        within(path, what, directories.saturating_sub(entries), MAX_IMPLIED)
    }
}

/// Adds to a counter, which stays at its end once it is there; the sum.
fn add(counter: &AtomicU64, count: u64) -> u64 {
    let before = counter.fetch_add(count, Ordering::Relaxed);
    before.checked_add(count).unwrap_or_else(|| {
        counter.store(u64::MAX, Ordering::Relaxed);
        u64::MAX
    })
}

fn within(path: &[u8], what: &'static str, got: u64, most: u64) -> Result<(), LayerError> {
    at_most(what, got, most).map_err(|lie| LayerError::Input {
        place: format!("entry `{}`", printable(path)),
        lie,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::entry::{EntryKind, Time, Xattr};

    #[test]
    fn layers_are_bounded_together() {
        let name = vec![b'x'; 1000];
        let value = Vec::new();
        let entry = Entry {
            path: b"f".to_vec(),
            kind: EntryKind::File,
            mode: 0,
            uid: 0,
            gid: 0,
            mtime: Time::default(),
            size: 0,
            link: Vec::new(),
            xattrs: vec![Xattr { name, value }],
            device: (0, 0),
            offset: 0,
        };
        // Of attributes counts also what they take besides their bytes.
        let weight = 1 + 4 * (1000 + 64);
        for (entries, metadata, part) in [
            (MAX_ENTRIES - 1, 0, "entries in all layers"),
            (
                0,
                most_metadata(1) - weight,
                "bytes of names and attributes",
            ),
        ] {
            let allowance = Allowance {
                entries: entries.into(),
                metadata: metadata.into(),
                ..Allowance::default()
            };
            assert!(allowance.entry(&entry).is_ok());
            let error = allowance.entry(&entry).expect_err("it is one too many");
            assert!(error.to_string().contains(part), "{error}");
        }
        let allowance = Allowance::default();
        allowance.grant(2 << 20);
        let huge = Entry {
            size: 1000 * (2 << 20),
            ..entry
        };
        assert!(allowance.content(&huge).is_ok());
        let least = Entry { size: 1, ..huge };
        let error = allowance.content(&least).expect_err("it is one too many");
        assert!(
            error.to_string().contains("2097152000 bytes of content"),
            "{error}"
        );
    }
}
