//! Whether user namespaces work here, and an overlay in them: a child makes one and mounts.

use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::unistd::{getgid, getuid};

use super::{Fact, nearest_existing, sysctl};
use crate::base::fsx;
use crate::base::path::HostPath;
use crate::sys::namespace::{IdRange, Uts, enter, map_single};
use crate::sys::{probe, seccomp};

/// A sysctl of Ubuntu (23.10 and later): the namespace is made, but without any capability in it.
const APPARMOR: &str = "kernel/apparmor_restrict_unprivileged_userns";

/// Settings that forbid user namespaces: the sysctl, the value that does, and the way out.
const SETTINGS: [(&str, &str, &str); 3] = [
    ("user/max_user_namespaces", "0", RAISE_LIMIT),
    (
        "kernel/unprivileged_userns_clone",
        "0",
        "the administrator would have to set the sysctl kernel.unprivileged_userns_clone to 1",
    ),
    (
        APPARMOR,
        "1",
        "the administrator would have to give this file an AppArmor profile with `userns,`, or set the sysctl kernel.apparmor_restrict_unprivileged_userns to 0",
    ),
];
const RAISE_LIMIT: &str = "the administrator would have to set the sysctl user.max_user_namespaces above 0, such as 15000";

/// Whether nothing is known to stand in the way, so that unshare(2) either works for
/// good or fails with nothing changed. Where a filter or profile is in force, the call
/// may succeed and the steps after it fail; then only a child should try.
pub(super) fn likely() -> Fact {
    if seccomp::in_force() {
        return Fact::no("a seccomp filter is in force for this process");
    }
    if !seccomp::is_known() {
        return Fact::no("this kernel has no seccomp");
    }
    match sysctl(APPARMOR) {
        Some(value) if value != "0" => Fact::no(format!("{} is {value}", dotted(APPARMOR))),
        _ => Fact::yes("no seccomp filter, no AppArmor restriction"),
    }
}

/// Enters a user and a mount namespace, maps the caller to root and mounts a tmpfs.
pub(super) fn try_one(temporary: &HostPath) -> Fact {
    let tried = probe::in_child(|| {
        become_root()?;
        mount_tmpfs(temporary)?;
        Ok("made one and mounted a tmpfs in it".to_owned())
    });
    match tried {
        Ok(evidence) => Fact::yes(evidence),
        Err(evidence) => explained(evidence),
    }
}

/// As [`try_one`], then an overlay whose layers all lie on the tmpfs.
pub(super) fn try_overlay_on_tmpfs(temporary: &HostPath) -> Fact {
    let tried = probe::in_child(|| {
        become_root()?;
        let dir = mount_tmpfs(temporary)?;
        prepare(&dir)?;
        overlay(&dir)
    });
    tried.into()
}

/// An overlay whose layers lie in the store's file system, in a directory of their own
/// that is removed again.
pub(super) fn try_overlay_in(store: &HostPath) -> Fact {
    let near = nearest_existing(store);
    let dir = match fsx::private_sibling(near.join("overlay")) {
        Ok(dir) => HostPath::new(dir),
        Err(error) => return Fact::no(error.to_string()),
    };
    let tried = fsx::create_dir(&dir, 0o700)
        .map_err(|error| with_source(&error))
        .and_then(|()| prepare(&dir))
        .and_then(|()| {
            probe::in_child(|| {
                become_root()?;
                overlay(&dir)
            })
        });
    match fsx::remove_tree(&dir) {
        Ok(()) => tried.into(),
        Err(error) => Fact::no(with_source(&error)),
    }
}

fn become_root() -> Result<(), String> {
    let (uid, gid) = (getuid().as_raw(), getgid().as_raw());
    let own = |outside| IdRange {
        inside: 0,
        outside,
        count: 1,
    };
    enter(Uts::Keep).map_err(|errno| format!("unshare: {}", errno.desc()))?;
    map_single(own(uid), own(gid)).map_err(|error| format!("writing the id maps: {error}"))
}

/// Mounts a tmpfs over a directory that exists; only this namespace sees it.
fn mount_tmpfs(temporary: &HostPath) -> Result<HostPath, String> {
    let mut dir = nearest_existing(temporary);
    if dir.parent().is_none() {
        // A mount over the root is not reached by its name; this directory always exists.
        dir = HostPath::new("/proc");
    }
    mount(
        Some("tmpfs"),
        dir.as_ref() as &Path,
        Some("tmpfs"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        Some("size=1m,mode=700"),
    )
    .map_err(|errno| format!("mounting a tmpfs: {}", errno.desc()))?;
    // The name leads below the new mount only when it is looked up again.
    Ok(dir)
}

/// Makes the directories of an overlay, with `lower/d/f` to be hidden by it.
fn prepare(dir: &HostPath) -> Result<(), String> {
    for name in ["lower", "upper", "work", "merged", "lower/d"] {
        fsx::create_dir(dir.join(name), 0o700).map_err(|error| with_source(&error))?;
    }
    let file = fsx::create_new(dir.join("lower/d/f"), 0o600);
    file.map(drop).map_err(|error| with_source(&error))
}

/// Mounts the overlay and replaces a directory of the lower tree, which needs both a
/// whiteout and an "opaque" attribute. A file system without user attributes (tmpfs before
/// Linux 6.6, NFS) mounts and then fails here. Kernel: Documentation/filesystems/overlayfs.rst.
fn overlay(dir: &HostPath) -> Result<String, String> {
    let options = format!("lowerdir={dir}/lower,upperdir={dir}/upper,workdir={dir}/work,userxattr");
    let merged = dir.join("merged");
    mount(
        Some("overlay"),
        merged.as_ref() as &Path,
        Some("overlay"),
        MsFlags::empty(),
        Some(options.as_str()),
    )
    .map_err(|errno| format!("mounting an overlay: {}", errno.desc()))?;
    let replaced = fsx::remove_file(merged.join("d/f"))
        .and_then(|()| fsx::remove_dir(merged.join("d")))
        .and_then(|()| fsx::create_dir(merged.join("d"), 0o700))
        .and_then(|()| fsx::read_dir(merged.join("d")));
    match replaced {
        Ok(entries) if entries.is_empty() => {
            Ok("mounted one and replaced a directory of its lower tree".to_owned())
        }
        Ok(_) => Err("a replaced directory shows what it replaced".to_owned()),
        Err(error) => Err(format!("in an overlay: {}", with_source(&error))),
    }
}

/// A failure, with what the host's own settings say of it and the way out.
fn explained(evidence: String) -> Fact {
    let guilty = SETTINGS
        .into_iter()
        .find(|(name, bad, _)| sysctl(name).as_deref() == Some(*bad));
    if let Some((name, value, remedy)) = guilty {
        return Fact::no(format!("{evidence}; {} is {value}", dotted(name))).with_remedy(remedy);
    }
    // Also reached where the limit is not 0 but used up. user_namespaces(7).
    if evidence.contains(Errno::ENOSPC.desc()) {
        return Fact::no(evidence).with_remedy(RAISE_LIMIT);
    }
    if seccomp::in_force() {
        return Fact::no(format!("{evidence}; a seccomp filter is in force")).with_remedy(
            "whoever starts the surrounding container or job would have to give it a seccomp profile that allows unshare and mount (for Docker: --security-opt seccomp=unconfined)",
        );
    }
    Fact::no(evidence).with_remedy(
        "the administrator would have to allow unprivileged user namespaces; inside a chroot they never work",
    )
}

fn dotted(name: &str) -> String {
    name.replace('/', ".")
}

fn with_source(error: &fsx::PathError) -> String {
    format!("{error}: {}", error.source)
}
