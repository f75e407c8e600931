//! A network of the guest's own.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use nix::sched::{CloneFlags, unshare};

use super::uplink::Uplink;
use crate::base::fsx;
use crate::base::path::GuestPath;
use crate::engine::Stop;
use crate::engine::start::Step;
use crate::plan::resolver::RESOLVER;
use crate::plan::{GuestFile, Network, RunPlan, Source};
use crate::sys;

/// The first port that anybody in a network namespace may bind. A guest that is not root could not serve the web at
/// its usual port otherwise, and who asks for a network of his own has no other user in it. ip(7)
const FIRST_OPEN_PORT: &str = "/proc/sys/net/ipv4/ip_unprivileged_port_start";

/// The largest text of name servers that is read.
const MAX_RESOLVER: u64 = 1 << 16;

/// The guest's network, as far as it can be made before its namespace.
pub(super) enum Ready {
    /// There is nothing to make.
    Host,
    /// A namespace.
    Alone,
    /// A namespace, and who connects it.
    Connected(Uplink),
}

/// Makes ready what the network of `plan` needs of the host.
pub(super) fn prepare(plan: &RunPlan) -> Result<Ready, Stop> {
    Ok(match &plan.network {
        Network::Host => Ready::Host,
        Network::None => Ready::Alone,
        Network::Mapped(ports) => Ready::Connected(Uplink::prepare(ports)?),
    })
}

impl Ready {
    /// `plan` with names that the guest can ask for in its network.
    pub(super) fn named<'a>(&self, plan: &'a RunPlan) -> Cow<'a, RunPlan> {
        let Ready::Connected(uplink) = self else {
            return Cow::Borrowed(plan);
        };
        let is_resolver = |target: &GuestPath| target.as_path() == Path::new(RESOLVER);
        let hosts = plan.mounts.iter().find_map(|mount| match &mount.source {
            Source::Bind(source) if mount.optional && is_resolver(&mount.target) => Some(source),
            _ => None,
        });
        // What was asked for by name is left alone.
        let Some(hosts) = hosts else {
            return Cow::Borrowed(plan);
        };
        let text = fsx::read(hosts, MAX_RESOLVER).unwrap_or_default();
        let Some(text) = uplink.resolver(&String::from_utf8_lossy(&text)) else {
            return Cow::Borrowed(plan);
        };
        let mut plan = plan.clone();
        plan.mounts.retain(|mount| !is_resolver(&mount.target));
        plan.files.push(GuestFile {
            path: GuestPath::root().join(RESOLVER),
            content: text.into_bytes(),
            mode: 0o644,
        });
        Cow::Owned(plan)
    }

    /// Enters a new network namespace where one is wanted; its loopback works. network_namespaces(7)
    pub(super) fn enter(self) -> Result<(), Stop> {
        if let Ready::Host = self {
            return Ok(());
        }
        unshare(CloneFlags::CLONE_NEWNET)
            .map_err(io::Error::from)
            .step("make a namespace for", "the network")?;
        sys::network::raise_loopback().step("bring up the interface", "lo")?;
        let _some_hosts_keep_it_read_only = fsx::write(FIRST_OPEN_PORT, b"0", 0o644);
        match self {
            Ready::Connected(uplink) => uplink.connect(),
            Ready::Host | Ready::Alone => Ok(()),
        }
    }
}
