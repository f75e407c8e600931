//! What a start without a terminal says on its way, and how its caller hears of it: a JSON document a line.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::base::fault::{Fault, Kind};
use crate::base::progress::{Progress, Track};

/// Causes that are passed on; a longer chain is a loop.
const MAX_CAUSES: usize = 16;

#[derive(Debug, Serialize, Deserialize)]
enum Message {
    Warn(String),
    Note(String),
    Begin(u64, String, Option<u64>),
    Advance(u64, u64),
    Done(u64, String),
    Left(u64),
    Failed(Relayed),
}

/// A fault of another process.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Relayed {
    message: String,
    cause: Option<Box<Relayed>>,
    kind: Kind,
    hints: Vec<String>,
}

impl fmt::Display for Relayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Relayed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &dyn Error)
    }
}

impl Fault for Relayed {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn hints(&self) -> Vec<String> {
        self.hints.clone()
    }
}

impl Relayed {
    fn of(fault: &dyn Fault) -> Relayed {
        let mut messages = vec![fault.to_string()];
        let mut next = fault.source();
        while let Some(cause) = next.filter(|_| messages.len() < MAX_CAUSES) {
            messages.push(plain(cause));
            next = cause.source();
        }
        let one = |cause, message| Relayed {
            message,
            cause,
            kind: fault.kind(),
            hints: Vec::new(),
        };
        let chain = messages
            .into_iter()
            .rev()
            .fold(None, |cause, message| Some(Box::new(one(cause, message))));
        let first = chain.expect("a fault has a message of its own");
        Relayed {
            hints: fault.hints(),
            ..*first
        }
    }
}

/// The text of a cause; the system's errors without Rust's ` (os error 2)`, by which whoever reports knows them.
fn plain(cause: &(dyn Error + 'static)) -> String {
    let text = cause.to_string();
    let is_io = cause.downcast_ref::<std::io::Error>().is_some();
    match text.rfind(" (os error ").filter(|_| is_io) {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// The sender's side. Clones share one pipe, which [`Messenger::close`] closes in this process.
#[derive(Clone, Debug)]
pub(super) struct Messenger(Arc<Wire>);

#[derive(Debug)]
struct Wire {
    pipe: Mutex<Option<PipeWriter>>,
    tracks: AtomicU64,
}

impl Messenger {
    pub(super) fn new(pipe: PipeWriter) -> Messenger {
        Messenger(Arc::new(Wire {
            pipe: Mutex::new(Some(pipe)),
            tracks: AtomicU64::new(0),
        }))
    }

    /// The descriptor that it needs.
    pub(super) fn descriptors(&self) -> Vec<RawFd> {
        self.pipe().iter().map(AsRawFd::as_raw_fd).collect()
    }

    /// Says why there is no guest. Nothing more can be said then.
    pub(super) fn failed(&self, fault: &dyn Fault) {
        self.send(&Message::Failed(Relayed::of(fault)));
        self.close();
    }

    pub(super) fn close(&self) {
        self.pipe().take();
    }

    fn pipe(&self) -> std::sync::MutexGuard<'_, Option<PipeWriter>> {
        // Whole lines are written, so a panic elsewhere leaves nothing half said.
        self.0.pipe.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, message: &Message) {
        let mut line = serde_json::to_vec(message).expect("messages are text and numbers");
        line.push(b'\n');
        if let Some(pipe) = self.pipe().as_mut() {
            let _the_caller_may_be_gone_and_the_start_goes_on = pipe.write_all(&line);
        }
    }
}

impl Progress for Messenger {
    fn begin(&self, label: &str, total: Option<u64>) -> Box<dyn Track> {
        let id = self.0.tracks.fetch_add(1, Ordering::Relaxed);
        self.send(&Message::Begin(id, label.to_owned(), total));
        Box::new(Sent {
            messenger: self.clone(),
            id,
            is_done: false,
        })
    }

    fn warn(&self, message: &str) {
        self.send(&Message::Warn(message.to_owned()));
    }

    fn note(&self, message: &str) {
        self.send(&Message::Note(message.to_owned()));
    }

    fn stays_beside(&self) {
        self.close();
    }
}

struct Sent {
    messenger: Messenger,
    id: u64,
    is_done: bool,
}

impl Track for Sent {
    fn advance(&self, bytes: u64) {
        self.messenger.send(&Message::Advance(self.id, bytes));
    }

    fn done(mut self: Box<Self>, outcome: &str) {
        self.is_done = true;
        let outcome = outcome.to_owned();
        self.messenger.send(&Message::Done(self.id, outcome));
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        if !self.is_done {
            self.messenger.send(&Message::Left(self.id));
        }
    }
}

/// What came of a start.
pub(super) enum Tidings {
    Started,
    Failed(Relayed),
}

/// Hands to `progress` what comes, until nobody can send any more or the start has failed.
pub(super) fn listen(pipe: PipeReader, progress: &dyn Progress) -> Tidings {
    let mut tracks: HashMap<u64, Box<dyn Track>> = HashMap::new();
    let mut failure = None;
    for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
        match serde_json::from_slice(&line) {
            Ok(Message::Warn(text)) => progress.warn(&text),
            Ok(Message::Note(text)) => progress.note(&text),
            Ok(Message::Begin(id, label, total)) => {
                tracks.insert(id, progress.begin(&label, total));
            }
            Ok(Message::Advance(id, bytes)) => {
                if let Some(track) = tracks.get(&id) {
                    track.advance(bytes);
                }
            }
            Ok(Message::Done(id, outcome)) => {
                if let Some(track) = tracks.remove(&id) {
                    track.done(&outcome);
                }
            }
            Ok(Message::Left(id)) => drop(tracks.remove(&id)),
            Ok(Message::Failed(fault)) => failure = Some(fault),
            // A sender that was killed in the middle of a word.
            Err(_) => {}
        }
    }
    failure.map_or(Tidings::Started, Tidings::Failed)
}
