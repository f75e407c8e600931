//! Staying beside the guest where something has to be removed after it.

use std::io;

use nix::unistd::{ForkResult, Pid};

use crate::base::fault::{Fault, Kind};
use crate::base::fsx;
use crate::base::path::HostPath;
use crate::base::progress::Progress;
use crate::engine::{Outcome, Stop};
use crate::sys::process::{die_with, fork};
use crate::sys::signal::Held;

/// The kernel did not let us stand beside the guest.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} the guest")]
struct SuperviseError {
    doing: &'static str,
    source: io::Error,
}

impl Fault for SuperviseError {
    fn kind(&self) -> Kind {
        Kind::Refused
    }
}

/// Runs `guest` in a child, which becomes the guest or returns why not; waits for its end,
/// and removes `scratch`, which may or may not exist by then.
///
/// The outcome is the guest's, also where `scratch` does not go (NFS keeps what is open):
/// that is told to `progress`. Signals that this process gets meanwhile go to the guest. Should this process be
/// killed, the kernel kills the guest, and the next run or `gc` sweeps `scratch`.
///
/// In the child the call returns too, with the failure, for the caller to report.
pub(super) fn supervised(
    scratch: &HostPath,
    progress: &dyn Progress,
    guest: impl FnOnce() -> Stop,
) -> Result<Outcome, Stop> {
    let failed = |doing| move |source: io::Error| SuperviseError { doing, source };
    let parent = Pid::this();
    let held = Held::new().map_err(|errno| failed("hold signals for")(errno.into()))?;
    match fork().map_err(failed("make a process for"))? {
        ForkResult::Child => {
            die_with(parent).map_err(failed("tie us to"))?;
            held.release()
                .map_err(|errno| failed("release signals for")(errno.into()))?;
            Err(guest())
        }
        ForkResult::Parent { child } => {
            let ended = held.pass_on(child).map_err(failed("wait for"))?;
            if let Err(error) = fsx::remove_tree(scratch) {
                let why = &error.source;
                progress.warn(&format!("{error}: {why}; `coracle gc` tries again"));
            }
            Ok(Outcome::from(ended))
        }
    }
}
