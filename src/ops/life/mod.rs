//! The life of containers: what starts, watches and ends what runs in them.
//!
//! `state.json` says what was started last and by whom it is waited for (`store::state`); whether that lives is asked
//! of the kernel. What another host says of its guests is believed and shown, and never acted upon.

mod activity;
pub mod attach;
mod detach;
pub mod logs;
pub mod start;
pub mod stop;

use std::path::Path;

use crate::base::creator::Creator;
use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::fsx;
use crate::base::progress::Progress;
use crate::engine::{Outcome, supervise};
use crate::ops::run::{Ready, Request};
use crate::ops::share;
use crate::store::{Condition, Ended, RunState, Store, now};

pub use activity::Activity;
pub use detach::detach;

/// What cannot be done to a container, because of what runs in it or does not.
#[derive(Debug, thiserror::Error)]
pub enum LifeError {
    /// Nothing runs in it.
    #[error("container `{0}` is not running")]
    NotRunning(String),
    /// Something runs in it.
    #[error("container `{0}` is running")]
    Running(String),
    /// Somebody is starting it.
    #[error("container `{0}` is being started or cleaned up by another process")]
    Busy(String),
    /// It was started on another host.
    #[error(
        "container `{target}` was started on the host `{host}`, and what lives there cannot be seen from here"
    )]
    Elsewhere {
        /// The container, as typed.
        target: String,
        /// The host's name.
        host: String,
    },
    /// It ended, and nobody knows how.
    #[error("how container `{0}` ended is not known")]
    Unwitnessed(String),
    /// It did not end.
    #[error("container `{0}` does not end, not even by SIGKILL")]
    Immortal(String),
    /// A file for an id that is there already.
    #[error("the file `{0}` of `--cidfile` exists")]
    IdFile(String),
}

impl Fault for LifeError {
    fn kind(&self) -> Kind {
        match self {
            LifeError::IdFile(_) => Kind::Usage,
            LifeError::Immortal(_) => Kind::Internal,
            _ => Kind::Refused,
        }
    }

    fn hints(&self) -> Vec<String> {
        vec![match self {
            LifeError::NotRunning(name) => format!("`coracle start {name}` starts it"),
            LifeError::Running(name) => {
                format!("`coracle stop {name}` ends it, `coracle exec {name} …` runs something beside it")
            }
            LifeError::Busy(_) => "try again in a moment".to_owned(),
            LifeError::Elsewhere { target, host } => {
                return vec![
                    format!("do it on `{host}`"),
                    format!("if nothing of it lives there any more, `coracle stop --lost {target}` says so"),
                ];
            }
            LifeError::Unwitnessed(_) => {
                "it ran in the foreground, or whoever waited for it was killed; with `run -d` or `start` the status is kept".to_owned()
            }
            LifeError::Immortal(_) => {
                "it waits for a file system or a device; `cat /proc/PID/stack` tells an administrator for which".to_owned()
            }
            LifeError::IdFile(_) => "remove it, or name another one".to_owned(),
        }]
    }
}

/// Refuses to touch a container whose guest was started under a monitor on another host and has not ended.
pub(super) fn check_place(store: &Store, id: &str, target: &str) -> Result<(), BoxFault> {
    match store.state(id)? {
        Some(state) if state.condition() == Condition::UpElsewhere => Err(LifeError::Elsewhere {
            target: target.to_owned(),
            host: state.host,
        }
        .into()),
        _ => Ok(()),
    }
}

/// Refuses a file for an id that is there already: another run's script may rely on it.
pub(super) fn check_cidfile(path: &Path) -> Result<(), LifeError> {
    match fsx::symlink_metadata(path) {
        Ok(_) => Err(LifeError::IdFile(path.display().to_string())),
        Err(_) => Ok(()),
    }
}

/// Writes a container's id, as Docker does without a line's end.
pub(super) fn write_cidfile(path: &Path, id: &str) -> Result<(), BoxFault> {
    Ok(fsx::write_private(path, id.as_bytes(), 0o644)?)
}

/// Runs in the foreground what has a container for this run only, and removes that afterwards.
pub(super) fn run_beside(
    ready: &Ready,
    request: &Request,
    id: &str,
    progress: &dyn Progress,
) -> Result<Outcome, BoxFault> {
    let monitor = Creator::current();
    supervise::beside(
        || carry_out(ready, &request.target, &monitor, progress),
        |outcome| {
            if let Err(error) = finish(ready, id, &monitor, outcome) {
                progress.warn(&format!("{error}; `coracle gc` tries again"));
            }
        },
    )
}

/// Carries out what `monitor` waits for, unless another run came between its look and now: they take turns.
fn carry_out(
    ready: &Ready,
    target: &str,
    monitor: &Creator,
    progress: &dyn Progress,
) -> Result<Outcome, BoxFault> {
    let container = ready.subject.container.as_ref();
    let turn = container.and_then(share::take_turn);
    if ready.is_taken()? {
        return Err(LifeError::Running(target.to_owned()).into());
    }
    ready.carry_out(Some(monitor), turn, progress)
}

/// Writes down how a guest ended, and removes a container that was for this run only. Where the state
/// tells of somebody else's guest, ours has never begun, and nothing is touched.
fn finish(
    ready: &Ready,
    id: &str,
    monitor: &Creator,
    outcome: Outcome,
) -> Result<(), crate::store::StoreError> {
    let store = &ready.store;
    let state = store.state(id);
    // It is ours once our guest has begun, and nobody's before there is an engine.
    let is_others =
        |state: &RunState| state.monitor.as_ref() != Some(monitor) && !state.engine.is_empty();
    if matches!(&state, Ok(Some(state)) if is_others(state)) {
        return Ok(());
    }
    // What was brought into the container from outside is nobody's child here.
    let _it_is_asked_for_again_by_whoever_stops_it = stop::end_rest(store, id, id);
    let mut written = Ok(());
    if let Ok(Some(mut state)) = state
        && state.monitor.as_ref() == Some(monitor)
    {
        state.ended = Some(Ended {
            at: now(),
            status: outcome.status(),
        });
        written = store.set_state(id, &state);
    }
    if ready.is_removed {
        store.await_readers(id);
        return store.remove_container(id);
    }
    written
}
