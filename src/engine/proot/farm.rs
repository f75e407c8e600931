//! A directory put together on disk, its files as bindings of their own; and what cannot be opened.
//!
//! About sixty bindings more were measured to cost PRoot 5 to 8 % of a shell that starts 300 programs; to bind a few
//! directories of the host and link into them costs nothing, but shows the guest all that lies there.

use std::io::Write;

use nix::sys::stat::{Mode, SFlag, mknod};

use super::prepare::{Binding, binding};
use crate::base::fsx::{self, Context};
use crate::base::path::{GuestPath, HostPath};
use crate::engine::Stop;
use crate::engine::start::Step;
use crate::plan::farm::{Farm, Piece};

/// Puts `farm` together in `dir`, which does not exist yet, to appear at `target`: the bindings, the outer one first.
///
/// Its directories are closed to writing by their modes. PRoot lets a guest that is root have his way with what the
/// caller owns, so he may add names, for this run; the host's files are as safe from him as they are from the caller.
pub(super) fn lay_out(
    farm: &Farm,
    dir: &HostPath,
    target: &GuestPath,
) -> Result<Vec<Binding>, Stop> {
    fsx::create_dir(dir, 0o755)?;
    let mut bindings = vec![binding(dir.clone(), target.clone())?];
    for inner in farm.directories() {
        fsx::create_dir(dir.join(inner), 0o755)?;
    }
    for (name, piece) in farm.pieces() {
        let at = dir.join(name);
        match piece {
            Piece::Link(text) => fsx::symlink(text, at)?,
            Piece::Text(content) => {
                fsx::create_new(&at, 0o444)?
                    .write_all(content)
                    .context("write", at)?;
            }
            Piece::File(source) => {
                drop(fsx::create_new(at, 0o444)?);
                let source = HostPath::new(fsx::canonicalize(source)?);
                bindings.push(binding(source, target.join(name))?);
            }
        }
    }
    for inner in farm.directories() {
        fsx::set_mode(dir.join(inner), 0o555)?;
    }
    fsx::set_mode(dir, 0o555)?;
    Ok(bindings)
}

/// Makes at `at` what no open(2) succeeds on, whoever tries: a socket answers ENXIO. unix(7)
///
/// NVIDIA's libraries (580) remove what is not their device where they take themselves for root's, and make it anew,
/// which nobody here can: then nothing is there.
pub(super) fn make_unopenable(at: &HostPath) -> Result<(), Stop> {
    let made = mknod(&**at, SFlag::S_IFSOCK, Mode::empty(), 0);
    Ok(made
        .map_err(std::io::Error::from)
        .step("make a socket", at)?)
}
