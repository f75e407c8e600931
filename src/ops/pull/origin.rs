//! Where the bytes of an image come from: a registry, or a shelf of blobs on this host.
//!
//! Nothing that an origin hands out is trusted: manifests are checked here, blobs by
//! whoever reads them.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::base::digest::{Digest, Mismatch, VerifyingReader};
use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::fsx::{self, Context};
use crate::base::path::HostPath;
use crate::base::progress::Progress;
use crate::oci::descriptor::Descriptor;
use crate::oci::manifest::Document;
use crate::oci::source::Source;
use crate::oci::{DocumentError, MAX_DOCUMENT};
use crate::ops::pull::remote::Remote;
use crate::ops::pull::{archive, docker, embedded};
use crate::ops::reach::Reach;
use crate::registry::{RegistryError, Served, referrers_tag};
use crate::store::Store;

/// A blob's bytes from some offset on, unverified.
pub(in crate::ops) type BlobReader<'a> = Box<dyn Read + Send + 'a>;

/// Where the bytes of an image come from.
pub(in crate::ops) trait Origin: Sync {
    /// The digest that the name stands for, if it can be told cheaply; a hint.
    fn target_digest(&self) -> Result<Option<Digest>, BoxFault>;

    /// The index or manifest that the name stands for, verified where a digest is known.
    fn target(&self) -> Result<Served, BoxFault>;

    /// An entry of an index, verified.
    fn document(&self, entry: &Descriptor) -> Result<Served, BoxFault>;

    /// A blob from `offset` on, not verified.
    fn blob(&self, descriptor: &Descriptor, offset: u64) -> Result<BlobReader<'_>, BoxFault>;

    /// The manifest or index at `tag` beside the image, where signatures may stand.
    fn tagged(&self, _tag: &str) -> Result<Option<Served>, BoxFault> {
        Ok(None)
    }

    /// Manifests of the kind `artifact_type` that are said to refer to `digest`, at most `limit`.
    fn referrers(
        &self,
        _digest: &Digest,
        _artifact_type: &str,
        _limit: usize,
    ) -> Result<Vec<Descriptor>, BoxFault> {
        Ok(Vec::new())
    }

    /// Whether it is on this host, so that to look for more costs nobody anything.
    fn is_here(&self) -> bool {
        false
    }

    /// Hears that what it gave was not what its digest says: whether the same may be had from somewhere else when it
    /// is asked for again.
    fn doubt(&self) -> bool {
        false
    }
}

/// Opens the origin of `source`. Asks no registry anything yet.
pub(in crate::ops) fn open<'a>(
    source: &Source,
    store: &Store,
    reach: &Reach,
    progress: &'a dyn Progress,
) -> Result<Box<dyn Origin + 'a>, BoxFault> {
    Ok(match source {
        Source::Registry(reference) => Box::new(Remote::new(reference, reach, progress)?),
        Source::OciDir { dir, tag } => Box::new(archive::layout(dir, tag.as_deref())?),
        Source::OciArchive { file, tag } => Box::new(archive::open(file, tag.as_deref(), store)?),
        Source::DockerArchive { file, name } => {
            Box::new(docker::open(file, name.as_deref(), store)?)
        }
        Source::Embedded(name) => Box::new(embedded::open(name)?),
    })
}

/// Blobs on this host, and which of them the name stands for.
pub(in crate::ops) struct Local {
    pub(in crate::ops) target: Descriptor,
    pub(in crate::ops) shelf: Shelf,
    /// What else is listed there, signatures among it.
    pub(in crate::ops) listed: Arc<[Descriptor]>,
}

/// Where blobs lie.
pub(in crate::ops) enum Shelf {
    /// In an OCI layout's directory.
    Dir(HostPath),
    /// In parts of one file, or in memory.
    Parts(HashMap<Digest, Part>),
}

/// A piece of a file, or of memory.
#[derive(Clone)]
pub(in crate::ops) enum Part {
    File {
        file: Arc<File>,
        offset: u64,
        size: u64,
    },
    Memory(Arc<[u8]>),
}

/// A blob that an archive or a layout speaks of and does not have.
#[derive(Debug, thiserror::Error)]
#[error("it has no blob {0}")]
struct NoBlob(Digest);

impl Fault for NoBlob {
    fn kind(&self) -> Kind {
        Kind::Integrity
    }
}

