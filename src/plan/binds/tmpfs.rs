//! `--tmpfs`: an empty directory in memory.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::{Origin, Wanted, fields, guest, key_and_value, size};
use crate::plan::fault::{PlanError, shown};

const HINT: &str = "write `--tmpfs /path/in/guest[:ro,noexec,size=64m,mode=1777]`";

/// Permission bits of a tmpfs that says nothing else, as Docker's.
const MODE: u32 = 0o1777;

/// What is known of a tmpfs.
#[derive(Default)]
pub(super) struct Memory {
    size: Option<u64>,
    mode: Option<u32>,
    noexec: bool,
    pub(super) read_only: bool,
}

/// Reads `PATH[:OPTIONS]`, the options as mount(8) has them for tmpfs.
pub fn tmpfs(text: &OsStr) -> Result<Wanted, PlanError> {
    let wrong = |reason: String| PlanError::Mount {
        flag: "--tmpfs",
        text: shown(text),
        reason,
        hint: HINT,
    };
    let bytes = text.as_bytes();
    let end = bytes.iter().position(|byte| *byte == b':');
    let (target, options) = match end {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &b""[..]),
    };
    let mut memory = Memory::default();
    for word in fields(OsStr::from_bytes(options), b',') {
        if !word.is_empty() {
            memory.take(word).map_err(wrong)?;
        }
    }
    Ok(Wanted {
        target: guest(OsStr::from_bytes(target)).map_err(wrong)?,
        read_only: memory.read_only,
        origin: memory.into_origin(),
    })
}

impl Memory {
    pub(super) fn take(&mut self, word: &OsStr) -> Result<(), String> {
        let (key, value) = key_and_value(word);
        match (key.as_bytes(), value) {
            (b"rw", None) => self.read_only = false,
            (b"ro", None) => self.read_only = true,
            (b"exec", None) => self.noexec = false,
            (b"noexec", None) => self.noexec = true,
            // No right can be had from a file that the caller himself has made, and no device made.
            (b"nosuid" | b"nodev", None) => {}
            (b"size", Some(value)) => self.set_size(value, word)?,
            (b"mode", Some(value)) => self.set_mode(value, word)?,
            _ => return Err(format!("option `{}` is not supported", shown(word))),
        }
        Ok(())
    }

    pub(super) fn set_size(&mut self, value: &OsStr, whole: &OsStr) -> Result<(), String> {
        let bytes = value.to_str().and_then(size);
        let bad = || format!("got `{}`, expected a size like `64m`", shown(whole));
        self.size = Some(bytes.ok_or_else(bad)?);
        Ok(())
    }

    pub(super) fn set_mode(&mut self, value: &OsStr, whole: &OsStr) -> Result<(), String> {
        let mode = value.to_str().filter(|text| !text.starts_with('+'));
        let mode = mode.and_then(|text| u32::from_str_radix(text, 8).ok());
        let bad = || format!("got `{}`, expected octal permission bits", shown(whole));
        self.mode = Some(mode.filter(|mode| *mode <= 0o7777).ok_or_else(bad)?);
        Ok(())
    }

    pub(super) fn into_origin(self) -> Origin {
        Origin::Memory {
            size: self.size,
            mode: self.mode.unwrap_or(MODE),
            noexec: self.noexec,
        }
    }
}
