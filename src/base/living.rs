//! Processes that are held on to: signals for them, waiting for their end, their children.

use std::io;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;

use crate::base::creator::{Creator, Life};
use crate::base::fsx;
use crate::sys;
use crate::sys::process::Handle;

/// The pause between two looks at a process, where the kernel cannot tell us of its end.
const PAUSE: Duration = Duration::from_millis(20);

/// Bytes read of one file of procfs.
const PROC_LIMIT: u64 = 64 * 1024;

/// A process of this host that lived when it was asked for.
#[derive(Debug)]
pub struct Living {
    creator: Creator,
    pid: Pid,
    /// Absent before Linux 5.3.
    handle: Option<Handle>,
}

impl Creator {
    /// Holds on to this process, if it lives on this host.
    pub fn hold(&self) -> Option<Living> {
        let Life::Here(pid) = self.life() else {
            return None;
        };
        let handle = Handle::open(pid).ok();
        // Asked again: until it was held on to, its number could have been given to another.
        matches!(self.life(), Life::Here(_)).then(|| Living {
            creator: self.clone(),
            pid,
            handle,
        })
    }
}

impl Living {
    /// Its number.
    pub fn id(&self) -> i32 {
        self.pid.as_raw()
    }

    /// Sends it a signal by its number; whether it still lived.
    pub fn signal(&self, signal: i32) -> io::Result<bool> {
        let sent = match &self.handle {
            Some(handle) => handle.send(signal),
            None if matches!(self.creator.life(), Life::Here(_)) => {
                sys::signal::send(self.pid, signal)
            }
            None => return Ok(false),
        };
        match sent {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(false),
            sent => sent.map(|()| true),
        }
    }

    /// Waits for its end, not longer than `patience`, where there is one; whether it has ended.
    pub fn wait(&self, patience: Option<Duration>) -> bool {
        // A patience that no clock can hold has no end.
        let deadline = patience.and_then(|patience| Instant::now().checked_add(patience));
        loop {
            // A zombie has ended, whoever is slow to take it off the list.
            if !matches!(self.creator.life(), Life::Here(_)) {
                return true;
            }
            let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return false;
            }
            self.look(left);
        }
    }

    /// Waits for its end or for a while, whichever comes first.
    fn look(&self, left: Option<Duration>) {
        let Some(handle) = &self.handle else {
            #[expect(
                clippy::disallowed_methods,
                reason = "before Linux 5.3 the end of somebody else's child is no event"
            )]
            std::thread::sleep(left.unwrap_or(PAUSE).min(PAUSE));
            return;
        };
        let timeout = left.map_or(PollTimeout::NONE, |left| {
            // Rounded up, so that the last round is not spent in a busy loop.
            let millis = left.as_millis().saturating_add(1).min(60_000);
            PollTimeout::from(u16::try_from(millis).unwrap_or(60_000))
        });
        let mut fds = [PollFd::new(handle.as_fd(), PollFlags::POLLIN)];
        let _interrupted_or_not_it_is_asked_again = poll(&mut fds, timeout);
    }
}

/// The processes whose parent is `parent`. proc_pid_stat(5), field 4.
pub fn children(parent: Pid) -> Vec<Pid> {
    let mut found = Vec::new();
    for name in fsx::names("/proc") {
        let Ok(number) = name.parse::<i32>() else {
            continue;
        };
        let stat = fsx::read(format!("/proc/{name}/stat"), PROC_LIMIT).unwrap_or_default();
        let stat = String::from_utf8_lossy(&stat);
        let fields = stat.rsplit_once(") ").map(|(_, fields)| fields);
        let of = fields.and_then(|fields| fields.split_ascii_whitespace().nth(1)?.parse().ok());
        if of == Some(parent.as_raw()) {
            found.push(Pid::from_raw(number));
        }
    }
    found
}

/// Ends all children of this process and all that they leave to it, and waits for that. With
/// [`sys::process::adopt_orphans`] these are all descendants.
pub fn end_children() {
    let own = Pid::this();
    loop {
        match sys::process::reap(sys::process::Wait::Not) {
            Ok(Some(_)) => continue,
            Ok(None) => {}
            Err(_) => return,
        }
        let kill = |child: &Pid| sys::signal::send(*child, libc::SIGKILL);
        let killed = children(own).iter().map(kill).collect::<Vec<_>>();
        let is_refused = |sent: &io::Result<()>| {
            let errno = sent.as_ref().err().and_then(io::Error::raw_os_error);
            errno == Some(Errno::EPERM as i32)
        };
        // Somebody else's by now: a program that was given other rights. To wait for it would be for ever.
        if !killed.is_empty() && killed.iter().all(is_refused) {
            return;
        }
        if sys::process::reap(sys::process::Wait::ForOne).is_err() {
            return;
        }
    }
}
