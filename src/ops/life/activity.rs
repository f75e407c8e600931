//! What a container does or did last, for lists and `inspect`.

use serde_json::{Value, json};

use crate::base::creator::Creator;
use crate::store::{Condition, RunState};

/// What a container does, or did last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Nothing has ever run in it.
    Created,
    /// Something runs in it.
    Up {
        /// Since when, RFC 3339; absent where only processes of it are seen, whose first has ended.
        since: Option<String>,
        /// On which other host, as that has said.
        host: Option<String>,
    },
    /// It was started on another host, where nobody waits for its end.
    Unknown {
        /// When, RFC 3339.
        since: String,
        /// The host.
        host: String,
    },
    /// It has ended.
    Exited {
        /// With which status, where somebody waited for that.
        status: Option<u8>,
        /// When, likewise.
        at: Option<String>,
    },
}

impl Activity {
    /// That of a container with this state, in which processes are `seen` to run or not.
    pub fn of(state: Option<&RunState>, seen: bool) -> Activity {
        let up = |since: Option<&RunState>, host| Activity::Up {
            since: since.map(|state| state.started.clone()),
            host,
        };
        let Some(state) = state else {
            return if seen {
                up(None, None)
            } else {
                Activity::Created
            };
        };
        match state.condition() {
            Condition::Up(_) => up(Some(state), None),
            _ if seen => up(None, None),
            Condition::UpElsewhere => up(Some(state), Some(state.host.clone())),
            Condition::Elsewhere => Activity::Unknown {
                since: state.started.clone(),
                host: state.host.clone(),
            },
            // One that is about to be started has a state of its own already, without an engine.
            Condition::Ended if state.engine.is_empty() && state.ended.is_none() => {
                Activity::Created
            }
            Condition::Ended => Activity::Exited {
                status: state.ended.as_ref().map(|ended| ended.status),
                at: state.ended.as_ref().map(|ended| ended.at.clone()),
            },
        }
    }

    /// Docker's word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Activity::Created => "created",
            Activity::Up { .. } => "running",
            Activity::Unknown { .. } => "unknown",
            Activity::Exited { .. } => "exited",
        }
    }

    /// The block `State` of `docker inspect`.
    pub(in crate::ops) fn json(&self, state: Option<&RunState>) -> Value {
        const NEVER: &str = "0001-01-01T00:00:00Z";
        let pid = match state.map(RunState::condition) {
            Some(Condition::Up(pid)) => pid.as_raw(),
            _ => 0,
        };
        let (status, at) = match self {
            Activity::Exited { status, at } => (*status, at.as_deref()),
            _ => (Some(0), None),
        };
        let monitor = state.and_then(|state| state.monitor.as_ref());
        let monitor = monitor.and_then(Creator::hold).map(|monitor| monitor.id());
        json!({
            "Status": self.word(),
            "Running": matches!(self, Activity::Up { .. }),
            "Paused": false,
            "Restarting": false,
            "OOMKilled": false,
            "Dead": false,
            "Pid": pid,
            // Null where nobody waited for the end.
            "ExitCode": status,
            "Error": "",
            "StartedAt": state.map_or(NEVER, |state| &state.started),
            "FinishedAt": at.unwrap_or(NEVER),
            "Coracle": {
                "Host": state.map(|state| &state.host),
                "Engine": state.map(|state| &state.engine),
                "Monitor": monitor,
                "Remove": state.is_some_and(|state| state.remove),
            },
        })
    }
}
