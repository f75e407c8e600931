//! Layers: fetched several at a time, and each hashed, stored, inflated, read and written at once.
//!
//! Per layer three threads: one takes bytes from the origin, hashes them and writes them
//! to the store; one inflates (`layer::pipe`); one reads the headers, hashes what the
//! diffID covers, and writes the content of files into the tree. What the store has already,
//! whole or in part, is read from there first. No layer is read twice.

use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::base::crew::together;
use crate::base::digest::{Algorithm, Digest, Hasher, Mismatch};
use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::progress::{Progress, Track};
use crate::layer::pipe::{Filler, pipe};
use crate::layer::{self, Extraction, LayerError, ReadLayer};
use crate::oci::descriptor::Descriptor;
use crate::ops::pull::origin::{Origin, blob_error};
use crate::ops::pull::resolve::Resolved;
use crate::store::{BlobWriter, Lease, StoreError};

/// The layers that were read, by digest.
pub(in crate::ops) type Layers = HashMap<Digest, ReadLayer>;

/// Brings all layers of an image into the store, and their files into `extraction`, should a
/// tree be wanted; returns what was read for it. Each digest is fetched once, however often it
/// occurs. The first failure stops all; what had arrived by then waits in the store for the next attempt.
pub(in crate::ops) fn layers(
    origin: &dyn Origin,
    lease: &Lease,
    resolved: &Resolved,
    extraction: Option<&Extraction>,
    parallel: usize,
    progress: &dyn Progress,
) -> Result<Layers, BoxFault> {
    let mut once: Vec<&Descriptor> = Vec::new();
    for layer in &resolved.manifest.layers {
        if !once.iter().any(|known| known.digest == layer.digest) {
            once.push(layer);
        }
    }
    if let Some(extraction) = extraction {
        let sizes = once.iter().map(|layer| layer.size);
        extraction.expect(sizes.fold(0, u64::saturating_add));
    }
    let fetch = Fetch {
        origin,
        lease,
        extraction,
        progress,
        algorithms: algorithms(resolved),
        stopped: AtomicBool::new(false),
        failure: Mutex::default(),
        read: Mutex::default(),
    };
    let next = AtomicUsize::new(0);
    let n_fetchers = parallel.min(once.len()).max(1);
    let Ok(()) = together(n_fetchers - 1, "fetch-layer", || {
        while let Some(layer) = once.get(next.fetch_add(1, Ordering::Relaxed)) {
            fetch.one(layer);
        }
        Ok::<(), Infallible>(())
    });
    fetch.finish(resolved)
}

/// With which function each layer's diffID is computed: the one that the config uses.
fn algorithms(resolved: &Resolved) -> HashMap<Digest, Algorithm> {
    let layers = resolved.manifest.layers.iter();
    let pairs = layers.zip(&resolved.config.rootfs.diff_ids);
    pairs
        .map(|(layer, diff_id)| (layer.digest.clone(), diff_id.algorithm()))
        .collect()
}

/// Somebody else's failure ended this transfer.
#[derive(Debug, thiserror::Error)]
#[error("the transfer was stopped because another one failed")]
struct Stopped;

impl Fault for Stopped {
    fn kind(&self) -> Kind {
        Kind::Network
    }
}

struct Fetch<'a> {
    origin: &'a dyn Origin,
    lease: &'a Lease,
    extraction: Option<&'a Extraction>,
    progress: &'a dyn Progress,
    algorithms: HashMap<Digest, Algorithm>,
    stopped: AtomicBool,
    /// The first, and the layer that it came of.
    failure: Mutex<Option<(Descriptor, BoxFault)>>,
    read: Mutex<HashMap<Digest, Outcome>>,
}

/// A layer that was read, if for a tree, and its diffID.
type Outcome = (Option<ReadLayer>, Digest);

