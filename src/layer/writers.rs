//! Threads that write small files, so that the waits for a file server overlap.
//!
//! A small file costs a network file system three or four round trips, one after another:
//! to make it, to set its time, to write and close it. One thread that writes a layer of
//! fifty thousand files waits for minutes. On a local file system nothing waits, and who
//! has the content at hand writes it at once.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crate::layer::deposit::{Deposit, Key};
use crate::layer::entry::Entry;
use crate::layer::error::LayerError;

/// The largest content that is handed over, in bytes.
pub(super) const SMALL: u64 = 64 << 10;
/// Bytes of content in one batch.
const BATCH: usize = 256 << 10;
/// Files in one batch: few enough that all writers have some, many enough that the hand-over is cheap.
const FILES: usize = 16;

/// Files that are to be written, with their content one after another.
#[derive(Debug)]
struct Batch {
    files: Vec<(Key, Entry, bool)>,
    content: Vec<u8>,
}

/// The threads. Dropped, they are joined.
#[derive(Debug, Default)]
pub(super) struct Writers {
    to: Option<SyncSender<Batch>>,
    threads: Vec<JoinHandle<()>>,
}

/// What one layer collects for them.
#[derive(Debug)]
pub(super) struct Hand {
    to: SyncSender<Batch>,
    batch: Batch,
}

impl Writers {
    /// Starts up to `count` threads, perhaps none.
    pub(super) fn start(count: usize, deposit: &Arc<Deposit>) -> Writers {
        let (to, from) = sync_channel(count);
        let from = Arc::new(Mutex::new(from));
        let start = |_| {
            let (from, deposit) = (from.clone(), deposit.clone());
            let builder = thread::Builder::new().name("write-files".into());
            builder.spawn(move || write_all(&from, &deposit)).ok()
        };
        let threads: Vec<_> = (0..count).filter_map(start).collect();
        let to = (!threads.is_empty()).then_some(to);
        Writers { to, threads }
    }

    /// Where a layer puts its small files; `None` where it is to write them itself.
    pub(super) fn hand(&self) -> Option<Hand> {
        let to = self.to.clone()?;
        let batch = Batch::new();
        Some(Hand { to, batch })
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.to = None;
        for thread in self.threads.drain(..) {
            let _a_panic_ends_the_process_or_was_noted = thread.join();
        }
    }
}

/// Tells that a thread has died with a batch of which nobody knows how much was written.
struct Mourner<'a>(&'a Deposit);

impl Drop for Mourner<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fail(died());
        }
    }
}

fn died() -> LayerError {
    LayerError::Stream(io::Error::other("a thread that writes files has died"))
}

/// Takes batches until there will be no more. After a failure it goes on taking, so that nobody waits for room.
fn write_all(from: &Mutex<Receiver<Batch>>, deposit: &Deposit) {
    let _mourner = Mourner(deposit);
    loop {
        let next = from.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(batch) = next else {
            return;
        };
        if let Err(error) = batch.write(deposit) {
            deposit.fail(error);
        }
    }
}

impl Hand {
    /// Takes `entry`, whose content is read with `read` into a buffer of just its size.
    pub(super) fn take(
        &mut self,
        key: Key,
        entry: &Entry,
        is_prepared: bool,
        read: impl FnOnce(&mut Vec<u8>) -> Result<(), LayerError>,
    ) -> Result<(), LayerError> {
        read(&mut self.batch.content)?;
        self.batch.files.push((key, entry.clone(), is_prepared));
        if self.batch.files.len() >= FILES || self.batch.content.len() >= BATCH {
            return self.pass_on();
        }
        Ok(())
    }

    /// Hands over what was taken; fails where nobody is left to take it.
    pub(super) fn pass_on(&mut self) -> Result<(), LayerError> {
        let batch = std::mem::replace(&mut self.batch, Batch::new());
        self.to.send(batch).map_err(|_| died())
    }
}

impl Batch {
    fn new() -> Batch {
        Batch {
            files: Vec::with_capacity(FILES),
            content: Vec::new(),
        }
    }

    fn write(&self, deposit: &Deposit) -> Result<(), LayerError> {
        let mut start = 0;
        for (key, entry, is_prepared) in &self.files {
            if deposit.is_stopped() {
                return Ok(());
            }
            // Its bytes are in `content`, which has a length that a usize holds.
            let end = start + entry.size as usize;
            let mut draft = deposit.open(*key, entry, *is_prepared)?;
            deposit.write(&mut draft, entry, &self.content[start..end])?;
            deposit.close(draft, *key, entry)?;
            start = end;
        }
        Ok(())
    }
}
