//! Looks into a file: whether a loader of this machine takes it, and what it asks for.

use std::io;

use nix::errno::Errno;

use crate::base::fsx::{self, PathError};
use crate::base::path::{GuestPath, HostPath};
use crate::gpu::elf::{self, Elf, ElfError};
use crate::gpu::nvidia::{Reason, Wants};
use crate::gpu::vantage::Machine;

/// The directory of the CUDA toolkit in which libraries without a driver lie, to link against.
const STUBS: &str = "stubs";

/// A regular file that has something in it. `found` and `host` are the name that led to it and where it really is.
pub(super) fn file(found: &GuestPath, host: &HostPath) -> Result<(), Reason> {
    let is_stub = |path: &std::path::Path| path.components().any(|part| part.as_os_str() == STUBS);
    // Only the last two names of the real place: those above may be anything where a tree is looked at.
    if is_stub(found.as_path()) || host.parent().is_some_and(|parent| parent.ends_with(STUBS)) {
        return Err(Reason::Stub);
    }
    // Before it is opened: opening a pipe would wait for its writer.
    let facts = fsx::symlink_metadata(host).map_err(reason)?;
    match () {
        () if !facts.is_file() => Err(Reason::NotFile),
        () if facts.len() == 0 => Err(Reason::Empty),
        () => Ok(()),
    }
}

/// The same for a library or program that must be made for `machine`.
pub(super) fn binary(found: &GuestPath, host: &HostPath, machine: Machine) -> Result<Elf, Reason> {
    file(found, host)?;
    object(host, machine)
}

/// The same for what is known to be a regular file.
pub(super) fn object(host: &HostPath, machine: Machine) -> Result<Elf, Reason> {
    let file = fsx::open(host).map_err(reason)?;
    let elf = elf::read(&file).map_err(|error| match error {
        ElfError::Read(error) => Reason::Unreadable(why(&error)),
        malformed => Reason::NotElf(malformed.to_string()),
    })?;
    if elf.bits == 32 {
        return Err(Reason::Bits32);
    }
    match elf.machine() {
        Ok(made_for) if made_for == machine => Ok(elf),
        Ok(made_for) => Err(Reason::OtherMachine(made_for.to_string())),
        Err(number) => Err(Reason::OtherMachine(format!("ELF machine {number}"))),
    }
}

/// What the loader has to find for it.
pub(super) fn wants(elf: &Elf) -> Wants {
    Wants {
        libraries: elf.needed.clone(),
        versions: elf.needs.clone(),
    }
}

/// Why a name leads to no file that can be used.
pub(super) fn reason(error: PathError) -> Reason {
    reason_of(&error.source)
}

/// The same of a bare error.
pub(super) fn reason_of(error: &io::Error) -> Reason {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP) => Reason::Dangling,
        _ => Reason::Unreadable(why(error)),
    }
}

/// The kernel's words without its number, which `io::Error` adds.
fn why(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => Errno::from_raw(number).desc().to_lowercase(),
        None => error.to_string(),
    }
}
