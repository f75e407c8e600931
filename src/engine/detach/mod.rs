//! A guest that goes on without its caller, and the monitor that stays beside it.
//!
//! ```text
//! caller ──fork──> monitor ──fork──> what becomes the guest
//!   ^  tidings: progress, or the fault that kept the guest from starting  │
//!   └──────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! The caller reads [`tidings`] until nobody can send any more: the guest's exec closes the last end of that pipe, or
//! a fault came through it. So a start that fails is the caller's failure. The monitor leads a session of its own and
//! holds nothing of the caller's: no terminal, no pipe, no directory. It reads what the guest writes, adopts whom the
//! guest abandons, passes on signals, and when the guest's first process has ended it ends all that is left. The
//! kernel ends that first process should the monitor be killed.

mod streams;
mod tidings;

use std::io;
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signalfd::SignalFd;
use nix::unistd::{ForkResult, Pid, chdir, setsid};

use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::living;
use crate::base::progress::Progress;
use crate::engine::Outcome;
use crate::sys;
use crate::sys::process::{Wait, adopt_orphans, close_all_but, die_with, exit, fork, reap};
use crate::sys::signal::{self, Held};

use streams::{Ends, Streams};
pub use streams::{Input, Stream};
use tidings::{Messenger, Tidings};

/// What is to be done around a guest that goes on without its caller. The calls come in this order.
pub trait Keeper {
    /// In the monitor, before there is a guest: a failure is the start's.
    fn begin(&mut self) -> Result<(), BoxFault>;

    /// In the process that is to become the guest, whose standard streams are in place. Returns where it does not
    /// become the guest: with why not, or with how a child ended that did.
    fn guest(&mut self, progress: &dyn Progress) -> Result<Outcome, BoxFault>;

    /// In the monitor: the guest wrote these bytes.
    fn wrote(&mut self, stream: Stream, bytes: &[u8]);

    /// In the monitor: the guest has ended, nothing of it is left, and nothing more will be written.
    fn ended(&mut self, outcome: Outcome);
}

/// The kernel did not let us start a guest on its own.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}")]
struct DetachError {
    doing: &'static str,
    source: io::Error,
}

impl Fault for DetachError {
    fn kind(&self) -> Kind {
        Kind::Refused
    }
}

fn failed<E: Into<io::Error>>(doing: &'static str) -> impl FnOnce(E) -> DetachError {
    move |source| DetachError {
        doing,
        source: source.into(),
    }
}

/// Starts a guest under a monitor and returns when it has started, or with the reason why it has not; by then
/// the monitor has cleaned up and is gone.
pub fn detach(
    keeper: &mut dyn Keeper,
    input: Input,
    progress: &dyn Progress,
) -> Result<(), BoxFault> {
    let (reader, writer) = io::pipe().map_err(failed("make a pipe to a monitor"))?;
    match fork().map_err(failed("make a process for a monitor"))? {
        ForkResult::Child => {
            drop(reader);
            let messenger = Messenger::new(writer);
            if let Err(fault) = monitor(keeper, input, &messenger) {
                messenger.failed(&*fault);
            }
            exit(0)
        }
        ForkResult::Parent { child } => {
            drop(writer);
            match tidings::listen(reader, progress) {
                Tidings::Started => Ok(()),
                Tidings::Failed(fault) => {
                    let _gone_either_way = nix::sys::wait::waitpid(child, None);
                    Err(fault.into())
                }
            }
        }
    }
}

/// The life of the monitor.
fn monitor(keeper: &mut dyn Keeper, input: Input, messenger: &Messenger) -> Result<(), BoxFault> {
    setsid().map_err(failed("make a session for a monitor"))?;
    close_all_but(&messenger.descriptors());
    adopt_orphans().map_err(failed("adopt what a guest abandons"))?;
    keeper.begin()?;
    let held = Held::new().map_err(failed("hold signals for a guest"))?;
    let arrivals = held
        .arrivals()
        .map_err(failed("receive signals for a guest"))?;
    let (streams, ends) = streams::make(input).map_err(failed("make pipes for a guest"))?;
    let parent = Pid::this();
    match fork().map_err(failed("make a process for a guest"))? {
        ForkResult::Child => {
            drop((streams, arrivals));
            let guest = become_guest(keeper, held, ends, parent, messenger);
            let status = guest.unwrap_or_else(|fault| {
                messenger.failed(&*fault);
                fault.kind().start_status()
            });
            exit(status.into())
        }
        ForkResult::Parent { child } => {
            messenger.close();
            drop(ends);
            // The caller's directory may be one that somebody wants to unmount, or remove.
            let _only_a_courtesy = chdir("/");
            streams::let_go().map_err(failed("let go of the caller's streams"))?;
            let mut streams = streams;
            let outcome = watch(child, &arrivals, &mut streams, keeper);
            living::end_children();
            streams.drain(&mut |stream, bytes| keeper.wrote(stream, bytes));
            keeper.ended(outcome);
            Ok(())
        }
    }
}

/// The status with which this process, which did not become the guest, is to end.
fn become_guest(
    keeper: &mut dyn Keeper,
    held: Held,
    ends: Ends,
    parent: Pid,
    messenger: &Messenger,
) -> Result<u8, BoxFault> {
    die_with(parent).map_err(failed("tie a guest to its monitor"))?;
    setsid().map_err(failed("make a session for a guest"))?;
    ends.install()
        .map_err(failed("set the streams of a guest"))?;
    signal::forget_caller();
    held.forget()
        .map_err(failed("release signals for a guest"))?;
    let outcome = keeper.guest(messenger);
    Ok(outcome?.status())
}

/// Waits for the guest's end, and meanwhile takes what it writes, passes on signals, and buries whom it left to us.
fn watch(
    guest: Pid,
    arrivals: &SignalFd,
    streams: &mut Streams,
    keeper: &mut dyn Keeper,
) -> Outcome {
    loop {
        if let Some(outcome) = bury(guest) {
            return outcome;
        }
        let mut fds = vec![PollFd::new(arrivals.as_fd(), PollFlags::POLLIN)];
        fds.extend(streams.open().map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        let _interrupted_or_not_all_are_looked_at = poll(&mut fds, PollTimeout::NONE);
        drop(fds);
        while let Ok(Some(arrived)) = arrivals.read_signal() {
            let number = arrived.ssi_signo as i32;
            // What the kernel sends concerns this process; what somebody sends is meant for the guest.
            if number != libc::SIGCHLD && arrived.ssi_code <= 0 {
                let _gone_is_seen_next = sys::signal::send(guest, number);
            }
        }
        streams.read(&mut |stream, bytes| keeper.wrote(stream, bytes));
    }
}

/// Takes the dead off the kernel's list; how the guest ended, if it is among them.
fn bury(guest: Pid) -> Option<Outcome> {
    let mut outcome = None;
    while let Ok(Some((pid, ended))) = reap(Wait::Not) {
        if pid == guest {
            outcome = Some(Outcome::from(ended));
        }
    }
    outcome
}
