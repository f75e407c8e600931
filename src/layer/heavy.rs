//! Decoders that need much memory, of which one works at a time.
//!
//! Several layers are inflated at once. Most need little for that; a window of 128 MiB, which zstd allows, for each of
//! them would be more memory than a small login node gives.

use std::sync::{Condvar, Mutex, PoisonError};

static IS_TAKEN: Mutex<bool> = Mutex::new(false);
static RETURNED: Condvar = Condvar::new();

/// The leave to use much memory; waits for whoever has it. Nobody may ask for it who has it.
#[derive(Debug)]
pub(super) struct Heavy(());

impl Heavy {
    pub(super) fn take() -> Heavy {
        let taken = IS_TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = RETURNED.wait_while(taken, |taken| *taken);
        *waited.unwrap_or_else(PoisonError::into_inner) = true;
        Heavy(())
    }
}

impl Drop for Heavy {
    fn drop(&mut self) {
        *IS_TAKEN.lock().unwrap_or_else(PoisonError::into_inner) = false;
        RETURNED.notify_one();
    }
}
