//! What was typed of network and names.

use crate::base::fault::BoxFault;
use crate::plan::wish::Wish;

/// What was typed, as it was typed.
#[derive(Clone, Debug, Default)]
pub struct NetworkOptions {
    /// `--network`.
    pub network: Option<String>,
    /// `--publish`.
    pub publish: Vec<String>,
    /// `--publish-all`.
    pub publish_all: bool,
    /// `--dns`.
    pub dns: Vec<String>,
    /// `--dns-search`.
    pub dns_search: Vec<String>,
    /// `--dns-option`.
    pub dns_option: Vec<String>,
    /// `--add-host`.
    pub add_host: Vec<String>,
    /// `--hostname`.
    pub hostname: Option<String>,
}

impl NetworkOptions {
    /// Adds what this asks for.
    pub(super) fn add_to(self, wish: &mut Wish) -> Result<(), BoxFault> {
        wish.network = self.network;
        wish.publish = self.publish;
        wish.publish_all = self.publish_all;
        wish.dns = self.dns;
        wish.dns_search = self.dns_search;
        wish.dns_options = self.dns_option;
        wish.add_hosts = self.add_host;
        wish.hostname = self.hostname;
        Ok(())
    }
}
