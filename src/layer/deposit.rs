//! Puts the content of files on disk before anybody knows which of them survive.
//!
//! Each goes to its own path below the staging directory, where most of them stay, or
//! beside the tree where that path is taken. At this stage there are only directories and
//! files that we made, no links of any kind, so that a path leads where it says.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sys::statvfs::statvfs;

use crate::base::fsx::{Context, PathError};
use crate::layer::allowance::Allowance;
use crate::layer::attributes::Attributes;
use crate::layer::directories::{Directories, Made, is_taken};
use crate::layer::disk::{Disk, Draft};
use crate::layer::entry::{Entry, Xattr};
use crate::layer::error::LayerError;

/// After how many bytes the file system is asked again for what it has left.
const STRIDE: u64 = 64 << 20;
/// What is left to others, in bytes: whoever fills a file system stops their work too.
const RESERVE: u64 = 64 << 20;
/// Bytes that a new file or directory counts, so that many empty ones are asked about as well.
const INODE: u64 = 4 << 10;

/// Which content: the number of the layer that was read, and where in it the content begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) source: usize,
    pub(super) offset: u64,
}

/// The two directories that are filled, and what has to be known of them.
#[derive(Debug)]
pub(super) struct Deposit {
    /// What becomes the tree.
    tree: Disk,
    /// Beside it, flat: what found its path taken, by number.
    aside: Disk,
    directories: Directories,
    /// Which contents lie aside, under which number.
    aside_of: Mutex<HashMap<Key, u64>>,
    n_aside: AtomicU64,
    /// The extended attributes that are not on disk.
    refused: Mutex<HashMap<Key, Vec<Xattr>>>,
    /// What its layers may hold together.
    pub(super) allowance: Allowance,
    bytes: AtomicU64,
    /// There is no point in going on.
    failed: AtomicBool,
    failure: Mutex<Option<LayerError>>,
}

/// What is known once all is written.
pub(super) struct Deposited<'a> {
    pub(super) tree: &'a Disk,
    pub(super) aside: &'a Disk,
    pub(super) directories: Made,
    pub(super) aside_of: HashMap<Key, u64>,
    pub(super) n_aside: u64,
    pub(super) refused: HashMap<Key, Vec<Xattr>>,
    deposit: &'a Deposit,
}

impl Deposited<'_> {
    /// Counts a copy of a file that is to be made.
    pub(super) fn count_copy(&self, entry: &Entry) -> Result<(), LayerError> {
        self.deposit.allowance.content(entry)?;
        self.deposit.count(entry.size.saturating_add(INODE))
    }
}

impl Deposit {
    /// Makes `staging` and the directory beside it, neither of which may be there yet.
    pub(super) fn create(staging: &Path) -> Result<Deposit, PathError> {
        Ok(Deposit {
            tree: Disk::create(staging)?,
            aside: Disk::create(&beside(staging))?,
            directories: Directories::default(),
            aside_of: Mutex::default(),
            n_aside: AtomicU64::new(0),
            refused: Mutex::default(),
            allowance: Allowance::default(),
            bytes: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            failure: Mutex::default(),
        })
    }

    /// Makes `directory`; whether files can be made there.
    pub(super) fn prepare(&self, directory: &[u8]) -> Result<bool, LayerError> {
        self.directories.make(&self.tree, directory, || {
            self.allowance.directory(directory)?;
            self.count(INODE)
        })
    }

    /// Makes an empty file for the content of `entry`: at its own path if `prepare` was content with it and nothing is
    /// there, else aside.
    pub(super) fn open(
        &self,
        key: Key,
        entry: &Entry,
        is_prepared: bool,
    ) -> Result<Draft, LayerError> {
        self.count(INODE)?;
        let attributes = Attributes::of(Some(entry));
        if is_prepared {
            match self.tree.make_file(&entry.path, &attributes) {
                Err(error) if is_taken(&error) => {}
                made => return Ok(made?),
            }
        }
        let number = self.n_aside.fetch_add(1, Ordering::Relaxed);
        lock(&self.aside_of).insert(key, number);
        Ok(self.aside.make_file(&aside_name(number), &attributes)?)
    }

    /// Appends to the file of `entry`, which `open` made.
    pub(super) fn write(
        &self,
        draft: &mut Draft,
        entry: &Entry,
        bytes: &[u8],
    ) -> Result<(), LayerError> {
        self.count(bytes.len() as u64)?;
        let written = draft.write(bytes);
        Ok(written.context("write", self.tree.shown(&entry.path))?)
    }

    /// Gives the file of `entry` its attributes and closes it.
    pub(super) fn close(&self, draft: Draft, key: Key, entry: &Entry) -> Result<(), LayerError> {
        let refused = draft.settle(&Attributes::of(Some(entry)));
        let refused = refused.context("finish", self.tree.shown(&entry.path))?;
        if !refused.is_empty() {
            lock(&self.refused).insert(key, refused);
        }
        Ok(())
    }

    /// Counts what is being written, and looks now and then whether that can go on: nobody
    /// knew beforehand how much it would be.
    fn count(&self, bytes: u64) -> Result<(), LayerError> {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let after = before.saturating_add(bytes);
        if before / STRIDE == after / STRIDE {
            return Ok(());
        }
        // Where nothing can be told, the writing itself will tell.
        let Ok(facts) = statvfs(self.tree.top()) else {
            return Ok(());
        };
        let left = facts
            .blocks_available()
            .saturating_mul(facts.fragment_size());
        if facts.blocks() == 0 || left >= RESERVE {
            return Ok(());
        }
        Err(LayerError::NoRoom {
            dir: self.tree.top().to_owned(),
            written: after,
            left,
        })
    }

    /// Stops all who write here; the first reason counts.
    pub(super) fn fail(&self, error: LayerError) {
        lock(&self.failure).get_or_insert(error);
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Whether somebody has failed.
    pub(super) fn is_stopped(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Why all were stopped, told once.
    pub(super) fn take_failure(&self) -> Option<LayerError> {
        lock(&self.failure).take()
    }

    /// All that was written, once nobody writes here any more.
    pub(super) fn done(&self) -> Deposited<'_> {
        Deposited {
            tree: &self.tree,
            aside: &self.aside,
            directories: self.directories.take(),
            aside_of: std::mem::take(&mut lock(&self.aside_of)),
            n_aside: self.n_aside.load(Ordering::Relaxed),
            refused: std::mem::take(&mut lock(&self.refused)),
            deposit: self,
        }
    }
}

/// Under which name a content lies aside.
pub(super) fn aside_name(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}

/// Where contents lie aside of the tree in `staging`.
pub(super) fn beside(staging: &Path) -> PathBuf {
    let mut name = staging.as_os_str().to_owned();
    name.push(".aside");
    name.into()
}

/// A thread that panicked has left nothing half-done in what these locks hold.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
