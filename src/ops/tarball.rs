//! Tar archives being written, entry by entry, so that the same entries always make the same bytes.
//!
//! POSIX.1-2001 pax, which every reader knows: what a header has no room for (long names, attributes, fractions of a
//! second) stands in a PAX header before it. Only a long name that is not text stands in GNU's way: PAX is UTF-8.

use std::io::{self, Read, Write};

use tar::{EntryType, Header};

/// Bytes of a name or a link target in a header.
const NAME_MAX: usize = 100;
const BLOCK: u64 = 512;

/// One entry, without its content.
#[derive(Clone, Debug)]
pub(super) struct Member<'a> {
    /// Names joined by `/`; of a directory without the slash at the end.
    pub(super) path: &'a [u8],
    pub(super) kind: EntryType,
    /// Permission bits with setuid, setgid and sticky.
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Seconds since 1970 and nanoseconds after that.
    pub(super) changed: (i64, u32),
    /// Bytes of content.
    pub(super) size: u64,
    /// The target of a link.
    pub(super) link: &'a [u8],
    /// Major and minor number of a device.
    pub(super) device: (u32, u32),
    /// Extended attributes.
    pub(super) attributes: &'a [(Vec<u8>, Vec<u8>)],
}

impl<'a> Member<'a> {
    /// A regular file of ours: of root, as old as time.
    pub(super) fn file(path: &'a [u8], size: u64) -> Member<'a> {
        Member {
            path,
            kind: EntryType::Regular,
            mode: 0o644,
            uid: 0,
            gid: 0,
            changed: (0, 0),
            size,
            link: b"",
            device: (0, 0),
            attributes: &[],
        }
    }

    /// A directory of ours.
    pub(super) fn directory(path: &'a [u8]) -> Member<'a> {
        Member {
            kind: EntryType::Directory,
            mode: 0o755,
            ..Member::file(path, 0)
        }
    }
}

/// An archive in the making.
pub(super) struct Tarball<W> {
    out: W,
}

impl<W: Write> Tarball<W> {
    /// An archive that is written to `out`.
    pub(super) fn new(out: W) -> Tarball<W> {
        Tarball { out }
    }

    /// Adds an entry with `content`, of which as many bytes are taken as the entry says; fewer are an error.
    pub(super) fn add(&mut self, member: &Member<'_>, content: &mut dyn Read) -> io::Result<()> {
        self.extensions(member)?;
        let mut header = Header::new_ustar();
        let is_directory = member.kind == EntryType::Directory;
        let slash: &[u8] = if is_directory { b"/" } else { b"" };
        let name = [member.path, slash].concat();
        let fields = header.as_old_mut();
        put(&mut fields.name, &name);
        put(&mut fields.linkname, member.link);
        header.set_entry_type(member.kind);
        header.set_mode(member.mode);
        header.set_uid(member.uid.into());
        header.set_gid(member.gid.into());
        header.set_size(member.size);
        header.set_mtime(u64::try_from(member.changed.0).unwrap_or(0));
        header.set_device_major(member.device.0)?;
        header.set_device_minor(member.device.1)?;
        header.set_cksum();
        self.out.write_all(header.as_bytes())?;
        self.content(content, member.size)
    }

    /// Adds a file of ours that is in memory.
    pub(super) fn add_bytes(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let mut content = bytes;
        let member = Member::file(path.as_bytes(), bytes.len() as u64);
        self.add(&member, &mut content)
    }

    /// Ends the archive, and gives back where it was written to.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&[0; 2 * BLOCK as usize])?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn content(&mut self, content: &mut dyn Read, size: u64) -> io::Result<()> {
        let copied = io::copy(&mut content.take(size), &mut self.out)?;
        if copied < size {
            let message = format!("it got shorter while it was read: {copied} of {size} bytes");
            return Err(io::Error::other(message));
        }
        let padding = size.wrapping_neg() % BLOCK;
        self.out.write_all(&[0; BLOCK as usize][..padding as usize])
    }

    /// Writes what does not fit the header of `member`.
    fn extensions(&mut self, member: &Member<'_>) -> io::Result<()> {
        let mut records = Vec::new();
        let name_room = match member.kind {
            EntryType::Directory => NAME_MAX - 1,
            _ => NAME_MAX,
        };
        let long = [
            ("path", member.path, name_room, b'L'),
            ("linkpath", member.link, NAME_MAX, b'K'),
        ];
        for (key, text, room, gnu) in long {
            match std::str::from_utf8(text) {
                _ if text.len() <= room => {}
                Ok(_) => record(&mut records, key.as_bytes(), text),
                Err(_) => self.extension(gnu, &[text, b"\0"].concat())?,
            }
        }
        if let Some(time) = precise(member.changed) {
            record(&mut records, b"mtime", time.as_bytes());
        }
        for (name, value) in member.attributes {
            record(&mut records, &[b"SCHILY.xattr.", &name[..]].concat(), value);
        }
        match records.is_empty() {
            true => Ok(()),
            false => self.extension(b'x', &records),
        }
    }

    fn extension(&mut self, kind: u8, bytes: &[u8]) -> io::Result<()> {
        let mut header = Header::new_ustar();
        let name: &[u8] = match kind {
            b'x' => b"PaxHeaders/entry",
            _ => b"././@LongLink",
        };
        put(&mut header.as_old_mut().name, name);
        header.set_entry_type(EntryType::new(kind));
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        self.out.write_all(header.as_bytes())?;
        self.content(&mut &bytes[..], bytes.len() as u64)
    }
}

/// The beginning of `text` in a field of a header; what does not fit stands before the header as a whole.
fn put(field: &mut [u8; NAME_MAX], text: &[u8]) {
    let length = text.len().min(NAME_MAX);
    field[..length].copy_from_slice(&text[..length]);
}

/// Appends a PAX record, `LENGTH KEY=VALUE` and a line feed; the length counts its own digits. pax(1), "pax Header Block".
fn record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    // A blank, `=` and the line feed.
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend_from_slice(format!("{length} ").as_bytes());
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

/// A time that a header cannot hold, as PAX writes it: with a fraction, or before 1970.
fn precise((seconds, nanoseconds): (i64, u32)) -> Option<String> {
    let text = match (seconds, nanoseconds) {
        (0.., 0) => return None,
        (..0, 0) => return Some(seconds.to_string()),
        (0.., _) => format!("{seconds}.{nanoseconds:09}"),
        // -1.5 is two seconds before 1970 and half a second on.
        (..0, _) => format!(
            "-{}.{:09}",
            (seconds + 1).unsigned_abs(),
            1_000_000_000 - nanoseconds
        ),
    };
    Some(text.trim_end_matches('0').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_pax_reads_them() {
        for (time, text) in [
            ((7, 0), None),
            ((7, 500_000_000), Some("7.5")),
            ((-2, 500_000_000), Some("-1.5")),
            ((-1, 250_000_000), Some("-0.75")),
            ((-10, 0), Some("-10")),
        ] {
            assert_eq!(precise(time).as_deref(), text);
        }
    }

    #[test]
    fn a_record_counts_its_own_digits() {
        let mut records = Vec::new();
        record(&mut records, b"path", &[b'a'; 91]);
        assert!(records.starts_with(b"101 path=a"), "{records:?}");
        assert_eq!(records.len(), 101);
    }
}
