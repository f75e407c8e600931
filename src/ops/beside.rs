//! Which guest runs in a container, for whoever wants to come in beside it.

use nix::unistd::Pid;

use crate::base::creator::{Life, host_name};
use crate::base::fault::{BoxFault, Fault, Kind};
use crate::engine::ns;
use crate::engine::select::{self, EngineWish, Mode};
use crate::store::{Container, Store, StoreError};

/// A guest of this host, in whose container others can be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beside {
    /// Its process, or the one that stays beside it.
    pub(super) pid: Pid,
    /// The engine that runs it.
    pub(super) mode: Mode,
}

/// Why nobody can come into a container.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotThere {
    /// No guest runs in it.
    #[error("container `{0}` is not running")]
    Stopped(String),
    /// The guest is another host's.
    #[error("container `{container}` runs on host `{host}`, not on this one")]
    Elsewhere {
        /// As it was named.
        container: String,
        /// Where.
        host: String,
    },
    /// The guest is another user's.
    #[error("container `{container}` is run by another user (process {pid})")]
    Foreign {
        /// As it was named.
        container: String,
        /// The guest.
        pid: Pid,
    },
}

impl Fault for NotThere {
    fn kind(&self) -> Kind {
        match self {
            NotThere::Stopped(_) => Kind::NotFound,
            NotThere::Elsewhere { .. } | NotThere::Foreign { .. } => Kind::Refused,
        }
    }

    fn hints(&self) -> Vec<String> {
        vec![match self {
            NotThere::Stopped(name) => format!(
                "start it with `coracle start {name}`, or run a program in it with `coracle run {name} COMMAND`"
            ),
            NotThere::Elsewhere { host, .. } => format!("run the same command on `{host}`"),
            NotThere::Foreign { .. } => {
                "only that user can; make a container of your own with `coracle create`".to_owned()
            }
        }]
    }
}

/// The guest that runs in `container`, which the user called `word`. The first one counts before those that joined it.
pub(super) fn find(store: &Store, container: &Container, word: &str) -> Result<Beside, BoxFault> {
    Ok(look(store, container, word)??)
}

/// The same for whom it is no failure that there is none.
pub(super) fn look(
    store: &Store,
    container: &Container,
    word: &str,
) -> Result<Result<Beside, NotThere>, StoreError> {
    let id = &container.record.id;
    let container = word.to_owned();
    let Some(state) = store.state(id)? else {
        return Ok(Err(NotThere::Stopped(container)));
    };
    let pid = match state.life() {
        Life::Here(pid) => Some(pid),
        Life::Gone => store.noted_guests(id)?.first().copied(),
        // It ended with another boot of this host, or is behind another namespace of process numbers.
        Life::Elsewhere if state.host == host_name() => None,
        Life::Elsewhere => {
            let host = state.host;
            return Ok(Err(NotThere::Elsewhere { container, host }));
        }
    };
    let (Some(pid), Some(mode)) = (pid, mode(&state.engine)) else {
        return Ok(Err(NotThere::Stopped(container)));
    };
    if !ns::may_enter(pid) {
        return Ok(Err(NotThere::Foreign { container, pid }));
    }
    Ok(Ok(Beside { pid, mode }))
}

/// The engine that a state names.
fn mode(name: &str) -> Option<Mode> {
    match select::wish(name).ok()? {
        EngineWish::Only(mode) => Some(mode),
        EngineWish::Auto => None,
    }
}
