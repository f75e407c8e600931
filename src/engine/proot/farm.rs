//! A directory put together on disk, with links to the host's directories; and what cannot be opened.
//!
//! PRoot removes what a binding shows where a guest removes the name that it has: `rm -rf` of a farm of bindings took
//! away the host's driver from a caller who may do that. So the few directories that hold the files are bound, at
//! names where nothing searches, and the farm has links into them. What a guest with a driver loses in speed under
//! PRoot is not the bindings, forty or four, but its loader's search of `LD_LIBRARY_PATH`.

use std::io::Write;
use std::path::{Path, PathBuf};

use nix::sys::stat::{Mode, SFlag, mknod};
use nix::unistd::{AccessFlags, access};

use super::prepare::{Binding, binding};
use crate::base::fsx::{self, Context};
use crate::base::path::{GuestPath, HostPath};
use crate::engine::Stop;
use crate::engine::start::Step;
use crate::plan::farm::{Farm, Piece};
use crate::plan::{Mount, Source, binds};

/// Where the directories of the host are that farms have links into.
const BOUND: &str = "/.coracle/bound";

/// Where the directories are into which a farm that appears at `target` has links.
pub(super) fn bound_at(target: &GuestPath) -> GuestPath {
    GuestPath::root().join(BOUND).join(target.relative())
}

/// Puts `farm` together in `dir`, which does not exist yet, to appear at `target`, and places for the directories with
/// its files in `places`, to appear at [`bound_at`]: the bindings, the outer ones first.
///
/// Its directories are closed to writing by their modes. PRoot lets a guest that is root have his way with what the
/// caller owns, so he may add names, for this run; the host's files are as safe from him as they are from the caller.
pub(super) fn lay_out(
    farm: &Farm,
    dir: &HostPath,
    places: &HostPath,
    target: &GuestPath,
) -> Result<Vec<Binding>, Stop> {
    let bound = bound_at(target);
    fsx::create_dir(dir, 0o755)?;
    fsx::create_dir(places, 0o755)?;
    for inner in farm.directories() {
        fsx::create_dir(dir.join(inner), 0o755)?;
    }
    let mut directories: Vec<PathBuf> = Vec::new();
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
                let source = fsx::canonicalize(source)?;
                let parent = source.parent().unwrap_or(Path::new("/"));
                let known = directories.iter().position(|known| known == parent);
                let number = known.unwrap_or_else(|| {
                    directories.push(parent.to_owned());
                    directories.len() - 1
                });
                let own = source.file_name().unwrap_or_default();
                let link = bound.join(number.to_string()).join(own);
                fsx::symlink(link.as_path(), at)?;
            }
        }
    }
    let mut bindings = vec![
        binding(dir.clone(), target.clone())?,
        binding(places.clone(), bound.clone())?,
    ];
    for (number, directory) in directories.into_iter().enumerate() {
        let number = number.to_string();
        fsx::create_dir(places.join(&number), 0o755)?;
        bindings.push(binding(HostPath::new(directory), bound.join(number))?);
    }
    for inner in farm.directories() {
        fsx::set_mode(dir.join(inner), 0o555)?;
    }
    fsx::set_mode(dir, 0o555)?;
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
