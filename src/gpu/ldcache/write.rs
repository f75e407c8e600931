//! From entries to the bytes of a cache, as `ldconfig -c new` of glibc 2.33 and later writes them.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::Cache;
use super::read::{EXTENSION_MAGIC, GENERATOR, HWCAPS, LITTLE_ENDIAN, NEW_MAGIC, NEW_SIZES};

pub(super) fn write(cache: &Cache) -> Vec<u8> {
    let (header, size) = NEW_SIZES;
    let start = header + cache.entries.len() * size;
    let names = cache
        .entries
        .iter()
        .flat_map(|entry| [&entry.name, &entry.path]);
    let strings = Strings::of(names.chain(&cache.hwcaps), start);
    let end = start + strings.bytes.len();
    let extensions = extensions(cache, &strings, end.next_multiple_of(4));

    let mut bytes = Vec::with_capacity(end + extensions.len() + 4);
    bytes.extend(NEW_MAGIC);
    put(&mut bytes, number(cache.entries.len()));
    put(&mut bytes, number(strings.bytes.len()));
    bytes.extend([LITTLE_ENDIAN, 0, 0, 0]);
    put(
        &mut bytes,
        if extensions.is_empty() {
            0
        } else {
            number(end.next_multiple_of(4))
        },
    );
    bytes.resize(header, 0);
    for entry in &cache.entries {
        put(&mut bytes, entry.flags.cast_unsigned());
        put(&mut bytes, strings.offset(&entry.name));
        put(&mut bytes, strings.offset(&entry.path));
        put(&mut bytes, entry.osversion);
        bytes.extend(entry.hwcap.to_le_bytes());
    }
    bytes.extend(&strings.bytes);
    if !extensions.is_empty() {
        bytes.resize(end.next_multiple_of(4), 0);
        bytes.extend(extensions);
    }
    bytes
}

/// The extensions, which lie at `start`: a directory, then the names of subdirectories, then the generator, although
/// the directory has them the other way round.
fn extensions(cache: &Cache, strings: &Strings, start: usize) -> Vec<u8> {
    let hwcaps: Vec<u8> = cache
        .hwcaps
        .iter()
        .flat_map(|name| strings.offset(name).to_le_bytes())
        .collect();
    let n_extensions = usize::from(cache.generator.is_some()) + usize::from(!hwcaps.is_empty());
    if n_extensions == 0 {
        return Vec::new();
    }
    let hwcaps_at = start + 8 + n_extensions * 16;
    let mut bytes = Vec::new();
    put_all(&mut bytes, [EXTENSION_MAGIC, number(n_extensions)]);
    if let Some(generator) = &cache.generator {
        let at = hwcaps_at + hwcaps.len();
        put_all(
            &mut bytes,
            [GENERATOR, 0, number(at), number(generator.len())],
        );
    }
    if !hwcaps.is_empty() {
        put_all(
            &mut bytes,
            [HWCAPS, 0, number(hwcaps_at), number(hwcaps.len())],
        );
    }
    bytes.extend(hwcaps);
    bytes.extend(
        cache
            .generator
            .iter()
            .flat_map(|generator| generator.as_bytes()),
    );
    bytes
}

/// The table of names, in which a name that another one ends with has no bytes of its own.
struct Strings<'a> {
    bytes: Vec<u8>,
    offsets: HashMap<&'a [u8], u32>,
}

impl<'a> Strings<'a> {
    /// `start` is where in the file the table lies.
    fn of(names: impl Iterator<Item = &'a Vec<u8>>, start: usize) -> Strings<'a> {
        let mut sorted: Vec<&[u8]> = names.map(Vec::as_slice).collect();
        sorted.sort_unstable_by(|one, other| from_the_end(one, other));
        sorted.dedup();
        let (mut bytes, mut offsets) = (Vec::new(), HashMap::new());
        let mut last: (&[u8], usize) = (b"", start);
        for name in sorted {
            // The longer of two that end alike comes first, so a name that is such an end follows what it is an end of.
            if bytes.is_empty() || !last.0.ends_with(name) {
                last = (name, start + bytes.len());
                bytes.extend(name);
                bytes.push(0);
            }
            offsets.insert(name, number(last.1 + last.0.len() - name.len()));
        }
        Strings { bytes, offsets }
    }

    fn offset(&self, name: &[u8]) -> u32 {
        *self
            .offsets
            .get(name)
            .expect("the table was made of the names of this very cache")
    }
}

/// Compares by the last byte, the highest first, then by the one before it, and so on; of two that end alike the longer
/// one comes first. Any order that does this to the longer one would do; this one is `ldconfig`'s.
fn from_the_end(one: &[u8], other: &[u8]) -> Ordering {
    other.iter().rev().cmp(one.iter().rev())
}

fn number(value: usize) -> u32 {
    u32::try_from(value).expect(
        "what is parsed is bounded far below 4 GiB, and what is added is a list of libraries",
    )
}

fn put(bytes: &mut Vec<u8>, word: u32) {
    bytes.extend(word.to_le_bytes());
}

fn put_all<const N: usize>(bytes: &mut Vec<u8>, words: [u32; N]) {
    words.into_iter().for_each(|word| put(bytes, word));
}
