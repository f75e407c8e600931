//! Engines: whatever can carry out a [`RunPlan`]. This page is their contract.
//!
//! 1. The exit status is the guest's own, 128+n for a signal; 125 is our failure,
//!    126 a program that cannot be executed, 127 one that does not exist.
//! 2. stdin, stdout, stderr, the terminal, signals, the working directory, resource
//!    limits, supplementary groups and descriptors 3.. (PMI passes one) reach the
//!    guest untouched. Coracle writes nothing to stdout.
//! 3. Every field of the plan is carried out, or refused by name before the guest
//!    starts; never silently ignored.
//! 4. Nothing is left behind: no process, mount, temporary file or mount point,
//!    also after SIGKILL.
//! 5. The shared tree (`plan.root.lower`) is never changed.
//! 6. Secrets never stand in an argument vector.
//! 7. An engine does not read the store, print, or know another engine.

pub mod apptainer;
pub mod background;
mod carry;
pub mod detach;
pub mod ns;
pub mod proot;
mod restrict;
pub mod select;
mod sight;
mod start;
pub mod supervise;
mod view;

use std::process::ExitCode;

use nix::unistd::Pid;

use crate::base::fault::{BoxFault, Fault};
use crate::base::progress::Progress;
use crate::plan::RunPlan;

/// Something that can carry out a plan.
pub trait Engine {
    /// The name that `--engine` takes and the guest finds in `CORACLE_ENGINE`.
    fn name(&self) -> &'static str;

    /// Carries out `plan`. Where nothing has to be done after the guest, the guest
    /// takes this process over and the call does not return. What the user should know
    /// before the guest starts, such as a copy that has to be made, goes to `progress`.
    fn run(&self, plan: &RunPlan, progress: &dyn Progress) -> Result<Outcome, Stop>;

    /// Carries out `plan` in the container where the guest `beside` runs already, by the same engine: its program,
    /// environment, directory and user are the plan's, its view of the file system is that guest's. An engine that
    /// has no view to share, because its guests meet in one directory on disk, runs the plan as it is.
    fn join(&self, plan: &RunPlan, beside: Pid, progress: &dyn Progress) -> Result<Outcome, Stop>;
}

/// How a guest that we waited for ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It exited with this status.
    Exited(u8),
    /// This signal ended it.
    Signaled(i32),
}

impl Outcome {
    /// The status that coracle exits with: the guest's own, or 128+n. bash(1), "EXIT STATUS".
    pub fn code(self) -> ExitCode {
        ExitCode::from(self.status())
    }

    /// The same as a number.
    pub fn status(self) -> u8 {
        match self {
            Outcome::Exited(status) => status,
            Outcome::Signaled(signal) => 128u8.wrapping_add(signal as u8),
        }
    }
}

/// Of a status, or the signal that ended it, as `sys::process::reap` says.
impl From<Result<u8, i32>> for Outcome {
    fn from(ended: Result<u8, i32>) -> Outcome {
        match ended {
            Ok(status) => Outcome::Exited(status),
            Err(signal) => Outcome::Signaled(signal),
        }
    }
}

/// Why a guest did not run.
#[derive(Debug)]
pub enum Stop {
    /// This host does not let the engine work. Nothing has changed in this process,
    /// so another engine may be tried.
    NotHere(String),
    /// The run is over: another engine would fail as well, or this process has changed.
    Failed(BoxFault),
}

impl<F: Fault> From<F> for Stop {
    fn from(fault: F) -> Stop {
        Stop::Failed(fault.into())
    }
}
