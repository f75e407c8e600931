//! Trees: images flattened once, shared by all their containers, never written.
//!
//! A tree appears by the rename of a directory that holds all of it. What a power cut
//! could take from it is settled before: on a local file system by one syncfs(2),
//! which costs about as much again as writing the tree and a quarter of an fsync(2)
//! per file. A network file system gets none, because there syncfs stalls every other
//! user for minutes and close(2) has sent the bytes to the server already; of such a
//! tree the marker remembers the host and its boot, and when that host comes up anew,
//! entries and bytes are counted once before the tree is used.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::base::creator::{Creator, boot_id, host_name};
use crate::base::digest::Digest;
use crate::base::durable;
use crate::base::fsx::{self, Context};
use crate::base::path::HostPath;
use crate::store::layout::tree_name;
use crate::store::site::{if_usable, is_open};
use crate::store::{DOCUMENT_LIMIT, Result, Store, document, read_document};

/// How much a tree holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// Names below the root, which itself does not count.
    pub entries: u64,
    /// The sizes of all regular files, each name of a hard-linked file counted.
    pub bytes: u64,
}

impl Extent {
    /// Counts what is below `root`.
    pub fn of(root: &Path) -> fsx::Result<Extent> {
        let mut extent = Extent::default();
        let mut todo = vec![root.to_owned()];
        while let Some(dir) = todo.pop() {
            for entry in fsx::read_dir(&dir)? {
                let meta = entry.metadata().context("stat", entry.path())?;
                extent.entries += 1;
                if meta.is_dir() {
                    todo.push(entry.path());
                } else if meta.is_file() {
                    extent.bytes = extent.bytes.saturating_add(meta.len());
                }
            }
        }
        Ok(extent)
    }
}

/// An image's flattened tree.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The guest's `/`.
    pub rootfs: HostPath,
    /// True owners, modes and attributes of the entries.
    pub sidecar: HostPath,
    /// What was written, as the marker has it.
    pub extent: Extent,
}

/// `tree.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Marker {
    #[serde(flatten)]
    extent: Extent,
    sidecar: Option<Digest>,
    /// Where and since when its bytes may be in memory only; `None` once they are not.
    unsettled: Option<Boot>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Boot {
    host: String,
    boot: Option<String>,
}

impl Boot {
    fn current() -> Boot {
        Boot {
            host: host_name(),
            boot: boot_id(),
        }
    }
}

impl Marker {
    /// Whether a crash of this host since then may have taken some of it.
    fn is_doubtful(&self) -> bool {
        let written = self.unsettled.as_ref();
        written.is_some_and(|written| written.host == host_name() && *written != Boot::current())
    }
}

impl Tree {
    fn of(dir: &HostPath, marker: &Marker) -> Tree {
        Tree {
            rootfs: dir.join("rootfs"),
            sidecar: dir.join("sidecar"),
            extent: marker.extent,
        }
    }
}

impl Store {
    /// The tree with this chain ID, if it is here and sound; reads one small file.
    pub fn tree(&self, chain: &Digest) -> Result<Option<Tree>> {
        if let Some(tree) = self.own_tree(chain)? {
            return Ok(Some(tree));
        }
        for site in &self.sites {
            let dir = site.tree(chain);
            let Some(marker) = if_usable(read_document::<Marker>(&marker_path(&dir))) else {
                continue;
            };
            // What is damaged or closed there is not ours to mend; it is made anew in our own store.
            let is_sound = !marker.is_doubtful() || matches!(difference(&dir, &marker), Ok(None));
            if is_sound && is_open(&dir.join("rootfs")) {
                return Ok(Some(Tree::of(&dir, &marker)));
            }
        }
        Ok(None)
    }

    fn own_tree(&self, chain: &Digest) -> Result<Option<Tree>> {
        let dir = self.layout.tree(chain);
        let Some(marker) = read_document::<Marker>(&marker_path(&dir))? else {
            return Ok(None);
        };
        if marker.is_doubtful() && !self.survived(&dir, &marker)? {
            self.discard_tree(chain)?;
            return Ok(None);
        }
        Ok(Some(Tree::of(&dir, &marker)))
    }

    /// Counts a tree and hashes its sidecar: what is wrong with it, in words, or `None`.
    pub fn examine_tree(&self, chain: &Digest) -> Result<Option<String>> {
        let mut dirs = self.places().map(|place| place.tree(chain));
        let dir = dirs.find(|dir| marker_path(dir).exists());
        let dir = dir.unwrap_or(self.layout.tree(chain));
        match read_document::<Marker>(&marker_path(&dir))? {
            None => Ok(Some("it is not there".to_owned())),
            Some(marker) => difference(&dir, &marker),
        }
    }

    /// Takes a tree out of the store, so that it is extracted anew.
    /// One in a store beside it stays, which is an error.
    pub fn discard_tree(&self, chain: &Digest) -> Result<()> {
        let dir = self.layout.tree(chain);
        self.require_own(&dir, || format!("tree `{}`", tree_name(chain)))?;
        self.discard(&dir, &tree_name(chain))
    }

