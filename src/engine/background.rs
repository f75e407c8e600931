//! A program that nobody waits for.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{ForkResult, dup2_stderr, dup2_stdin, dup2_stdout, setsid};

use crate::base::fault::{BoxFault, Fault, Kind};
use crate::engine::Outcome;
use crate::sys::process::{self, Wait};

/// A program could not be left alone.
#[derive(Debug, thiserror::Error)]
#[error("cannot leave the program alone in the background")]
struct DetachError(#[source] io::Error);

impl Fault for DetachError {
    fn kind(&self) -> Kind {
        Kind::Refused
    }
}

/// Does `start` in a process of its own session, without a terminal and with nothing to read; returns once the
/// program runs. A failure until then is reported by that process, on our stderr, and gives its status.
pub fn alone(start: impl FnOnce() -> Result<ExitCode, BoxFault>) -> Result<ExitCode, BoxFault> {
    let (mut began, mut failed) = io::pipe().map_err(DetachError)?;
    match process::fork().map_err(DetachError)? {
        ForkResult::Child => {
            drop(began);
            let stderr = leave_terminal().map_err(DetachError)?;
            // Returns only if the program does not run: its exec closes the pipe and the old stderr.
            let ended = start();
            let _nobody_reads_it_then = dup2_stderr(&stderr);
            let _the_status_says_it_too = failed.write_all(b"!");
            ended
        }
        ForkResult::Parent { .. } => {
            drop(failed);
            let runs = began.read(&mut [0]).map_err(DetachError)? == 0;
            if runs {
                return Ok(ExitCode::SUCCESS);
            }
            let ended = process::reap(Wait::ForOne).map_err(DetachError)?;
            let (_, ended) = ended.expect("who waits for one child hears of one");
            Ok(Outcome::from(ended).code())
        }
    }
}

/// Leaves the caller's session; stdin, stdout and stderr lead nowhere. Returns a copy of stderr that the exec closes.
fn leave_terminal() -> io::Result<OwnedFd> {
    let stderr = io::stderr().as_fd().try_clone_to_owned()?;
    setsid()?;
    let flags = OFlag::O_RDWR | OFlag::O_CLOEXEC;
    let nowhere = open("/dev/null", flags, Mode::empty())?;
    dup2_stdin(&nowhere)?;
    dup2_stdout(&nowhere)?;
    dup2_stderr(&nowhere)?;
    Ok(stderr)
}
