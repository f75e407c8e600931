//! The dynamic section: names of libraries, and versions of them. elf(5); LSB Core, "Symbol Versioning".

use super::window::{OUTSIDE, Windows, half, long, word};
use super::{Elf, ElfError, Segment};

/// Bytes of a dynamic section, which has some thirty entries of 16 bytes.
const MAX_DYNAMIC: u64 = 64 << 10;
/// Names of one kind in a file.
const MAX_NAMES: usize = 4096;

/// Tags and values.
pub(super) struct Dynamic(Vec<(u64, u64)>);

/// Tags of it. elf(5) and glibc's `elf.h`.
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_STRSZ: u64 = 10;
const DT_SONAME: u64 = 14;
const DT_VERDEF: u64 = 0x6fff_fffc;
const DT_VERDEFNUM: u64 = 0x6fff_fffd;
const DT_VERNEED: u64 = 0x6fff_fffe;
const DT_VERNEEDNUM: u64 = 0x6fff_ffff;

/// A version that is only the file's own name.
const VER_FLG_BASE: u16 = 1;
/// A version that may be absent.
const VER_FLG_WEAK: u16 = 2;

impl Dynamic {
    /// Reads the dynamic section, which is `segment`.
    pub(super) fn read(windows: &mut Windows<'_>, segment: &Segment) -> Result<Dynamic, ElfError> {
        if segment.size > MAX_DYNAMIC {
            return Err(ElfError::Damaged(
                "its dynamic section is larger than 64 KiB",
            ));
        }
        let bytes = windows.exactly(segment.offset, segment.size)?;
        let entries = bytes
            .chunks_exact(16)
            .map(|entry| (long(entry, 0), long(entry, 8)));
        Ok(Dynamic(entries.take_while(|(tag, _)| *tag != 0).collect()))
    }

    fn value(&self, tag: u64) -> Option<u64> {
        self.0
            .iter()
            .find(|entry| entry.0 == tag)
            .map(|entry| entry.1)
    }

    /// Where in the file the table lies whose address `tag` has.
    fn table(&self, tag: u64, segments: &[Segment]) -> Result<Option<u64>, ElfError> {
        self.value(tag)
            .map(|address| offset_of(segments, address))
            .transpose()
    }

    /// Fills in what it says, given all segments.
    pub(super) fn describe(
        &self,
        windows: &mut Windows<'_>,
        segments: &[Segment],
        elf: &mut Elf,
    ) -> Result<(), ElfError> {
        let Some(start) = self.table(DT_STRTAB, segments)? else {
            return Ok(()); // a static program that can be moved has a dynamic section without names
        };
        let strings = Strings {
            start,
            size: self.value(DT_STRSZ).unwrap_or(0),
        };
        if let Some(at) = self.value(DT_SONAME) {
            elf.soname = Some(strings.get(windows, at)?);
        }
        for (_, at) in self
            .0
            .iter()
            .filter(|(tag, _)| *tag == DT_NEEDED)
            .take(MAX_NAMES)
        {
            elf.needed.push(strings.get(windows, *at)?);
        }
        if let Some(table) = self.table(DT_VERNEED, segments)? {
            let n_records = self.value(DT_VERNEEDNUM).unwrap_or(0);
            elf.needs = needs(windows, &strings, table, n_records)?;
        }
        if let Some(table) = self.table(DT_VERDEF, segments)? {
            let n_records = self.value(DT_VERDEFNUM).unwrap_or(0);
            elf.defines = defines(windows, &strings, table, n_records)?;
        }
        Ok(())
    }
}

/// Where in the file the byte lies that is loaded at `address`.
fn offset_of(segments: &[Segment], address: u64) -> Result<u64, ElfError> {
    let loaded = segments
        .iter()
        .filter(|segment| segment.kind == libc::PT_LOAD);
    let mut places = loaded.filter_map(|segment| {
        let inside = address.checked_sub(segment.address)?;
        let is_in_file = inside < segment.size;
        is_in_file
            .then(|| segment.offset.checked_add(inside))
            .flatten()
    });
    places
        .next()
        .ok_or(ElfError::Damaged("an address in it is loaded from nowhere"))
}

/// The table of names.
struct Strings {
    start: u64,
    size: u64,
}

impl Strings {
    fn get(&self, windows: &mut Windows<'_>, at: u64) -> Result<String, ElfError> {
        let left = self
            .size
            .checked_sub(at)
            .filter(|left| *left > 0)
            .ok_or(OUTSIDE)?;
        windows.name(self.start.checked_add(at).ok_or(OUTSIDE)?, left)
    }
}

/// Follows a chain of at most `n_records` libraries and the versions that are needed of each. A record says how many
/// bytes after it the next one begins, so a chain only runs forwards.
fn needs(
    windows: &mut Windows<'_>,
    strings: &Strings,
    table: u64,
    n_records: u64,
) -> Result<Vec<(String, String)>, ElfError> {
    let (mut found, mut n_versions) = (Vec::new(), 0);
    let mut at = table;
    for _ in 0..n_records.min(MAX_NAMES as u64) {
        let record: [u8; 16] = windows.record(at)?;
        let library = strings.get(windows, u64::from(word(&record, 4)))?;
        let mut version_at = after(at, word(&record, 8))?;
        for _ in 0..half(&record, 2) {
            n_versions += 1;
            if n_versions > MAX_NAMES {
                return Err(ElfError::Damaged("it needs too many versions"));
            }
            let version: [u8; 16] = windows.record(version_at)?;
            if half(&version, 4) & VER_FLG_WEAK == 0 {
                let name = strings.get(windows, u64::from(word(&version, 8)))?;
                found.push((library.clone(), name));
            }
            match word(&version, 12) {
                0 => break,
                next => version_at = after(version_at, next)?,
            }
        }
        match word(&record, 12) {
            0 => break,
            next => at = after(at, next)?,
        }
    }
    Ok(found)
}

/// Follows a chain of at most `n_records` versions, each with its name and the names of those that it contains, which
/// have records of their own.
fn defines(
    windows: &mut Windows<'_>,
    strings: &Strings,
    table: u64,
    n_records: u64,
) -> Result<Vec<String>, ElfError> {
    let mut found = Vec::new();
    let mut at = table;
    for _ in 0..n_records.min(MAX_NAMES as u64) {
        let record: [u8; 20] = windows.record(at)?;
        let is_base = half(&record, 2) & VER_FLG_BASE != 0;
        if !is_base && half(&record, 6) > 0 {
            let name: [u8; 8] = windows.record(after(at, word(&record, 12))?)?;
            found.push(strings.get(windows, u64::from(word(&name, 0)))?);
        }
        match word(&record, 16) {
            0 => break,
            next => at = after(at, next)?,
        }
    }
    Ok(found)
}

fn after(at: u64, distance: u32) -> Result<u64, ElfError> {
    at.checked_add(u64::from(distance)).ok_or(OUTSIDE)
}
