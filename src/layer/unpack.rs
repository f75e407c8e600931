//! Writes a merged tree: every survivor once, into a fresh directory, nothing ever replaced.
//!
//! The order: directories, then files layer by layer, then pipes, further names
//! and symbolic links, at last the directories' own modes and times, deepest
//! first. Layers do not wait for each other: who wins was settled by the merge.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::base::crew::together;
use crate::base::fsx::{Context, PathError};
use crate::base::progress::{Progress, Track};
use crate::layer::attributes::{Attributes, may_be_set, truth};
use crate::layer::codec::Bytes;
use crate::layer::disk::{Disk, settle};
use crate::layer::entry::{EntryKind, Xattr};
use crate::layer::error::LayerError;
use crate::layer::merge::MergedTree;
use crate::layer::pipe::threaded;
use crate::layer::sidecar::Sidecar;
use crate::layer::stream::Stream;

/// Layers that are written at the same time, at most; each has two threads.
const MAX_WRITERS: usize = 4;

/// Opens the uncompressed bytes of a layer, by its place in what was merged.
///
/// It is called at most once for a layer, from any thread, and not at all for
/// layers of which no file survives. What it returns is read to its end and must
/// be what was scanned.
pub type OpenLayer<'a> = dyn Fn(usize) -> Result<Bytes, LayerError> + Sync + 'a;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// Names in the tree, with the root, and with devices, which are not on disk.
    pub entries: u64,
    /// Bytes of all files, each content counted once.
    pub bytes: u64,
    /// The encoded [`Sidecar`] of the tree.
    pub sidecar: Vec<u8>,
}

/// Writes `tree` to the directory `staging`, which must not exist yet, in a place
/// that nobody else can change. On an error it is left for the caller to remove.
///
/// The root gets the image's own mode at the end; what guards the tree from other
/// users is a closed directory above it.
pub fn unpack(
    tree: &MergedTree<'_>,
    open_layer: &OpenLayer<'_>,
    staging: &Path,
    progress: &dyn Progress,
) -> Result<Unpacked, LayerError> {
    let bytes = tree.content_bytes();
    let work = Work {
        tree,
        disk: Disk::create(staging)?,
        refused: Mutex::default(),
        track: Mutex::new(progress.begin("extracting", Some(bytes))),
        failed: AtomicBool::new(false),
    };
    let schedule = Schedule::of(tree);
    work.make_directories()?;
    work.write_layers(&schedule.layers, open_layer)?;
    work.make_fifos(&schedule.fifos)?;
    work.make_links(&schedule.links)?;
    work.make_symlinks(&schedule.symlinks)?;
    work.settle_directories()?;
    let sidecar = work.finish(progress).encode();
    Ok(Unpacked {
        entries: tree.entries(),
        bytes,
        sidecar,
    })
}

/// What is to be made, as indexes of the tree's names.
#[derive(Default)]
struct Schedule {
    /// By layer: its surviving files in the order in which they stream by.
    layers: Vec<Vec<usize>>,
    fifos: Vec<usize>,
    /// A name that is made before, and a further name for it.
    links: Vec<(usize, usize)>,
    symlinks: Vec<usize>,
}

impl Schedule {
    fn of(tree: &MergedTree<'_>) -> Schedule {
        let mut schedule = Schedule::default();
        let mut made = HashMap::new();
        for (index, name) in tree.names.iter().enumerate() {
            let content = name.content;
            match tree.kind(name) {
                EntryKind::File | EntryKind::Fifo if made.contains_key(&content) => {
                    schedule.links.push((made[&content], index));
                }
                EntryKind::File => {
                    made.insert(content, index);
                    let layer = tree.contents[content].layer;
                    let layers = schedule.layers.len().max(layer + 1);
                    schedule.layers.resize(layers, Vec::new());
                    schedule.layers[layer].push(index);
                }
                EntryKind::Fifo => {
                    made.insert(content, index);
                    schedule.fifos.push(index);
                }
                EntryKind::Symlink => schedule.symlinks.push(index),
                EntryKind::Directory | EntryKind::HardLink => {}
                EntryKind::CharDevice | EntryKind::BlockDevice => {}
            }
        }
        for files in &mut schedule.layers {
            files.sort_by_key(|index| offset_and_size(tree, *index));
        }
        schedule
    }
}

fn offset_and_size(tree: &MergedTree<'_>, index: usize) -> (u64, u64) {
    let entry = tree.entry(&tree.names[index]);
    entry.map_or((0, 0), |entry| (entry.offset, entry.size))
}

struct Work<'a> {
    tree: &'a MergedTree<'a>,
    disk: Disk,
    /// By content: the extended attributes that are not on disk.
    refused: Mutex<HashMap<usize, Vec<Xattr>>>,
    track: Mutex<Box<dyn Track>>,
    /// Another thread has failed: there is no point in going on.
    failed: AtomicBool,
}

