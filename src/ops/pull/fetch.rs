//! Layers: fetched several at a time, and each hashed, stored, inflated and read at once.
//!
//! Per layer three threads: one takes bytes from the origin, hashes them and writes them
//! to the store; one inflates (`layer::pipe`); one reads the headers and hashes what the
//! diffID covers. What the store has already is read from there.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crate::base::crew::together;
use crate::base::digest::{Algorithm, Digest, Hasher, Mismatch};
use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::progress::{Progress, Track};
use crate::layer::{self, LayerError, LayerIndex};
use crate::oci::descriptor::Descriptor;
use crate::ops::pull::origin::{Origin, blob_error};
use crate::ops::pull::resolve::Resolved;
use crate::store::{BlobWriter, Lease};

/// Bytes moved at once.
const CHUNK: usize = 256 * 1024;
/// Chunks that may wait for the inflating thread.
const CHUNKS: usize = 8;

/// A layer's headers and its diffID.
pub(in crate::ops) type Scanned = (LayerIndex, Digest);

/// Brings all layers of an image into the store and returns their headers, lowest first.
/// Each digest is fetched once, however often it occurs. The first failure stops all;
/// what had arrived by then waits in the store for the next attempt.
pub(in crate::ops) fn layers(
    origin: &dyn Origin,
    lease: &Lease,
    resolved: &Resolved,
    parallel: usize,
    progress: &dyn Progress,
) -> Result<Vec<LayerIndex>, BoxFault> {
    let mut once: Vec<&Descriptor> = Vec::new();
    for layer in &resolved.manifest.layers {
        if !once.iter().any(|known| known.digest == layer.digest) {
            once.push(layer);
        }
    }
    let fetch = Fetch {
        origin,
        lease,
        progress,
        algorithms: algorithms(resolved),
        stopped: AtomicBool::new(false),
        failure: Mutex::default(),
        scanned: Mutex::default(),
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
    progress: &'a dyn Progress,
    algorithms: HashMap<Digest, Algorithm>,
    stopped: AtomicBool,
    failure: Mutex<Option<BoxFault>>,
    scanned: Mutex<HashMap<Digest, Scanned>>,
}

impl Fetch<'_> {
    /// Fetches and reads one layer; keeps the outcome.
    fn one(&self, layer: &Descriptor) {
        if self.stopped.load(Ordering::Relaxed) {
            return;
        }
        match self.fetch(layer) {
            Ok(scanned) => {
                let mut all = self.scanned.lock().unwrap_or_else(PoisonError::into_inner);
                all.insert(layer.digest.clone(), scanned);
            }
            Err(fault) => {
                self.stopped.store(true, Ordering::Relaxed);
                let mut first = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert(fault);
            }
        }
    }

    fn fetch(&self, layer: &Descriptor) -> Result<Scanned, BoxFault> {
        let label = layer.digest.short();
        let track = self.progress.begin(label, Some(layer.size));
        let algorithm = *self
            .algorithms
            .get(&layer.digest)
            .unwrap_or(&Algorithm::Sha256);
        if self.lease.has_blob(&layer.digest, layer.size)? {
            track.advance(layer.size);
            let scanned = self.scan_stored(layer, algorithm)?;
            track.done("present");
            return Ok(scanned);
        }
        let scanned = match self.lease.resume(&layer.digest, layer.size)? {
            Some(writer) => {
                track.advance(writer.written());
                self.transfer(layer, writer, &*track, None)?;
                self.scan_stored(layer, algorithm)?
            }
            None => {
                let writer = self.lease.ingest(&layer.digest, layer.size)?;
                let (feed, scanner) = scan_fed(layer.size, algorithm)?;
                self.transfer(layer, writer, &*track, Some(feed))?;
                scanner.join().map_err(|_| died())??
            }
        };
        track.done("pulled");
        Ok(scanned)
    }

    /// Takes the rest of a blob from the origin, into the store and to the scanner. The
    /// digest is checked also where the scanner gave up early: if the bytes are wrong,
    /// that is what is wrong.
    fn transfer(
        &self,
        layer: &Descriptor,
        mut writer: BlobWriter,
        track: &dyn Track,
        feed: Option<Feed>,
    ) -> Result<(), BoxFault> {
        match self.copy(layer, &mut writer, track, feed.as_ref()) {
            Ok(()) => {
                writer.commit()?;
                if let Some(feed) = feed {
                    feed.end();
                }
                Ok(())
            }
            Err(fault) => {
                if fault.kind() == Kind::Network {
                    writer.suspend();
                }
                Err(fault)
            }
        }
    }

    fn copy(
        &self,
        layer: &Descriptor,
        writer: &mut BlobWriter,
        track: &dyn Track,
        feed: Option<&Feed>,
    ) -> Result<(), BoxFault> {
        let object = format!("layer {}", layer.digest);
        let mut reader = self.origin.blob(layer, writer.written())?;
        loop {
            if self.stopped.load(Ordering::Relaxed) {
                return Err(Stopped.into());
            }
            let mut chunk = Vec::with_capacity(CHUNK);
            let read = reader.by_ref().take(CHUNK as u64).read_to_end(&mut chunk);
            let count = read.map_err(|error| blob_error(error, &object))?;
            if count == 0 {
                return Ok(());
            }
            writer
                .write_all(&chunk)
                .map_err(|error| blob_error(error, &object))?;
            track.advance(count as u64);
            if let Some(feed) = feed {
                feed.send(chunk);
            }
        }
    }

    fn scan_stored(&self, layer: &Descriptor, algorithm: Algorithm) -> Result<Scanned, BoxFault> {
        let file = self.lease.store().open_blob(&layer.digest)?;
        Ok(scan(file, layer.size, algorithm)?)
    }

    /// Compares every diffID, and puts the headers in the image's order.
    fn finish(self, resolved: &Resolved) -> Result<Vec<LayerIndex>, BoxFault> {
        if let Some(fault) = self
            .failure
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
        {
            return Err(fault);
        }
        let scanned = self
            .scanned
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let mut ordered = Vec::new();
        for (layer, expected) in resolved
            .manifest
            .layers
            .iter()
            .zip(&resolved.config.rootfs.diff_ids)
        {
            let (index, got) = scanned.get(&layer.digest).ok_or_else(died)?;
            if got != expected {
                return Err(Mismatch::Content {
                    object: format!("uncompressed layer {}", layer.digest),
                    got: got.clone(),
                    expected: expected.clone(),
                }
                .into());
            }
            ordered.push(index.clone());
        }
        Ok(ordered)
    }
}

