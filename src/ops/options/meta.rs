//! What was typed that a container only keeps and shows, or that counts when it ends.

use std::path::PathBuf;

use crate::base::fault::BoxFault;
use crate::plan::wish::Wish;

/// What was typed, as it was typed.
#[derive(Clone, Debug, Default)]
pub struct MetaOptions {
    /// `--label`.
    pub label: Vec<String>,
    /// `--label-file`.
    pub label_file: Vec<PathBuf>,
    /// `--stop-signal`.
    pub stop_signal: Option<String>,
    /// `--stop-timeout`, in seconds; -1 waits for ever.
    pub stop_timeout: Option<i64>,
}

impl MetaOptions {
    /// Adds what this asks for.
    pub(super) fn add_to(self, wish: &mut Wish) -> Result<(), BoxFault> {
        wish.stop_signal = self.stop_signal;
        wish.stop_timeout = self.stop_timeout;
        Ok(())
    }
}
