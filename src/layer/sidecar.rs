//! What a tree on disk cannot say of itself: true owners, modes, devices, attributes.
//!
//! A plain user's tree belongs to that user, its directories are open to them, and
//! it has no devices. The sidecar lists every path of which the disk does not tell
//! the truth; a path that is absent belongs to 0:0 and is otherwise as it lies there.
//!
//! The file is in the format of [`wire`]: after the first line the number of
//! records, then each record: how many bytes of path it shares with the one before,
//! the rest of the path, type and mode as in `st_mode`, user, group, major, minor,
//! number of extended attributes, and name and value of each.

use crate::layer::entry::{EntryKind, Xattr, clean};
use crate::layer::error::LayerError;
use crate::layer::index::{decode_xattrs, encode_xattrs};
use crate::layer::wire;

/// Format and version.
const MAGIC: &[u8] = b"coracle sidecar 1\n";
/// What errors call it.
const WHAT: &str = "sidecar";

/// Every kind that a record can have, with its bits of `st_mode`. inode(7).
const TYPE_BITS: [(EntryKind, u32); 6] = [
    (EntryKind::File, libc::S_IFREG),
    (EntryKind::Directory, libc::S_IFDIR),
    (EntryKind::Symlink, libc::S_IFLNK),
    (EntryKind::Fifo, libc::S_IFIFO),
    (EntryKind::CharDevice, libc::S_IFCHR),
    (EntryKind::BlockDevice, libc::S_IFBLK),
];

/// The truth about one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// Relative to the root of the tree, in the form of [`crate::layer::Entry::path`].
    pub path: Vec<u8>,
    /// What it is; never [`EntryKind::HardLink`].
    pub kind: EntryKind,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Major and minor number of a device, which is not on the disk at all.
    pub device: (u32, u32),
    /// The extended attributes that are not on the disk.
    pub xattrs: Vec<Xattr>,
}

impl Truth {
    /// Whether it is about a device.
    pub fn is_device(&self) -> bool {
        matches!(self.kind, EntryKind::CharDevice | EntryKind::BlockDevice)
    }
}

/// A sidecar: the truth about every path of which the disk does not tell it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sidecar {
    /// In the order of the tree, directories before what they hold.
    pub truths: Vec<Truth>,
}

impl Sidecar {
    /// The sidecar as a file.
    pub fn encode(&self) -> Vec<u8> {
        let mut file = wire::Writer::new(MAGIC);
        file.number(self.truths.len() as u64);
        let mut before: &[u8] = b"";
        for truth in &self.truths {
            let pairs = before.iter().zip(&truth.path);
            let shared = pairs.take_while(|(one, other)| one == other).count();
            file.number(shared as u64);
            file.bytes(&truth.path[shared..]);
            let bits = TYPE_BITS.iter().find(|(kind, _)| *kind == truth.kind);
            file.number(u64::from(truth.mode | bits.map_or(0, |(_, bits)| *bits)));
            for number in [truth.uid, truth.gid, truth.device.0, truth.device.1] {
                file.number(number.into());
            }
            encode_xattrs(&mut file, &truth.xattrs);
            before = &truth.path;
        }
        file.finish()
    }

    /// Reads what [`Sidecar::encode`] made, and believes nothing else.
    pub fn decode(file: &[u8]) -> Result<Sidecar, LayerError> {
        let mut reader = wire::Reader::new(WHAT, file, MAGIC)?;
        let count = reader.count()?;
        let mut truths: Vec<Truth> = Vec::new();
        for _ in 0..count {
            let before = truths.last().map_or(&b""[..], |truth| &truth.path);
            let truth = decode_truth(&mut reader, before)?;
            truths.push(truth);
        }
        reader.end()?;
        Ok(Sidecar { truths })
    }
}

fn decode_truth(reader: &mut wire::Reader<'_>, before: &[u8]) -> Result<Truth, LayerError> {
    let shared = reader.number(before.len() as u64)? as usize;
    let path = [&before[..shared], reader.bytes()?].concat();
    if !clean(&path).is_ok_and(|clean| clean == path) {
        return Err(reader.damaged("a path in it is not clean"));
    }
    let bits = reader.number32()?;
    let kind = TYPE_BITS
        .iter()
        .find(|(_, of_kind)| *of_kind == bits & libc::S_IFMT);
    let Some((kind, _)) = kind else {
        return Err(reader.damaged("a type in it does not exist"));
    };
    Ok(Truth {
        path,
        kind: *kind,
        mode: bits & 0o7777,
        uid: reader.number32()?,
        gid: reader.number32()?,
        device: (reader.number32()?, reader.number32()?),
        xattrs: decode_xattrs(reader)?,
    })
}
