//! What comes out of a pipe, readable while it still comes.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a text may take to appear before its writer counts as stuck; it is no measurement.
const STUCK: Duration = Duration::from_secs(20);

/// A pipe that is being read to its end in the background.
pub(crate) struct Stream {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Stream {
    /// Begins to read.
    pub(crate) fn new(mut pipe: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&bytes);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 1 << 16];
            // A pseudo-terminal ends with EIO instead of an end of file; both are the end.
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                lock(&shared).extend_from_slice(&buffer[..count]);
            }
        });
        Self { bytes, reader }
    }

    /// All that came until now, with bytes that are not UTF-8 replaced.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&lock(&self.bytes)).into_owned()
    }

    /// Waits until a text has come; whether it did before the end of the pipe.
    pub(crate) fn wait_for(&self, text: &str) -> bool {
        let begin = Instant::now();
        loop {
            // Asked before the text is looked at, so that the last bytes are not missed.
            let over = self.reader.is_finished() || begin.elapsed() > STUCK;
            if self.text().contains(text) {
                return true;
            }
            if over {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the end of the pipe, which is when its last writer is gone; whether it came.
    pub(crate) fn wait_for_end(&self) -> bool {
        let begin = Instant::now();
        while !self.reader.is_finished() && begin.elapsed() < STUCK {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.reader.is_finished()
    }
}

fn lock(bytes: &Mutex<Vec<u8>>) -> std::sync::MutexGuard<'_, Vec<u8>> {
    // A panic elsewhere cannot leave a byte vector half changed.
    bytes.lock().unwrap_or_else(PoisonError::into_inner)
}
