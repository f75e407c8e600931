//! `stop`, `kill` and `wait`: ending what runs in a container, and hearing how it ended.

use std::time::{Duration, Instant};

use crate::base::creator::Creator;
use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::path::HostPath;
use crate::base::signals;
use crate::oci::MAX_DOCUMENT;
use crate::oci::config::ImageConfig;
use crate::ops::life::LifeError;
use crate::plan::wish::Wish;
use crate::store::{Condition, Container, Ended, RunState, Store, now};

/// How long a guest may take to end before it is killed, where nobody says otherwise; as with Docker.
const PATIENCE: i64 = 10;

/// How long the kernel may take to end what was killed, and a monitor to clean up. Flushing to a slow file system is
/// part of that.
const END_PATIENCE: Duration = Duration::from_secs(60);

/// The pause between two looks at a state that somebody is about to write.
const PAUSE: Duration = Duration::from_millis(10);

/// How a container is asked to stop.
#[derive(Clone, Debug, Default)]
pub struct Manner {
    /// The signal; else what the container or its image say, else SIGTERM.
    pub signal: Option<String>,
    /// Seconds until it is killed, negative for never; else what the container says, else ten.
    pub patience: Option<i64>,
    /// Nothing is asked: what was started on another host is taken for ended.
    pub is_lost: bool,
}

/// A text that means no signal.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no signal, expected a name such as `TERM` or a number")]
pub struct NoSignal(pub String);