fn died() -> BoxFault {
    LayerError::Stream(io::Error::other("the thread that reads the layer has died")).into()
}

/// Reads a compressed layer of `size` bytes to its end: its headers, and the digest of all
/// that was inside.
pub(in crate::ops) fn scan(
    compressed: impl Read + Send + 'static,
    size: u64,
    algorithm: Algorithm,
) -> Result<Scanned, LayerError> {
    let inflated = layer::codec::bounded(layer::codec::decompress(compressed)?, size);
    let inflated = layer::pipe::threaded(inflated);
    let mut hashing = Hashing {
        inner: inflated,
        hasher: Hasher::new(algorithm),
    };
    let index = layer::scan(&mut hashing)?;
    Ok((index, hashing.hasher.finish()))
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

/// Starts a thread that scans what is fed to it, `size` bytes.
fn scan_fed(
    size: u64,
    algorithm: Algorithm,
) -> Result<(Feed, JoinHandle<Result<Scanned, LayerError>>), BoxFault> {
    let (chunks, fed) = sync_channel(CHUNKS);
    let fed = Fed {
        chunks: fed,
        chunk: Vec::new(),
        taken: 0,
        has_ended: false,
    };
    let scanner = thread::Builder::new()
        .name("scan".into())
        .spawn(move || scan(fed, size, algorithm));
    Ok((Feed(chunks), scanner.map_err(LayerError::Stream)?))
}

/// The end of a channel that a transfer writes to. An empty chunk is the end of the
/// layer; without one the transfer has failed.
struct Feed(SyncSender<Vec<u8>>);

impl Feed {
    fn send(&self, chunk: Vec<u8>) {
        let _a_scanner_that_gave_up_says_why_when_joined = self.0.send(chunk);
    }

    fn end(self) {
        self.send(Vec::new());
    }
}

/// The other end, for the scanner to read.
struct Fed {
    chunks: Receiver<Vec<u8>>,
    chunk: Vec<u8>,
    taken: usize,
    has_ended: bool,
}

impl Read for Fed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.chunk.len() && !self.has_ended {
            let broken = |_| io::Error::other("the transfer broke off");
            self.chunk = self.chunks.recv().map_err(broken)?;
            self.taken = 0;
            self.has_ended = self.chunk.is_empty();
        }
        let count = buffer.len().min(self.chunk.len() - self.taken);
        buffer[..count].copy_from_slice(&self.chunk[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}
