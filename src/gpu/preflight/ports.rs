//! What keeps a guest from the processors of AMD and Intel: nodes alone, the rest is in the image.

use super::cause::Cause;
use super::{Finding, host};
use crate::gpu::drm::{Drm, Port, Vendor};
use crate::gpu::nvidia::Access;

/// What stands between a guest and AMD's processors (`--rocm`). ROCm, "Running ROCm Docker containers", wants
/// `/dev/kfd` and a render node.
pub fn check_amd(drm: &Drm) -> Vec<Finding> {
    let Some(kfd) = &drm.kfd else {
        // Without the module there is no render node either, and this says more.
        return vec![Cause::NoKfd.into()];
    };
    let kfd = host::denied(&kfd.host, &kfd.access).into_iter();
    let causes = kfd.chain(render(drm, Vendor::Amd));
    causes.map(Finding::from).collect()
}

/// What stands between a guest and Intel's processors (`--intel`).
pub fn check_intel(drm: &Drm) -> Vec<Finding> {
    let cause = render(drm, Vendor::Intel);
    cause.into_iter().map(Finding::from).collect()
}

/// One node that can be opened is enough: a scheduler gives a job some of several. Where `/sys` is hidden nothing tells
/// whose a card is, so that it may be the one.
fn render(drm: &Drm, vendor: Vendor) -> Option<Cause> {
    let own = drm.render_of(vendor).chain(drm.render_of(Vendor::Unknown));
    let own: Vec<&Port> = own.collect();
    let Some(first) = own.first() else {
        let maker = vendor.name();
        return Some(Cause::NoRenderNode { maker });
    };
    if own.iter().any(|port| port.access == Access::Granted) {
        return None;
    }
    host::denied(&first.host, &first.access)
}
