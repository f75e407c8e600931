//! Blobs: manifests, configs and layers as served, named by their content.

use std::cmp::Reverse;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::base::creator::{Creator, Judge};
use crate::base::digest::{Digest, Hasher, Mismatch, VerifyingReader};
use crate::base::durable::Ahead;
use crate::base::fsx::{self, Context, PathError};
use crate::base::path::HostPath;
use crate::store::{Result, Store, StoreError, sweep};

/// Bytes read at once when content is hashed again.
const CHUNK: usize = 256 * 1024;

impl Store {
    /// Where the blob lies, in this store or one of those beside it, should it be here. Of several files the longest one
    /// is whole, as [`Store::has_blob`] says of one of the right size: what a power cut leaves is shorter.
    pub fn blob_path(&self, digest: &Digest) -> HostPath {
        let own = self.layout.blob(digest);
        if self.sites.is_empty() {
            return own;
        }
        let length = |path: &HostPath| {
            let meta = fsx::metadata(path).ok().filter(std::fs::Metadata::is_file);
            Reverse(meta.map(|meta| meta.len()))
        };
        let paths = self.places().map(|place| place.blob(digest));
        paths.min_by_key(length).unwrap_or(own)
    }

    /// Whether a blob of this digest and `size` (bytes) is here. A file of another
    /// size, as a power cut leaves on some file systems, does not count.
    pub fn has_blob(&self, digest: &Digest, size: u64) -> Result<bool> {
        for place in self.places() {
            let path = place.blob(digest);
            let meta = fsx::absent_as_none(fsx::metadata(&path))?;
            let is_it = meta.is_some_and(|meta| meta.is_file() && meta.len() == size);
            // Only opening asks the server of a network file system: another host may have removed what this one
            // still believes to be there. nfs(5), "Close-to-open cache consistency".
            if is_it && fsx::absent_as_none(fsx::open(&path))?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How many bytes of a blob of this digest and `size` are here: all of them, or what an
    /// earlier attempt has left to go on from.
    pub fn bytes_of(&self, digest: &Digest, size: u64) -> Result<u64> {
        if self.has_blob(digest, size)? {
            return Ok(size);
        }
        let entries = fsx::absent_as_none(fsx::read_dir(self.layout.ingest()))?;
        let parts = entries.unwrap_or_default().into_iter().filter(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            Creator::parse(&name).is_some_and(|(what, _)| what == digest.hex())
        });
        let sizes = parts.filter_map(|part| Some(part.metadata().ok()?.len()));
        Ok(sizes.filter(|part| *part <= size).max().unwrap_or(0))
    }

    /// Opens a blob for reading. Its bytes were verified when they were stored.
    pub fn open_blob(&self, digest: &Digest) -> Result<File> {
        Ok(fsx::open(self.blob_path(digest))?)
    }

    /// A whole blob of at most `limit` bytes, such as a config.
    pub fn read_blob(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>> {
        Ok(fsx::read(self.blob_path(digest), limit)?)
    }

    /// Hashes a blob again: fails with [`StoreError::Mismatch`] where it is damaged.
    pub fn verify_blob(&self, digest: &Digest, size: u64) -> Result<()> {
        let path = self.blob_path(digest);
        let file = fsx::open(&path)?;
        let mut reader = VerifyingReader::new(file, format!("blob `{path}`"), digest.clone(), size);
        let mut chunk = vec![0; CHUNK];
        loop {
            match reader.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) => return Err(StoreError::from_io(error, "read", &path)),
            }
        }
    }

    /// Takes a damaged blob out of the store, so that the next pull fetches it again.
    /// One in a store beside it stays, which is an error.
    pub fn discard_blob(&self, digest: &Digest) -> Result<()> {
        let path = self.layout.blob(digest);
        self.require_own(&path, || format!("blob `{digest}`"))?;
        self.discard(&path, digest.hex())
    }
}

impl StoreError {
    /// What went wrong in a read or write of `path`, where a [`Mismatch`] or a
    /// [`PathError`] may travel inside `error`.
    pub(super) fn from_io(
        error: io::Error,
        operation: &'static str,
        path: &HostPath,
    ) -> StoreError {
        if let Some(mismatch) = Mismatch::from_io(&error) {
            return StoreError::Mismatch(mismatch.clone());
        }
        let path_error = error.downcast().unwrap_or_else(|source| PathError {
            operation,
            path: path.to_path_buf(),
            source,
        });
        StoreError::Path(path_error)
    }
}

/// A blob in the making: takes its bytes in order, hashes them on the way, and
/// publishes them only if size and digest are right.
///
/// Not buffered: write pieces of many kilobytes. Dropped without [`BlobWriter::commit`]
/// or [`BlobWriter::suspend`], it removes what it wrote.
#[derive(Debug)]
pub struct BlobWriter {
    file: File,
    /// Under which private name the bytes are; `None` once they are not ours to remove.
    private: Option<PathBuf>,
    published: HostPath,
    digest: Digest,
    size: u64,
    written: u64,
    ahead: Ahead,
    hasher: Hasher,
}

impl BlobWriter {
    pub(super) fn create(store: &Store, digest: &Digest, size: u64) -> Result<BlobWriter> {
        let ingest = store.layout.ingest();
        let private = Creator::current().private_name(&ingest, digest.hex())?;
        let file = fsx::create_new(&private, 0o600)?;
        Ok(BlobWriter {
            file,
            private: Some(private),
            published: store.layout.blob(digest),
            digest: digest.clone(),
            size,
            written: 0,
            ahead: Ahead::default(),
            hasher: Hasher::new(digest.algorithm()),
        })
    }

