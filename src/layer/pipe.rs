//! Pieces of bytes on their way from one thread to another, so that fetching, inflating,
//! hashing and writing a layer go on at the same time.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::layer::codec::Bytes;

/// Bytes per piece: large enough that the hand-over costs nothing.
pub const PIECE: usize = 256 << 10;
/// Pieces under way; with this a pipe needs about 2 MiB.
const PIECES: usize = 8;

/// The end that is read. Dropping it tells whoever fills the other end.
#[derive(Debug)]
pub struct Pipe {
    /// Filled pieces; an empty one is the end. Without one the other end has died.
    filled: Receiver<io::Result<Vec<u8>>>,
    /// Pieces on their way back, to be filled again.
    used: SyncSender<Vec<u8>>,
    piece: Vec<u8>,
    taken: usize,
    ended: bool,
}

/// The end that is filled. Dropping it without [`Filler::end`] is an error for whoever reads.
#[derive(Debug)]
pub struct Filler {
    to: SyncSender<io::Result<Vec<u8>>>,
    back: Receiver<Vec<u8>>,
}

/// Both ends of a new pipe.
pub fn pipe() -> (Filler, Pipe) {
    let (to, filled) = sync_channel(PIECES);
    let (used, back) = sync_channel(PIECES + 1);
    let pipe = Pipe {
        filled,
        used,
        piece: Vec::new(),
        taken: 0,
        ended: false,
    };
    (Filler { to, back }, pipe)
}

/// Reads `reader` ahead in a thread; where none can be started, `reader` comes back as it is.
pub fn threaded(reader: Bytes) -> Bytes {
    let (filler, pipe) = pipe();
    // The reader follows the thread, so that it is not lost with a thread that did not start.
    let (hand_over, taken) = sync_channel::<Bytes>(1);
    let started = std::thread::Builder::new()
        .name("read-ahead".into())
        .spawn(move || taken.recv().map(|reader| pump(reader, filler)));
    if started.is_err() {
        return reader;
    }
    let _a_dead_thread_shows_when_we_read = hand_over.send(reader);
    Box::new(pipe)
}

fn pump(mut reader: impl Read, filler: Filler) {
    loop {
        let mut piece = filler.piece();
        let filled = filler.fill(&mut piece, &mut reader).map(|_| piece);
        let is_last = filled.as_ref().map_or(true, Vec::is_empty);
        if filler.to.send(filled).is_err() || is_last {
            return;
        }
    }
}

impl Filler {
    /// A piece to be filled; whatever was in it before is of no meaning.
    pub fn piece(&self) -> Vec<u8> {
        self.back.try_recv().unwrap_or_default()
    }

    /// Reads into `piece` until it has [`PIECE`] bytes or the end is reached, and returns its length. After an error it
    /// has what came before that.
    pub fn fill(&self, piece: &mut Vec<u8>, reader: &mut dyn Read) -> io::Result<usize> {
        piece.resize(PIECE, 0);
        let mut filled = 0;
        let mut outcome = Ok(());
        while filled < piece.len() {
            match reader.read(&mut piece[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        piece.truncate(filled);
        outcome.map(|()| filled)
    }

    /// Hands a piece over; an empty one is the end. It comes back where nobody reads any more.
    pub fn send(&self, piece: Vec<u8>) -> Result<(), Vec<u8>> {
        let sent = self.to.send(Ok(piece));
        sent.map_err(|error| error.0.unwrap_or_default())
    }

    /// Says that this was all.
    pub fn end(self) {
        let _nobody_waits_for_it = self.send(Vec::new());
    }
}

impl Pipe {
    fn next_piece(&mut self) -> io::Result<()> {
        let dead = |_| io::Error::other("the thread that reads ahead has died");
        let piece = self.filled.recv().map_err(dead)??;
        let old = std::mem::replace(&mut self.piece, piece);
        if old.capacity() > 0 {
            let _full_or_gone_means_it_is_freed = self.used.try_send(old);
        }
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
