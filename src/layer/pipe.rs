//! Moves a reader into a thread of its own, so that inflating, hashing and
//! writing a layer go on at the same time.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

use crate::layer::codec::Bytes;

/// Bytes per piece: large enough that the hand-over costs nothing.
const PIECE: usize = 256 << 10;
/// Pieces under way; with this the thread needs about 2 MiB.
const PIECES: usize = 8;

/// What a thread has read ahead. Dropping it ends the thread at its next piece.
struct Pipe {
    /// Filled pieces; an empty one is the end. Without one the thread has died.
    filled: Receiver<io::Result<Vec<u8>>>,
    /// Pieces on their way back, to be filled again.
    used: SyncSender<Vec<u8>>,
    piece: Vec<u8>,
    taken: usize,
    ended: bool,
}

/// Reads `reader` ahead in a thread; where none can be started, `reader` comes back as it is.
pub fn threaded(reader: Bytes) -> Bytes {
    let (to_us, filled) = sync_channel(PIECES);
    let (used, back) = sync_channel(PIECES + 1);
    // The reader follows the thread, so that it is not lost with a thread that did not start.
    let (hand_over, taken) = sync_channel::<Bytes>(1);
    let started = std::thread::Builder::new()
        .name("read-ahead".into())
        .spawn(move || taken.recv().map(|reader| pump(reader, &to_us, &back)));
    if started.is_err() {
        return reader;
    }
    let _a_dead_thread_shows_when_we_read = hand_over.send(reader);
    Box::new(Pipe {
        filled,
        used,
        piece: Vec::new(),
        taken: 0,
        ended: false,
    })
}

fn pump(mut reader: impl Read, to: &SyncSender<io::Result<Vec<u8>>>, back: &Receiver<Vec<u8>>) {
    loop {
        let mut piece = match back.try_recv() {
            Ok(piece) => piece,
            Err(TryRecvError::Empty) => vec![0; PIECE],
            Err(TryRecvError::Disconnected) => return,
        };
        piece.resize(PIECE, 0);
        let filled = fill(&mut reader, &mut piece).map(|count| {
            piece.truncate(count);
            piece
        });
        let is_last = filled.as_ref().map_or(true, Vec::is_empty);
        if to.send(filled).is_err() || is_last {
            return;
        }
    }
}

/// Reads until `piece` is full or the end is reached, and returns how far it got.
fn fill(reader: &mut impl Read, piece: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < piece.len() {
        match reader.read(&mut piece[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

impl Pipe {
    fn next_piece(&mut self) -> io::Result<()> {
        let dead = || io::Error::other("the thread that reads ahead has died");
        let piece = self.filled.recv().map_err(|_| dead())??;
        let old = std::mem::replace(&mut self.piece, piece);
        let _full_or_gone_means_it_is_freed = self.used.try_send(old);
        self.taken = 0;
        self.ended = self.piece.is_empty();
        Ok(())
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.piece.len() && !self.ended && !buffer.is_empty() {
            self.next_piece()?;
        }
        let count = buffer.len().min(self.piece.len() - self.taken);
        buffer[..count].copy_from_slice(&self.piece[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}
