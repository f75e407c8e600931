//! What the guest is called and whom it can reach.

use crate::ops::options::NetworkOptions;

/// Docker's flags for network and names.
#[derive(clap::Args)]
pub(super) struct NetworkFlags {
    /// The guest's host name
    #[arg(short = 'h', long, value_name = "NAME")]
    hostname: Option<String>,
}

impl NetworkFlags {
    /// What was typed.
    pub(super) fn into_options(self) -> NetworkOptions {
        NetworkOptions {
            hostname: self.hostname,
            ..NetworkOptions::default()
        }
    }
}
