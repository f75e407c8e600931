//! What `export --clone` wrote, here or in udocker, taken apart: the tree becomes a layer, the rest is read.

use std::io::{self, BufWriter, Read};

use serde_json::{Map, Value};
use tar::EntryType;

use crate::base::fault::{BoxFault, Fault, Kind};
use crate::layer::reader::Archive;
use crate::layer::{Entry, EntryKind, codec};
use crate::oci::MAX_DOCUMENT;
use crate::ops::export::{CONFIG, IMAGE_NAME, Kept, RECORD, ROOT};
use crate::ops::import::layer::Layer;
use crate::ops::pull::Input;
use crate::ops::pull::origin::blob_error;
use crate::ops::tarball::{Member, Tarball};
use crate::store::Lease;

/// Bytes written at once.
const BUFFER: usize = 256 * 1024;
/// The longest name of an image, in bytes.
const MAX_NAME: u64 = 4096;

/// A file in the archive that is not what its name promises.
#[derive(Debug, thiserror::Error)]
#[error("the `{file}` in it cannot be read")]
pub(super) struct Malformed {
    pub(super) file: &'static str,
    pub(super) source: serde_json::Error,
}

impl Fault for Malformed {
    fn kind(&self) -> Kind {
        Kind::Integrity
    }
}

/// What was in the archive.
pub(super) struct Packed {
    /// The tree.
    pub(super) layer: Layer,
    /// The image's config.
    pub(super) config: Option<Map<String, Value>>,
    /// What only coracle keeps.
    pub(super) kept: Option<Kept>,
    /// The name of the image, of an archive of udocker's.
    pub(super) image: Option<String>,
}

/// Takes `input` apart. Other files beside the tree belong to udocker's engines.
pub(super) fn repack(input: Input, lease: &Lease) -> Result<Packed, BoxFault> {
    let object = format!("`{}`", input.name);
    let unreadable = |error: io::Error| blob_error(error, &object);
    let mut archive = Archive::new(codec::decompress_bounded(input.file)?);
    let mut tarball = Tarball::new(BufWriter::with_capacity(BUFFER, lease.spool()?));
    let (mut config, mut kept, mut image) = (None, None, None);
    while let Some(entry) = archive.next_entry()? {
        let mut text = |limit| {
            let mut bytes = Vec::new();
            let read = archive.by_ref().take(limit).read_to_end(&mut bytes);
            read.map(|_| bytes).map_err(unreadable)
        };
        if entry.path == CONFIG.as_bytes() {
            config = Some(parse(CONFIG, &text(MAX_DOCUMENT)?)?);
        } else if entry.path == RECORD.as_bytes() {
            kept = Some(parse(RECORD, &text(MAX_DOCUMENT)?)?);
        } else if entry.path == IMAGE_NAME.as_bytes() {
            let name = String::from_utf8_lossy(&text(MAX_NAME)?).trim().to_owned();
            image = Some(name.escape_debug().to_string());
        } else if let Some(path) = below_root(&entry.path) {
            let link = match entry.kind {
                EntryKind::HardLink => below_root(&entry.link).unwrap_or(&entry.link),
                _ => &entry.link,
            };
            add(&mut tarball, &entry, path, link, &mut archive).map_err(unreadable)?;
        }
    }
    archive.drain()?;
    let buffered = tarball.finish().map_err(unreadable)?;
    let spool = buffered
        .into_inner()
        .map_err(|error| unreadable(error.into_error()))?;
    Ok(Packed {
        layer: Layer::keep(spool, "", lease)?,
        config,
        kept,
        image,
    })
}

/// The path below the tree's directory, if it is there; the directory itself is the image's root.
fn below_root(path: &[u8]) -> Option<&[u8]> {
    path.strip_prefix(ROOT.as_bytes())?.strip_prefix(b"/")
}

fn parse<T: serde::de::DeserializeOwned>(file: &'static str, bytes: &[u8]) -> Result<T, Malformed> {
    serde_json::from_slice(bytes).map_err(|source| Malformed { file, source })
}

/// Adds an entry of one archive to another under the name `path`.
fn add(
    tarball: &mut Tarball<impl io::Write>,
    entry: &Entry,
    path: &[u8],
    link: &[u8],
    content: &mut dyn Read,
) -> io::Result<()> {
    let attributes = entry.xattrs.iter();
    let attributes: Vec<_> = attributes
        .map(|it| (it.name.clone(), it.value.clone()))
        .collect();
    let member = Member {
        path,
        kind: match entry.kind {
            EntryKind::File => EntryType::Regular,
            EntryKind::Directory => EntryType::Directory,
            EntryKind::Symlink => EntryType::Symlink,
            EntryKind::HardLink => EntryType::Link,
            EntryKind::Fifo => EntryType::Fifo,
            EntryKind::CharDevice => EntryType::Char,
            EntryKind::BlockDevice => EntryType::Block,
        },
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        changed: (entry.mtime.seconds, entry.mtime.nanoseconds),
        size: entry.size,
        link,
        device: entry.device,
        attributes: &attributes,
    };
    tarball.add(&member, content)
}
