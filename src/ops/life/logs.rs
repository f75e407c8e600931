//! `logs`: what the guest of a container wrote while nobody was there.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::base::creator::Creator;
use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::path::HostPath;
use crate::store::{Condition, Line, RunState, Store, Stream};

/// The pause between two looks at a log that grows.
const PAUSE: Duration = Duration::from_millis(50);

/// From 1970 to the first year that has five digits.
const YEAR_10000: Duration = Duration::from_secs(253_402_300_800);

/// What of a log is wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Also what is still to come, until the guest ends.
    pub follow: bool,
    /// Only so many lines from the end.
    pub tail: Option<usize>,
    /// Nothing older: a moment, or how long ago.
    pub since: Option<String>,
    /// Nothing newer, likewise.
    pub until: Option<String>,
}

/// A line as it is shown.
#[derive(Clone, Debug)]
pub struct Shown {
    /// When the guest wrote it, RFC 3339 in UTC.
    pub at: String,
    /// Whether to standard error.
    pub is_error: bool,
    /// Whether the guest's line ends here.
    pub is_whole: bool,
    /// What it wrote, without the line's end.
    pub text: Vec<u8>,
}

impl From<Line> for Shown {
    fn from(line: Line) -> Shown {
        Shown {
            is_error: line.stream == Stream::Err,
            at: line.at,
            is_whole: line.is_whole,
            text: line.text,
        }
    }
}

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// No guest of it has ever run without its caller.
    #[error("container `{0}` has no log")]
    None(String),
    /// Neither a moment nor a duration.
    #[error(
        "got `{got}` for `{flag}`, expected a moment such as `2026-01-31T12:00:00Z`, seconds since 1970, or how long ago, such as `10m`"
    )]
    Moment {
        /// The flag.
        flag: &'static str,
        /// What was typed.
        got: String,
    },
}

impl Fault for LogError {
    fn kind(&self) -> Kind {
        match self {
            LogError::None(_) => Kind::NotFound,
            LogError::Moment { .. } => Kind::Usage,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            LogError::None(_) => vec![
                "what runs in the foreground writes to the terminal; `run -d` and `start` keep what is written".to_owned(),
            ],
            LogError::Moment { .. } => Vec::new(),
        }
    }
}

/// Hands every line that is wanted to `show`, until that says that nobody reads any more.
pub fn logs(
    home: &HostPath,
    name: &str,
    wanted: &Wanted,
    show: &mut dyn FnMut(Shown) -> Result<bool, BoxFault>,
) -> Result<(), BoxFault> {
    let since = moment("--since", wanted.since.as_deref())?;
    let until = moment("--until", wanted.until.as_deref())?;
    let store = Store::open(home.clone())?;
    let id = store.container(name)?.record.id;
    let none = || LogError::None(name.to_owned());
    let mut log = store.log(&id)?.ok_or_else(none)?;
    let is_wanted = |line: &Line| {
        since.as_ref().is_none_or(|since| line.at >= *since)
            && until.as_ref().is_none_or(|until| line.at <= *until)
    };
    let mut source = Source {
        store,
        id,
        is_last: !wanted.follow,
    };
    let mut kept = VecDeque::new();
    let mut tail = wanted.tail;
    loop {
        let is_last = source.is_last;
        while let Some(line) = log.next_line()? {
            let is_over = until.as_ref().is_some_and(|until| line.at > *until);
            if is_over && wanted.follow {
                source.is_last = true;
            }
            match tail {
                _ if !is_wanted(&line) => {}
                Some(count) => keep(&mut kept, line, count),
                None if !show(line.into())? => return Ok(()),
                None => {}
            }
        }
        // The end of what is there now; from here on every new line is shown.
        tail = None;
        for line in kept.drain(..) {
            if !show(line.into())? {
                return Ok(());
            }
        }
        if is_last {
            return Ok(());
        }
        source.await_more()?;
    }
}

fn keep(kept: &mut VecDeque<Line>, line: Line, count: usize) {
    kept.push_back(line);
    if kept.len() > count {
        kept.pop_front();
    }
}

/// A log that grows.
struct Source {
    store: Store,
    id: String,
    /// Whether nothing more will come after the next look.
    is_last: bool,
}

impl Source {
    /// Waits for a moment, or for the end of whoever writes.
    fn await_more(&mut self) -> Result<(), BoxFault> {
        let state = self.store.state(&self.id)?;
        let writer = state.as_ref().and_then(writer);
        if let Some(writer) = writer.as_ref().and_then(Creator::hold) {
            self.is_last = writer.wait(Some(PAUSE));
            return Ok(());
        }
        let is_elsewhere = |state: &RunState| state.condition() == Condition::UpElsewhere;
        self.is_last = !state.as_ref().is_some_and(is_elsewhere);
        if !self.is_last {
            #[expect(
                clippy::disallowed_methods,
                reason = "another host writes; files have no event for that"
            )]
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }
}

/// Who writes the log; nobody does any more once the end is written.
fn writer(state: &RunState) -> Option<Creator> {
    state.monitor.clone().filter(|_| state.ended.is_none())
}

/// A moment as a log writes it: RFC 3339, seconds since 1970 with or without a fraction, or how long ago.
fn moment(flag: &'static str, text: Option<&str>) -> Result<Option<String>, LogError> {
    let Some(text) = text else { return Ok(None) };
    let seconds = || {
        let seconds = text.parse::<f64>().ok().filter(|seconds| *seconds >= 0.0)?;
        UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
    };
    let ago = || SystemTime::now().checked_sub(humantime::parse_duration(text).ok()?);
    let given = humantime::parse_rfc3339_weak(text).ok();
    let date = || humantime::parse_rfc3339_weak(&format!("{text}T00:00:00Z")).ok();
    let wrong = || LogError::Moment {
        flag,
        got: text.escape_debug().take(80).collect(),
    };
    let then = given.or_else(date).or_else(seconds).or_else(ago);
    // No log is older than 1970, and its texts have four digits for a year.
    let then = then.ok_or_else(wrong)?.max(UNIX_EPOCH);
    if then >= UNIX_EPOCH + YEAR_10000 {
        return Err(wrong());
    }
    Ok(Some(humantime::format_rfc3339_nanos(then).to_string()))
}
