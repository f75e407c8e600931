//! What runs in a container, or ran there last: a file beside the container's record.
//!
//! It is replaced as a whole by whoever starts a guest, and by whoever waited for its end. Where nobody waited, because
//! the guest took the place of the process that started it, the file says when and what was started, and whether that
//! still lives is asked of the kernel. Nothing else depends on it: a file that is lost is a container that never ran.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::base::creator::{Creator, Life, boot_id, host_name};
use crate::base::fsx;
use crate::base::living::Living;
use crate::base::path::HostPath;
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
    /// The machine, as its administrator's tools know it. machine-id(5)
    #[serde(default)]
    pub machine: Option<String>,
    /// The boot of that machine. random(4)
    #[serde(default)]
    pub boot: Option<String>,
}

/// What can be said of a container's last run from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Its guest lives on this host, with this process as its first.
    Up(Pid),
    /// It was started under a monitor on another host, and nobody has said yet that it ended.
    UpElsewhere,
    /// It was started on another host, where nobody waits for its end: it may live or not.
    Elsewhere,
    /// It has ended.
    Ended,
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
            machine: machine_id(),
            boot: boot_id(),
        }
    }

    /// Whether the guest lives.
    pub fn life(&self) -> Life {
        match self.ended {
            Some(_) => Life::Gone,
            None if self.is_of_an_earlier_boot() => Life::Gone,
            None => self.guest.life(),
        }
    }

    /// The guest's first process, held on to; `None` where it does not live on this host.
    pub fn life_of_guest(&self) -> Option<Living> {
        let Life::Here(_) = self.life() else {
            return None;
        };
        self.guest.hold()
    }

    /// What can be said of it from here.
    pub fn condition(&self) -> Condition {
        match (self.life(), &self.monitor) {
            (Life::Gone, _) => Condition::Ended,
            (Life::Here(pid), _) => Condition::Up(pid),
            (Life::Elsewhere, Some(_)) => Condition::UpElsewhere,
            (Life::Elsewhere, None) => Condition::Elsewhere,
        }
    }

    /// Whether whoever waits for the guest's end is still about it, be it to clean up.
    pub fn is_kept(&self) -> bool {
        let monitor = self.monitor.as_ref().map(Creator::life);
        matches!(monitor, Some(Life::Here(_))) || matches!(self.life(), Life::Here(_))
    }

    /// Whether this very machine has been started anew since: then nothing of that time lives. Name and machine must
    /// both agree, as machines made from one image may share one of the two.
    fn is_of_an_earlier_boot(&self) -> bool {
        let is_here = self.host == host_name() && self.machine == machine_id();
        is_here && self.machine.is_some() && self.boot.is_some() && self.boot != boot_id()
    }
}

fn machine_id() -> Option<String> {
    let id = fsx::read("/etc/machine-id", MACHINE_ID_LIMIT).ok()?;
    let id = String::from_utf8(id).ok()?.trim().to_owned();
    (!id.is_empty()).then_some(id)
}

/// Bytes of `/etc/machine-id`, which has 33.
const MACHINE_ID_LIMIT: u64 = 256;

/// This moment, RFC 3339 in UTC.
pub fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}