impl Fault for NoSignal {
    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

/// The number of the signal that a text means.
pub fn signal(text: &str) -> Result<i32, NoSignal> {
    signals::parse(text).ok_or_else(|| NoSignal(text.escape_debug().take(40).collect()))
}

/// Asks the container with this name or id to end, kills it if it does not, and returns when nothing of it is left.
/// One that does not run is left as it is.
pub fn stop(home: &HostPath, name: &str, manner: &Manner) -> Result<(), BoxFault> {
    let typed = manner.signal.as_deref().map(signal).transpose()?;
    let store = Store::open(home.clone())?;
    let container = store.container(name)?;
    let id = container.record.id.clone();
    let Some(state) = store.state(&id)? else {
        return end_rest(&store, &id, name);
    };
    match state.condition() {
        Condition::UpElsewhere | Condition::Elsewhere if manner.is_lost => {
            return declare_ended(&store, &id, state);
        }
        Condition::UpElsewhere | Condition::Elsewhere => return Err(elsewhere(name, state)),
        Condition::Ended => {}
        Condition::Up(_) => {
            let wish = Remembered::of(&store, &container);
            let signal = typed.unwrap_or_else(|| wish.signal());
            let patience = manner.patience.or(wish.patience).unwrap_or(PATIENCE);
            let patience = u64::try_from(patience).ok().map(Duration::from_secs);
            if let Some(guest) = state.guest.hold()
                && !(guest.signal(signal).map_err(|error| refused(name, error))?
                    && guest.wait(patience))
            {
                guest
                    .signal(libc::SIGKILL)
                    .map_err(|error| refused(name, error))?;
                if !guest.wait(Some(END_PATIENCE)) {
                    return Err(LifeError::Immortal(name.to_owned()).into());
                }
            }
        }
    }
    await_monitor(&state, name)?;
    end_rest(&store, &id, name)
}

/// Kills the guest of the container and all that belongs to it, and returns when nothing of it is left.
pub(in crate::ops) fn end(store: &Store, id: &str, name: &str) -> Result<(), BoxFault> {
    if let Some(state) = store.state(id)? {
        match state.condition() {
            Condition::UpElsewhere => return Err(elsewhere(name, state)),
            Condition::Elsewhere | Condition::Ended => {}
            Condition::Up(_) => {
                if let Some(guest) = state.guest.hold() {
                    guest
                        .signal(libc::SIGKILL)
                        .map_err(|error| refused(name, error))?;
                    if !guest.wait(Some(END_PATIENCE)) {
                        return Err(LifeError::Immortal(name.to_owned()).into());
                    }
                }
            }
        }
        await_monitor(&state, name)?;
    }
    end_rest(store, id, name)
}

/// Sends a signal, else SIGKILL, to the guest of the container with this name or id.
pub fn kill(home: &HostPath, name: &str, typed: Option<&str>) -> Result<(), BoxFault> {
    let number = typed.map_or(Ok(libc::SIGKILL), signal)?;
    let store = Store::open(home.clone())?;
    let id = store.container(name)?.record.id;
    let not_running = || LifeError::NotRunning(name.to_owned());
    let state = store.state(&id)?.ok_or_else(not_running)?;
    match state.condition() {
        Condition::UpElsewhere | Condition::Elsewhere => return Err(elsewhere(name, state)),
        Condition::Up(_) | Condition::Ended => {}
    }
    let guest = state.life_of_guest().ok_or_else(not_running)?;
    match guest.signal(number).map_err(|error| refused(name, error))? {
        true => Ok(()),
        false => Err(not_running().into()),
    }
}

/// Waits until nothing runs in the container with this name or id; the status with which its guest ended, 0 where
/// none has ever run.
pub fn wait(home: &HostPath, name: &str) -> Result<u8, BoxFault> {
    let store = Store::open(home.clone())?;
    let id = store.container(name)?.record.id;
    // Announced before the look: a container that is removed after its guest stays until we have read its end.
    let _announced = store.announce_reader(&id)?;
    let Some(mut state) = store.state(&id)? else {
        return Ok(0);
    };
    if matches!(
        state.condition(),
        Condition::UpElsewhere | Condition::Elsewhere
    ) {
        return Err(elsewhere(name, state));
    }
    if let Some(guest) = state.life_of_guest() {
        guest.wait(None);
    }
    // The monitor buries, drains and writes then.
    let deadline = Instant::now() + END_PATIENCE;
    while state.ended.is_none() && Instant::now() < deadline {
        let monitor = state.monitor.as_ref().and_then(Creator::hold);
        let is_over = monitor.is_none_or(|monitor| monitor.wait(Some(PAUSE)));
        match store.state(&id)? {
            Some(newer) => state = newer,
            None => break,
        }
        if is_over {
            break;
        }
    }
    let unknown = || LifeError::Unwitnessed(name.to_owned());
    Ok(state.ended.ok_or_else(unknown)?.status)
}

/// Ends what is left of a container whose first process has ended and which nobody watches: a monitor was killed, or
/// there was none.
pub(super) fn end_rest(store: &Store, id: &str, name: &str) -> Result<(), BoxFault> {
    let deadline = Instant::now() + END_PATIENCE;
    loop {
        let left = store.processes(id).into_iter().filter_map(Creator::of);
        let left: Vec<_> = left.filter_map(|process| process.hold()).collect();
        if left.is_empty() {
            return Ok(());
        }
        for process in &left {
            process
                .signal(libc::SIGKILL)
                .map_err(|error| refused(name, error))?;
        }
        let over = |end: Instant| end.saturating_duration_since(Instant::now());
        if !left
            .iter()
            .all(|process| process.wait(Some(over(deadline))))
        {
            return Err(LifeError::Immortal(name.to_owned()).into());
        }
    }
}

fn await_monitor(state: &RunState, name: &str) -> Result<(), BoxFault> {
    let monitor = state.monitor.as_ref().and_then(Creator::hold);
    match monitor.is_none_or(|monitor| monitor.wait(Some(END_PATIENCE))) {
        true => Ok(()),
        false => Err(LifeError::Busy(name.to_owned()).into()),
    }
}

/// Believes the user that what another host started has ended.
fn declare_ended(store: &Store, id: &str, state: RunState) -> Result<(), BoxFault> {
    let ended = Some(Ended {
        at: now(),
        status: 137,
    });
    Ok(store.set_state(id, &RunState { ended, ..state })?)
}

fn elsewhere(name: &str, state: RunState) -> BoxFault {
    LifeError::Elsewhere {
        target: name.to_owned(),
        host: state.host,
    }
    .into()
}

/// The kernel did not take a signal.
#[derive(Debug, thiserror::Error)]
#[error("cannot signal what runs in container `{name}`")]
struct NotSent {
    name: String,
    source: std::io::Error,
}

impl Fault for NotSent {
    fn kind(&self) -> Kind {
        Kind::Refused
    }
}

fn refused(name: &str, source: std::io::Error) -> NotSent {
    NotSent {
        name: name.to_owned(),
        source,
    }
}

/// What a container and its image say of how it stops. What cannot be read says nothing: a container whose image is
/// damaged can be stopped all the same.
struct Remembered {
    patience: Option<i64>,
    signal: Option<String>,
}

impl Remembered {
    fn of(store: &Store, container: &Container) -> Remembered {
        let record = &container.record;
        let wish = serde_json::from_value::<Wish>(record.options.clone()).unwrap_or_default();
        let image = || {
            let bytes = store.read_blob(&record.config, MAX_DOCUMENT).ok()?;
            ImageConfig::parse(&bytes).ok()?.config.stop_signal
        };
        Remembered {
            patience: wish.stop_timeout,
            signal: wish.stop_signal.or_else(image),
        }
    }

    fn signal(&self) -> i32 {
        let named = self.signal.as_deref().and_then(signals::parse);
        named.unwrap_or(libc::SIGTERM)
    }
}
