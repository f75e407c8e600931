//! What can be wrong with a choice of processors.

use crate::base::fault::{Fault, Kind};

/// A choice that cannot be understood, or that this host cannot meet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// Text that is no choice.
    #[error("cannot choose GPUs by `{got}`: {reason}")]
    Malformed {
        /// What was typed, or a variable's value.
        got: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A word that is no group of the driver's files.
    #[error("got `{got}` as a driver capability, expected `{known}`")]
    Capability {
        /// The word.
        got: String,
        /// Those that there are.
        known: String,
    },
    /// Nothing here has that name.
    #[error("there is no GPU `{wanted}` here; {there}")]
    Unknown {
        /// The name.
        wanted: String,
        /// What there is.
        there: String,
        /// Whether the name is a bare number, and something else is there.
        is_number: bool,
    },
    /// More than one has that name.
    #[error("`{wanted}` is the beginning of more than one UUID: {all}")]
    Ambiguous {
        /// The name.
        wanted: String,
        /// Those that begin so.
        all: String,
    },
    /// The processor is there, but this user cannot open its node.
    #[error("GPU `{wanted}` ({which}) is there, but you cannot open its device node")]
    NoAccess {
        /// The name.
        wanted: String,
        /// Bus id and node.
        which: String,
    },
    /// More are wanted than there are.
    #[error("got `count={wanted}`; {there}")]
    TooMany {
        /// How many.
        wanted: usize,
        /// What there is.
        there: String,
    },
    /// No partitioned processor, or no such instance.
    #[error("there is no MIG instance `{wanted}` here; {there}")]
    NoInstance {
        /// The name, or `mig` for any.
        wanted: String,
        /// What there is.
        there: String,
    },
    /// Nobody who writes specifications of the Container Device Interface has such names.
    #[error("no CDI specification names a GPU `{0}`, expected `all`, positions or UUIDs")]
    NoCdiName(String),
    /// An instance's UUID beside a processor without one, so that no list can name both.
    #[error(
        "`{instance}` cannot be chosen together with GPU `{processor}`, whose UUID is not known"
    )]
    Inexpressible {
        /// The instance.
        instance: String,
        /// The bus id of the processor.
        processor: String,
    },
}

impl Fault for ChoiceError {
    fn kind(&self) -> Kind {
        match self {
            ChoiceError::Malformed { .. } | ChoiceError::Capability { .. } => Kind::Usage,
            ChoiceError::NoCdiName(_)
            | ChoiceError::Ambiguous { .. }
            | ChoiceError::Inexpressible { .. } => Kind::Usage,
            ChoiceError::NoAccess { .. } => Kind::Refused,
            _ => Kind::NotFound,
        }
    }

    fn hints(&self) -> Vec<String> {
        let list = "`coracle gpu list` shows what is here, and why".to_owned();
        match self {
            ChoiceError::Malformed { .. } => vec![
                "write `all`, `none`, `mig` or a list such as `0,1`, `GPU-6e6f…`, `0:1` (an instance), or `count=2`"
                    .to_owned(),
            ],
            ChoiceError::Capability { .. } | ChoiceError::NoCdiName(_) => Vec::new(),
            ChoiceError::Unknown {
                wanted,
                is_number: true,
                ..
            } => vec![
                format!("a bare number is a position in this list, not Docker's number of GPUs, which is `count={wanted}`"),
                list,
            ],
            ChoiceError::NoAccess { .. } => vec![
                "ask the scheduler for it, or the administrator for access; `coracle gpu list` shows who owns the node"
                    .to_owned(),
            ],
            ChoiceError::Inexpressible { .. } => {
                vec!["choose one of them by CUDA_VISIBLE_DEVICES in the guest".to_owned()]
            }
            _ => vec![list],
        }
    }
}

/// Typed text for a message: at most 200 characters.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(200).collect()
}
