//! How a layer can fail us: the ways in which its bytes lie, and what stopped us around them.

use std::io;
use std::path::PathBuf;

use crate::base::digest::Mismatch;
use crate::base::fault::{Fault, Kind};
use crate::base::fsx::PathError;

/// Why a layer was not read, merged or written.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The stream below the archive failed: the network, the disk, the compression.
    #[error("cannot read the layer's bytes")]
    Stream(#[source] io::Error),
    /// The archive says something that cannot be true, or that two readers would understand differently.
    #[error("{place}: {lie}")]
    Input {
        /// Where: a byte of the archive, or a layer and a path in it.
        place: String,
        /// What is wrong there.
        lie: Lie,
    },
    /// The host's file system failed.
    #[error(transparent)]
    Disk(#[from] PathError),
    /// Two names of the image are one to the file system, which may not tell upper and lower case apart.
    #[error("the file system takes two names of the image for one")]
    Collision(#[source] PathError),
    /// The tree gets larger than the file system has room for.
    #[error("the tree has {written} bytes so far, and the file system of `{}` has {left} left", dir.display())]
    NoRoom {
        /// Where it is written.
        dir: PathBuf,
        /// Bytes written so far.
        written: u64,
        /// Bytes that are left.
        left: u64,
    },
    /// Another layer has failed, and the tree is not going to be.
    #[error("the layer was given up because another one failed")]
    Stopped,
    /// A file that coracle wrote itself is not as it was written.
    #[error("the {what} is damaged: {reason}")]
    Damaged {
        /// Which file: "layer index" or "sidecar".
        what: &'static str,
        /// What was found, and what was expected.
        reason: String,
    },
}

impl Fault for LayerError {
    fn kind(&self) -> Kind {
        match self {
            LayerError::Disk(error) => error.kind(),
            LayerError::Stream(error) => stream_kind(error),
            LayerError::NoRoom { .. } | LayerError::Stopped | LayerError::Collision(_) => {
                Kind::Storage
            }
            LayerError::Input { .. } | LayerError::Damaged { .. } => Kind::Integrity,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            LayerError::Disk(error) => error.hints(),
            LayerError::NoRoom { .. } => vec![
                "free space, run `coracle gc`, or set CORACLE_HOME to a directory with room".into(),
            ],
            LayerError::Collision(_) => vec![
                "set CORACLE_HOME to a directory in a file system that tells upper and lower case apart".into(),
            ],
            LayerError::Stream(_) | LayerError::Damaged { .. } | LayerError::Stopped => Vec::new(),
            LayerError::Input { .. } => {
                vec!["the image itself is malformed: tell those who built it".into()]
            }
        }
    }
}

/// Decoders report bad data with these kinds; everything else is the transport's.
fn stream_kind(error: &io::Error) -> Kind {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    let of_content = matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof);
    if of_content || Mismatch::from_io(error).is_some() {
        Kind::Integrity
    } else {
        Kind::Storage
    }
}

/// Fails where there are more than `most`.
pub(super) fn at_most(what: &'static str, got: u64, most: u64) -> Result<(), Lie> {
    match got <= most {
        true => Ok(()),
        false => Err(Lie::TooMany { what, most }),
    }
}

/// One way in which the bytes of a layer are wrong or ambiguous.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lie {
    /// A header's checksum does not fit its bytes.
    #[error("got header checksum {got}, expected {expected}")]
    Checksum {
        /// The sum that the header states.
        got: u64,
        /// The sum of its bytes, unsigned.
        expected: u64,
    },
    /// A field that should be a number is not one.
    #[error("got `{got}` as {field}, expected a number")]
    Number {
        /// Which field.
        field: &'static str,
        /// Its bytes, escaped.
        got: String,
    },
    /// A number is too small or too large for what it counts.
    #[error("got {got} as {field}, expected 0 to {most}")]
    Range {
        /// Which field.
        field: &'static str,
        /// Its value.
        got: i128,
        /// The largest value allowed.
        most: u64,
    },
    /// A text is longer than our limit.
    #[error("got {field} of {got} bytes, expected at most {most}")]
    TooLong {
        /// Which field.
        field: &'static str,
        /// Its length.
        got: u64,
        /// The limit.
        most: u64,
    },
    /// There are more things than our limit.
    #[error("got more than {most} {what}")]
    TooMany {
        /// What is counted.
        what: &'static str,
        /// The limit.
        most: u64,
    },
    /// A name or link target is empty.
    #[error("got an empty {0}")]
    Empty(&'static str),
    /// A name or link target contains a NUL byte, at which readers would cut it.
    #[error("got a NUL byte in {0}")]
    Nul(&'static str),
    /// A path climbs with `..`.
    #[error("got `{0}`, expected a path without `..`")]
    ParentDirectory(String),
    /// A type flag that no layer has.
    #[error("got entry type `{0}`, which image layers do not have")]
    Type(String),
    /// A sparse file, whose map we do not read.
    #[error("got a sparse file, which is not supported in image layers")]
    Sparse,
    /// A PAX record that does not have the form `length key=value`.
    #[error("got PAX record `{0}`, expected `length key=value` and a line feed")]
    PaxRecord(String),
    /// Something that may be said once is said twice.
    #[error("got {0} twice for one entry")]
    Twice(&'static str),
    /// Two headers name one entry differently.
    #[error("got {field} `{got}` and `{expected}` for one entry")]
    Disagree {
        /// Which field.
        field: &'static str,
        /// What GNU's header says.
        got: String,
        /// What the PAX header says.
        expected: String,
    },
    /// The archive ends in the middle of something.
    #[error("got the end of the archive inside {0}")]
    Truncated(&'static str),
    /// A block of zeros that ends the archive is followed by something else.
    #[error("got a lone zero block, expected two at the end of the archive")]
    LoneZeroBlock,
    /// The root of the image is said to be something else than a directory.
    #[error("got a {0} as the root of the image, expected a directory")]
    Root(&'static str),
    /// A whiteout that removes nothing that can be named.
    #[error("got `{0}`, expected `.wh.` and a name, without anything below it")]
    Whiteout(String),
    /// A hard link to a path that does not exist.
    #[error("got a hard link to `{0}`, which does not exist at that point")]
    LinkMissing(String),
    /// A hard link to a directory.
    #[error("got a hard link to `{0}`, which is a directory")]
    LinkToDirectory(String),
    /// A hard link to itself.
    #[error("got a hard link to `{0}`, which is itself")]
    LinkToSelf(String),
    /// Symbolic links that lead in a circle.
    #[error("got more than {0} symbolic links on the way to one path")]
    Loop(usize),
}

/// Bytes of a layer as text that cannot steer a terminal.
pub(super) fn printable(bytes: &[u8]) -> String {
    const MOST: usize = 200;
    let shown = bytes.get(..MOST).unwrap_or(bytes);
    let dots = if shown.len() < bytes.len() { "…" } else { "" };
    match std::str::from_utf8(shown) {
        Ok(text) => format!("{}{dots}", text.escape_debug()),
        Err(_) => format!("{}{dots}", shown.escape_ascii()),
    }
}