impl Work<'_> {
    fn make_directories(&self) -> Result<(), PathError> {
        for index in self.directories() {
            let path = self.tree.path(index);
            if !path.is_empty() {
                self.disk.make_directory(&path)?;
            }
        }
        Ok(())
    }

    fn settle_directories(&self) -> Result<(), PathError> {
        for index in self.directories().rev() {
            let path = self.tree.path(index);
            let directory = self.disk.open_directory(&path)?;
            self.settle(index, directory, &path)?;
        }
        Ok(())
    }

    /// The directories among the names, those above before those below.
    fn directories(&self) -> impl DoubleEndedIterator<Item = usize> {
        let is_directory = |index: &usize| {
            let name = &self.tree.names[*index];
            self.tree.kind(name) == EntryKind::Directory
        };
        (0..self.tree.names.len()).filter(is_directory)
    }

    /// Writes the files of all layers, the layer with most of them first.
    fn write_layers(&self, layers: &[Vec<usize>], open: &OpenLayer<'_>) -> Result<(), LayerError> {
        let busy = |layer: &usize| !layers[*layer].is_empty();
        let mut queue: Vec<usize> = (0..layers.len()).filter(busy).collect();
        queue.sort_by_key(|layer| std::cmp::Reverse(layers[*layer].len()));
        let next = AtomicUsize::new(0);
        let take_turns = || {
            while let Some(layer) = queue.get(next.fetch_add(1, Ordering::Relaxed)) {
                let written = self.write_layer(&layers[*layer], || open(*layer));
                if written.is_err() {
                    self.failed.store(true, Ordering::Relaxed);
                    return written;
                }
            }
            Ok(())
        };
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let n_writers = queue.len().min(cores).clamp(1, MAX_WRITERS);
        together(n_writers - 1, "write-layer", take_turns)
    }

    fn write_layer(
        &self,
        files: &[usize],
        open: impl FnOnce() -> Result<Bytes, LayerError>,
    ) -> Result<(), LayerError> {
        let mut stream = Stream::new(threaded(open()?));
        for index in files {
            if self.failed.load(Ordering::Relaxed) {
                return Ok(());
            }
            let (offset, size) = offset_and_size(self.tree, *index);
            stream.skip_to(offset)?;
            let path = self.tree.path(*index);
            let mut file = self.disk.make_file(&path)?;
            stream.copy(size, &mut file, &self.disk.shown(&path))?;
            self.settle(*index, file, &path)?;
            lock(&self.track).advance(size);
        }
        stream.drain()
    }

    fn make_fifos(&self, fifos: &[usize]) -> Result<(), PathError> {
        for index in fifos {
            let entry = self.tree.entry(&self.tree.names[*index]);
            let path = self.tree.path(*index);
            self.disk.make_fifo(&path, &Attributes::of(entry))?;
        }
        Ok(())
    }

    fn make_links(&self, links: &[(usize, usize)]) -> Result<(), PathError> {
        // A copy, made because no further link was possible, takes over as the first name.
        let mut copies = HashMap::new();
        for (first, second) in links {
            let from = self.tree.path(*copies.get(first).unwrap_or(first));
            let to = self.tree.path(*second);
            if let Some(copy) = self.disk.link(&from, &to)? {
                self.settle(*second, copy, &to)?;
                copies.insert(*first, *second);
            }
        }
        Ok(())
    }

    fn make_symlinks(&self, symlinks: &[usize]) -> Result<(), PathError> {
        for index in symlinks {
            if let Some(entry) = self.tree.entry(&self.tree.names[*index]) {
                let path = self.tree.path(*index);
                self.disk.make_symlink(&path, &entry.link, entry.mtime)?;
            }
        }
        Ok(())
    }

    /// Gives what is open its attributes and remembers those that were not set.
    fn settle(
        &self,
        index: usize,
        file: impl Into<std::os::fd::OwnedFd>,
        path: &[u8],
    ) -> Result<(), PathError> {
        let name = &self.tree.names[index];
        let attributes = Attributes::of(self.tree.entry(name));
        let refused = settle(file, &attributes).context("finish", self.disk.shown(path))?;
        if !refused.is_empty() {
            lock(&self.refused).insert(name.content, refused);
        }
        Ok(())
    }

    /// Ends the progress and says what the disk does not tell.
    fn finish(self, progress: &dyn Progress) -> Sidecar {
        let refused = self
            .refused
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        if refused
            .values()
            .flatten()
            .any(|xattr| may_be_set(&xattr.name))
        {
            progress.warn("the file system does not take extended attributes; the image's are kept beside its tree");
        }
        let names = self.tree.names.iter().enumerate();
        let truths = names.filter_map(|(index, name)| {
            let entry = self.tree.entry(name)?;
            let missing = match entry.kind {
                EntryKind::File | EntryKind::Directory => refused.get(&name.content),
                _ => Some(&entry.xattrs),
            };
            truth(
                self.tree.path(index),
                entry,
                missing.map_or(&[], Vec::as_slice),
            )
        });
        let sidecar = Sidecar {
            truths: truths.collect(),
        };
        let track = self.track.into_inner();
        track
            .unwrap_or_else(PoisonError::into_inner)
            .done("extracted");
        sidecar
    }
}

/// A thread that panicked has left nothing half-done in what these locks hold.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