    /// Takes over what a process that has ended had fetched of this blob, hashed again.
    /// The rename to our own name is what makes two that try it agree on one.
    pub(super) fn adopt(store: &Store, digest: &Digest, size: u64) -> Result<Option<BlobWriter>> {
        let ingest = store.layout.ingest();
        let judge = Judge::new(sweep::server_time(store)?);
        for entry in fsx::read_dir(&ingest)? {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_part = Creator::parse(&name).is_some_and(|(what, _)| what == digest.hex());
            let Some(meta) = is_part.then(|| entry.metadata().ok()).flatten() else {
                continue;
            };
            let changed = meta.modified().unwrap_or(std::time::UNIX_EPOCH);
            if meta.len() > size || !judge.is_leftover(&name, changed, sweep::INGEST_GRACE) {
                continue;
            }
            // Before the rename, so that no other host ever sees our name with an age that makes it a leftover.
            let touched = fsx::absent_as_none(fsx::touch(entry.path()))?;
            let private = Creator::current().private_name(&ingest, digest.hex())?;
            let renamed = fsx::rename(entry.path(), &private);
            if touched.is_some() && fsx::absent_as_none(renamed)?.is_some() {
                return BlobWriter::resume(store, private, digest, size).map(Some);
            }
        }
        Ok(None)
    }

    fn resume(store: &Store, private: PathBuf, digest: &Digest, size: u64) -> Result<BlobWriter> {
        // Whoever was killed just before the last step of `commit` has taken that right away.
        fsx::set_mode(&private, 0o600)?;
        let mut writer = BlobWriter {
            file: fsx::open_append(&private)?,
            private: Some(private.clone()),
            published: store.layout.blob(digest),
            digest: digest.clone(),
            size,
            written: 0,
            ahead: Ahead::default(),
            hasher: Hasher::new(digest.algorithm()),
        };
        let mut reader = fsx::open(&private)?;
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = reader.read(&mut chunk).context("read", &private)?;
            if count == 0 {
                writer.ahead = Ahead::from(writer.written);
                return Ok(writer);
            }
            writer.hasher.update(&chunk[..count]);
            writer.written += count as u64;
        }
    }

    /// Bytes that are there already; the next byte to write is the one after them.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Opens what is there already for reading.
    pub fn reader(&self) -> Result<File> {
        Ok(fsx::open(self.private.clone().unwrap_or_default())?)
    }

    /// Checks size and digest, makes the bytes durable and gives them their name.
    /// Whether somebody else did so meanwhile makes no difference.
    pub fn commit(mut self) -> Result<()> {
        let object = format!("blob `{}`", self.digest);
        if self.written != self.size {
            let (got, expected) = (self.written, self.size);
            return Err(Mismatch::Size {
                object,
                got,
                expected,
            }
            .into());
        }
        let got = self.hasher.clone().finish();
        if got != self.digest {
            let expected = self.digest.clone();
            return Err(Mismatch::Content {
                object,
                got,
                expected,
            }
            .into());
        }
        let Some(private) = self.private.clone() else {
            return Ok(());
        };
        settle(&self.file, &private)?;
        // What was hashed is what we wrote; the file may have got more from a host that took it for a leftover.
        let got = self.file.metadata().context("stat", &private)?.len();
        if got != self.size {
            let expected = self.size;
            return Err(Mismatch::Size {
                object,
                got,
                expected,
            }
            .into());
        }
        publish_file(&private, &self.published, self.size)?;
        self.private = None;
        Ok(())
    }

    /// Leaves the bytes for another process to go on from, once this one has ended: until then its name says that it
    /// may be at work on them.
    pub fn suspend(mut self) {
        self.private = None;
    }
}

/// Makes a complete file durable, and nobody's to change.
pub(super) fn settle(file: &File, private: &PathBuf) -> Result<()> {
    let read_only = std::fs::Permissions::from_mode(0o444);
    file.set_permissions(read_only)
        .context("change mode of", private)?;
    Ok(file.sync_all().context("flush", private)?)
}

/// Renames a complete file to its content's name. A rename that failed although the
/// name is there now had its reply lost by NFS, or lost a race: both are success.
pub(super) fn publish_file(private: &PathBuf, published: &HostPath, size: u64) -> Result<()> {
    if let Err(error) = fsx::rename(private, published) {
        let there = fsx::absent_as_none(fsx::metadata(published))?;
        if there.is_none_or(|meta| meta.len() != size) {
            return Err(error.into());
        }
        fsx::remove_file(private)?;
    }
    if let Some(dir) = published.parent() {
        fsx::sync_dir(dir)?;
    }
    Ok(())
}

impl Write for BlobWriter {
    /// Writes all of `bytes`, or fails: with a [`Mismatch`] inside where the blob would
    /// get longer than promised, with a [`PathError`] inside where the file system fails.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let after = self.written.saturating_add(bytes.len() as u64);
        if after > self.size {
            return Err(Mismatch::Size {
                object: format!("blob `{}`", self.digest),
                got: after,
                expected: self.size,
            }
            .into());
        }
        if let Err(source) = self.file.write_all(bytes) {
            let path = self.private.clone().unwrap_or_default();
            let kind = source.kind();
            let operation = "write";
            return Err(io::Error::new(
                kind,
                PathError {
                    operation,
                    path,
                    source,
                },
            ));
        }
        self.ahead.advance(&self.file, bytes.len());
        self.hasher.update(bytes);
        self.written = after;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        if let Some(private) = self.private.take() {
            let _a_sweep_finds_it_otherwise = fsx::remove_file(private);
        }
    }
}
