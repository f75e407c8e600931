//! What a guest without a caller wrote: `containers/<id>/log`, in the format of Kubernetes' container runtimes.
//!
//! A line is `<RFC 3339 with nanoseconds> stdout|stderr F|P <text>`; `P` says that the guest's line goes on in the next one
//! of that stream. kubernetes/design-proposals, kubelet-cri-logging.md. When the log has [`MAX_BYTES`], it becomes
//! `log.1`, in the place of an older one, and a new one begins: a guest that talks all day takes no more than twice
//! that, and the newest half at least is always there. Only the monitor writes; anybody may read meanwhile.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::time::SystemTime;

use crate::base::fsx::{self, Context};
use crate::base::path::HostPath;
use crate::store::{Result, Store};

/// Bytes of one file of a log.
const MAX_BYTES: u64 = 16 << 20;

/// Bytes of a guest's line that stand in one line of the log.
const MAX_TEXT: usize = 16 << 10;

/// On which of its streams the guest wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When it was read from the guest, RFC 3339 in UTC with nine digits of a second: such texts sort as their times.
    pub at: String,
    /// Where it was written.
    pub stream: Stream,
    /// Whether the guest's line ends here.
    pub is_whole: bool,
    /// What was written, without the line's end.
    pub text: Vec<u8>,
}

/// The writing side. A full disk loses lines, never the guest's time: what cannot be written is dropped.
#[derive(Debug)]
pub struct LogWriter {
    dir: HostPath,
    file: Option<File>,
    size: u64,
    pending: [Vec<u8>; 2],
}

impl Store {
    /// Opens the log of the container `id` to write at its end.
    pub fn log_writer(&self, id: &str) -> Result<LogWriter> {
        let dir = self.layout.container(id);
        let file = open_append(&dir.join(LOG))?;
        let size = file.metadata().context("stat", dir.join(LOG))?.len();
        Ok(LogWriter {
            dir,
            file: Some(file),
            size,
            pending: [Vec::new(), Vec::new()],
        })
    }

    /// The log of the container `id` from its beginning; `None` where there is none.
    pub fn log(&self, id: &str) -> Result<Option<LogReader>> {
        LogReader::open(self.layout.container(id))
    }
}

impl LogWriter {
    /// Takes what the guest wrote.
    pub fn wrote(&mut self, stream: Stream, bytes: &[u8]) {
        let at = humantime::format_rfc3339_nanos(SystemTime::now()).to_string();
        let mut pending = std::mem::take(&mut self.pending[stream as usize]);
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, is_whole) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            pending.extend_from_slice(text);
            while pending.len() > MAX_TEXT {
                let rest = pending.split_off(MAX_TEXT);
                push_line(&mut lines, &at, stream, b'P', &pending);
                pending = rest;
            }
            if is_whole {
                push_line(&mut lines, &at, stream, b'F', &pending);
                pending.clear();
            }
        }
        self.pending[stream as usize] = pending;
        self.append(&lines);
    }

    /// Writes what the guest left without a line's end.
    pub fn finish(&mut self) {
        let at = humantime::format_rfc3339_nanos(SystemTime::now()).to_string();
        for stream in [Stream::Out, Stream::Err] {
            let pending = std::mem::take(&mut self.pending[stream as usize]);
            let mut lines = Vec::new();
            if !pending.is_empty() {
                push_line(&mut lines, &at, stream, b'P', &pending);
            }
            self.append(&lines);
        }
    }

    fn append(&mut self, lines: &[u8]) {
        if lines.is_empty() {
            return;
        }
        if self.size + lines.len() as u64 > MAX_BYTES && self.size > 0 {
            self.turn_over();
        }
        let Some(file) = &mut self.file else { return };
        match file.write_all(lines) {
            Ok(()) => self.size += lines.len() as u64,
            Err(_) => {
                // No half of a line may stand before the next one.
                let _then_the_reader_skips_it = file.set_len(self.size);
            }
        }
    }

    /// Begins a new file. Where that fails, the old one goes on rather than grow without end: it is emptied.
    fn turn_over(&mut self) {
        let (log, older) = (self.dir.join(LOG), self.dir.join(OLDER));
        let turned = fsx::rename(&log, older).and_then(|()| open_append(&log));
        match (turned, &mut self.file) {
            (Ok(file), _) => self.file = Some(file),
            (Err(_), Some(file)) => {
                let _nothing_else_can_be_done = file.set_len(0);
            }
            (Err(_), None) => {}
        }
        self.size = 0;
    }
}

