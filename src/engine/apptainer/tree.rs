//! Making a tree ready for apptainer: the guest's files, places for the mounts, the directory.
//!
//! In a tree that it may write to, it makes no mount points; and only real mounts lie on them, so that placeholders of
//! any kind do.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

use nix::sys::stat::{Mode, SFlag, mknod};

use crate::base::fsx::{self, Context};
use crate::base::path::{GuestPath, HostPath};
use crate::engine::Stop;
use crate::engine::sight::{Place, Sight};
use crate::engine::start::{GuestError, Step};
use crate::plan::farm::{Farm, Piece};
use crate::plan::{Mount, RunPlan, Source};

/// What it mounts itself, from the host.
const OWN: [&str; 3] = ["/proc", "/sys", "/dev"];
/// What it would make anew over ours, unless that is bound.
const ACCOUNTS: [&str; 2] = ["/etc/passwd", "/etc/group"];

/// A bind as it is told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// What is shown.
    pub source: HostPath,
    /// Where.
    pub target: GuestPath,
    /// Whether the guest may only read it.
    pub read_only: bool,
}

impl Binding {
    /// `SOURCE:TARGET[:ro]`
    pub(super) fn spec(&self) -> OsString {
        let mut text = self.source.as_os_str().to_owned();
        text.push(":");
        text.push(self.target.as_path());
        if self.read_only {
            text.push(":ro");
        }
        text
    }
}

/// Makes the tree at `rootfs`, which nobody else uses, ready for `plan`. What a mount shows and the host does not have
/// is made in `scratch`, which exists.
pub(super) fn prepare(
    plan: &RunPlan,
    rootfs: &HostPath,
    scratch: &HostPath,
) -> Result<Vec<Binding>, Stop> {
    let mut sight = Sight::new(rootfs.clone());
    let mut bindings = Vec::new();
    for file in &plan.files {
        let place = sight.locate(&file.path)?;
        make_parent(&place)?;
        fsx::write_if_different(&place.host, &file.content, file.mode)?;
        if ACCOUNTS
            .iter()
            .any(|name| file.path.as_path() == Path::new(name))
        {
            bindings.push(bound(place.host, file.path.clone(), false));
        }
    }
    for link in &plan.links {
        let at = own_name(&link.path, &sight)?;
        fsx::remove_file(&at).and_then(|()| fsx::symlink(&link.target, &at))?;
    }
    for (idx, mount) in plan.mounts.iter().enumerate() {
        let own = scratch.join(format!("mount-{idx}"));
        for binding in place_mount(mount, &own, &sight)? {
            sight.bind(binding.target.clone(), binding.source.clone());
            bindings.push(binding);
        }
    }
    let cwd = sight.locate(&plan.cwd.path)?;
    if plan.cwd.create {
        fsx::create_dirs(&cwd.host, 0o755)?;
    }
    match cwd.host.is_dir() {
        true => Ok(bindings),
        false => Err(GuestError::NoCwd(plan.cwd.path.clone()).into()),
    }
}

/// The binds that `mount` comes down to, outer ones first. `own` is a name in the scratch directory for it alone.
fn place_mount(mount: &Mount, own: &HostPath, sight: &Sight) -> Result<Vec<Binding>, Stop> {
    let is_own = OWN
        .iter()
        .any(|name| mount.target.as_path() == Path::new(name));
    let source = match &mount.source {
        Source::Bind(source) if is_own && **source == *mount.target.as_path() => {
            return Ok(Vec::new());
        }
        Source::Bind(source) => match fsx::metadata(source) {
            Ok(_) => source.clone(),
            Err(_) if mount.optional => return Ok(Vec::new()),
            Err(error) if error.is_not_found() => Err(GuestError::NoSource(source.to_string()))?,
            Err(error) => Err(error)?,
        },
        Source::Tmpfs { mode, .. } => {
            fsx::create_dir(own, 0o700)?;
            fsx::set_mode(own, *mode)?;
            own.clone()
        }
        Source::Farm(farm) => {
            let at = own_name(&mount.target, sight)?;
            if fsx::symlink_metadata(&at).is_ok_and(|meta| !meta.is_dir()) {
                fsx::remove_file(&at)?;
            }
            fsx::create_dirs(&at, 0o755)?;
            return lay_out(farm, own, &mount.target);
        }
        Source::Masked => {
            if fsx::symlink_metadata(mount.target.as_path()).is_err() {
                return Ok(Vec::new());
            }
            // No open(2) succeeds on a socket. unix(7)
            mknod(&**own, SFlag::S_IFSOCK, Mode::empty(), 0)
                .map_err(std::io::Error::from)
                .step("make a socket", own)?;
            return Ok(vec![bound(own.clone(), mount.target.clone(), false)]);
        }
    };
    if mount.optional && source.is_file() {
        let at = own_name(&mount.target, sight)?;
        if fsx::symlink_metadata(&at).is_ok_and(|meta| meta.is_symlink()) {
            fsx::remove_file(&at)?;
        }
    }
    let place = sight.locate(&mount.target)?;
    make_target(&place, source.is_dir(), &mount.target)?;
    Ok(vec![bound(source, place.guest, mount.read_only)])
}

/// Puts `farm` together in `dir` to appear at `target`: a read-only directory, and its files bound one by one.
fn lay_out(farm: &Farm, dir: &HostPath, target: &GuestPath) -> Result<Vec<Binding>, Stop> {
    fsx::create_dir(dir, 0o755)?;
    for inner in farm.directories() {
        fsx::create_dir(dir.join(inner), 0o755)?;
    }
    let mut bindings = vec![bound(dir.clone(), target.clone(), true)];
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
                fsx::create_if_absent(&at, 0o444)?;
                bindings.push(bound(source.clone(), target.join(name), true));
            }
        }
    }
    Ok(bindings)
}

fn bound(source: HostPath, target: GuestPath, read_only: bool) -> Binding {
    Binding {
        source,
        target,
        read_only,
    }
}

/// Where the very name `target` lies, a link there not followed; its directory exists afterwards.
fn own_name(target: &GuestPath, sight: &Sight) -> Result<HostPath, Stop> {
    let path = target.as_path();
    let (Some(parent), Some(name)) = (path.parent().and_then(GuestPath::new), path.file_name())
    else {
        return Ok(sight.locate(target)?.host);
    };
    let parent = sight.locate(&parent)?.host;
    fsx::create_dirs(&parent, 0o755)?;
    Ok(parent.join(name))
}

fn make_parent(place: &Place) -> Result<(), Stop> {
    match place.host.parent() {
        Some(parent) => Ok(fsx::create_dirs(parent, 0o755)?),
        None => Ok(()),
    }
}

fn make_target(place: &Place, is_dir: bool, wanted: &GuestPath) -> Result<(), Stop> {
    if fsx::symlink_metadata(&place.host).is_ok() {
        return Ok(());
    }
    make_parent(place)?;
    let made = match is_dir {
        true => fsx::create_dirs(&place.host, 0o755),
        false => fsx::create_if_absent(&place.host, 0o644),
    };
    Ok(made
        .map_err(|error| error.source)
        .step("make the mount point", wanted)?)
}
