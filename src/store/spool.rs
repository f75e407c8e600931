//! A blob that is written before anybody knows its digest: what comes through a pipe and names nothing.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use crate::base::creator::Creator;
use crate::base::digest::{Algorithm, Digest, Hasher};
use crate::base::fsx::{self, PathError};
use crate::store::blob::{publish_file, settle};
use crate::store::{Result, Store};

/// A blob in the making. Dropped before it is kept (see `Lease::keep`), it removes what it wrote.
///
/// Not buffered: write pieces of many kilobytes.
#[derive(Debug)]
pub struct Spool {
    store: Store,
    file: File,
    /// Under which private name the bytes are; `None` once they are not ours to remove.
    private: Option<PathBuf>,
    hasher: Hasher,
    written: u64,
}

impl Spool {
    pub(super) fn create(store: &Store) -> Result<Spool> {
        let private = Creator::current().private_name(&store.layout.ingest(), "spool")?;
        Ok(Spool {
            store: store.clone(),
            file: fsx::create_new(&private, 0o600)?,
            private: Some(private),
            hasher: Hasher::new(Algorithm::Sha256),
            written: 0,
        })
    }

    /// Bytes so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Opens what was written so far.
    pub fn reader(&self) -> Result<File> {
        Ok(fsx::open(self.path())?)
    }

    fn path(&self) -> PathBuf {
        self.private.clone().unwrap_or_default()
    }

    /// Makes the bytes durable and gives them the name of their digest, which `claim` claims before.
    pub(super) fn publish(
        mut self,
        claim: impl FnOnce(&Digest) -> Result<()>,
    ) -> Result<(Digest, u64)> {
        let (private, digest) = (self.path(), self.hasher.clone().finish());
        claim(&digest)?;
        settle(&self.file, &private)?;
        publish_file(&private, &self.store.layout.blob(&digest), self.written)?;
        self.private = None;
        Ok((digest, self.written))
    }
}

impl Write for Spool {
    /// Writes all of `bytes`, or fails with a [`PathError`] inside.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(source) = self.file.write_all(bytes) {
            let (kind, path) = (source.kind(), self.path());
            let operation = "write";
            let error = PathError {
                operation,
                path,
                source,
            };
            return Err(io::Error::new(kind, error));
        }
        self.hasher.update(bytes);
        self.written += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        if let Some(private) = self.private.take() {
            let _a_sweep_finds_it_otherwise = fsx::remove_file(private);
        }
    }
}
