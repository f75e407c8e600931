//! Removes trees with more levels than descriptors may be open.
//!
//! `std` holds a directory of each level open while it removes those below, and a layer may have two thousand of them,
//! where 1024 descriptors are the usual limit. Here one is open, and the way back up is `..`, which is compared with
//! where we came from.

use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, open, openat};
use nix::sys::stat::{FchmodatFlags, Mode, fchmod, fchmodat, fstat};
use nix::unistd::{UnlinkatFlags, unlinkat};

const DIRECTORY: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// Removes the directory `top` with everything below it.
pub(super) fn remove(top: &Path) -> io::Result<()> {
    let mut here = open(top, DIRECTORY, Mode::empty())?;
    // Of each level on the way down: what is still to be removed there.
    let mut todo = vec![empty(&here)?];
    let mut way: Vec<(CString, (u64, u64))> = Vec::new();
    while let Some(names) = todo.last_mut() {
        if let Some(name) = names.pop() {
            let below = enter(&here, &name)?;
            way.push((name, identity(&here)?));
            todo.push(empty(&below)?);
            here = below;
            continue;
        }
        todo.pop();
        if let Some((name, above)) = way.pop() {
            here = openat(&here, "..", DIRECTORY, Mode::empty())?;
            if identity(&here)? != above {
                return Err(io::Error::other("somebody moves its directories"));
            }
            unlinkat(&here, &*name, UnlinkatFlags::RemoveDir)?;
        }
    }
    Ok(unlinkat(AT_FDCWD, top, UnlinkatFlags::RemoveDir)?)
}

/// Opens a directory in `here`, also one that is closed to its owner.
fn enter(here: &OwnedFd, name: &CString) -> nix::Result<OwnedFd> {
    match openat(here, &**name, DIRECTORY, Mode::empty()) {
        Err(Errno::EACCES) => {
            fchmodat(here, &**name, Mode::S_IRWXU, FchmodatFlags::FollowSymlink)?;
            openat(here, &**name, DIRECTORY, Mode::empty())
        }
        opened => opened,
    }
}

/// Removes what is no directory, and lists the others. A directory that its owner may not change is opened up first.
fn empty(here: &OwnedFd) -> nix::Result<Vec<CString>> {
    let mode = Mode::from_bits_truncate(fstat(here)?.st_mode);
    if !mode.contains(Mode::S_IRWXU) {
        fchmod(here, Mode::S_IRWXU)?;
    }
    let mut names = Vec::new();
    for entry in Dir::openat(here, ".", DIRECTORY, Mode::empty())?.iter() {
        let name = entry?.file_name().to_owned();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        match unlinkat(here, &*name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) => {}
            // POSIX says EPERM for a directory, Linux EISDIR.
            Err(Errno::EISDIR | Errno::EPERM) => names.push(name),
            Err(error) => return Err(error),
        }
    }
    Ok(names)
}

fn identity(directory: &OwnedFd) -> nix::Result<(u64, u64)> {
    let data = fstat(directory)?;
    Ok((data.st_dev, data.st_ino))
}
