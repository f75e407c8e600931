//! Layers become a tree in one pass: content is written while it streams by, and corrected after the merge.
//!
//! Which entry of which layer survives is known only when all layers were read. Still every
//! layer is inflated once, while it downloads, in any order and several at a time:
//!
//! 1. *Read* ([`Extraction::read`]): headers go into the layer's index, the content of each
//!    file at once to its own path below the staging directory, or beside it where that path
//!    is taken (`deposit`). There are no links yet, so that nothing leads out.
//! 2. *Merge*, in memory, as if nothing had been written.
//! 3. *Settle* (`settle`): what did not survive is removed, what belongs elsewhere is moved
//!    (links make paths mean something else), then come further names, pipes and symbolic
//!    links, at last the directories' own modes and times.
//!
//! Most files of most images are where they belong after the first step.
//!
//! Rejected: reading each layer twice, first its headers and then its survivors. That
//! writes nothing in vain, and spends most of the processor time of a pull on inflating
//! all of it again, after the last byte has arrived. Rejected as well: all content into one flat
//! directory, from where survivors are renamed: simpler to settle, but a rename for each
//! file, a hundred thousand of them in large images, and a directory of that size, both of
//! which are slow on file servers.
//!
//! What it costs: content that does not survive is written and removed again. How much that
//! can be is bounded by the limits on layers (`codec`, `reader`), by a limit on names, and
//! by looking now and then what the file system has left.

use std::borrow::Cow;
use std::collections::{HashMap, hash_map};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::base::fsx::{self, PathError};
use crate::base::progress::Progress;
use crate::layer::deposit::{Deposit, Key, beside};
use crate::layer::entries::Entries;
use crate::layer::entry::Entry;
use crate::layer::error::LayerError;
use crate::layer::index::read_each;
use crate::layer::merge::merge_entries;
use crate::layer::reader::Archive;
use crate::layer::settle;
use crate::layer::trie::split;
use crate::layer::writers::{Hand, SMALL, Writers};

/// A tree in the making. Dropped before it is finished, it removes what it wrote.
#[derive(Debug)]
pub struct Extraction {
    staging: PathBuf,
    // Before the deposit, which its threads share.
    writers: Writers,
    deposit: Arc<Deposit>,
    /// Layers that were begun.
    sources: AtomicUsize,
    is_finished: bool,
}

/// A layer whose content is on disk.
#[derive(Debug)]
pub struct ReadLayer {
    /// Its headers.
    entries: Entries,
    /// The how-manieth it was.
    source: usize,
}

/// The headers of a layer that was read, and the how-manieth it was.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) entries: &'a [Entry],
    pub(super) source: usize,
}

/// What was extracted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extracted {
    /// Names on disk below the root, which itself does not count.
    pub entries: u64,
    /// The sizes of all regular files, each name of a hard-linked file counted.
    pub bytes: u64,
    /// The encoded [`crate::layer::Sidecar`] of the tree.
    pub sidecar: Vec<u8>,
}

impl Extraction {
    /// Starts a tree in the directory `staging`, which must not exist yet, in a place that nobody else can change.
    /// `n_writers` threads write small files, which pays where each waits for a file server.
    pub fn begin(staging: &Path, n_writers: usize) -> Result<Extraction, PathError> {
        let deposit = Arc::new(Deposit::create(staging)?);
        Ok(Extraction {
            staging: staging.to_owned(),
            writers: Writers::start(n_writers, &deposit),
            deposit,
            sources: AtomicUsize::new(0),
            is_finished: false,
        })
    }

    /// Says that layers of `packed` compressed bytes will be read. What all layers may inflate to depends on it: 1 GiB, or
    /// 1000 times as much.
    pub fn expect(&self, packed: u64) {
        self.deposit.allowance.grant(packed);
    }

