//! A network of the guest's own.

use std::io;

use nix::sched::{CloneFlags, unshare};

use crate::base::fsx;
use crate::engine::start::{GuestError, Step};
use crate::plan::Network;
use crate::sys;

/// The first port that anybody in a network namespace may bind. A guest that is not root could not serve the web at
/// its usual port otherwise, and who asks for a network of his own has no other user in it. ip(7)
const FIRST_OPEN_PORT: &str = "/proc/sys/net/ipv4/ip_unprivileged_port_start";

/// Enters a new network namespace where `network` wants one; its loopback works. network_namespaces(7)
pub(super) fn enter(network: &Network) -> Result<(), GuestError> {
    if *network == Network::Host {
        return Ok(());
    }
    unshare(CloneFlags::CLONE_NEWNET)
        .map_err(io::Error::from)
        .step("make a namespace for", "the network")?;
    sys::network::raise_loopback().step("bring up the interface", "lo")?;
    let _some_hosts_keep_it_read_only = fsx::write(FIRST_OPEN_PORT, b"0", 0o644);
    Ok(())
}
