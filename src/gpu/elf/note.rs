//! Notes: small payloads that a vendor leaves in a file. elf(5).

use super::window::{OUTSIDE, Source, Windows, half, long, word};
use super::{ElfError, Header};

/// Section headers; only looked at for notes.
const MAX_SECTIONS: u16 = 8192;
/// Bytes of notes.
const MAX_NOTES: u64 = 64 << 10;
/// A section of notes. elf(5); the libc crate lacks it.
const SHT_NOTE: u64 = 7;

/// The payloads of all notes of `owner`, without the zero bytes around them: of those in segments, or else of those in
/// the section named `section`. A file whose notes cannot be read because of its class has none.
pub fn notes<S: Source + ?Sized>(
    source: &S,
    owner: &str,
    section: &str,
) -> Result<Vec<Vec<u8>>, ElfError> {
    let mut windows = Windows::over(&source);
    let header = Header::read(&mut windows)?;
    if !header.is_readable() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    let segments = header.segments(&mut windows)?;
    for segment in segments
        .iter()
        .filter(|segment| segment.kind == libc::PT_NOTE)
    {
        let bytes = windows.up_to(segment.offset, segment.size.min(MAX_NOTES))?;
        payloads(bytes, owner, &mut found);
    }
    if found.is_empty()
        && let Some((offset, size)) = header.section(&mut windows, section)?
    {
        let bytes = windows.up_to(offset, size.min(MAX_NOTES))?;
        payloads(bytes, owner, &mut found);
    }
    Ok(found)
}

impl Header {
    /// Where the section of notes named `name` lies.
    fn section(
        &self,
        windows: &mut Windows<'_>,
        name: &str,
    ) -> Result<Option<(u64, u64)>, ElfError> {
        let n_sections = half(&self.bytes, 60);
        let names_idx = usize::from(half(&self.bytes, 62));
        if n_sections == 0 || n_sections > MAX_SECTIONS || half(&self.bytes, 58) != 64 {
            return Ok(None);
        }
        let bytes = windows.exactly(long(&self.bytes, 40), u64::from(n_sections) * 64)?;
        let headers: Vec<[u64; 4]> = bytes
            .chunks_exact(64)
            .map(|row| {
                [
                    u64::from(word(row, 0)),
                    u64::from(word(row, 4)),
                    long(row, 24),
                    long(row, 32),
                ]
            })
            .collect();
        let Some([_, _, names_at, names_size]) = headers.get(names_idx).copied() else {
            return Ok(None);
        };
        for [name_at, kind, offset, size] in headers {
            if kind != SHT_NOTE || name_at >= names_size {
                continue;
            }
            let start = names_at.checked_add(name_at).ok_or(OUTSIDE)?;
            if windows.name(start, names_size - name_at)? == name {
                return Ok(Some((offset, size)));
            }
        }
        Ok(None)
    }
}

/// Appends the payloads of the notes of `owner` in `bytes`.
///
/// By the ABI, name and payload start at multiples of 4; some 64-bit tools take 8, and NVIDIA's files differ in it and
/// in how far the payload may be trusted to fit its section (nvidia-container-toolkit, cuda-elf-header.go). A payload of
/// text does not begin with zero bytes, so those after the name are padding, whatever their number.
fn payloads(bytes: &[u8], owner: &str, found: &mut Vec<Vec<u8>>) {
    let mut rest = bytes;
    while rest.len() >= 12 {
        let (name_size, payload_size) = (word(rest, 0) as usize, word(rest, 4) as usize);
        let Some(name) = rest.get(12..12usize.saturating_add(name_size)) else {
            return;
        };
        let behind = &rest[12 + name_size..];
        let padding = behind.iter().take(7).take_while(|byte| **byte == 0).count();
        let payload = &behind[padding..];
        let payload = &payload[..payload_size.min(payload.len())];
        if name.strip_suffix(b"\0").unwrap_or(name) == owner.as_bytes() && !payload.is_empty() {
            let n_zeros = payload.iter().rev().take_while(|byte| **byte == 0).count();
            found.push(payload[..payload.len() - n_zeros].to_vec());
        }
        let size = name_size
            .next_multiple_of(4)
            .saturating_add(payload_size.next_multiple_of(4));
        rest = rest.get(size.saturating_add(12)..).unwrap_or_default();
    }
}
