//! What keeps a guest from the processors of AMD and Intel: nodes alone, the rest is in the image.

use super::cause::Cause;
use super::{Finding, host};
use crate::base::path::HostPath;
use crate::gpu::nvidia::Access;

/// One device node.
#[derive(Clone, Copy, Debug)]
pub struct Port<'a> {
    /// On this host.
    pub host: &'a HostPath,
    /// Whether this user may open it.
    pub access: &'a Access,
}

/// The nodes of one maker's processors.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ports<'a> {
    /// `/dev/kfd`, where it is there; AMD's only.
    pub kfd: Option<Port<'a>>,
    /// `/dev/dri/renderD*` of that maker's cards.
    pub render: &'a [Port<'a>],
}

/// What stands between a guest and AMD's processors (`--rocm`). ROCm, "Running ROCm Docker containers", wants
/// `/dev/kfd` and a render node.
pub fn check_amd(ports: &Ports) -> Vec<Finding> {
    let kfd = match ports.kfd {
        None => Some(Cause::NoKfd),
        Some(kfd) => host::denied(kfd.host, kfd.access),
    };
    let causes = kfd.into_iter().chain(render("AMD", ports.render));
    causes.map(Finding::from).collect()
}

/// What stands between a guest and Intel's processors (`--intel`).
pub fn check_intel(ports: &Ports) -> Vec<Finding> {
    render("Intel", ports.render)
        .into_iter()
        .map(Finding::from)
        .collect()
}

/// One node that can be opened is enough: a scheduler gives a job some of several.
fn render(maker: &'static str, ports: &[Port]) -> Option<Cause> {
    let Some(first) = ports.first() else {
        return Some(Cause::NoRenderNode { maker });
    };
    if ports.iter().any(|port| *port.access == Access::Granted) {
        return None;
    }
    host::denied(first.host, first.access)
}
