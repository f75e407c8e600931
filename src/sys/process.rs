//! Processes: becoming another program, and making children that cannot outlive us.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use nix::unistd::{ForkResult, Pid};

use crate::sys::signal::restore_caller;

/// A program with its arguments and environment, ready for execve(2).
///
/// Everything that can fail for want of memory or for a NUL byte fails here,
/// not after the namespaces have changed.
#[derive(Debug)]
pub struct Program {
    argv: Vec<CString>,
    environment: Vec<CString>,
}

impl Program {
    /// Takes the arguments (the first is the name) and the whole environment.
    pub fn new(argv: &[OsString], environment: &[(OsString, OsString)]) -> io::Result<Program> {
        let c_string = |text: &OsStr| CString::new(text.as_bytes()).map_err(io::Error::from);
        let argv = argv
            .iter()
            .map(|arg| c_string(arg))
            .collect::<io::Result<_>>()?;
        let pair = |(name, value): &(OsString, OsString)| {
            let mut text = name.clone();
            text.push("=");
            text.push(value);
            CString::new(text.into_vec()).map_err(io::Error::from)
        };
        let environment = environment.iter().map(pair).collect::<io::Result<_>>()?;
        Ok(Program { argv, environment })
    }

    /// Replaces this process by the program at `path`; returns only the reason why not.
    ///
    /// Descriptors, mask, limits and directory stay as they are; SIGPIPE and SIGCHLD are
    /// as our caller had them. execve(2).
    pub fn exec(&self, path: &OsStr) -> io::Error {
        let Ok(path) = CString::new(path.as_bytes()) else {
            return io::ErrorKind::InvalidInput.into();
        };
        restore_caller();
        match nix::unistd::execve(&path, &self.argv, &self.environment) {
            Ok(never) => match never {},
            Err(errno) => errno.into(),
        }
    }
}

/// Makes a child that is a copy of this process. fork(2).
///
/// Refused when a second thread exists: in the child, its locks would stay locked
/// for ever, and the child goes on with ordinary Rust code here.
pub fn fork() -> io::Result<ForkResult> {
    // The kernel wakes who joins a thread shortly before it takes the thread off this list.
    let mut patience = 100;
    while std::fs::read_dir("/proc/self/task").is_ok_and(|tasks| tasks.count() != 1) {
        if patience == 0 {
            return Err(io::Error::other("fork with several threads"));
        }
        patience -= 1;
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    // SAFETY: there is only this thread, so the child may run any code. That is checked above; where /proc cannot
    // be read it rests on every thread of ours being joined by whoever made it, in the call in which it made it.
    Ok(unsafe { nix::unistd::fork() }?)
}

/// Lets the kernel kill this process when `parent`, which made it, ends. prctl(2).
pub fn die_with(parent: Pid) -> io::Result<()> {
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
    if nix::unistd::getppid() == parent {
        return Ok(());
    }
    // It ended before the call; nobody is left to tell.
    exit(125)
}

/// Makes this process the parent of every descendant whose own parent ends. prctl(2), PR_SET_CHILD_SUBREAPER.
pub fn adopt_orphans() -> io::Result<()> {
    Ok(nix::sys::prctl::set_child_subreaper(true)?)
}

/// Closes every descriptor but the first three and those in `keep`. Only for a process that has just been forked,
/// goes its own way, and ends by [`exit`]: a value that owns one of them must not be dropped any more.
pub fn close_all_but(keep: &[RawFd]) {
    let names = std::fs::read_dir("/proc/self/fd").into_iter().flatten();
    let open: Vec<RawFd> = names
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for fd in open {
        if fd > 2 && !keep.contains(&fd) {
            // SAFETY: takes no pointer. Whoever of our own values owns the descriptor is in a frame that never runs
            // again: this process leaves by _exit(2). That of the listing itself is closed already, which only
            // gives EBADF.
            unsafe { libc::close(fd) };
        }
    }
}

/// Takes a child that has ended off the kernel's list, and says how it ended: with a status, or by a signal.
/// With [`Wait::Not`], `None` where all still live; an error (ECHILD) where there is none at all. waitpid(2).
pub fn reap(wait: Wait) -> io::Result<Option<(Pid, Result<u8, i32>)>> {
    let flags = match wait {
        Wait::Not => libc::WNOHANG,
        Wait::ForOne => 0,
    };
    loop {
        match change(flags)? {
            None => return Ok(None),
            Some((pid, Change::Ended(ended))) => return Ok(Some((pid, ended))),
            // Not without WUNTRACED.
            Some((_, Change::Stopped)) => {}
        }
    }
}

/// What has become of `child`; `None` where nothing has. Other children that have ended are taken off the kernel's list
/// on the way: who adopts orphans has them, and nobody else would. waitpid(2).
pub fn look(child: Pid) -> io::Result<Option<Change>> {
    loop {
        match change(libc::WNOHANG | libc::WUNTRACED)? {
            None => return Ok(None),
            Some((pid, change)) if pid == child => return Ok(Some(change)),
            Some(_) => {}
        }
    }
}

/// The next child of which waitpid(2) has something to tell; `None` where all still live.
fn change(flags: i32) -> io::Result<Option<(Pid, Change)>> {
    loop {
        let mut status = 0;
        // SAFETY: the kernel writes one `int` into `status`, which outlives the call. nix's own knows no
        // real-time signals.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, flags) };
        match pid {
            0 => return Ok(None),
            1.. if libc::WIFEXITED(status) => {
                let code = libc::WEXITSTATUS(status) as u8;
                return Ok(Some((Pid::from_raw(pid), Change::Ended(Ok(code)))));
            }
            1.. if libc::WIFSTOPPED(status) => {
                return Ok(Some((Pid::from_raw(pid), Change::Stopped)));
            }
            1.. => {
                let ended = Err(libc::WTERMSIG(status));
                return Ok(Some((Pid::from_raw(pid), Change::Ended(ended))));
            }
            _ => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}

/// What became of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A signal has stopped it.
    Stopped,
    /// It ended: with a status, or by a signal.
    Ended(Result<u8, i32>),
}

/// Whether [`reap`] waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// It looks, and returns.
    Not,
    /// Until one child has ended.
    ForOne,
}

/// A process that is held on to: what is done to it cannot happen to another that got its number. pidfd_open(2).
#[derive(Debug)]
pub struct Handle(OwnedFd);

impl Handle {
    /// Holds on to the process `pid`. Linux before 5.3 has no such thing (ENOSYS).
    pub fn open(pid: Pid) -> io::Result<Handle> {
        // SAFETY: takes no pointer; a descriptor that it returns is new and belongs to nobody else.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just returned this descriptor, a small number, to us alone.
        Ok(Handle(unsafe { OwnedFd::from_raw_fd(fd as RawFd) }))
    }

    /// Sends a signal by its number. pidfd_send_signal(2).
    pub fn send(&self, signal: i32) -> io::Result<()> {
        let fd = self.0.as_raw_fd();
        let none = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: a null `info` stands for what kill(2) would send; the descriptor is ours and open.
        match unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, none, 0) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// The descriptor, which becomes readable when the process ends.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Makes the terminal on `fd` that of this session, which this process leads and which has none. ioctl_tty(2), TIOCSCTTY.
pub fn take_terminal(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the argument is a number, and 0 steals the terminal from nobody.
    match unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCSCTTY as _, 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Ends this process at once, without the exit handlers that a child shares with its parent. _exit(2).
pub fn exit(status: i32) -> ! {
    // SAFETY: ends the process; nothing of it can be observed afterwards.
    unsafe { libc::_exit(status) }
}