impl Fetch<'_> {
    /// Fetches and reads one layer; keeps the outcome.
    fn one(&self, layer: &Descriptor) {
        if self.is_stopped() {
            return;
        }
        match self.fetch(layer) {
            Ok(read) => {
                let mut all = lock(&self.read);
                all.insert(layer.digest.clone(), read);
            }
            Err(fault) => {
                let mut first = lock(&self.failure);
                // Of a disk that failed under one of them, all layers complain.
                let reason = self.extraction.and_then(Extraction::take_failure);
                let fault = reason.map_or(fault, BoxFault::from);
                first.get_or_insert((layer.clone(), fault));
                self.stopped.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Whether all was stopped because some bytes were wrong.
    fn is_in_doubt(&self) -> bool {
        let first = lock(&self.failure);
        let first = first.as_ref();
        first.is_some_and(|(_, fault)| fault.kind() == Kind::Integrity)
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed) || self.extraction.is_some_and(Extraction::is_stopped)
    }

    fn fetch(&self, layer: &Descriptor) -> Result<Outcome, BoxFault> {
        let track = self.progress.begin(layer.digest.short(), Some(layer.size));
        let algorithm = self.algorithms.get(&layer.digest);
        let algorithm = *algorithm.unwrap_or(&Algorithm::Sha256);
        thread::scope(|scope| {
            let (feed, fed) = pipe();
            let reader = thread::Builder::new()
                .name("read-layer".into())
                .spawn_scoped(scope, move || {
                    read(self.extraction, fed, layer.size, algorithm)
                });
            let reader = reader.map_err(LayerError::Stream)?;
            let outcome = self.supply(layer, feed, &*track)?;
            let read = reader.join().map_err(|_| died())??;
            track.done(outcome);
            Ok(read)
        })
    }

    /// Feeds a layer to its reader: what the store has of it, then what the origin has,
    /// which goes into the store. Says in a word which it was.
    fn supply(
        &self,
        layer: &Descriptor,
        feed: Filler,
        track: &dyn Track,
    ) -> Result<&'static str, BoxFault> {
        if self.lease.has_blob(&layer.digest, layer.size)? {
            let mut file = self.lease.store().open_blob(&layer.digest)?;
            self.copy(layer, &mut file, None, &feed, track)?;
            feed.end();
            return Ok("present");
        }
        let writer = match self.lease.resume(&layer.digest, layer.size)? {
            Some(writer) => {
                self.copy(layer, &mut writer.reader()?, None, &feed, track)?;
                writer
            }
            None => self.lease.ingest(&layer.digest, layer.size)?,
        };
        self.transfer(layer, writer, feed, track)?;
        Ok("pulled")
    }

    /// Takes the rest of a blob from the origin, into the store and to the reader. The
    /// digest is checked also where the reader gave up early: if the bytes are wrong,
    /// that is what is wrong. The reader hears of the end before the blob is flushed to the
    /// disk, and finishes meanwhile.
    fn transfer(
        &self,
        layer: &Descriptor,
        mut writer: BlobWriter,
        feed: Filler,
        track: &dyn Track,
    ) -> Result<(), BoxFault> {
        let mut blob = self.origin.blob(layer, writer.written());
        let copied = match &mut blob {
            Ok(blob) => self.copy(layer, blob, Some(&mut writer), &feed, track),
            Err(_) => Ok(()),
        };
        match blob.map(drop).and(copied) {
            Ok(()) => {
                feed.end();
                Ok(writer.commit()?)
            }
            Err(fault) => {
                // Whose bytes are wrong once may have sent more of the kind. If all is asked for again, this process does
                // so, and would leave the half beside the whole.
                if fault.kind() == Kind::Network && !self.is_in_doubt() {
                    writer.suspend();
                }
                Err(fault)
            }
        }
    }

    /// Moves `bytes` to the reader, and into `writer` where there is one.
    fn copy(
        &self,
        layer: &Descriptor,
        bytes: &mut dyn Read,
        mut writer: Option<&mut BlobWriter>,
        feed: &Filler,
        track: &dyn Track,
    ) -> Result<(), BoxFault> {
        let object = format!("layer {}", layer.digest);
        let broken = |error| blob_error(error, &object);
        // Where nobody reads any more, one piece goes round here.
        let mut unread = None;
        loop {
            if self.is_stopped() {
                return Err(Stopped.into());
            }
            let mut piece = match unread.take() {
                Some(piece) => piece,
                None => feed.piece(),
            };
            let filled = feed.fill(&mut piece, bytes);
            // Also what came before the connection broke for good: the next attempt goes on after that.
            if let Some(writer) = &mut writer {
                writer.write_all(&piece).map_err(broken)?;
            }
            track.advance(piece.len() as u64);
            if filled.map_err(broken)? == 0 {
                return Ok(());
            }
            unread = feed.send(piece).err();
        }
    }

    /// What is behind the `fault` of reading `layer`: where it is a blob of the store that is damaged, as a power cut or
    /// a failing disk leaves it, all those of the image are taken out that are.
    fn explain(&self, layer: &Descriptor, fault: BoxFault, resolved: &Resolved) -> BoxFault {
        if fault.kind() != Kind::Integrity {
            return fault;
        }
        let Some(damage) = self.discard_if_damaged(layer) else {
            return fault;
        };
        for other in &resolved.manifest.layers {
            let _one_is_told_of = self.discard_if_damaged(other);
        }
        damage.into()
    }

    /// Hashes a layer that the store has, and takes it out where it is damaged.
    fn discard_if_damaged(&self, layer: &Descriptor) -> Option<Discarded> {
        let store = self.lease.store();
        match store.verify_blob(&layer.digest, layer.size) {
            Err(damage @ StoreError::Mismatch(_)) => {
                store.discard_blob(&layer.digest).ok()?;
                Some(Discarded(damage))
            }
            // Where it cannot be read, or is not there, nothing is known against it.
            _ => None,
        }
    }

    /// Compares every diffID.
    fn finish(self, resolved: &Resolved) -> Result<Layers, BoxFault> {
        let failure = lock(&self.failure).take();
        if let Some((layer, fault)) = failure {
            return Err(self.explain(&layer, fault, resolved));
        }
        // What was read to its end may still be being written, and that its writing failed stops the layers after it.
        if let Some(error) = self.extraction.and_then(Extraction::take_failure) {
            return Err(error.into());
        }
        let read = std::mem::take(&mut *lock(&self.read));
        let layers = resolved.manifest.layers.iter();
        for (layer, expected) in layers.zip(&resolved.config.rootfs.diff_ids) {
            let (_, got) = read.get(&layer.digest).ok_or_else(died)?;
            if got != expected {
                let mismatch = Mismatch::Content {
                    object: format!("uncompressed layer {}", layer.digest),
                    got: got.clone(),
                    expected: expected.clone(),
                };
                return Err(self.explain(layer, mismatch.into(), resolved));
            }
        }
        let layers = read.into_iter();
        Ok(layers
            .filter_map(|(digest, (layer, _))| Some((digest, layer?)))
            .collect())
    }
}

