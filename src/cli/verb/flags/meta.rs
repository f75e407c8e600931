//! What a container remembers of itself.

use crate::ops::options::MetaOptions;

/// Docker's flags for what is only kept and shown.
#[derive(clap::Args)]
pub(super) struct MetaFlags {}

impl MetaFlags {
    /// What was typed.
    pub(super) fn into_options(self) -> MetaOptions {
        MetaOptions::default()
    }
}
