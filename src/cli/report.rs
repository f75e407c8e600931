//! Any fault becomes lines on stderr and an exit status; the only place that knows both.
//!
//! ```text
//! error: cannot pull `quay.io/x/y:1`
//!   caused by: layer sha256:ab12…: the connection closed
//! hint: run the same command again, it resumes from there
//! ```

use std::error::Error;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::panic::PanicHookInfo;

use serde_json::json;

use crate::base::env;
use crate::base::fault::{Fault, Kind};

/// Causes shown before the chain is cut; a longer one is a loop or a hostile server.
const MAX_CAUSES: usize = 16;
/// Characters of one line of a message; the rest of it is foreign text run wild.
const MAX_LINE: usize = 4096;

/// The status for "coracle failed, not the guest"; docker-run(1), "Exit status".
const RUN_FAILED: u8 = 125;

/// The form of what coracle says on stderr.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

impl Format {
    /// How it is written.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::Json => "json",
        }
    }
}

/// When messages have colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    /// On a terminal, and not with `NO_COLOR`.
    OnTerminals,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// How the user wants to hear of things.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Voice {
    format: Format,
    colour: bool,
}

/// How much a message matters.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Level {
    /// The user should know and can act.
    Warning,
    /// A piece of work that is done.
    Progress,
    /// What is being done, for the curious.
    Note,
}

impl Voice {
    /// A voice of this format.
    pub(crate) fn new(format: Format, colour: Colour) -> Voice {
        let on_terminal = || std::io::stderr().is_terminal() && env::get(env::NO_COLOR).is_none();
        Voice {
            format,
            colour: match colour {
                Colour::OnTerminals => on_terminal(),
                Colour::Always => true,
                Colour::Never => false,
            },
        }
    }

    /// The voice for a command line that could not be parsed.
    pub(crate) fn before_parsing(args: &[OsString]) -> Voice {
        let json = "json";
        let typed = args.iter().any(|arg| arg == "--log-format=json")
            || args
                .windows(2)
                .any(|two| two[0] == "--log-format" && two[1] == json);
        let said = env::get(env::CORACLE_LOG_FORMAT).is_some_and(|format| format == json);
        let format = if typed || said {
            Format::Json
        } else {
            Format::Text
        };
        Voice::new(format, Colour::OnTerminals)
    }

    /// The form in which it speaks.
    pub(crate) fn format(self) -> Format {
        self.format
    }

    /// Reports a fault with its causes and hints.
    pub(crate) fn error(self, fault: &dyn Fault) {
        let message = fault.to_string();
        let causes = causes(fault);
        let hints = fault.hints();
        say(&match self.format {
            Format::Json => plain_json(
                &json!({
                    "level": "error",
                    "kind": format!("{:?}", fault.kind()).to_lowercase(),
                    "message": message,
                    "causes": causes,
                    "hints": hints,
                })
                .to_string(),
            ),
            Format::Text => {
                let mut lines = self.line("31;1", "error", &message);
                for cause in &causes {
                    lines += &format!("\n  caused by: {}", plain(cause));
                }
                for hint in &hints {
                    lines.push('\n');
                    lines += &self.line("36;1", "hint", hint);
                }
                lines
            }
        });
    }

    /// Says one thing that is no error.
    pub(crate) fn say(self, level: Level, message: &str) {
        let (name, colour) = match level {
            Level::Warning => ("warning", "33;1"),
            Level::Progress => ("progress", ""),
            Level::Note => ("note", "2"),
        };
        say(&match self.format {
            Format::Json => plain_json(&json!({ "level": name, "message": message }).to_string()),
            Format::Text if colour.is_empty() => plain(message),
            Format::Text => self.line(colour, name, message),
        });
    }

    /// Asks something; the answer is typed behind it.
    pub(crate) fn ask(self, question: &str) {
        let _nobody_is_left_to_tell = std::io::stderr().write_all(plain(question).as_bytes());
        let _a_blank_before_the_answer = std::io::stderr().write_all(b" ");
    }

    fn line(self, colour: &str, label: &str, message: &str) -> String {
        let message = plain(message);
        if self.colour {
            format!("\x1b[{colour}m{label}:\x1b[0m {message}")
        } else {
            format!("{label}: {message}")
        }
    }
}

