//! Making a tree ready for PRoot: the guest's files, places for the mounts, the directory.
//!
//! PRoot would make absent mount points itself, as placeholders that a killed PRoot
//! leaves behind. Here they are made beforehand, where an engine with real mounts makes
//! them: in the writable view, or in what is bound around them.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use nix::unistd::{AccessFlags, access};

use crate::base::fsx;
use crate::base::path::{GuestPath, HostPath};
use crate::engine::Stop;
use crate::engine::sight::{Place, Sight};
use crate::engine::start::{GuestError, Step, check_kind};
use crate::plan::{Cwd, GuestFile, GuestLink, Mount, RunPlan, Source, binds};

use super::farm;

/// The largest default file that is copied.
const MAX_DEFAULT_FILE: u64 = 1 << 20;

/// A step that a report names.
const MAKE_MOUNT_POINT: &str = "make the mount point";

/// A binding as PRoot takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Binding {
    /// What is shown.
    pub(super) source: HostPath,
    /// Where.
    pub(super) target: GuestPath,
}

/// Makes the tree at `rootfs`, which nobody else uses, ready for `plan`. What a mount shows and
/// the host does not have is made in `scratch`, which exists if the plan has any such.
pub(super) fn prepare(
    plan: &RunPlan,
    rootfs: &HostPath,
    scratch: &HostPath,
) -> Result<(Sight, Vec<Binding>), Stop> {
    let mut sight = Sight::new(rootfs.clone());
    for file in &plan.files {
        write_file(file, &sight)?;
    }
    for link in &plan.links {
        make_link(link, &sight)?;
    }
    let mut bindings = Vec::new();
    for (idx, mount) in plan.mounts.iter().enumerate() {
        let own = scratch.join(format!("mount-{idx}"));
        for binding in place_mount(mount, &own, &sight)? {
            sight.bind(binding.target.clone(), binding.source.clone());
            bindings.push(binding);
        }
    }
    enter_cwd(&plan.cwd, &sight)?;
    Ok((sight, bindings))
}

fn write_file(file: &GuestFile, sight: &Sight) -> Result<(), Stop> {
    let place = locate(&file.path, sight)?;
    create_parents(&place, &file.path)?;
    Ok(fsx::write_if_different(
        &place.host,
        &file.content,
        file.mode,
    )?)
}

fn make_link(link: &GuestLink, sight: &Sight) -> Result<(), GuestError> {
    let place = replaceable(&link.path, sight)?;
    fsx::remove_file(&place.host)
        .and_then(|()| fsx::symlink(&link.target, &place.host))
        .map_err(|error| error.source)
        .step("make the link", &link.path)
}

/// The bindings that `mount` comes down to, outer ones first. `own` is a name in the scratch directory that only
/// this mount uses.
fn place_mount(mount: &Mount, own: &HostPath, sight: &Sight) -> Result<Vec<Binding>, Stop> {
    let (source, is_dir) = match &mount.source {
        Source::Tmpfs { mode, .. } => {
            fsx::create_dir(own, 0o700)?;
            fsx::set_mode(own, *mode)?;
            (own.clone(), true)
        }
        Source::Farm(farm) => {
            let place = own_directory(&mount.target, sight)?;
            own_directory(&farm::bound_at(&place.guest), sight)?;
            let places = HostPath::new(own.with_extension("places"));
            return farm::lay_out(farm, own, &places, &place.guest);
        }
        Source::Masked => {
            let place = locate(&mount.target, sight)?;
            if fsx::symlink_metadata(&place.host).is_err() {
                return Ok(Vec::new());
            }
            farm::make_unopenable(own)?;
            return Ok(vec![binding(own.clone(), place.guest)?]);
        }
        Source::Bind(source) => match fsx::metadata(source) {
            Ok(meta) if mount.optional && meta.is_file() => {
                let binding = optional_file(source, mount, sight)?;
                return Ok(binding.into_iter().collect());
            }
            Ok(meta) => (HostPath::new(fsx::canonicalize(source)?), meta.is_dir()),
            Err(_) if mount.optional => return Ok(Vec::new()),
            Err(error) if error.is_not_found() => Err(GuestError::NoSource(source.to_string()))?,
            Err(error) => Err(error)?,
        },
    };
    let place = locate(&mount.target, sight)?;
    create_target(&place, is_dir, &mount.target)?;
    Ok(vec![binding(source, place.guest)?])
}

/// The very place `target`, a link there not followed; its directory exists afterwards.
fn replaceable(target: &GuestPath, sight: &Sight) -> Result<Place, GuestError> {
    let path = target.as_path();
    let (Some(parent), Some(name)) = (path.parent().and_then(GuestPath::new), path.file_name())
    else {
        return locate(target, sight);
    };
    let parent = locate(&parent, sight)?;
    create_dirs(&parent.host).step("create a directory for", target)?;
    Ok(Place {
        guest: parent.guest.join(name),
        host: parent.host.join(name),
        in_root: parent.in_root,
    })
}

