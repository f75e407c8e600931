//! What goes to stdout (tables, JSON, text) and how progress looks on stderr.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::SystemTime;

use indicatif::{HumanBytes, HumanDuration, MultiProgress, ProgressBar, ProgressStyle};
use terminal_size::{Width, terminal_size_of};

use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::progress::{Progress, Track};
use crate::cli::report::{Format, Level, Voice, plain, plain_json};
use crate::cli::table;
use crate::cli::typed::Misuse;

/// Standard output does not take what was asked for.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output")]
struct Unwritable(#[source] io::Error);

impl Fault for Unwritable {
    fn kind(&self) -> Kind {
        Kind::Storage
    }
}

/// Foreign text as one line that may go to a terminal.
pub(crate) fn line(text: &str) -> String {
    plain(text)
}

/// Writes `text` to stdout as it is. A reader that has gone away wanted no more of it.
pub(crate) fn text(text: &str) -> Result<ExitCode, BoxFault> {
    bytes(text.as_bytes())
}

/// Writes `bytes` to stdout as they are.
pub(crate) fn bytes(bytes: &[u8]) -> Result<ExitCode, BoxFault> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Unwritable(error).into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Somebody would see the bytes of an archive as text.
#[derive(Debug, thiserror::Error)]
#[error("standard output is a terminal, which cannot show {0}")]
struct ForNoTerminal(&'static str);

impl Fault for ForNoTerminal {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec!["use `-o FILE`, or redirect the output".to_owned()]
    }
}

/// Lets `write` write bytes of any number to stdout; `what` they are, which no terminal gets to see.
pub(crate) fn stream(
    what: &'static str,
    write: impl FnOnce(&mut dyn Write) -> Result<(), BoxFault>,
) -> Result<ExitCode, BoxFault> {
    if io::stdout().is_terminal() {
        return Err(ForNoTerminal(what).into());
    }
    // Not through `Stdout`, which looks for line feeds in all that it is given.
    let stdout = io::stdout().as_fd().try_clone_to_owned();
    let stdout = std::fs::File::from(stdout.map_err(Unwritable)?);
    let mut buffered = BufWriter::with_capacity(256 << 10, stdout);
    write(&mut buffered)?;
    buffered.flush().map_err(Unwritable)?;
    Ok(ExitCode::SUCCESS)
}

/// The fault of an output that takes no more.
pub(crate) fn unwritable(error: io::Error) -> BoxFault {
    Unwritable(error).into()
}

/// Writes a document to stdout, indented.
pub(crate) fn json(value: &serde_json::Value) -> Result<ExitCode, BoxFault> {
    text(&plain_json(&format!("{value:#}\n")))
}

/// Writes lines to stdout.
pub(crate) fn lines(lines: impl Iterator<Item = String>) -> Result<ExitCode, BoxFault> {
    text(&lines.map(|line| line + "\n").collect::<String>())
}

/// Writes a table to stdout; on a terminal, one that fits.
pub(crate) fn table(heading: &[&str], rows: &[Vec<String>]) -> Result<ExitCode, BoxFault> {
    text(&match terminal_width() {
        Some(width) => columns(heading, &table::fitted(heading, rows, width)),
        None => columns(heading, rows),
    })
}

/// How many columns the terminal has that stdout is; `None` where it is none.
pub(crate) fn terminal_width() -> Option<usize> {
    let stdout = io::stdout();
    let size = stdout
        .is_terminal()
        .then(|| terminal_size_of(&stdout))
        .flatten();
    size.map(|(Width(columns), _)| usize::from(columns))
}

/// A heading and rows in columns, each as wide as its widest cell.
pub(crate) fn columns(heading: &[&str], rows: &[Vec<String>]) -> String {
    let heading: Vec<String> = heading.iter().map(|name| (*name).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(&heading)
        .chain(rows)
        .map(|row| row.iter().map(|cell| plain(cell)).collect())
        .collect();
    let widest = |column| {
        let cells = rows.iter().filter_map(|row: &Vec<String>| row.get(column));
        cells
            .map(|cell: &String| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heading.len()).map(widest).collect();
    let mut lines = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        lines += cells.join("   ").trim_end();
        lines.push('\n');
    }
    lines
}

/// `bytes` for people, such as `1.21 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

/// How long ago a moment was, for people; the text itself if it is no RFC 3339 moment of
/// the past. Images made reproducibly are from 1970.
pub(crate) fn since(moment: &str) -> String {
    let then = humantime::parse_rfc3339_weak(moment).ok();
    let elapsed = then.and_then(|then| SystemTime::now().duration_since(then).ok());
    match elapsed {
        Some(elapsed) => format!("{} ago", HumanDuration(elapsed)),
        None => moment.to_owned(),
    }
}

/// Progress as lines: one for each finished piece of work.
#[derive(Clone, Copy)]
pub(crate) struct Lines {
    voice: Voice,
    verbose: bool,
}

impl Lines {
    /// Lines in `voice`; notes only if `verbose`.
    pub(crate) fn new(voice: Voice, verbose: bool) -> Lines {
        Lines { voice, verbose }
    }

    /// Whether bars may be drawn in their place.
    pub(crate) fn are_for_people(&self) -> bool {
        self.voice.format() == Format::Text
    }
}

impl Progress for Lines {
    fn begin(&self, label: &str, total: Option<u64>) -> Box<dyn Track> {
        Box::new(Line {
            voice: self.voice,
            label: label.to_owned(),
            total,
        })
    }

    fn warn(&self, message: &str) {
        self.voice.say(Level::Warning, message);
    }

    fn note(&self, message: &str) {
        if self.verbose {
            self.voice.say(Level::Note, message);
        }
    }
}

struct Line {
    voice: Voice,
    label: String,
    total: Option<u64>,
}

impl Track for Line {
    fn advance(&self, _bytes: u64) {}

    fn done(self: Box<Self>, outcome: &str) {
        let size = self.total.map(|total| format!(", {}", size(total)));
        let line = format!("{}: {outcome}{}", self.label, size.unwrap_or_default());
        self.voice.say(Level::Progress, &line);
    }
}

/// Progress as bars on a terminal. Nothing is set up before the first bar is needed:
/// most runs show none.
pub(crate) struct Bars {
    lines: Lines,
    screen: OnceLock<MultiProgress>,
}

impl Bars {
    /// Bars whose warnings and notes are `lines`.
    pub(crate) fn new(lines: Lines) -> Bars {
        Bars {
            lines,
            screen: OnceLock::new(),
        }
    }

    fn between_bars(&self, say: impl FnOnce()) {
        match self.screen.get() {
            Some(screen) => screen.suspend(say),
            None => say(),
        }
    }
}

impl Progress for Bars {
    fn begin(&self, label: &str, total: Option<u64>) -> Box<dyn Track> {
        // A line that is longer than the terminal would be broken, and drawn anew below itself.
        let stderr = io::stderr();
        let columns = terminal_size_of(&stderr).map_or(80, |(Width(columns), _)| columns);
        let form = match total {
            Some(_) if columns < 64 => "{prefix:12!} {wide_bar} {percent:>3}% {msg}",
            Some(_) => "{prefix:20!} {wide_bar} {bytes:>10} of {total_bytes:10} {msg:9}",
            None if columns < 64 => "{prefix:12!} {spinner} {bytes:>10} {msg}",
            None => "{prefix:20!} {spinner} {bytes:>10} {msg}",
        };
        let style = ProgressStyle::with_template(form);
        let bar = match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::no_length(),
        };
        let style = style.expect("the templates above are well formed");
        bar.set_style(style.progress_chars("=> "));
        bar.set_prefix(plain(label));
        Box::new(Bar(self.screen.get_or_init(MultiProgress::new).add(bar)))
    }

    fn warn(&self, message: &str) {
        self.between_bars(|| self.lines.warn(message));
    }

    fn note(&self, message: &str) {
        self.between_bars(|| self.lines.note(message));
    }
}

struct Bar(ProgressBar);

impl Track for Bar {
    fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    fn done(self: Box<Self>, outcome: &str) {
        self.0.finish_with_message(plain(outcome));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if !self.0.is_finished() {
            self.0.abandon_with_message("failed");
        }
    }
}

/// A template with each `{{NAME}}` in it replaced by what `value` says of that name.
pub(crate) fn fill(
    template: &str,
    value: impl Fn(&str) -> Result<String, Misuse>,
) -> Result<String, Misuse> {
    let mut line = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        line.push_str(before);
        let (name, behind) = after
            .split_once("}}")
            .ok_or_else(|| Misuse::of("a `{{` of `--format` has no `}}`".to_owned()))?;
        line.push_str(&value(name.trim())?);
        rest = behind;
    }
    line.push_str(rest);
    Ok(line)
}
