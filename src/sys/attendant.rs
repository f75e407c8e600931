//! A process that stands beside another without being its child, and learns of its end.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, chdir, dup2_stderr, dup2_stdin, dup2_stdout, setsid};

use crate::sys::process::{close_all_but, die_with, exit, fork};

/// Who returns from [`stand_aside`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The process that called.
    Caller,
    /// The one that was made.
    Attendant,
}

/// Makes a process that is not the caller's child, because a guest that waits for all of its children would wait for
/// it: a child makes it and ends. It has a session of its own, so that no terminal's signal reaches it, `/` as its
/// directory, and of the caller's descriptors only those in `keep`: it must hold no pipe open. daemon(7)
pub fn stand_aside(keep: &[BorrowedFd<'_>]) -> io::Result<Side> {
    match fork()? {
        ForkResult::Parent { child } => {
            waitpid(child, None)?;
            Ok(Side::Caller)
        }
        ForkResult::Child => {
            match fork() {
                Ok(ForkResult::Child) => {}
                // The caller sees that nobody answers.
                Ok(ForkResult::Parent { .. }) | Err(_) => exit(0),
            }
            match forget_caller(keep) {
                Ok(()) => Ok(Side::Attendant),
                Err(_) => exit(1),
            }
        }
    }
}

fn forget_caller(keep: &[BorrowedFd<'_>]) -> io::Result<()> {
    setsid()?;
    chdir("/")?;
    let null = File::options().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)?;
    drop(null);
    let kept: Vec<RawFd> = keep.iter().map(AsRawFd::as_raw_fd).collect();
    close_all_but(&kept);
    Ok(())
}

/// Waits until one of `fds` is readable or at its end, for `milliseconds` at most (for ever where absent); which are.
pub fn readable<const N: usize>(
    fds: [BorrowedFd<'_>; N],
    milliseconds: Option<u16>,
) -> io::Result<[bool; N]> {
    let mut polled = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN));
    let timeout = milliseconds.map_or(PollTimeout::NONE, PollTimeout::from);
    match poll(&mut polled, timeout) {
        Err(nix::Error::EINTR) => return Ok([false; N]),
        done => done?,
    };
    Ok(polled.map(|fd| fd.any().unwrap_or(true)))
}

/// Lets the kernel kill the child that `command` makes when this process ends. prctl(2), PR_SET_PDEATHSIG.
pub fn tie(command: &mut Command) {
    let parent = Pid::this();
    // SAFETY: runs in the child of a process with one thread; two system calls without memory of ours.
    unsafe { command.pre_exec(move || die_with(parent)) };
}

/// Lets what this process starts have `fd`. fcntl(2), FD_CLOEXEC.
pub fn pass_on(fd: impl AsFd) -> io::Result<()> {
    nix::fcntl::fcntl(
        fd,
        nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty()),
    )?;
    Ok(())
}
