//! `--attach`: which of its caller's streams a guest shares.

use std::io;
use std::os::fd::AsFd;
use std::str::FromStr;

use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout};

use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::fsx;

/// A stream that is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attach {
    /// Standard input.
    Stdin,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Not a stream.
#[derive(Debug, thiserror::Error)]
#[error("got `{0}` for `--attach`, expected `stdin`, `stdout` or `stderr`")]
pub struct NoStream(String);

impl Fault for NoStream {
    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

impl FromStr for Attach {
    type Err = NoStream;

    fn from_str(text: &str) -> Result<Attach, NoStream> {
        match text.to_ascii_lowercase().as_str() {
            "stdin" => Ok(Attach::Stdin),
            "stdout" => Ok(Attach::Stdout),
            "stderr" => Ok(Attach::Stderr),
            _ => Err(NoStream(text.escape_debug().take(80).collect())),
        }
    }
}

/// `/dev/null` did not take a stream's place.
#[derive(Debug, thiserror::Error)]
#[error("cannot leave a stream out for `--attach`")]
struct NotLeft(#[source] io::Error);

impl Fault for NotLeft {
    fn kind(&self) -> Kind {
        Kind::Refused
    }
}

/// Puts `/dev/null` in the place of the streams that are not named; with none named, all stay.
pub(in crate::ops) fn leave_out(named: &[Attach]) -> Result<(), BoxFault> {
    let is_out = |stream| !named.is_empty() && !named.contains(&stream);
    let replaced = |done: nix::Result<()>| done.map_err(|errno| NotLeft(errno.into()));
    if is_out(Attach::Stdin) {
        replaced(dup2_stdin(fsx::open("/dev/null")?.as_fd()))?;
    }
    if is_out(Attach::Stdout) {
        replaced(dup2_stdout(fsx::open_append("/dev/null")?.as_fd()))?;
    }
    if is_out(Attach::Stderr) {
        replaced(dup2_stderr(fsx::open_append("/dev/null")?.as_fd()))?;
    }
    Ok(())
}
