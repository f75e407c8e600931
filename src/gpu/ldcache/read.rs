//! From the bytes of a cache to its entries, believing none of them.

use super::{Cache, Entry, MAX_SIZE};

/// What the old format begins with.
pub(super) const OLD_MAGIC: &[u8] = b"ld.so-1.7.0";
/// What the new format begins with: a name and its version.
pub(super) const NEW_MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
/// What the extensions begin with.
pub(super) const EXTENSION_MAGIC: u32 = 0xeaa4_2174;
/// The extension that says which program wrote the cache.
pub(super) const GENERATOR: u32 = 0;
/// The extension with names of subdirectories.
pub(super) const HWCAPS: u32 = 1;

/// Bytes of the header in the old format, and of an entry.
const OLD_SIZES: (usize, usize) = (16, 12);
/// The same in the new format.
pub(super) const NEW_SIZES: (usize, usize) = (48, 24);
/// Where the new format begins behind the old one: at a multiple of its alignment on 64-bit machines.
const ALIGNMENT: usize = 8;
/// In the low bits of the header's flags. Old writers left it unset.
pub(super) const LITTLE_ENDIAN: u8 = 2;
const UNSET: u8 = 0;

/// Entries of a cache; the largest seen have some thousand.
const MAX_ENTRIES: usize = 1 << 18;
/// Bytes of one name; a path that is longer cannot be opened.
const MAX_NAME: usize = 4096;
/// Extensions; there are two kinds.
const MAX_EXTENSIONS: u32 = 64;
/// Subdirectories for better processors; every ABI has fewer than ten.
const MAX_HWCAPS: usize = 1024;

pub(super) fn read(bytes: &[u8]) -> Option<Cache> {
    if bytes.len() as u64 > MAX_SIZE {
        return None;
    }
    if bytes.starts_with(NEW_MAGIC) {
        return read_new(bytes, 0);
    }
    if !bytes.starts_with(OLD_MAGIC) {
        return None;
    }
    let (header, size) = OLD_SIZES;
    let strings = header.checked_add(count(bytes, 12)?.checked_mul(size)?)?;
    let new = strings.next_multiple_of(ALIGNMENT);
    if bytes
        .get(new..)
        .is_some_and(|rest| rest.starts_with(NEW_MAGIC))
    {
        return read_new(bytes, new);
    }
    let mut names = Names::from(bytes.get(strings..)?);
    let rows = bytes.get(header..strings)?.chunks_exact(size);
    let entries = rows.map(|row| {
        Some(Entry {
            flags: word(row, 0)?.cast_signed(),
            name: names.get(word(row, 4)?)?,
            path: names.get(word(row, 8)?)?,
            osversion: 0,
            hwcap: 0,
        })
    });
    Some(Cache {
        entries: entries.collect::<Option<_>>()?,
        ..Cache::default()
    })
}

/// The new format, which begins at `start`. Names are counted from there, but extensions from the file's start.
fn read_new(file: &[u8], start: usize) -> Option<Cache> {
    let bytes = file.get(start..)?;
    if ![LITTLE_ENDIAN, UNSET].contains(&(bytes.get(28)? & 3)) {
        return None;
    }
    let (header, size) = NEW_SIZES;
    let strings = header.checked_add(count(bytes, 20)?.checked_mul(size)?)?;
    let n_string_bytes = usize::try_from(word(bytes, 24)?).ok()?;
    if strings.checked_add(n_string_bytes)? > bytes.len() {
        return None;
    }
    let mut names = Names::from(bytes);
    let rows = bytes.get(header..strings)?.chunks_exact(size);
    let entries = rows.map(|row| {
        Some(Entry {
            flags: word(row, 0)?.cast_signed(),
            name: names.get(word(row, 4)?)?,
            path: names.get(word(row, 8)?)?,
            osversion: word(row, 12)?,
            hwcap: u64::from(word(row, 16)?) | u64::from(word(row, 20)?) << 32,
        })
    });
    let mut cache = Cache {
        entries: entries.collect::<Option<_>>()?,
        ..Cache::default()
    };
    // A loader that cannot read the extensions goes on without them, and passes by the entries that need them.
    if let Some((generator, hwcaps)) = extensions(file, word(bytes, 32)?, &mut names) {
        cache.generator = generator;
        cache.hwcaps = hwcaps;
    }
    Some(cache)
}

/// The generator and the names of subdirectories.
fn extensions(
    file: &[u8],
    offset: u32,
    names: &mut Names<'_>,
) -> Option<(Option<String>, Vec<Vec<u8>>)> {
    let start = usize::try_from(offset)
        .ok()
        .filter(|start| *start > 0 && start % 4 == 0)?;
    let bytes = file.get(start..)?;
    let n_extensions = word(bytes, 4).filter(|n_extensions| *n_extensions <= MAX_EXTENSIONS)?;
    if word(bytes, 0)? != EXTENSION_MAGIC {
        return None;
    }
    let (mut generator, mut hwcaps) = (None, Vec::new());
    for idx in 0..n_extensions as usize {
        let at = 8 + idx * 16;
        let content = piece(file, word(bytes, at + 8)?, word(bytes, at + 12)?)?;
        match word(bytes, at)? {
            GENERATOR if content.len() <= MAX_NAME => {
                generator = Some(String::from_utf8(content.to_vec()).ok()?)
            }
            HWCAPS if content.len() <= MAX_HWCAPS * 4 => {
                let offsets = content.chunks_exact(4).map(|row| names.get(word(row, 0)?));
                hwcaps = offsets.collect::<Option<_>>()?;
            }
            _ => {}
        }
    }
    Some((generator, hwcaps))
}

fn piece(file: &[u8], offset: u32, size: u32) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(usize::try_from(size).ok()?)?;
    file.get(start..end)
}

/// The number of entries that stands at `at`.
fn count(bytes: &[u8], at: usize) -> Option<usize> {
    let n_entries = usize::try_from(word(bytes, at)?).ok()?;
    (n_entries <= MAX_ENTRIES).then_some(n_entries)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// Names by their offset. All together they are no larger than a cache may be: many entries may have one name, and it
/// is kept for each.
struct Names<'a> {
    bytes: &'a [u8],
    left: usize,
}

impl<'a> Names<'a> {
    fn from(bytes: &'a [u8]) -> Names<'a> {
        Names {
            bytes,
            left: usize::try_from(MAX_SIZE).unwrap_or(usize::MAX),
        }
    }

    fn get(&mut self, offset: u32) -> Option<Vec<u8>> {
        let rest = self.bytes.get(usize::try_from(offset).ok()?..)?;
        let size = rest.iter().take(MAX_NAME).position(|byte| *byte == 0)?;
        self.left = self.left.checked_sub(size)?;
        Some(rest[..size].to_vec())
    }
}
