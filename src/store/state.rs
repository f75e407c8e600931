//! What runs in a container, or ran there last: a file beside the container's record.
//!
//! It is replaced as a whole by whoever starts a guest, and by whoever waited for its end. Where nobody waited, because
//! the guest took the place of the process that started it, the file says when and what was started, and whether that
//! still lives is asked of the kernel. Nothing else depends on it: a file that is lost is a container that never ran.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::base::creator::{Creator, Life, host_name};
use crate::base::fsx;
use crate::store::{Result, Store, document, read_document};

/// `state.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunState {
    /// The name of the host on which it runs or ran, for people.
    pub host: String,
    /// The guest's first process, or, where somebody stays beside it, that one.
    pub guest: Creator,
    /// Who waits for its end and keeps its output (`run -d`).
    #[serde(default)]
    pub monitor: Option<Creator>,
    /// By which engine, as `CORACLE_ENGINE` names it.
    pub engine: String,
    /// When it was started, RFC 3339 in UTC.
    pub started: String,
    /// How it ended, where somebody waited for that.
    #[serde(default)]
    pub ended: Option<Ended>,
    /// Whether the container is removed after it (`--rm`).
    #[serde(default)]
    pub remove: bool,
}

/// How a guest ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// Its exit status, 128+n for a signal.
    pub status: u8,
}

impl RunState {
    /// A guest that starts now, with this process as its first.
    pub fn starting(engine: &str) -> RunState {
        RunState {
            host: host_name(),
            guest: Creator::current(),
            monitor: None,
            engine: engine.to_owned(),
            started: now(),
            ended: None,
            remove: false,
        }
    }

    /// Whether the guest lives.
    pub fn life(&self) -> Life {
        match self.ended {
            Some(_) => Life::Gone,
            None => self.guest.life(),
        }
    }
}

/// This moment, RFC 3339 in UTC.
pub fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}

impl Store {
    /// What runs in the container `id` or ran there last; `None` if nothing ever did.
    pub fn state(&self, id: &str) -> Result<Option<RunState>> {
        read_document(&self.layout.container(id).join(STATE))
    }

    /// Replaces that. A reader sees the old state or the new one.
    pub fn set_state(&self, id: &str, state: &RunState) -> Result<()> {
        let private = Creator::current().private_name(&self.layout.ingest(), "state")?;
        // Not flushed: what a crash of the host takes away is the state of what it ended.
        let replaced = fsx::write_unsynced(&private, &document(state), 0o600)
            .and_then(|()| fsx::rename(&private, self.layout.container(id).join(STATE)));
        if replaced.is_err() {
            let _the_first_error_counts = fsx::remove_file(&private);
        }
        Ok(replaced?)
    }
}

const STATE: &str = "state.json";