/// Reports a panic in one line; answers the exit status.
///
/// The place is named because it is all that a developer can go by; no backtrace follows.
pub fn panicked(panic: &PanicHookInfo<'_>) -> u8 {
    let payload = panic.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let place = panic.location().map(ToString::to_string);
    say(&format!(
        "error: internal: {} at {}\nhint: this is a defect of coracle {}; please report this line and the command",
        plain(text.unwrap_or("panic")),
        place.unwrap_or_default(),
        env!("CARGO_PKG_VERSION"),
    ));
    RUN_FAILED
}

/// Verbs with the exit status of a guest.
const GUESTS: [&str; 2] = ["run", "exec"];

/// The exit status of a failed command. For a verb that runs a guest every status below 125 is the guest's.
pub(crate) fn status(verb: Option<&str>, kind: Kind) -> u8 {
    let is_guest = verb.is_some_and(|verb| GUESTS.contains(&verb));
    match (is_guest, kind) {
        (true, kind) => kind.start_status(),
        (_, Kind::Usage) => 2,
        _ => 1,
    }
}

/// The messages of everything that led to `fault`, without repetitions: an error that
/// shows its cause's text as its own would otherwise be read twice.
fn causes(fault: &dyn Fault) -> Vec<String> {
    let mut messages: Vec<String> = Vec::new();
    let mut last = fault.to_string();
    let mut next = fault.source();
    while let Some(cause) = next.filter(|_| messages.len() < MAX_CAUSES) {
        let message = cause_text(cause);
        if !last.ends_with(&message) {
            messages.push(message.clone());
        }
        last = message;
        next = cause.source();
    }
    messages
}

/// The text of one cause; the system's errors without Rust's ` (os error 2)`.
fn cause_text(cause: &(dyn Error + 'static)) -> String {
    let text = cause.to_string();
    let is_io = cause.downcast_ref::<std::io::Error>().is_some();
    match text.rfind(" (os error ").filter(|_| is_io) {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// JSON as it may go to a terminal. It escapes the control characters of ASCII by itself;
/// others, and the marks of [`plain`], can stand in strings only, where this escapes them.
pub(crate) fn plain_json(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if is_mark(c) || c.is_control() && c != '\n' {
            let _infallible = write!(clean, "\\u{:04x}", u32::from(c));
        } else {
            clean.push(c);
        }
    }
    clean
}

/// A mark that turns the direction of writing.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `text` as it may go to a terminal: control characters and the marks that turn
/// the direction of writing are shown as escapes; further lines are indented.
pub(crate) fn plain(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.trim_end().chars().take(MAX_LINE) {
        match c {
            '\n' => clean.push_str("\n    "),
            '\t' => clean.push(c),
            c if is_mark(c) || c.is_control() => {
                let _infallible = write!(clean, "{}", c.escape_unicode());
            }
            c => clean.push(c),
        }
    }
    clean
}

/// Says something longer that is ours, such as a help text beside an error.
pub(crate) fn aside(text: &str) {
    say(text);
}

/// Writes lines to stderr in one call, so that those of several processes do not mix.
fn say(lines: &str) {
    let _nobody_is_left_to_tell = std::io::stderr().write_all(format!("{lines}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_drive_the_terminal() {
        assert_eq!(
            plain("a\x1b[2J\r\u{202e}b\u{9b}"),
            "a\\u{1b}[2J\\u{d}\\u{202e}b\\u{9b}"
        );
        let document = json!({ "a": "\u{9b}2J\u{7f}\u{202e}ö\x1b" });
        assert_eq!(
            plain_json(&document.to_string()),
            r#"{"a":"\u009b2J\u007f\u202eö\u001b"}"#
        );
        assert_eq!(plain("one\ntwo\n"), "one\n    two");
        assert_eq!(plain("größer\tも"), "größer\tも");
    }

    #[test]
    fn only_run_has_dockers_statuses() {
        assert_eq!(status(Some("run"), Kind::NoProgram), 127);
        assert_eq!(status(Some("run"), Kind::Usage), 125);
        assert_eq!(status(Some("pull"), Kind::NoProgram), 1);
        assert_eq!(status(None, Kind::Usage), 2);
    }
}