fn open_append(path: &HostPath) -> fsx::Result<File> {
    fsx::create_if_absent(path, 0o600)?;
    fsx::open_append(path)
}

fn push_line(lines: &mut Vec<u8>, at: &str, stream: Stream, tag: u8, text: &[u8]) {
    let name = match stream {
        Stream::Out => "stdout",
        Stream::Err => "stderr",
    };
    lines.extend_from_slice(format!("{at} {name} ").as_bytes());
    lines.extend_from_slice(&[tag, b' ']);
    lines.extend_from_slice(text);
    lines.push(b'\n');
}

/// The reading side. It can be asked again after the end: a log grows.
#[derive(Debug)]
pub struct LogReader {
    dir: HostPath,
    files: VecDeque<BufReader<File>>,
    /// The beginning of a line that is being written.
    begun: Vec<u8>,
}

impl LogReader {
    fn open(dir: HostPath) -> Result<Option<LogReader>> {
        let open = |name| fsx::absent_as_none(fsx::open(dir.join(name)));
        // In this order: what is turned over in between is found twice, not missed.
        let (newer, older) = (open(LOG)?, open(OLDER)?);
        let inode = |file: &File| file.metadata().map(|meta| meta.ino()).ok();
        let is_same = |older: &File| newer.as_ref().is_some_and(|it| inode(it) == inode(older));
        let older = older.filter(|older| !is_same(older));
        let files: VecDeque<_> = older.into_iter().chain(newer).map(BufReader::new).collect();
        Ok((!files.is_empty()).then_some(LogReader {
            dir,
            files,
            begun: Vec::new(),
        }))
    }

    /// The next line; `None` where there is none yet.
    pub fn next_line(&mut self) -> Result<Option<Line>> {
        while let Some(file) = self.files.front_mut() {
            let limit = 2 * MAX_TEXT as u64;
            let read = std::io::Read::take(&mut *file, limit).read_until(b'\n', &mut self.begun);
            read.context("read", self.dir.join(LOG))?;
            if self.begun.last() == Some(&b'\n') || self.begun.len() as u64 >= limit {
                let line = std::mem::take(&mut self.begun);
                match parse(line.strip_suffix(b"\n").unwrap_or(&line)) {
                    Some(line) => return Ok(Some(line)),
                    // Torn by a full disk.
                    None => continue,
                }
            }
            if self.files.len() == 1 && !self.follow()? {
                return Ok(None);
            }
            self.files.pop_front();
        }
        Ok(None)
    }

    /// Whether there is a newer file behind the last one, which has been read to its end *after* it was turned over.
    fn follow(&mut self) -> Result<bool> {
        let Some(newer) = fsx::absent_as_none(fsx::open(self.dir.join(LOG)))? else {
            return Ok(false);
        };
        let last = self.files.back_mut().expect("the caller has one in hand");
        let stat = |file: &File| file.metadata().context("stat", self.dir.join(LOG));
        let (old, new) = (stat(last.get_ref())?, stat(&newer)?);
        let at = last.stream_position().context("seek", self.dir.join(LOG))?;
        if old.ino() == new.ino() {
            if old.len() < at {
                // Emptied under us.
                last.seek(SeekFrom::Start(0))
                    .context("seek", self.dir.join(LOG))?;
            }
            return Ok(false);
        }
        if old.len() > at {
            return Ok(false);
        }
        self.files.push_back(BufReader::new(newer));
        Ok(true)
    }
}

fn parse(line: &[u8]) -> Option<Line> {
    let mut fields = line.splitn(4, |byte| *byte == b' ');
    let at = String::from_utf8(fields.next()?.to_vec()).ok()?;
    let stream = match fields.next()? {
        b"stdout" => Stream::Out,
        b"stderr" => Stream::Err,
        _ => return None,
    };
    let is_whole = match fields.next()? {
        b"F" => true,
        b"P" => false,
        _ => return None,
    };
    let text = fields.next()?.to_vec();
    Some(Line {
        at,
        stream,
        is_whole,
        text,
    })
}

const LOG: &str = "log";
const OLDER: &str = "log.1";
