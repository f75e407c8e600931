//! A directory put together on disk, its files as links to bindings elsewhere; and what cannot be opened.
//!
//! PRoot removes what a binding shows where a guest removes the name that it has: were the farm's own names bound,
//! `rm -rf` of its directory would take away the host's driver from a caller who may do that.
//!
//! About sixty bindings more were measured to cost PRoot 5 to 8 % of a shell that starts 300 programs; to bind a few
//! directories of the host and link into them costs nothing, but shows the guest all that lies there.

use std::io::Write;
use std::path::Path;

use nix::sys::stat::{Mode, SFlag, mknod};
use nix::unistd::{AccessFlags, access};

use super::prepare::{Binding, binding};
use crate::base::fsx::{self, Context};
use crate::base::path::{GuestPath, HostPath};
use crate::engine::Stop;
use crate::engine::start::Step;
use crate::plan::farm::{Farm, Piece};
use crate::plan::{Mount, Source, binds};

/// Where the files of the host are that farms have links to.
const BOUND: &str = "/.coracle/bound";

/// Where the files of a farm that appears at `target` are bound.
pub(super) fn bound_at(target: &GuestPath) -> GuestPath {
    GuestPath::root().join(BOUND).join(target.relative())
}

/// Puts `farm` together in `dir`, which does not exist yet, to appear at `target`, and places for its files in
/// `files`, to appear at [`bound_at`]: the bindings, the outer ones first.
///
/// Its directories are closed to writing by their modes. PRoot lets a guest that is root have his way with what the
/// caller owns, so he may add names, for this run; the host's files are as safe from him as they are from the caller.
pub(super) fn lay_out(
    farm: &Farm,
    dir: &HostPath,
    files: &HostPath,
    target: &GuestPath,
) -> Result<Vec<Binding>, Stop> {
    let bound = bound_at(target);
    let mut bindings = Vec::new();
    for (root, place) in [(dir, target), (files, &bound)] {
        fsx::create_dir(root, 0o755)?;
        for inner in farm.directories() {
            fsx::create_dir(root.join(inner), 0o755)?;
        }
        bindings.push(binding(root.clone(), place.clone())?);
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
                let place = bound.join(name);
                fsx::symlink(place.as_path(), at)?;
                drop(fsx::create_new(files.join(name), 0o444)?);
                let source = HostPath::new(fsx::canonicalize(source)?);
                bindings.push(binding(source, place)?);
            }
        }
    }
    for root in [dir, files] {
        for inner in farm.directories() {
            fsx::set_mode(root.join(inner), 0o555)?;
        }
        fsx::set_mode(root, 0o555)?;
    }
    Ok(bindings)
}

/// A file of the host that the guest should only read and can change, because the caller can: PRoot keeps nobody from
/// writing. The default texts are not among them, as the guest then has copies of its own.
pub(super) fn changeable(mounts: &[Mount]) -> Option<&HostPath> {
    let is_text = |mount: &Mount| {
        binds::HOST_FILES
            .iter()
            .any(|file| mount.target.as_path() == Path::new(file))
    };
    let sources = mounts.iter().flat_map(|mount| match &mount.source {
        Source::Farm(farm) => farm.files().collect(),
        Source::Bind(source) if mount.read_only && !is_text(mount) => vec![source],
        _ => Vec::new(),
    });
    let mut changeable =
        sources.filter(|source| access(source.as_os_str(), AccessFlags::W_OK).is_ok());
    changeable.next()
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