/// A blob that the store had and that was not what it should be; it has been taken out.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Discarded(StoreError);

impl Fault for Discarded {
    fn kind(&self) -> Kind {
        self.0.kind()
    }

    fn hints(&self) -> Vec<String> {
        self.0.hints()
    }
}

/// Whether what failed was a damaged blob of the store, which is gone now, so that the same may succeed.
pub(super) fn is_of_store(fault: &dyn Fault) -> bool {
    let error: &(dyn Error + 'static) = fault;
    error.is::<Discarded>()
}

/// A thread that panicked has left nothing half-done in what these locks hold.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn died() -> BoxFault {
    LayerError::Stream(io::Error::other("the thread that reads the layer has died")).into()
}

/// Reads a compressed layer of `size` bytes to its end, into `extraction` where there is one;
/// also the digest of all that was inside.
pub(in crate::ops) fn read(
    extraction: Option<&Extraction>,
    compressed: impl Read + Send + 'static,
    size: u64,
    algorithm: Algorithm,
) -> Result<Outcome, LayerError> {
    let inflated = layer::codec::bounded(layer::codec::decompress(compressed)?, size);
    let mut hashing = Hashing {
        inner: layer::pipe::threaded(inflated),
        hasher: Hasher::new(algorithm),
    };
    let read = match extraction {
        Some(extraction) => Some(extraction.read(&mut hashing)?),
        None => {
            layer::examine(&mut hashing)?;
            None
        }
    };
    Ok((read, hashing.hasher.finish()))
}

/// Passes bytes through a hash.
struct Hashing<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}
