//! The headers of one layer without its content: enough to decide what of it survives.
//!
//! Made in one pass while the layer streams by at pull time, and small enough to keep.

use std::io::Read;

use crate::layer::entry::{Entry, EntryKind, Time, Xattr, clean, clean_link};
use crate::layer::error::LayerError;
use crate::layer::reader::Archive;
use crate::layer::wire;

/// Format and version of an encoded index.
const MAGIC: &[u8] = b"coracle layer index 1\n";
/// What errors call it.
const WHAT: &str = "layer index";

/// In the order of their codes in an encoded index.
const KINDS: [EntryKind; 7] = [
    EntryKind::File,
    EntryKind::Directory,
    EntryKind::Symlink,
    EntryKind::HardLink,
    EntryKind::Fifo,
    EntryKind::CharDevice,
    EntryKind::BlockDevice,
];

/// All entries of one layer, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerIndex {
    /// The entries.
    pub entries: Vec<Entry>,
    /// Bytes of the uncompressed layer, with what follows the archive's end.
    pub size: u64,
}

/// Reads an uncompressed layer to the end of its stream and keeps its headers.
///
/// A caller who wants the diffID wraps `reader` in a hash: every byte passes by,
/// also those after the end of the archive, which the diffID covers.
pub fn scan(reader: impl Read) -> Result<LayerIndex, LayerError> {
    let mut entries = Vec::new();
    let size = read_each(reader, |entry, _| {
        entries.push(entry);
        Ok(())
    })?;
    Ok(LayerIndex { entries, size })
}

/// Reads an uncompressed layer to the end of its stream, and keeps nothing: whether it is sound.
pub fn examine(reader: impl Read) -> Result<(), LayerError> {
    read_each(reader, |_, _| Ok(())).map(drop)
}

/// As [`scan`]; hands each entry to `each`, which may read its content. Returns the bytes of it all.
pub(super) fn read_each<R: Read>(
    reader: R,
    mut each: impl FnMut(Entry, &mut Archive<R>) -> Result<(), LayerError>,
) -> Result<u64, LayerError> {
    let mut archive = Archive::new(reader);
    while let Some(entry) = archive.next_entry()? {
        each(entry, &mut archive)?;
    }
    archive.drain()
}

impl LayerIndex {
    /// Bytes of content of all files, also of those that later layers replace.
    pub fn content_bytes(&self) -> u64 {
        let sizes = self.entries.iter().map(|entry| entry.size);
        sizes.fold(0, u64::saturating_add)
    }

    /// The index as a file.
    pub fn encode(&self) -> Vec<u8> {
        let mut file = wire::Writer::new(MAGIC);
        file.number(self.size);
        file.number(self.entries.len() as u64);
        for entry in &self.entries {
            encode_entry(&mut file, entry);
        }
        file.finish()
    }

    /// Reads what [`LayerIndex::encode`] made, and trusts it no more than a layer.
    pub fn decode(file: &[u8]) -> Result<LayerIndex, LayerError> {
        let mut reader = wire::Reader::new(WHAT, file, MAGIC)?;
        let size = reader.number(u64::MAX)?;
        let count = reader.count()?;
        let entries = (0..count)
            .map(|_| decode_entry(&mut reader))
            .collect::<Result<_, _>>()?;
        reader.end()?;
        Ok(LayerIndex { entries, size })
    }
}

pub(super) fn encode_entry(file: &mut wire::Writer, entry: &Entry) {
    let code = KINDS.iter().position(|kind| *kind == entry.kind);
    file.number(code.expect("KINDS lists every kind") as u64);
    file.bytes(&entry.path);
    file.number(entry.mode.into());
    file.number(entry.uid.into());
    file.number(entry.gid.into());
    file.signed(entry.mtime.seconds);
    file.number(entry.mtime.nanoseconds.into());
    file.number(entry.size);
    file.number(entry.offset);
    file.bytes(&entry.link);
    file.number(entry.device.0.into());
    file.number(entry.device.1.into());
    encode_xattrs(file, &entry.xattrs);
}

pub(super) fn decode_entry(reader: &mut wire::Reader<'_>) -> Result<Entry, LayerError> {
    let kind = KINDS[reader.number(KINDS.len() as u64 - 1)? as usize];
    let entry = Entry {
        kind,
        path: reader.bytes()?.to_vec(),
        mode: reader.number(0o7777)? as u32,
        uid: reader.number32()?,
        gid: reader.number32()?,
        mtime: Time {
            seconds: reader.signed()?,
            nanoseconds: reader.number(999_999_999)? as u32,
        },
        size: reader.number(i64::MAX as u64)?,
        offset: reader.number(i64::MAX as u64)?,
        link: reader.bytes()?.to_vec(),
        device: (reader.number32()?, reader.number32()?),
        xattrs: decode_xattrs(reader)?,
    };
    let is_clean = clean(&entry.path).is_ok_and(|path| path == entry.path)
        && clean_link(kind, entry.link.clone()).is_ok_and(|link| link == entry.link)
        && (!entry.path.is_empty() || kind == EntryKind::Directory);
    match is_clean {
        true => Ok(entry),
        false => Err(reader.damaged("a path in it is not clean")),
    }
}

/// Appends a list of extended attributes.
pub(super) fn encode_xattrs(file: &mut wire::Writer, xattrs: &[Xattr]) {
    file.number(xattrs.len() as u64);
    for xattr in xattrs {
        file.bytes(&xattr.name);
        file.bytes(&xattr.value);
    }
}

/// Reads a list of extended attributes.
pub(super) fn decode_xattrs(reader: &mut wire::Reader<'_>) -> Result<Vec<Xattr>, LayerError> {
    let count = reader.count()?;
    let xattr = |_| {
        let name = reader.bytes()?.to_vec();
        let value = reader.bytes()?.to_vec();
        Ok(Xattr { name, value })
    };
    (0..count).map(xattr).collect()
}
