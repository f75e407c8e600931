//! The standard streams of a guest without a caller: pipes, or a terminal of its own, which its monitor reads.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl, open};
use nix::pty::openpty;
use nix::sys::stat::Mode;
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout, read};

use crate::sys::process::take_terminal;

/// What a guest reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// An end of file.
    Nothing,
    /// Nothing, and it is never told that nothing will come (`-i`).
    Open,
    /// A terminal, at which nobody types (`-t`).
    Terminal,
}

/// On which of its streams a guest wrote. On a terminal all is standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Bytes taken at once.
const CHUNK: usize = 64 * 1024;

/// Chunks taken after the guest's end. What it wrote is in a pipe, which is smaller by far, or in a terminal; more can
/// only come from somebody else to whom it handed its stream.
const LAST_CHUNKS: usize = 64;

/// The monitor's side.
pub(super) struct Streams {
    sources: Vec<(Stream, OwnedFd)>,
    /// Kept open so that the guest's side never ends: the other end of its input, or its terminal.
    _kept: Option<OwnedFd>,
}

/// The guest's side.
pub(super) struct Ends {
    input: OwnedFd,
    output: OwnedFd,
    error: OwnedFd,
    is_terminal: bool,
}

/// Makes both sides.
pub(super) fn make(input: Input) -> io::Result<(Streams, Ends)> {
    match input {
        Input::Terminal => terminal(),
        Input::Nothing => pipes(null(OFlag::O_RDONLY)?, None),
        Input::Open => {
            let (reader, writer) = io::pipe()?;
            pipes(reader.into(), Some(writer.into()))
        }
    }
}

/// Puts `/dev/null` in the place of this process's standard streams.
pub(super) fn let_go() -> io::Result<()> {
    let null = null(OFlag::O_RDWR)?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    Ok(dup2_stderr(&null)?)
}

fn null(mode: OFlag) -> io::Result<OwnedFd> {
    Ok(open("/dev/null", mode | OFlag::O_CLOEXEC, Mode::empty())?)
}

fn pipes(input: OwnedFd, kept: Option<OwnedFd>) -> io::Result<(Streams, Ends)> {
    let (out_reader, output): (PipeReader, PipeWriter) = io::pipe()?;
    let (err_reader, error) = io::pipe()?;
    let sources = vec![
        (Stream::Out, out_reader.into()),
        (Stream::Err, err_reader.into()),
    ];
    let ends = Ends {
        input,
        output: output.into(),
        error: error.into(),
        is_terminal: false,
    };
    Ok((Streams::of(sources, kept)?, ends))
}

fn terminal() -> io::Result<(Streams, Ends)> {
    let pty = openpty(None, None)?;
    for fd in [&pty.master, &pty.slave] {
        fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    }
    let ends = Ends {
        input: pty.slave.try_clone()?,
        output: pty.slave.try_clone()?,
        error: pty.slave.try_clone()?,
        is_terminal: true,
    };
    // While we hold the guest's side, too, a guest that closes and opens it again does not look gone. pty(7), EIO.
    let sources = vec![(Stream::Out, pty.master)];
    Ok((Streams::of(sources, Some(pty.slave))?, ends))
}

impl Streams {
    fn of(sources: Vec<(Stream, OwnedFd)>, kept: Option<OwnedFd>) -> io::Result<Streams> {
        for (_, fd) in &sources {
            fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(Streams {
            sources,
            _kept: kept,
        })
    }

    /// What may still have something to read.
    pub(super) fn open(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.sources.iter().map(|(_, fd)| fd.as_fd())
    }

    /// Takes a chunk of each that has one, and forgets what has ended.
    pub(super) fn read(&mut self, wrote: &mut dyn FnMut(Stream, &[u8])) {
        self.take(1, wrote);
    }

    /// Takes all that is left.
    pub(super) fn drain(&mut self, wrote: &mut dyn FnMut(Stream, &[u8])) {
        self.take(LAST_CHUNKS, wrote);
    }

    fn take(&mut self, chunks: usize, wrote: &mut dyn FnMut(Stream, &[u8])) {
        let mut buffer = vec![0; CHUNK];
        self.sources.retain(|(stream, fd)| {
            for _ in 0..chunks {
                match read(fd, &mut buffer) {
                    Ok(0) => return false,
                    Ok(count) => wrote(*stream, &buffer[..count]),
                    Err(Errno::EAGAIN | Errno::EINTR) => return true,
                    Err(_) => return false,
                }
            }
            true
        });
    }
}

impl Ends {
    /// Makes these the standard streams of this process, which leads a session, and the terminal its own.
    pub(super) fn install(self) -> io::Result<()> {
        if self.is_terminal {
            take_terminal(self.input.as_fd())?;
        }
        dup2_stdin(&self.input)?;
        dup2_stdout(&self.output)?;
        Ok(dup2_stderr(&self.error)?)
    }
}
