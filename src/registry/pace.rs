//! How fast a body must come: a server that sends a byte a second would hold us for weeks.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use crate::registry::patience::Patience;

/// A body that must keep pace. Only the time in which we wait for it counts, not that in
/// which it waits for us.
pub(super) struct Paced<R> {
    body: R,
    pace: Pace,
}

impl<R: Read> Paced<R> {
    /// Watches `body`, from now on.
    pub(super) fn new(body: R, patience: Patience) -> Paced<R> {
        let pace = Pace::new(patience);
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
struct Pace {
    patience: Patience,
    got: u64,
    waited: Duration,
}

impl Pace {
    fn new(patience: Patience) -> Pace {
        let waited = Duration::ZERO;
        Pace {
            patience,
            got: 0,
            waited,
        }
    }

    /// Takes in that `count` bytes more came after a wait of `took`.
    fn check(&mut self, count: u64, took: Duration) -> io::Result<()> {
        self.got += count;
        self.waited += took;
        let (window, least) = (self.patience.window(), self.patience.least());
        if self.waited < window {
            return Ok(());
        }
        let Pace { got, waited, .. } = std::mem::replace(self, Pace::new(self.patience));
        if got >= least {
            return Ok(());
        }
        let message = format!(
            "got {got} bytes in {} s, expected at least {least} in {}",
            waited.as_secs(),
            window.as_secs()
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
        let mut trickle = Pace::new(Patience::default());
        let error = (0..60).find_map(|_| trickle.check(1, second).err());
        assert_eq!(
            error.expect("a minute is over").to_string(),
            "got 60 bytes in 60 s, expected at least 61440 in 60"
        );
        let mut stream = Pace::new(Patience::default());
        assert!((0..600).all(|_| stream.check(1024, second).is_ok()));
    }
}
