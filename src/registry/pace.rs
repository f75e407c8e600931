//! How fast a body must come: a server that sends a byte a second would hold us for weeks.

use std::io::{self, Read};
use std::time::{Duration, Instant};

/// Bodies are judged for every so much time spent waiting for them.
const WINDOW: Duration = Duration::from_secs(60);
/// Fewer bytes than this in a window break the connection: 1 KiB a second, at which no
/// image arrives in a lifetime.
const LEAST: u64 = 60 * 1024;

/// A body that must keep pace. Only the time in which we wait for it counts, not that in
/// which it waits for us.
pub(super) struct Paced<R> {
    body: R,
    pace: Pace,
}

impl<R: Read> Paced<R> {
    /// Watches `body`, from now on.
    pub(super) fn new(body: R) -> Paced<R> {
        let pace = Pace::default();
        Paced { body, pace }
    }
}

impl<R: Read> Read for Paced<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let asked = Instant::now();
        let count = self.body.read(buffer)?;
        // The end has come, however slowly.
        if count > 0 {
            self.pace.check(count as u64, asked.elapsed())?;
        }
        Ok(count)
    }
}

/// What came in the present window, and how long we waited for it.
#[derive(Default)]
struct Pace {
    got: u64,
    waited: Duration,
}

impl Pace {
    /// Takes in that `count` bytes more came after a wait of `took`.
    fn check(&mut self, count: u64, took: Duration) -> io::Result<()> {
        self.got += count;
        self.waited += took;
        if self.waited < WINDOW {
            return Ok(());
        }
        let Pace { got, waited } = std::mem::take(self);
        if got >= LEAST {
            return Ok(());
        }
        let message = format!(
            "got {got} bytes in {} s, expected at least {LEAST} in {}",
            waited.as_secs(),
            WINDOW.as_secs()
        );
        Err(io::Error::new(io::ErrorKind::TimedOut, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trickle_is_cut_off_and_a_stream_is_not() {
        let second = Duration::from_secs(1);
        let mut trickle = Pace::default();
        let error = (0..60).find_map(|_| trickle.check(1, second).err());
        assert_eq!(
            error.expect("a minute is over").to_string(),
            "got 60 bytes in 60 s, expected at least 61440 in 60"
        );
        let mut stream = Pace::default();
        assert!((0..600).all(|_| stream.check(1024, second).is_ok()));
    }
}
