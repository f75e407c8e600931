//! Staying beside the guest where something has to be removed after it.

use std::io;

use nix::unistd::{ForkResult, Pid};

use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::fsx;
use crate::base::living;
use crate::base::path::HostPath;
use crate::base::progress::Progress;
use crate::engine::{Outcome, Stop};
use crate::sys::process::{adopt_orphans, die_with, fork};
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
            progress.stays_beside();
            let ended = held.pass_on(child).map_err(failed("wait for"))?;
            if let Err(error) = fsx::remove_tree(scratch) {
                let why = &error.source;
                progress.warn(&format!("{error}: {why}; `coracle gc` tries again"));
            }
            Ok(Outcome::from(ended))
        }
    }
}

/// Runs `guest` in a child, with this process beside it in the foreground: signals that it gets go to the guest, and when
/// that has ended, all that it left behind is ended and `after` is called. Should this process be killed, the kernel
/// kills the guest.
///
/// In the child the call returns what `guest` returned, for the caller to report; `after` is not called there.
pub fn beside(
    guest: impl FnOnce() -> Result<Outcome, BoxFault>,
    after: impl FnOnce(Outcome),
) -> Result<Outcome, BoxFault> {
    let failed = |doing| move |source: io::Error| SuperviseError { doing, source };
    let parent = Pid::this();
    adopt_orphans().map_err(failed("adopt what is abandoned by"))?;
    let held = Held::new().map_err(|errno| failed("hold signals for")(errno.into()))?;
    match fork().map_err(failed("make a process for"))? {
        ForkResult::Child => {
            die_with(parent).map_err(failed("tie us to"))?;
            held.release()
                .map_err(|errno| failed("release signals for")(errno.into()))?;
            guest()
        }
        ForkResult::Parent { child } => {
            let ended = held.pass_on(child).map_err(failed("wait for"))?;
            living::end_children();
            let outcome = Outcome::from(ended);
            after(outcome);
            Ok(outcome)
        }
    }
}
