//! Leases: what a running pull relies on, and the only way to write content.
//!
//! A lease is a file with one claimed name a line. It ends with the process: of a
//! creator that has ended, it claims nothing, and a sweep removes it.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use crate::base::creator::Creator;
use crate::base::digest::Digest;
use crate::base::fsx::{self, Context};
use crate::oci::source::Source;
use crate::store::blob::BlobWriter;
use crate::store::image::ImageRecord;
use crate::store::layout::tree_name;
use crate::store::spool::Spool;
use crate::store::tree::{StagingTree, Tree};
use crate::store::{Result, Store, StoreError, document};

/// The right to write content and to rely on what is there, until it is dropped.
///
/// Shared between the threads of one pull. Every question claims what it asks for
/// before it looks, so that a sweep that runs meanwhile lets it be.
#[derive(Debug)]
pub struct Lease {
    store: Store,
    path: PathBuf,
    file: File,
}

impl Store {
    /// Starts to write: creates what is missing of the store, and a lease in it.
    pub fn lease(&self) -> Result<Lease> {
        self.prepare()?;
        self.sweep_leases()?;
        let path = Creator::current().private_name(&self.layout.leases(), "pull")?;
        let file = fsx::create_new(&path, 0o600)?;
        Ok(Lease {
            store: self.clone(),
            path,
            file,
        })
    }
}

impl Lease {
    /// The store that is leased from.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Claims a blob and says whether it is here with this `size` (bytes).
    pub fn has_blob(&self, digest: &Digest, size: u64) -> Result<bool> {
        self.claim(&digest.to_string())?;
        self.store.has_blob(digest, size)
    }

    /// Starts a blob of `size` bytes from its first byte.
    pub fn ingest(&self, digest: &Digest, size: u64) -> Result<BlobWriter> {
        self.claim(&digest.to_string())?;
        BlobWriter::create(&self.store, digest, size)
    }

    /// Goes on with a blob that an ended process left incomplete, where there is one;
    /// [`BlobWriter::written`] says from which byte.
    pub fn resume(&self, digest: &Digest, size: u64) -> Result<Option<BlobWriter>> {
        self.claim(&digest.to_string())?;
        BlobWriter::adopt(&self.store, digest, size)
    }

    /// Stores a small blob, unless it is here already.
    pub fn put_bytes(&self, digest: &Digest, bytes: &[u8]) -> Result<()> {
        let size = bytes.len() as u64;
        if self.has_blob(digest, size)? {
            return Ok(());
        }
        let mut writer = BlobWriter::create(&self.store, digest, size)?;
        let path = self.store.layout.blob(digest);
        let written = writer.write_all(bytes);
        written.map_err(|error| StoreError::from_io(error, "write", &path))?;
        writer.commit()
    }

    /// Starts to write a blob of which neither digest nor size are known before its end.
    pub fn spool(&self) -> Result<Spool> {
        Spool::create(&self.store)
    }

    /// Gives what was written its name, which is claimed; its digest and size.
    pub fn keep(&self, spool: Spool) -> Result<(Digest, u64)> {
        spool.publish(|digest| self.claim(&digest.to_string()))
    }

    /// Claims the tree with this chain ID and returns it, if it is here and sound.
    pub fn tree(&self, chain: &Digest) -> Result<Option<Tree>> {
        self.claim(&tree_name(chain))?;
        self.store.tree(chain)
    }

    /// Starts to extract the tree with this chain ID.
    pub fn begin_tree(&self, chain: &Digest) -> Result<StagingTree> {
        self.claim(&tree_name(chain))?;
        StagingTree::create(&self.store, &tree_name(chain))
    }

    /// Starts to extract a tree whose chain ID is not known before its end.
    pub fn begin_nameless_tree(&self) -> Result<StagingTree> {
        StagingTree::create(&self.store, "tree")
    }

    /// Says that `source` means this image from now on. All its content must be here.
    pub fn publish(&self, source: &Source, record: &ImageRecord) -> Result<()> {
        for content in &record.content {
            if !self.has_blob(&content.digest, content.size)? {
                return Err(StoreError::Vanished(format!("blob `{}`", content.digest)));
            }
        }
        if self.tree(&record.chain)?.is_none() {
            return Err(StoreError::Vanished(format!("tree `{}`", record.chain)));
        }
        self.store.require_unprotected(source)?;
        let path = self.store.layout.reference(source);
        self.store.place(&document(record), &path)
    }

    /// One write of one line, so that threads do not mix theirs. It need not be durable:
    /// what ends the host ends the process that claims.
    fn claim(&self, name: &str) -> Result<()> {
        let line = format!("{name}\n");
        (&self.file)
            .write_all(line.as_bytes())
            .context("write", &self.path)?;
        self.store.await_sweeps()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let _a_sweep_finds_it_otherwise = fsx::remove_file(&self.path);
    }
}