impl Store {
    /// What runs in the container `id` or ran there last; `None` if nothing ever did.
    pub fn state(&self, id: &str) -> Result<Option<RunState>> {
        let path = self.layout.container(id).join(STATE);
        // It was not flushed: a crash of the host may leave the name without the content. rename(2), ext4(5)
        match fsx::absent_as_none(fsx::metadata(&path))? {
            Some(meta) if meta.len() > 0 => read_document(&path),
            _ => Ok(None),
        }
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

impl Store {
    /// Claims the right to start a guest in the container `id` under this process as its monitor, until
    /// [`Store::release`] or the end of this process. `false` where somebody who lives has it.
    ///
    /// The claim appears by link(2), which fails where there is one; that of somebody who has ended is moved away first.
    pub fn claim(&self, id: &str) -> Result<bool> {
        let path = self.layout.container(id).join(CLAIM);
        let own = self.write_private(&document(&RunState::starting("")), "claim")?;
        let mut claimed = Ok(false);
        for _ in 0..CLAIM_ATTEMPTS {
            match fsx::hard_link(&own, &path) {
                Err(error) if error.is_already_there() => {}
                linked => {
                    claimed = linked.map(|()| true);
                    break;
                }
            }
            if self.is_held(id, &path)? {
                break;
            }
            // Whoever else finds the same moves away what we have moved away already, or, should a new claim have
            // come between, a living one: that is looked at and put back.
            if let Some(aside) = self.set_aside(&path, "claim")? {
                match self.is_held(id, &aside)? {
                    true => fsx::rename(&aside, &path)?,
                    false => fsx::remove_file(&aside)?,
                }
            }
        }
        fsx::remove_file(&own)?;
        Ok(claimed?)
    }

    /// Whether the claim at `path` is that of somebody who lives. One of another host counts as long as nobody has said
    /// that what he waited for has ended: he himself, or a user who knows that he is lost.
    fn is_held(&self, id: &str, path: &HostPath) -> Result<bool> {
        let Some(claim) = read_document::<RunState>(path)? else {
            return Ok(false);
        };
        Ok(match claim.life() {
            Life::Here(_) => true,
            Life::Gone => false,
            Life::Elsewhere => {
                let state = self.state(id)?;
                let is_over = |state: RunState| {
                    state.ended.is_some() && state.monitor.as_ref() == Some(&claim.guest)
                };
                !state.is_some_and(is_over)
            }
        })
    }

    /// Gives the right back.
    pub fn release(&self, id: &str) -> Result<()> {
        Ok(fsx::remove_file(self.layout.container(id).join(CLAIM))?)
    }

    /// Says that somebody is about to read how the guest of the container `id` ended, until the answer is dropped.
    pub fn announce_reader(&self, id: &str) -> Result<Reader> {
        let dir = self.layout.container(id);
        let path = Creator::current().private_name(&dir, READER)?;
        fsx::create_new(&path, 0o600)?;
        Ok(Reader(path))
    }

    /// Waits for those who have announced that, but not for ever.
    pub fn await_readers(&self, id: &str) {
        let dir = self.layout.container(id);
        let deadline = Instant::now() + READER_PATIENCE;
        let is_reader = |name: &String| {
            let parsed = Creator::parse(name);
            parsed.is_some_and(|(what, by)| what == READER && matches!(by.life(), Life::Here(_)))
        };
        while fsx::names(&dir).iter().any(is_reader) && Instant::now() < deadline {
            #[expect(
                clippy::disallowed_methods,
                reason = "a removed file is no event that is worth a watch"
            )]
            std::thread::sleep(READER_PAUSE);
        }
    }

    /// Removes the containers that were to go with their guests, which were killed together with whoever waited.
    pub fn sweep_ended(&self) -> Result<Vec<String>> {
        let mut removed = Vec::new();
        for id in self.container_ids()? {
            if self.is_left_behind(&id)? {
                self.remove_container(&id)?;
                removed.push(id);
            }
        }
        Ok(removed)
    }

    fn is_left_behind(&self, id: &str) -> Result<bool> {
        let Some(state) = self.state(id)? else {
            return Ok(false);
        };
        let is_over = state.remove && state.condition() == Condition::Ended && !state.is_kept();
        Ok(is_over && self.processes(id).is_empty())
    }
}

/// Somebody who waits for a guest's end; see [`Store::announce_reader`].
#[derive(Debug)]
pub struct Reader(PathBuf);

impl Drop for Reader {
    fn drop(&mut self) {
        let _a_sweep_finds_it_otherwise = fsx::remove_file(&self.0);
    }
}

/// What the file of somebody who waits is called.
const READER: &str = ".wait";

/// How long a container waits to be removed until everybody has read how it ended, a matter of milliseconds.
const READER_PATIENCE: Duration = Duration::from_secs(5);

/// The pause between two looks for them.
const READER_PAUSE: Duration = Duration::from_millis(2);

/// Attempts to claim where claims of the dead have to be moved away first.
const CLAIM_ATTEMPTS: usize = 4;

const CLAIM: &str = "claim.json";
const STATE: &str = "state.json";
