//! What of the host's resources the guest may use.

use crate::ops::options::LimitOptions;

/// Docker's flags for resources and rights.
#[derive(clap::Args)]
pub(super) struct LimitFlags {
    /// Let the guest use these processors only
    #[arg(long, value_name = "LIST")]
    cpuset_cpus: Option<String>,
}

impl LimitFlags {
    /// What was typed.
    pub(super) fn into_options(self) -> LimitOptions {
        LimitOptions {
            cpuset_cpus: self.cpuset_cpus,
            ..LimitOptions::default()
        }
    }
}
