//! Signals: what the caller had set up before the Rust runtime changed it, and
//! passing on what arrives here to a child.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;

use crate::sys::process::{Change, look};

/// Whether SIGPIPE was ignored when this program started.
static PIPE_IGNORED: AtomicBool = AtomicBool::new(false);
/// The same for SIGCHLD.
static CHILD_IGNORED: AtomicBool = AtomicBool::new(false);
/// The same for SIGXFSZ.
static SIZE_IGNORED: AtomicBool = AtomicBool::new(false);

/// Runs [`remember_caller`] before `main`, where Rust's runtime ignores SIGPIPE.
#[used]
#[unsafe(link_section = ".init_array")]
static REMEMBER: extern "C" fn() = remember_caller;

extern "C" fn remember_caller() {
    PIPE_IGNORED.store(is_ignored(libc::SIGPIPE), Ordering::Relaxed);
    // Who ignores it hears of no child's end and cannot wait for one; waitpid(2), "NOTES".
    if is_ignored(libc::SIGCHLD) {
        CHILD_IGNORED.store(true, Ordering::Relaxed);
        // SAFETY: the default action, which is to do nothing, runs no code of ours.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    }
    // A file that reaches RLIMIT_FSIZE ends its writer, unless he wants the error EFBIG instead. setrlimit(2).
    // SAFETY: to ignore a signal runs no code of ours.
    let before = unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    SIZE_IGNORED.store(before == libc::SIG_IGN, Ordering::Relaxed);
}

fn is_ignored(signal: i32) -> bool {
    // SAFETY: an all-zero `sigaction` is a valid value of that plain C structure;
    // the call with a null new action only writes the old one into it.
    let action = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut action);
        action
    };
    action.sa_sigaction == libc::SIG_IGN
}

/// Gives SIGPIPE, SIGCHLD and SIGXFSZ back the meaning that they had for our caller; done before
/// an exec, which keeps "ignored" but not handlers. signal(7).
pub fn restore_caller() {
    for (ignored, signal) in [
        (&PIPE_IGNORED, libc::SIGPIPE),
        (&SIZE_IGNORED, libc::SIGXFSZ),
    ] {
        if !ignored.load(Ordering::Relaxed) {
            // SAFETY: the default action runs no code of ours.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
    }
    if CHILD_IGNORED.load(Ordering::Relaxed) {
        // SAFETY: to ignore a signal runs no code of ours.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    }
}

/// Gives every signal its default meaning, as if nobody had called us; for a guest that outlives our caller. A shell
/// starts what it puts into the background with SIGINT ignored, `nohup` with SIGHUP.
pub fn forget_caller() {
    PIPE_IGNORED.store(false, Ordering::Relaxed);
    CHILD_IGNORED.store(false, Ordering::Relaxed);
    SIZE_IGNORED.store(false, Ordering::Relaxed);
    for signal in 1..=libc::SIGRTMAX() {
        // Until its exec this process wants errors of its pipes and files, not to be ended by them; see `restore_caller`.
        if ![libc::SIGPIPE, libc::SIGXFSZ].contains(&signal) {
            // SAFETY: the default action runs no code of ours; KILL, STOP and those of the C library answer EINVAL.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
    }
}

/// Sends a signal by its number. kill(2); nix's own knows no real-time signals.
pub fn send(pid: Pid, signal: i32) -> io::Result<()> {
    // SAFETY: the call takes two numbers, and no memory of ours.
    match unsafe { libc::kill(pid.as_raw(), signal) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The signals of this process set aside, so that none is lost between a fork and
/// [`Held::pass_on`]. The caller's mask comes back with [`Held::release`].
#[derive(Debug)]
pub struct Held {
    mask: SigSet,
}

/// Signals that the kernel raises for a fault of this process, or that cannot be held.
const OURS: [Signal; 6] = [
    Signal::SIGSEGV,
    Signal::SIGBUS,
    Signal::SIGFPE,
    Signal::SIGILL,
    Signal::SIGTRAP,
    Signal::SIGABRT,
];

impl Held {
    /// Blocks every signal but those of a fault. sigprocmask(2).
    pub fn new() -> nix::Result<Held> {
        let mut all = SigSet::all();
        OURS.iter().for_each(|signal| all.remove(*signal));
        let mut mask = SigSet::empty();
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&all), Some(&mut mask))?;
        Ok(Held { mask })
    }

    /// Gives the caller's mask back; for the child, before its exec.
    pub fn release(self) -> nix::Result<()> {
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.mask), None)
    }

    /// For the child that becomes a guest which outlives our caller: no signal is held any more.
    pub fn forget(self) -> nix::Result<()> {
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
    }

    /// The signals that arrive, as a descriptor that can be polled and does not block. signalfd(2).
    pub fn arrivals(&self) -> nix::Result<SignalFd> {
        let mut all = SigSet::all();
        OURS.iter().for_each(|signal| all.remove(*signal));
        SignalFd::with_flags(&all, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
    }

    /// Passes every signal on to `child` until it has ended, and returns how it ended: with a status, or by a signal.
    /// Children that this process adopted meanwhile are buried as they end.
    ///
    /// What a terminal sends (Ctrl-C) has reached the whole foreground group, the
    /// child included, and is not sent twice. When the child stops, this process
    /// stops too, so that a shell's job control sees it.
    pub fn pass_on(self, child: Pid) -> io::Result<Result<u8, i32>> {
        let mut all = SigSet::all();
        OURS.iter().for_each(|signal| all.remove(*signal));
        loop {
            let (signal, from_kernel) = wait_for(&all)?;
            if signal == libc::SIGCHLD {
                match look(child)? {
                    Some(Change::Stopped) => stop_as_well(child)?,
                    None => {}
                    Some(Change::Ended(ended)) => {
                        self.release()?;
                        return Ok(ended);
                    }
                }
            } else if !from_kernel {
                // SAFETY: takes no pointer. nix's own knows no real-time signals; that the
                // child may be gone is seen by waitpid.
                unsafe { libc::kill(child.as_raw(), signal) };
            }
        }
    }
}

/// Stops this process as its child has stopped; the child goes on when we do.
fn stop_as_well(child: Pid) -> io::Result<()> {
    kill(Pid::this(), Signal::SIGSTOP)?;
    let _gone_is_seen_by_waitpid = kill(child, Signal::SIGCONT);
    Ok(())
}

/// Takes the next of the blocked signals in `set`, and whether the kernel sent it. sigwaitinfo(2).
fn wait_for(set: &SigSet) -> io::Result<(i32, bool)> {
    loop {
        // SAFETY: an all-zero `siginfo_t` is a valid value of that C union, and the
        // kernel fills it only within its size; `set` outlives the call.
        let (signal, info) = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            (
                libc::sigwaitinfo(std::ptr::from_ref(set.as_ref()), &raw mut info),
                info,
            )
        };
        if signal > 0 {
            return Ok((signal, info.si_code > 0));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
