//! What can be wrong with a wish.

use std::ffi::OsStr;

use crate::base::fault::{Fault, Kind};
use crate::gpu::choice::ChoiceError;
use crate::gpu::preflight::Refusal;

/// A wish that cannot become a plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Neither the command line nor the image names a program.
    #[error("the image names no program to run, and none was given")]
    NoCommand,
    /// An environment entry without a name.
    #[error("`{0}` names no environment variable, expected `NAME=value` or `NAME`")]
    EnvironmentName(String),
    /// A line of an environment file that is none.
    #[error(
        "line {line} of an environment file {what}, expected `NAME=value`, `NAME` or `# comment`"
    )]
    EnvironmentFile {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A user or group that the image does not know.
    #[error("the image has no {kind} `{name}`")]
    Unknown {
        /// `user` or `group`.
        kind: &'static str,
        /// The name asked for.
        name: String,
    },
    /// A numeric id that is none.
    #[error("got {kind} id `{id}`, expected 0 to {}", i32::MAX)]
    Id {
        /// `user` or `group`.
        kind: &'static str,
        /// What was asked for.
        id: String,
    },
    /// `-u` beside `--userns=keep-id`.
    #[error("`--user {0}` contradicts `--userns=keep-id`, which runs the guest with your own id")]
    UserAndKeepId(String),
    /// A group of its own for a guest that has one id.
    #[error("cannot add the group `{0}`: here only one group id exists, the guest's own")]
    GroupNeedsIds(String),
    /// `--group-add keep-groups` beside another.
    #[error("`--group-add {0}` contradicts `--group-add keep-groups`, which keeps your own groups")]
    KeepGroups(String),
    /// A `-v` or `--mount` that cannot be understood.
    #[error("cannot understand `{flag} {text}`: {reason}")]
    Mount {
        /// `--volume` or `--mount`.
        flag: &'static str,
        /// What was typed.
        text: String,
        /// What is wrong with it.
        reason: String,
        /// What to write instead.
        hint: &'static str,
    },
    /// Two mounts at one place.
    #[error("two mounts at `{0}`")]
    TwoMounts(String),
    /// A flag whose value makes no sense, or cannot be had here.
    #[error("cannot honour `{flag} {text}`: {reason}")]
    Flag {
        /// The flag.
        flag: &'static str,
        /// What was typed.
        text: String,
        /// Why not.
        reason: String,
        /// What to write or do instead.
        hint: String,
    },
    /// A volume of which nobody said where it lies.
    #[error("the volume `{0}` is nowhere")]
    NoVolume(String),
    /// `--novol` with what is not mounted.
    #[error("got `{0}` for `--novol`, expected the absolute path of something that is mounted")]
    Omitted(String),
    /// `--bindhome` without a home.
    #[error("`--bindhome` needs to know your home, but HOME is no absolute path")]
    Homeless,
    /// A working directory that is relative.
    #[error("working directory `{0}` is not an absolute path")]
    RelativeWorkdir(String),
    /// A list of processors that is none.
    #[error(
        "got `{0}` for `--cpuset-cpus`, expected a list such as `0-3,7` of processors below {MAX_CPUS}"
    )]
    Cpus(String),
    /// A host name that the kernel or resolvers would not take.
    #[error("`{0}` is not a host name, expected letters, digits, `-` and `.`, at most 63")]
    Hostname(String),
    /// `-t` without a terminal.
    #[error("`--tty` needs a terminal, but standard input is none")]
    NoTerminal,
    /// Processors that are not here, or text that chooses none.
    #[error(transparent)]
    Choice(#[from] ChoiceError),
    /// What would keep every program of the guest from the processors.
    #[error(transparent)]
    Gpu(#[from] Refusal),
}

/// Processors that `cpu_set_t` has bits for. CPU_SET(3).
pub const MAX_CPUS: usize = 1024;

impl Fault for PlanError {
    fn kind(&self) -> Kind {
        match self {
            PlanError::Choice(error) => error.kind(),
            PlanError::Gpu(refusal) => refusal.kind(),
            _ => Kind::Usage,
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            PlanError::Choice(error) => return error.hints(),
            PlanError::Gpu(refusal) => return refusal.hints(),
            PlanError::Flag { hint, .. } => return vec![hint.clone()],
            PlanError::NoCommand => "name one: `coracle run IMAGE COMMAND`",
            PlanError::Unknown { .. } => {
                "use a number, which needs no entry, or see the image's `/etc/passwd` and `/etc/group`"
            }
            PlanError::UserAndKeepId(_) | PlanError::KeepGroups(_) => "leave one of them away",
            PlanError::GroupNeedsIds(_) => {
                "use `--userns=subids` where the host grants ids (see `coracle doctor`), or `--group-add keep-groups`"
            }
            PlanError::Mount { hint, .. } => hint,
            PlanError::NoTerminal => {
                "leave `-t` away: input and output reach the program without it"
            }
            PlanError::TwoMounts(_) => {
                "leave one of them away: `-v`, `--mount`, `--tmpfs` and a config's volumes all count"
            }
            _ => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}

/// Typed text for a message: at most 200 characters, whatever the bytes.
pub(super) fn shown(text: impl AsRef<OsStr>) -> String {
    text.as_ref().to_string_lossy().chars().take(200).collect()
}