    /// Whether all of a tree outlived the crash of the host that wrote it. If so, that
    /// is noted, where the store can be written, so that nobody counts again.
    fn survived(&self, dir: &HostPath, marker: &Marker) -> Result<bool> {
        if difference(dir, marker)?.is_some() {
            return Ok(false);
        }
        let settled = Marker {
            unsettled: None,
            sidecar: marker.sidecar.clone(),
            extent: marker.extent,
        };
        let _counted_again_next_time = self.place(&document(&settled), &marker_path(dir));
        Ok(true)
    }
}

/// What differs between a tree and its marker, in words.
fn difference(dir: &HostPath, marker: &Marker) -> Result<Option<String>> {
    let (got, expected) = (Extent::of(&dir.join("rootfs"))?, marker.extent);
    if got.entries != expected.entries {
        let text = format!("got {} entries, expected {}", got.entries, expected.entries);
        return Ok(Some(text));
    }
    if got.bytes != expected.bytes {
        let text = format!(
            "got {} bytes in files, expected {}",
            got.bytes, expected.bytes
        );
        return Ok(Some(text));
    }
    let sidecar = sidecar_digest(&dir.join("sidecar"))?;
    Ok((sidecar != marker.sidecar).then(|| "its sidecar has changed".to_owned()))
}

fn marker_path(dir: &HostPath) -> HostPath {
    dir.join("tree.json")
}

/// Whether there is a marker in `dir`, or may be one: by a list of the directory, which a network file system asks its
/// server for, while it may remember that a name was absent.
fn has_marker(dir: &HostPath) -> bool {
    let marker = marker_path(dir);
    let is_marker = |entry: &std::fs::DirEntry| Some(&*entry.file_name()) == marker.file_name();
    fsx::read_dir(dir).map_or(true, |entries| entries.iter().any(is_marker))
}

fn sidecar_digest(path: &HostPath) -> Result<Option<Digest>> {
    let bytes = fsx::read_if_there(path, DOCUMENT_LIMIT.saturating_mul(64))?;
    Ok(bytes.map(|bytes| Digest::of(&bytes)))
}

/// A tree in the making, in a directory of its own. Dropped without
/// [`StagingTree::publish`], it is removed.
#[derive(Debug)]
pub struct StagingTree {
    store: Store,
    /// `None` once it is published.
    private: Option<PathBuf>,
}

impl StagingTree {
    /// In a directory whose private name begins with `what`.
    pub(super) fn create(store: &Store, what: &str) -> Result<StagingTree> {
        store.sweep_attempts(what)?;
        let ingest = store.layout.ingest();
        let private = Creator::current().private_name(&ingest, what)?;
        fsx::create_dir(&private, 0o755)?;
        Ok(StagingTree {
            store: store.clone(),
            private: Some(private),
        })
    }

    /// Where the directory that becomes the guest's `/` is to be made; not there yet.
    pub fn rootfs(&self) -> HostPath {
        self.dir().join("rootfs")
    }

    /// Where the sidecar is to be written; no file yet.
    pub fn sidecar(&self) -> HostPath {
        self.dir().join("sidecar")
    }

    fn dir(&self) -> HostPath {
        HostPath::new(self.private.clone().unwrap_or_default())
    }

    /// Makes the tree durable and gives it the name of `chain`, which must be claimed. `extent` is
    /// what was written, by the count of whoever wrote it. Where another process was faster, its tree is
    /// returned and ours removed.
    pub fn publish(mut self, chain: &Digest, extent: Extent) -> Result<Tree> {
        let dir = self.dir();
        let mut marker = Marker {
            extent,
            sidecar: sidecar_digest(&self.sidecar())?,
            unsettled: Some(Boot::current()),
        };
        if durable::sync_file_system(&dir)? {
            marker.unsettled = None;
        }
        fsx::write_private(marker_path(&dir), &document(&marker), 0o644)?;
        self.store.open_tree(&dir)?;
        let published = self.store.layout.tree(chain);
        let mut renamed = fsx::rename(&dir, &published);
        if renamed
            .as_ref()
            .is_err_and(fsx::PathError::is_already_there)
            && !has_marker(&published)
        {
            // What lost its marker, to a user or a file system, is no tree, and would be in the way for good.
            self.store.discard_tree(chain)?;
            renamed = fsx::rename(&dir, &published);
        }
        if renamed.is_ok() {
            self.private = None;
            fsx::sync_dir(self.store.layout.trees())?;
        }
        // Also after a failure: it may be that a race was lost, or that NFS lost the reply.
        match (self.store.tree(chain)?, renamed) {
            (Some(tree), _) => Ok(tree),
            (None, Err(error)) => Err(error.into()),
            (None, Ok(())) => Err(crate::store::StoreError::Vanished(format!(
                "tree `{chain}`"
            ))),
        }
    }
}

impl Drop for StagingTree {
    fn drop(&mut self) {
        if let Some(private) = self.private.take() {
            let _a_sweep_finds_it_otherwise = fsx::remove_tree(private);
        }
    }
}