/// A directory at the very place `target`: see [`Source::Farm`].
fn own_directory(target: &GuestPath, sight: &Sight) -> Result<Place, GuestError> {
    let place = replaceable(target, sight)?;
    if fsx::symlink_metadata(&place.host).is_ok_and(|meta| !meta.is_dir()) {
        fsx::remove_file(&place.host)?;
    }
    create_dirs(&place.host).step(MAKE_MOUNT_POINT, target)?;
    Ok(place)
}

/// A binding as PRoot can be told of it: HOST:GUEST, without a way to escape, and `!` at
/// the end has a meaning. Links have been followed to here, so what was typed says nothing.
pub(super) fn binding(source: HostPath, target: GuestPath) -> Result<Binding, GuestError> {
    let has_colon = source.as_os_str().as_bytes().contains(&b':');
    if has_colon || target.as_path().as_os_str().as_bytes().ends_with(b"!") {
        let what = format!("a mount of `{source}` on `{target}`: a `:` or a `!` in their names");
        return Err(super::refused(what));
    }
    Ok(Binding { source, target })
}

/// A file that is there if the host has it: a default one, or one of a driver.
///
/// One that the caller cannot change is bound. Of a default text that the caller could change
/// (root, on a host of one's own) the guest gets a copy, as PRoot keeps nobody from writing; a
/// copy of a driver's library would be large, and stay behind in a kept container. A symbolic
/// link of the image at that place goes: through it, the file would land elsewhere.
fn optional_file(source: &HostPath, mount: &Mount, sight: &Sight) -> Result<Option<Binding>, Stop> {
    let path = mount.target.as_path();
    let (Some(parent), Some(name)) = (path.parent().and_then(GuestPath::new), path.file_name())
    else {
        return Ok(None);
    };
    let parent = locate(&parent, sight)?;
    // Something that the user bound around it is not ours to put files into.
    if !parent.in_root {
        return Ok(None);
    }
    let (host, target) = (parent.host.join(name), parent.guest.join(name));
    if fsx::symlink_metadata(&host).is_ok_and(|meta| meta.is_symlink()) {
        fsx::remove_file(&host)?;
    }
    create_dirs(&parent.host).step("create a directory for", &mount.target)?;
    let is_text = binds::HOST_FILES.iter().any(|file| path == Path::new(file));
    if is_text && mount.read_only && access(source.as_os_str(), AccessFlags::W_OK).is_ok() {
        let content = fsx::read(source, MAX_DEFAULT_FILE)?;
        fsx::write(&host, &content, 0o644)?;
        return Ok(None);
    }
    fsx::create_if_absent(&host, 0o644)?;
    let source = HostPath::new(fsx::canonicalize(source)?);
    Ok(Some(binding(source, target)?))
}

fn enter_cwd(cwd: &Cwd, sight: &Sight) -> Result<(), GuestError> {
    let place = locate(&cwd.path, sight)?;
    if cwd.create {
        create_dirs(&place.host).step("create the working directory", &cwd.path)?;
    }
    if place.host.is_dir() {
        return Ok(());
    }
    Err(GuestError::NoCwd(cwd.path.clone()))
}

fn locate(guest: &GuestPath, sight: &Sight) -> Result<Place, GuestError> {
    Ok(sight.locate(guest)?)
}

fn create_parents(place: &Place, wanted: &GuestPath) -> Result<(), GuestError> {
    let parent = place.host.parent().unwrap_or(Path::new("/"));
    create_dirs(parent).step("create a directory for", wanted)
}

fn create_target(place: &Place, is_dir: bool, wanted: &GuestPath) -> Result<(), GuestError> {
    if let Ok(meta) = fsx::symlink_metadata(&place.host) {
        return check_kind(meta.is_dir(), is_dir, wanted);
    }
    if is_dir {
        return create_dirs(&place.host).step(MAKE_MOUNT_POINT, wanted);
    }
    create_parents(place, wanted)?;
    fsx::create_if_absent(&place.host, 0o644)
        .map_err(|error| error.source)
        .step(MAKE_MOUNT_POINT, wanted)
}

fn create_dirs(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_proot_cannot_be_told_is_refused() {
        let target = |text| GuestPath::new(text).expect("absolute");
        let binding = |source, text| binding(HostPath::new(source), target(text));
        assert!(binding("/a", "/b:c").is_ok());
        assert!(binding("/a:b", "/c").is_err());
        assert!(binding("/a", "/c!").is_err());
    }
}
