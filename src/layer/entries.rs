//! The entries of a layer that was read, packed where an image has very many.
//!
//! An entry takes about 160 bytes of memory and a name, packed it takes about 30 with what its path
//! has not in common with the one before. Images of usual size are kept as they are, which costs
//! nothing; only those that may turn out to have too many pay for packing, and so stay small until then.

use std::borrow::Cow;

use crate::layer::entry::Entry;
use crate::layer::error::LayerError;
use crate::layer::index::{decode_entry, encode_entry};
use crate::layer::wire;

/// Entries of one image, of all its layers, that are kept as they are.
const PLAIN: u64 = 250_000;
/// Entries packed together.
const CHUNK: usize = 10_000;
/// What begins a chunk.
const MAGIC: &[u8] = b"entries\n";

/// Entries, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Entries {
    packed: Vec<Vec<u8>>,
    /// After those that are packed.
    plain: Vec<Entry>,
    are_many: bool,
}

impl Entries {
    /// Adds an entry, the `number`th of its image.
    pub(super) fn push(&mut self, entry: Entry, number: u64) {
        self.are_many |= number > PLAIN;
        self.plain.push(entry);
        if self.are_many && self.plain.len() >= CHUNK {
            self.pack();
        }
    }

    /// All of them.
    pub(super) fn all(&self) -> Result<Cow<'_, [Entry]>, LayerError> {
        if self.packed.is_empty() {
            return Ok(Cow::Borrowed(&self.plain));
        }
        let mut all: Vec<Entry> = Vec::new();
        for chunk in &self.packed {
            let mut reader = wire::Reader::new("list of entries", chunk, MAGIC)?;
            let count = reader.count()?;
            let first = all.len();
            all.reserve(count);
            for _ in 0..count {
                let before = all[first..].last().map_or(&b""[..], |entry| &entry.path);
                let shared = reader.number(before.len() as u64)? as usize;
                let shared = before[..shared].to_vec();
                let mut entry = decode_entry(&mut reader)?;
                entry.path = [shared, entry.path].concat();
                all.push(entry);
            }
            reader.end()?;
        }
        all.extend_from_slice(&self.plain);
        Ok(Cow::Owned(all))
    }

    fn pack(&mut self) {
        let mut chunk = wire::Writer::new(MAGIC);
        chunk.number(self.plain.len() as u64);
        let mut before = Vec::new();
        for mut entry in std::mem::take(&mut self.plain) {
            let shared = shared_directories(&before, &entry.path);
            chunk.number(shared as u64);
            before = std::mem::take(&mut entry.path);
            entry.path = before[shared..].to_vec();
            encode_entry(&mut chunk, &entry);
        }
        self.packed.push(chunk.finish());
    }
}

/// How many bytes of directories, with the slash at their end, two paths have in common: what is left is a clean path.
fn shared_directories(one: &[u8], other: &[u8]) -> usize {
    let pairs = one.iter().zip(other);
    let shared = pairs.take_while(|(one, other)| one == other).count();
    let slash = other[..shared].iter().rposition(|byte| *byte == b'/');
    slash.map_or(0, |slash| slash + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::entry::EntryKind;

    #[test]
    fn packed_entries_come_back() {
        let path = |number: usize| match number % 5 {
            0 => format!("dir{}/sub/f", number / 100),
            1 => format!("dir{}/sub/g/h", number / 100),
            2 => format!("dir{}", number / 100),
            3 => format!("{number}"),
            _ => String::new(),
        };
        let entry = |number| Entry {
            path: path(number).into_bytes(),
            kind: EntryKind::Directory,
            mode: 0o755,
            uid: 0,
            gid: 0,
            mtime: Default::default(),
            size: 0,
            link: Vec::new(),
            xattrs: Vec::new(),
            device: (0, 0),
            offset: number as u64,
        };
        let expected: Vec<_> = (0..25_000).map(entry).collect();
        for first in [0, PLAIN - 12_345, PLAIN + 1] {
            let mut entries = Entries::default();
            for (number, entry) in (first..).zip(&expected) {
                entries.push(entry.clone(), number);
            }
            assert_eq!(entries.packed.is_empty(), first == 0);
            assert!(entries.all().expect("they are whole") == expected);
        }
    }
}
