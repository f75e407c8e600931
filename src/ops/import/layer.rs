//! A tar archive that becomes the only layer of an image: kept as it came, if a layer may be so.

use std::io::{self, Cursor, Read, Write};

use crate::base::digest::Digest;
use crate::base::fault::{BoxFault, Fault, Kind};
use crate::layer::{LayerError, ReadLayer, codec};
use crate::oci::descriptor::Descriptor;
use crate::oci::media;
use crate::ops::pull::Input;
use crate::ops::pull::keep::Growing;
use crate::ops::pull::origin::blob_error;
use crate::store::{Lease, Spool};

/// Bytes moved at once.
const CHUNK: usize = 256 * 1024;
/// The longest signature that is looked at.
const MAGIC: u64 = 6;
/// How xz begins.
const XZ: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];

/// What cannot be a layer, as its first bytes say.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error("it is empty, expected a tar archive")]
    Empty,
    #[error("it is compressed with xz twice, expected a tar archive")]
    Twice,
}

impl Fault for Unfit {
    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

/// A layer that is in the store, and its files in a tree that has no name yet.
pub(super) struct Layer {
    pub(super) descriptor: Descriptor,
    pub(super) growing: Growing,
    pub(super) read: ReadLayer,
    pub(super) diff_id: Digest,
}

impl Layer {
    /// Puts `input` into the store. Of the compressions that we read, OCI has no name for xz: that is undone.
    pub(super) fn of(input: Input, lease: &Lease) -> Result<Layer, BoxFault> {
        let Input { file, name } = input;
        let object = format!("`{name}`");
        let begin = |bytes| begin(bytes).map_err(|error| blob_error(error, &object));
        let (mut magic, mut bytes) = begin(Box::new(file))?;
        if magic == XZ {
            (magic, bytes) = begin(codec::decompress_bounded(bytes)?)?;
        }
        let suffix = match magic[..] {
            [] => return Err(Unfit::Empty.into()),
            [0x1f, 0x8b, ..] => "+gzip",
            [0x28, 0xb5, 0x2f, 0xfd, ..] => "+zstd",
            _ if magic == XZ => return Err(Unfit::Twice.into()),
            _ => "",
        };
        let mut spool = lease.spool()?;
        fill(&mut spool, &mut bytes).map_err(|error| blob_error(error, &object))?;
        // A decoder of xz keeps others that need much memory waiting, and one may be needed to read what it gave.
        drop(bytes);
        Layer::keep(spool, suffix, lease)
    }

    /// Reads what was written as a layer, and keeps it if it is one.
    pub(super) fn keep(spool: Spool, suffix: &str, lease: &Lease) -> Result<Layer, BoxFault> {
        let growing = Growing::begin(lease.begin_nameless_tree()?)?;
        let (read, diff_id) = growing.read(spool.reader()?, spool.written(), not_a_layer)?;
        let (digest, size) = lease.keep(spool)?;
        let descriptor = Descriptor {
            digest,
            size,
            ..Descriptor::of(&format!("{}{suffix}", media::OCI_LAYER), &[])
        };
        Ok(Layer {
            descriptor,
            growing,
            read,
            diff_id,
        })
    }
}

/// The first bytes, and all of them.
fn begin(mut bytes: codec::Bytes) -> io::Result<(Vec<u8>, codec::Bytes)> {
    let mut magic = Vec::new();
    bytes.by_ref().take(MAGIC).read_to_end(&mut magic)?;
    let whole = Cursor::new(magic.clone()).chain(bytes);
    Ok((magic, Box::new(whole)))
}

fn not_a_layer(error: LayerError) -> BoxFault {
    crate::base::fault::While::new("it is not a sound tar archive", error).into()
}

/// Copies in pieces large enough for an unbuffered writer.
pub(super) fn fill(spool: &mut Spool, bytes: &mut dyn Read) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        match bytes.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => spool.write_all(&chunk[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
