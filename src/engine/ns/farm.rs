//! A directory put together in memory, its files bound one by one.
//!
//! Two system calls for a file, one for a directory or a link: this is on the way of every
//! run with a driver. Considered: binding the directories that hold the files and linking
//! into them, which is fewer calls, and shows the guest whatever else lies there.

use std::io::{self, Write};

use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, SFlag, mknod};

use crate::base::fsx::{self, Context};
use crate::base::path::HostPath;
use crate::engine::start::{GuestError, Step};
use crate::plan::farm::{Farm, Piece};

/// Puts `farm` together in a tmpfs on `target`, an existing directory.
pub(super) fn mount_farm(farm: &Farm, target: &HostPath) -> Result<(), GuestError> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let mounted = mount(
        Some("coracle"),
        &**target,
        Some("tmpfs"),
        flags,
        Some("mode=0755"),
    );
    mounted
        .map_err(io::Error::from)
        .step("mount a tmpfs on", target)?;
    for dir in farm.directories() {
        fsx::create_dir(target.join(dir), 0o755)?;
    }
    for (name, piece) in farm.pieces() {
        lay(piece, &target.join(name))?;
    }
    Ok(())
}

fn lay(piece: &Piece, at: &HostPath) -> Result<(), GuestError> {
    match piece {
        Piece::Link(target) => fsx::symlink(target, at)?,
        Piece::Text(content) => {
            fsx::create_new(at, 0o644)?
                .write_all(content)
                .context("write", at)?;
        }
        Piece::File(source) => {
            // Something to mount on, in one call instead of open and close.
            mknod(&**at, SFlag::S_IFREG, Mode::from_bits_truncate(0o644), 0)
                .context("create", at)?;
            let bound = mount(
                Some(&**source),
                &**at,
                None::<&str>,
                MsFlags::MS_BIND,
                None::<&str>,
            );
            bound
                .map_err(io::Error::from)
                .step("bind into the container", source)?;
        }
    }
    Ok(())
}
