//! What of the host appears in the view, and the texts that are the guest's own.

use std::io;
use std::path::Path;

use nix::mount::{MsFlags, mount};

use crate::base::fsx;
use crate::base::path::{GuestPath, HostPath, RootDir};
use crate::engine::start::{GuestError, Step, check_kind};
use crate::plan::{GuestFile, GuestLink, Mount, Source};
use crate::sys;

use super::farm::mount_farm;

/// Writes the guest's own files into the view.
pub(super) fn write_files(files: &[GuestFile], root: &RootDir) -> Result<(), GuestError> {
    for file in files {
        let target = place(&file.path, root)?;
        fsx::write_if_different(&target, &file.content, file.mode)?;
    }
    Ok(())
}

/// Makes the guest's own links in the view. What is bound later may cover them.
pub(super) fn make_links(links: &[GuestLink], root: &RootDir) -> Result<(), GuestError> {
    for link in links {
        let at = replaceable(&link.path, root)?;
        fsx::remove_file(&at)
            .and_then(|()| fsx::symlink(&link.target, &at))
            .map_err(|error| error.source)
            .step("make the link", &link.path)?;
    }
    Ok(())
}

/// Mounts everything in its order, so that a later mount may lie inside an earlier one.
pub(super) fn mount_all(mounts: &[Mount], root: &RootDir) -> Result<(), GuestError> {
    mounts.iter().try_for_each(|mount| mount_one(mount, root))
}

fn mount_one(wanted: &Mount, root: &RootDir) -> Result<(), GuestError> {
    let target = match &wanted.source {
        Source::Bind(source) => bind(source, wanted, root)?,
        Source::Tmpfs { size, mode, noexec } => {
            let executable = match noexec {
                true => MsFlags::MS_NOEXEC,
                false => MsFlags::empty(),
            };
            Some(tmpfs((*size, *mode), executable, wanted, root)?)
        }
        Source::Farm(farm) => {
            let target = own_directory(&wanted.target, root)?;
            mount_farm(farm, &target)?;
            Some(target)
        }
        Source::Masked => return mask(&wanted.target, root),
    };
    match target {
        Some(target) if wanted.read_only => {
            sys::mount::make_read_only(&target).step("make read-only", &wanted.target)
        }
        _ => Ok(()),
    }
}

/// Binds with all mounts below, as those of the caller are locked together. mount(2), MS_REC.
fn bind(source: &HostPath, wanted: &Mount, root: &RootDir) -> Result<Option<HostPath>, GuestError> {
    let meta = match fsx::metadata(source) {
        Ok(meta) => meta,
        Err(_) if wanted.optional => return Ok(None),
        Err(error) if error.is_not_found() => return Err(GuestError::NoSource(source.to_string())),
        Err(error) => return Err(error.into()),
    };
    if wanted.optional && meta.is_file() {
        replace_link(&wanted.target, root)?;
    }
    let target = place(&wanted.target, root)?;
    create_target(&target, meta.is_dir(), &wanted.target)?;
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    let bound = mount(Some(&**source), &*target, None::<&str>, flags, None::<&str>);
    bound
        .map_err(io::Error::from)
        .step("bind into the container", source)?;
    Ok(Some(target))
}

/// Takes away a symbolic link at the place of one of our default files.
///
/// An image's `/etc/localtime` links to a zone: a bind that followed it would change
/// what that zone means, and its `/etc/resolv.conf` may link to nowhere.
fn replace_link(target: &GuestPath, root: &RootDir) -> Result<(), GuestError> {
    let link = replaceable(target, root)?;
    if fsx::symlink_metadata(&link).is_ok_and(|meta| meta.is_symlink()) {
        fsx::remove_file(&link)?;
    }
    Ok(())
}

/// Where the very name `target` lies in the view, a link there not followed; its directory exists afterwards.
fn replaceable(target: &GuestPath, root: &RootDir) -> Result<HostPath, GuestError> {
    let path = target.as_path();
    let (Some(parent), Some(name)) = (path.parent().and_then(GuestPath::new), path.file_name())
    else {
        return Ok(root.path().clone());
    };
    let parent = root
        .locate(&parent)
        .step("resolve in the container", target)?;
    fsx::create_dirs(&parent, 0o755)?;
    Ok(parent.join(name))
}

/// A directory at the very place `target`: see [`Source::Farm`].
fn own_directory(target: &GuestPath, root: &RootDir) -> Result<HostPath, GuestError> {
    let dir = replaceable(target, root)?;
    let is_other = |meta: std::fs::Metadata| !meta.is_dir();
    if fsx::symlink_metadata(&dir).is_ok_and(is_other) {
        fsx::remove_file(&dir)?;
    }
    create_target(&dir, true, target)?;
    Ok(dir)
}

/// Makes what is at `target` impossible to open, if anything is there: it is bound on itself as a mount that has no
/// devices (EACCES, which no capability overrides). Considered: a socket in its place (ENXIO), which no longer looks
/// like the device, and nothing at all, for which `/dev` would have to be put together anew.
fn mask(target: &GuestPath, root: &RootDir) -> Result<(), GuestError> {
    let node = root
        .locate(target)
        .step("resolve in the container", target)?;
    if fsx::symlink_metadata(&node).is_err() {
        return Ok(());
    }
    let none = None::<&str>;
    mount(Some(&*node), &*node, none, MsFlags::MS_BIND, none)
        .map_err(io::Error::from)
        .and_then(|()| sys::mount::forbid_devices(&node))
        .step("mask", target)
}

fn tmpfs(
    (size, mode): (Option<u64>, u32),
    more: MsFlags,
    wanted: &Mount,
    root: &RootDir,
) -> Result<HostPath, GuestError> {
    let target = place(&wanted.target, root)?;
    create_target(&target, true, &wanted.target)?;
    let size = size
        .map(|bytes| format!(",size={bytes}"))
        .unwrap_or_default();
    let options = format!("mode={mode:o}{size}");
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | more;
    let mounted = mount(
        Some("tmpfs"),
        &*target,
        Some("tmpfs"),
        flags,
        Some(options.as_str()),
    );
    mounted
        .map_err(io::Error::from)
        .step("mount a tmpfs on", &wanted.target)?;
    Ok(target)
}

/// Where `guest` lies in the view, links followed inside it; its directory exists afterwards.
fn place(guest: &GuestPath, root: &RootDir) -> Result<HostPath, GuestError> {
    let target = root.locate(guest).step("resolve in the container", guest)?;
    if let Some(parent) = target.parent() {
        fsx::create_dirs(parent, 0o755)?;
    }
    Ok(target)
}

fn create_target(target: &Path, is_dir: bool, wanted: &GuestPath) -> Result<(), GuestError> {
    if let Ok(meta) = fsx::symlink_metadata(target) {
        return check_kind(meta.is_dir(), is_dir, wanted);
    }
    let made = match is_dir {
        true => fsx::create_dirs(target, 0o755),
        false => fsx::create_if_absent(target, 0o644),
    };
    made.map_err(|error| GuestError::MountPoint {
        target: wanted.clone(),
        source: error.source,
    })
}
