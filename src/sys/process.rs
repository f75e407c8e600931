//! Processes: becoming another program, and making children that cannot outlive us.

use std::ffi::{CString, OsStr, OsString};
use std::io;
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
    // SAFETY: there is only this thread (checked above; where /proc cannot be read
    // nothing has started a thread yet, because only pulls do), so the child may
    // run any code.
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

/// Ends this process at once, without the exit handlers that a child shares with its parent. _exit(2).
pub fn exit(status: i32) -> ! {
    // SAFETY: ends the process; nothing of it can be observed afterwards.
    unsafe { libc::_exit(status) }
}
