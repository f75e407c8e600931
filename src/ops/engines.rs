//! The engine of a mode, ready to be handed a plan.

use crate::base::fault::BoxFault;
use crate::base::path::HostPath;
use crate::embed;
use crate::engine::Engine;
use crate::engine::apptainer::Apptainer;
use crate::engine::ns::Ns;
use crate::engine::proot::{Acceleration, Circumstances, Proot};
use crate::engine::select::{self, Mode, Rejection};
use crate::host::HostFacts;
use crate::plan::{Network, RunPlan};

/// The engine of a mode. PRoot is unpacked now, if it is not yet.
pub(super) fn engine(
    mode: Mode,
    home: &HostPath,
    circumstances: Circumstances,
) -> Result<Box<dyn Engine>, BoxFault> {
    let acceleration = match mode {
        Mode::Ns => return Ok(Box::new(Ns)),
        Mode::Apptainer => return Ok(Box::new(Apptainer)),
        Mode::ProotP1 => Acceleration::Seccomp,
        Mode::ProotP2 => Acceleration::Off,
    };
    let payload = embed::ensure(home, embed::find("proot")?)?;
    Ok(Box::new(Proot::new(payload, acceleration, circumstances)))
}

/// What PRoot should know of `ns`, some engines having been rejected before it.
pub(super) fn around(
    mode: Mode,
    rejections: &[Rejection],
    facts: &HostFacts,
    plan: &RunPlan,
) -> Circumstances {
    let has_ports = matches!(plan.network, Network::Mapped(_));
    let is_proot = matches!(mode, Mode::ProotP1 | Mode::ProotP2);
    let not_ns = rejections.iter().find(|it| it.mode == Mode::Ns);
    let asks = has_ports && is_proot && not_ns.is_none();
    Circumstances {
        not_ns: not_ns.map(|rejection| rejection.reason.clone()),
        ns_can: asks && select::consider(Mode::Ns, facts, plan).is_ok(),
    }
}
