//! How long a conversation waits: one figure that the user may set, and everything else in proportion to it.

use std::time::Duration;

/// How long a silent connection is kept. The default is a minute: some registries think for half of one before they
/// begin to send a large blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience(Duration);

impl Default for Patience {
    fn default() -> Patience {
        Patience(Duration::from_secs(60))
    }
}

impl Patience {
    /// One of `seconds`; no less than one second, no more than an hour.
    pub fn seconds(seconds: u64) -> Patience {
        Patience(Duration::from_secs(seconds.clamp(1, 3600)))
    }

    /// Silence for as long as this breaks a connection.
    pub(super) fn silence(self) -> Duration {
        self.0
    }

    /// A connection must stand within this.
    pub(super) fn connect(self) -> Duration {
        self.0 / 2
    }

    /// The wait before the second attempt; it doubles before each further one.
    pub(super) fn first_wait(self) -> Duration {
        self.0 / 120
    }

    /// The longest wait that a server can ask of us; with a longer one the user decides.
    pub(super) fn longest_wait(self) -> Duration {
        self.0
    }

    /// A program that keeps credentials must answer within this.
    pub(super) fn inquiry(self) -> Duration {
        self.0 / 2
    }

    /// Bodies are judged for every so much time spent waiting for them.
    pub(super) fn window(self) -> Duration {
        self.0
    }

    /// Fewer bytes than this in a window break the connection: 1 KiB a second, at which no image arrives in a lifetime.
    pub(super) fn least(self) -> u64 {
        self.0.as_secs().saturating_mul(1024)
    }
}
