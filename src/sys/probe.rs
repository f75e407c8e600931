//! Trying things in a child that is thrown away, so that this process stays as it is.

use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::sys::signal::{Signal, kill, raise};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, getpid};

use crate::sys::process::{die_with, exit, fork};

/// A child's report is cut off here: one sentence, never a flood.
const MAX_REPORT: u64 = 4096;

/// Runs `trial` in a child and returns what it returned, or how the child died instead
/// (a seccomp filter may kill instead of answering EPERM).
///
/// The child dies with this process, so a trial that hangs cannot outlive us. What
/// it changes (namespaces, mounts, filters) ends with it. fork(2), pipe(2).
pub fn in_child(trial: impl FnOnce() -> Result<String, String>) -> Result<String, String> {
    let failed = |error: io::Error| format!("cannot try it in a child: {error}");
    let (mut reader, mut writer) = io::pipe().map_err(failed)?;
    let parent = getpid();
    match fork().map_err(failed)? {
        ForkResult::Child => {
            drop(reader);
            let _without_it_only_a_hang_is_worse = die_with(parent);
            // Unwinding into the parent's frames would run its program a second time.
            let outcome = catch_unwind(AssertUnwindSafe(trial));
            let (status, report) = match outcome {
                Ok(Ok(report)) => (0, report),
                Ok(Err(report)) => (1, report),
                Err(_) => (1, "the trial panicked".to_owned()),
            };
            let _the_status_says_it_too = writer.write_all(report.as_bytes());
            exit(status)
        }
        ForkResult::Parent { child } => {
            drop(writer);
            let mut report = Vec::new();
            let read = reader.by_ref().take(MAX_REPORT).read_to_end(&mut report);
            drop(reader);
            let status = wait(child).map_err(failed)?;
            read.map_err(failed)?;
            let report = String::from_utf8_lossy(&report).into_owned();
            match status {
                WaitStatus::Exited(_, 0) => Ok(report),
                WaitStatus::Signaled(_, signal, _) => Err(format!("killed by {signal}")),
                _ => Err(report),
            }
        }
    }
}

/// Traces a child through one stop, as a ptrace-based runner does all day. ptrace(2).
pub fn trace_a_child() -> Result<(), String> {
    let failed = |error: io::Error| format!("cannot try it in a child: {error}");
    let parent = getpid();
    let child = match fork().map_err(failed)? {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            let _without_it_only_a_hang_is_worse = die_with(parent);
            match trace_me() {
                Ok(()) => {
                    let _the_parent_sees_no_stop_then = raise(Signal::SIGSTOP);
                    exit(0)
                }
                Err(error) => exit(error.raw_os_error().unwrap_or(libc::EPERM)),
            }
        }
    };
    match wait(child).map_err(failed)? {
        WaitStatus::Stopped(..) => {
            let detached = detach(child);
            let _gone_already = kill(child, Signal::SIGKILL);
            let _only_to_leave_no_zombie = wait(child);
            detached.map_err(|error| format!("PTRACE_DETACH: {error}"))
        }
        WaitStatus::Exited(_, errno) => Err(format!(
            "PTRACE_TRACEME: {}",
            io::Error::from_raw_os_error(errno)
        )),
        WaitStatus::Signaled(_, signal, _) => Err(format!("PTRACE_TRACEME: killed by {signal}")),
        other => Err(format!("got {other:?}, expected a stop")),
    }
}

fn trace_me() -> io::Result<()> {
    // SAFETY: PTRACE_TRACEME reads none of the other arguments.
    let result = unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) };
    answer(result)
}

fn detach(child: Pid) -> io::Result<()> {
    // SAFETY: the third argument is ignored and the fourth is a signal number (none);
    // neither is taken as an address.
    let result = unsafe { libc::ptrace(libc::PTRACE_DETACH, child.as_raw(), 0, 0) };
    answer(result)
}

fn answer(result: libc::c_long) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// waitpid(2), taken up again after a signal.
fn wait(child: Pid) -> io::Result<WaitStatus> {
    loop {
        match waitpid(child, Some(WaitPidFlag::WUNTRACED)) {
            Err(nix::Error::EINTR) => {}
            status => return Ok(status?),
        }
    }
}