    /// Reads an uncompressed layer to the end of its stream, from any thread, and writes the content of its files.
    ///
    /// A caller who wants the diffID wraps `reader` in a hash: every byte passes by,
    /// also those after the end of the archive, which the diffID covers. Where the disk
    /// fails, all that read are stopped, and [`Extraction::take_failure`] says why.
    pub fn read(&self, reader: impl Read) -> Result<ReadLayer, LayerError> {
        let mut reading = Reading {
            deposit: &self.deposit,
            source: self.sources.fetch_add(1, Ordering::Relaxed),
            hand: self.writers.hand(),
            directory: None,
            entries: Entries::default(),
        };
        let size = read_each(reader, |entry, archive| reading.take(entry, archive));
        let passed = reading.hand.as_mut().map_or(Ok(()), Hand::pass_on);
        match size.and_then(|size| passed.map(|()| size)) {
            Ok(_) => Ok(ReadLayer {
                entries: reading.entries,
                source: reading.source,
            }),
            Err(error @ (LayerError::Disk(_) | LayerError::NoRoom { .. })) => {
                self.deposit.fail(error);
                Err(LayerError::Stopped)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether reading on is in vain.
    pub fn is_stopped(&self) -> bool {
        self.deposit.is_stopped()
    }

    /// Why all readers were stopped; told once.
    pub fn take_failure(&self) -> Option<LayerError> {
        self.deposit.take_failure()
    }

    /// Makes the tree that `layers`, the lowest first, are together. All of them were read here, and all that was
    /// read here is among them; one may occur several times.
    ///
    /// The root gets the image's own mode at the end; what guards the tree from other
    /// users is a closed directory above it.
    pub fn finish(
        mut self,
        layers: &[&ReadLayer],
        progress: &dyn Progress,
    ) -> Result<Extracted, LayerError> {
        self.writers = Writers::default();
        if let Some(error) = self.deposit.take_failure() {
            return Err(error);
        }
        let unpacked = unpacked(layers)?;
        let layers: Vec<_> = layers
            .iter()
            .map(|layer| Source {
                entries: &unpacked[&layer.source],
                source: layer.source,
            })
            .collect();
        let tree = merge_entries(layers.iter().map(|layer| layer.entries))?;
        let settled = settle::settle(self.deposit.done(), &tree, &layers, progress);
        let extracted = settled.map_err(|error| match error {
            // Nothing is ever put where the tree has something.
            LayerError::Disk(error) if error.is_already_there() => LayerError::Collision(error),
            error => error,
        })?;
        self.is_finished = true;
        fsx::remove_tree(beside(&self.staging))?;
        Ok(extracted)
    }
}

impl Drop for Extraction {
    fn drop(&mut self) {
        self.writers = Writers::default();
        if !self.is_finished {
            for dir in [&self.staging, &beside(&self.staging)] {
                let _the_first_error_counts = fsx::remove_tree(dir);
            }
        }
    }
}

/// One layer on its way.
struct Reading<'a> {
    deposit: &'a Deposit,
    source: usize,
    hand: Option<Hand>,
    /// The directory of the file before, and whether files can be made there.
    directory: Option<(Vec<u8>, bool)>,
    entries: Entries,
}

impl Reading<'_> {
    /// Counts and keeps an entry, and sees to its content.
    fn take<R: Read>(&mut self, entry: Entry, archive: &mut Archive<R>) -> Result<(), LayerError> {
        let n_entries = self.deposit.allowance.entry(&entry)?;
        self.content(&entry, archive)?;
        self.entries.push(entry, n_entries);
        Ok(())
    }

    /// Sees to the content of `entry`, if it is a file's.
    fn content<R: Read>(
        &mut self,
        entry: &Entry,
        archive: &mut Archive<R>,
    ) -> Result<(), LayerError> {
        if !settle::was_written(entry) {
            return Ok(());
        }
        if self.deposit.is_stopped() {
            return Err(LayerError::Stopped);
        }
        let key = Key {
            source: self.source,
            offset: entry.offset,
        };
        let is_prepared = self.prepare(&entry.path)?;
        if entry.size <= SMALL
            && let Some(hand) = &mut self.hand
        {
            return hand.take(key, entry, is_prepared, |content| {
                each_piece(archive, |piece| {
                    content.extend_from_slice(piece);
                    Ok(())
                })
            });
        }
        let mut draft = self.deposit.open(key, entry, is_prepared)?;
        each_piece(archive, |piece| {
            self.deposit.write(&mut draft, entry, piece)
        })?;
        self.deposit.close(draft, key, entry)
    }

    /// Makes the directory of a file, unless the file before was in the same.
    fn prepare(&mut self, path: &[u8]) -> Result<bool, LayerError> {
        let (directory, _) = split(path);
        if let Some((last, is_prepared)) = &self.directory
            && last == directory
        {
            return Ok(*is_prepared);
        }
        let is_prepared = self.deposit.prepare(directory)?;
        self.directory = Some((directory.to_vec(), is_prepared));
        Ok(is_prepared)
    }
}

/// The headers of each layer, by its number.
fn unpacked<'a>(layers: &[&'a ReadLayer]) -> Result<HashMap<usize, Cow<'a, [Entry]>>, LayerError> {
    let mut unpacked = HashMap::new();
    for layer in layers {
        if let hash_map::Entry::Vacant(place) = unpacked.entry(layer.source) {
            place.insert(layer.entries.all()?);
        }
    }
    Ok(unpacked)
}

/// Calls `each` with all pieces of the current entry's content.
fn each_piece<R: Read>(
    archive: &mut Archive<R>,
    mut each: impl FnMut(&[u8]) -> Result<(), LayerError>,
) -> Result<(), LayerError> {
    loop {
        let piece = archive.piece()?;
        let count = piece.len();
        if count == 0 {
            return Ok(());
        }
        each(piece)?;
        archive.pass(count);
    }
}