impl Shelf {
    fn open(&self, digest: &Digest, offset: u64) -> Result<BlobReader<'_>, BoxFault> {
        match self {
            Shelf::Dir(dir) => {
                let path = blob_path(dir, digest);
                let mut file = fsx::open(&path)?;
                file.seek(SeekFrom::Start(offset)).context("read", &path)?;
                Ok(Box::new(file))
            }
            Shelf::Parts(parts) => {
                let part = parts.get(digest).ok_or_else(|| NoBlob(digest.clone()))?;
                Ok(part.reader(offset))
            }
        }
    }

    /// A whole document, verified.
    pub(in crate::ops) fn document(&self, descriptor: &Descriptor) -> Result<Served, BoxFault> {
        let (what, got) = ("manifest", descriptor.size);
        if got > MAX_DOCUMENT {
            return Err(DocumentError::TooLarge { what, got }.into());
        }
        let inner = self.open(&descriptor.digest, 0)?;
        let object = format!("manifest {}", descriptor.digest);
        let bytes = read_whole(inner, &object, &descriptor.digest, descriptor.size)?;
        Ok(Served {
            document: Document::parse(&bytes, Some(&descriptor.media_type))?,
            digest: descriptor.digest.clone(),
            bytes,
        })
    }
}

/// Where a blob lies in an OCI layout; image-layout.md.
pub(in crate::ops) fn blob_path(dir: &HostPath, digest: &Digest) -> HostPath {
    dir.join("blobs")
        .join(digest.algorithm().name())
        .join(digest.hex())
}

impl Part {
    /// Its bytes from `offset` on.
    pub(in crate::ops) fn reader(&self, offset: u64) -> BlobReader<'static> {
        match self {
            Part::File {
                file,
                offset: start,
                size,
            } => Box::new(Slice {
                file: file.clone(),
                position: start.saturating_add(offset),
                left: size.saturating_sub(offset),
            }),
            Part::Memory(bytes) => {
                let mut cursor = Cursor::new(bytes.clone());
                cursor.set_position(offset);
                Box::new(cursor)
            }
        }
    }
}

/// A part of a file that other threads read as well.
struct Slice {
    file: Arc<File>,
    position: u64,
    left: u64,
}

impl Read for Slice {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let count = self.file.read_at(&mut buffer[..most], self.position)?;
        self.position += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

impl Origin for Local {
    fn target_digest(&self) -> Result<Option<Digest>, BoxFault> {
        Ok(Some(self.target.digest.clone()))
    }

    fn target(&self) -> Result<Served, BoxFault> {
        self.shelf.document(&self.target)
    }

    fn document(&self, entry: &Descriptor) -> Result<Served, BoxFault> {
        self.shelf.document(entry)
    }

    fn blob(&self, descriptor: &Descriptor, offset: u64) -> Result<BlobReader<'_>, BoxFault> {
        self.shelf.open(&descriptor.digest, offset)
    }

    fn is_here(&self) -> bool {
        true
    }

    fn tagged(&self, tag: &str) -> Result<Option<Served>, BoxFault> {
        let found = archive::listed_at(&self.listed, tag);
        found.map(|entry| self.shelf.document(entry)).transpose()
    }

    fn referrers(
        &self,
        digest: &Digest,
        artifact_type: &str,
        limit: usize,
    ) -> Result<Vec<Descriptor>, BoxFault> {
        let list = self.tagged(&referrers_tag(digest))?;
        let mut found = match list.map(|list| list.document) {
            Some(Document::Index(index)) => index.manifests,
            _ => Vec::new(),
        };
        found.extend(self.listed.iter().cloned());
        // Those of other images are listed beside those of this one. What cannot be read is for whoever wants it to find.
        let is_of_other = |entry: &Descriptor| {
            let served = self.shelf.document(entry);
            served.is_ok_and(|served| !served.document.refers_to(digest))
        };
        found.retain(|entry| {
            entry.artifact_type.as_deref() == Some(artifact_type) && !is_of_other(entry)
        });
        found.truncate(limit);
        Ok(found)
    }
}

/// A blob that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {object}")]
struct Unreadable {
    object: String,
    source: io::Error,
}

impl Fault for Unreadable {
    fn kind(&self) -> Kind {
        Kind::Storage
    }
}

/// All bytes of a blob that is small enough for memory, verified; `object` names it in errors.
pub(in crate::ops) fn read_whole(
    bytes: impl Read,
    object: &str,
    digest: &Digest,
    size: u64,
) -> Result<Vec<u8>, BoxFault> {
    let mut whole = Vec::new();
    let mut reader = VerifyingReader::new(bytes, object, digest.clone(), size);
    let read = reader.read_to_end(&mut whole);
    read.map_err(|error| blob_error(error, object))?;
    Ok(whole)
}

/// The fault that travelled inside the `error` of reading or writing `object`.
pub(in crate::ops) fn blob_error(error: io::Error, object: &str) -> BoxFault {
    if let Some(mismatch) = Mismatch::from_io(&error) {
        return mismatch.clone().into();
    }
    let object = object.to_owned();
    match error.downcast::<RegistryError>() {
        Ok(error) => error.into(),
        Err(error) => match error.downcast::<fsx::PathError>() {
            Ok(error) => error.into(),
            Err(source) => Unreadable { object, source }.into(),
        },
    }
}
