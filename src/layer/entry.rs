//! One entry of a layer, as clean as the rest of coracle may rely on.

use crate::layer::error::{Lie, printable};
use crate::layer::header::Header;
use crate::layer::pax::Pax;

/// The longest path and the longest link target, in bytes; `PATH_MAX` of Linux.
pub const MAX_PATH: usize = 4096;
/// The longest name of one component, in bytes; `NAME_MAX` of Linux.
pub const MAX_COMPONENT: usize = 255;
/// What each attribute is charged besides its bytes: about what it takes in memory.
pub(super) const XATTR_CHARGE: usize = 64;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file with content.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// Another name for a file that an earlier entry made.
    HardLink,
    /// A named pipe.
    Fifo,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
}

impl EntryKind {
    /// The kind in words, for messages.
    pub fn name(self) -> &'static str {
        match self {
            EntryKind::File => "file",
            EntryKind::Directory => "directory",
            EntryKind::Symlink => "symbolic link",
            EntryKind::HardLink => "hard link",
            EntryKind::Fifo => "named pipe",
            EntryKind::CharDevice => "character device",
            EntryKind::BlockDevice => "block device",
        }
    }
}

/// A point in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// Seconds since 1970; negative before.
    pub seconds: i64,
    /// Nanoseconds after that second, below 1,000,000,000.
    pub nanoseconds: u32,
}

/// An extended attribute. xattr(7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Xattr {
    /// With its name space, such as `user.comment`; without NUL.
    pub name: Vec<u8>,
    /// Any bytes.
    pub value: Vec<u8>,
}

/// One entry of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Names joined by `/`, without `.`, `..`, a leading or a trailing slash; empty for the root.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// When the content last changed.
    pub mtime: Time,
    /// Bytes of content; zero except for files.
    pub size: u64,
    /// Of a symbolic link: the target as it stands. Of a hard link: a path as clean as `path`.
    pub link: Vec<u8>,
    /// Extended attributes, in the archive's order.
    pub xattrs: Vec<Xattr>,
    /// Major and minor number of a device, else zeros.
    pub device: (u32, u32),
    /// Where the content starts in the uncompressed layer, in bytes.
    pub offset: u64,
}

/// What came before an entry and belongs to it.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    pub(super) pax: Option<Pax>,
    pub(super) long_name: Option<Vec<u8>>,
    pub(super) long_link: Option<Vec<u8>>,
}

impl Entry {
    /// Joins a header block with its extensions. `offset` is where the block ends.
    pub(super) fn assemble(
        header: &Header<'_>,
        extensions: Extensions,
        offset: u64,
    ) -> Result<Entry, Lie> {
        let pax = extensions.pax.unwrap_or_default();
        let name = one_of("path", pax.path, extensions.long_name)?.unwrap_or_else(|| header.name());
        let link = one_of("link", pax.link, extensions.long_link)?.unwrap_or_else(|| header.link());
        let kind = kind(header.flag(), &name)?;
        if name.is_empty() {
            return Err(Lie::Empty("path"));
        }
        let stated = match pax.size {
            Some(size) => size,
            None => header.size()?,
        };
        let is_device = matches!(kind, EntryKind::CharDevice | EntryKind::BlockDevice);
        Ok(Entry {
            path: clean(&name)?,
            kind,
            mode: header.mode()?,
            uid: pax.uid.map_or_else(|| header.uid(), Ok)?,
            gid: pax.gid.map_or_else(|| header.gid(), Ok)?,
            mtime: pax.mtime.map_or_else(|| header.mtime(), Ok)?,
            // Some writers put a size on links and directories, without content; Go and GNU tar agree.
            size: if kind == EntryKind::File { stated } else { 0 },
            link: clean_link(kind, link)?,
            xattrs: pax.xattrs,
            device: if is_device { header.device()? } else { (0, 0) },
            offset,
        })
    }

    /// Bytes of its path, link target and attributes. Of attributes there are up to four copies: here, with
    /// what the disk refused, in the sidecar, and in the sidecar's file.
    pub(super) fn metadata_bytes(&self) -> u64 {
        let xattrs = self.xattrs.iter();
        let xattrs = xattrs.map(|xattr| xattr.name.len() + xattr.value.len() + XATTR_CHARGE);
        (self.path.len() + self.link.len() + 4 * xattrs.sum::<usize>()) as u64
    }
}

/// What a type flag means. V7 marked directories by a slash at the end.
fn kind(flag: u8, name: &[u8]) -> Result<EntryKind, Lie> {
    Ok(match flag {
        b'0' | 0 if name.ends_with(b"/") => EntryKind::Directory,
        b'0' | b'7' | 0 => EntryKind::File,
        b'1' => EntryKind::HardLink,
        b'2' => EntryKind::Symlink,
        b'3' => EntryKind::CharDevice,
        b'4' => EntryKind::BlockDevice,
        b'5' => EntryKind::Directory,
        b'6' => EntryKind::Fifo,
        b'S' => return Err(Lie::Sparse),
        other => return Err(Lie::Type(printable(&[other]))),
    })
}

/// The one value that PAX's and GNU's header agree on, if any of them speaks.
fn one_of(
    field: &'static str,
    pax: Option<Vec<u8>>,
    gnu: Option<Vec<u8>>,
) -> Result<Option<Vec<u8>>, Lie> {
    match (pax, gnu) {
        (Some(pax), Some(gnu)) if pax != gnu => Err(Lie::Disagree {
            field,
            got: printable(&gnu),
            expected: printable(&pax),
        }),
        (pax, gnu) => Ok(pax.or(gnu)),
    }
}

/// Brings a path to the form of [`Entry::path`]: absolute and relative mean the
/// same, `.` means nothing, `..` is refused because readers disagree on it.
pub(super) fn clean(raw: &[u8]) -> Result<Vec<u8>, Lie> {
    check_text("path", raw)?;
    let mut path = Vec::with_capacity(raw.len());
    for component in raw.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => continue,
            b".." => return Err(Lie::ParentDirectory(printable(raw))),
            _ if component.len() > MAX_COMPONENT => {
                return Err(Lie::TooLong {
                    field: "path component",
                    got: component.len() as u64,
                    most: MAX_COMPONENT as u64,
                });
            }
            _ => {}
        }
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(component);
    }
    Ok(path)
}

/// Checks a link target and brings it to the form of [`Entry::link`].
pub(super) fn clean_link(kind: EntryKind, raw: Vec<u8>) -> Result<Vec<u8>, Lie> {
    match kind {
        EntryKind::Symlink | EntryKind::HardLink if raw.is_empty() => {
            Err(Lie::Empty("link target"))
        }
        EntryKind::Symlink => check_text("link target", &raw).map(|()| raw),
        EntryKind::HardLink => clean(&raw),
        _ => Ok(Vec::new()),
    }
}

/// Refuses what no path can be: `PATH_MAX` counts the NUL at the end.
fn check_text(field: &'static str, raw: &[u8]) -> Result<(), Lie> {
    if raw.contains(&0) {
        return Err(Lie::Nul(field));
    }
    if raw.len() >= MAX_PATH {
        return Err(Lie::TooLong {
            field,
            got: raw.len() as u64,
            most: MAX_PATH as u64 - 1,
        });
    }
    Ok(())
}
