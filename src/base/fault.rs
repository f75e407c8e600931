//! What every error of coracle can say of itself: its kind, and what to do next.

use std::error::Error;

use serde::{Deserialize, Serialize};

/// The kinds of failure that a user or a script must tell apart.
///
/// `cli/report.rs` alone turns a kind into an exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// The command line or a file that the user wrote is wrong.
    Usage,
    /// The named image, container, file or program does not exist.
    NotFound,
    /// The program to run in the container exists and cannot be executed.
    NotExecutable,
    /// The program to run in the container does not exist.
    NoProgram,
    /// This host does not let us do it.
    Refused,
    /// Bytes are not what their digest, size or format says.
    Integrity,
    /// A registry wants other credentials.
    Denied,
    /// The network or a server failed; trying again may help.
    Network,
    /// The file system failed: full, read-only, gone.
    Storage,
    /// A defect of coracle itself.
    Internal,
}

impl Kind {
    /// The status of a start that failed so. docker-run(1), "Exit status".
    pub fn start_status(self) -> u8 {
        match self {
            Kind::NotExecutable => 126,
            Kind::NoProgram => 127,
            _ => 125,
        }
    }
}

/// An error that knows its kind and the way out.
///
/// `Display` is one line without a full stop; [`Error::source`] leads to the cause.
pub trait Fault: Error + Send + Sync + 'static {
    /// The kind, by which the exit status is chosen.
    fn kind(&self) -> Kind;

    /// What the user can do next, one sentence each, the likeliest first.
    ///
    /// An error that wraps another passes on the hints of its cause.
    fn hints(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Any fault; what `ops` return.
pub type BoxFault = Box<dyn Fault>;

impl<F: Fault> From<F> for BoxFault {
    fn from(fault: F) -> BoxFault {
        Box::new(fault)
    }
}

/// A fault that says what was being done, around the fault that stopped it.
///
/// Renders as the `error:` line; the wrapped fault becomes `caused by:`.
#[derive(Debug)]
pub struct While {
    doing: String,
    cause: BoxFault,
}

impl While {
    /// Wraps `cause` under the sentence `doing`, such as "cannot pull `alpine`".
    pub fn new(doing: impl Into<String>, cause: impl Into<BoxFault>) -> While {
        While {
            doing: doing.into(),
            cause: cause.into(),
        }
    }
}

impl std::fmt::Display for While {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.doing)
    }
}

impl Error for While {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}

impl Fault for While {
    fn kind(&self) -> Kind {
        self.cause.kind()
    }

    fn hints(&self) -> Vec<String> {
        self.cause.hints()
    }
}
