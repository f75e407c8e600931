//! What the guest is called and whom it can reach.

use crate::ops::options::NetworkOptions;

/// Docker's flags for network and names.
#[derive(clap::Args)]
pub(super) struct NetworkFlags {
    /// Whom the guest reaches: as the `host` does, nobody (`none`), or as the host does from a network of its own
    /// (`bridge`), by pasta or slirp4netns where the host has one [default: host]
    #[arg(long, alias = "net", value_name = "host|none|bridge")]
    network: Option<String>,
    /// Give a port of the guest a number on the host; the same number needs nothing done (repeatable)
    #[arg(short, long, value_name = "[[ADDRESS:]HOST:]GUEST[/udp]")]
    publish: Vec<String>,
    /// The same for all ports that the image announces, under their own numbers
    #[arg(short = 'P', long)]
    publish_all: bool,
    /// Ask this server for names, not the host's (repeatable)
    #[arg(long, value_name = "ADDRESS")]
    dns: Vec<String>,
    /// Look names up in this domain, not in the host's; `.` for none (repeatable)
    #[arg(long, value_name = "DOMAIN")]
    dns_search: Vec<String>,
    /// Set an option of the resolver: resolv.conf(5) (repeatable)
    #[arg(long, alias = "dns-opt", value_name = "OPTION")]
    dns_option: Vec<String>,
    /// Give a name an address; `host-gateway` is that of this host (repeatable)
    #[arg(long, value_name = "NAME:ADDRESS")]
    add_host: Vec<String>,
    /// The guest's host name
    #[arg(short = 'h', long, value_name = "NAME")]
    hostname: Option<String>,
}

impl NetworkFlags {
    /// What was typed.
    pub(super) fn into_options(self) -> NetworkOptions {
        NetworkOptions {
            network: self.network,
            publish: self.publish,
            publish_all: self.publish_all,
            dns: self.dns,
            dns_search: self.dns_search,
            dns_option: self.dns_option,
            add_host: self.add_host,
            hostname: self.hostname,
        }
    }
}
