//! Where a path of the guest lies on the host when its mounts are not real.
//!
//! An engine without a mount namespace translates each path itself. This is the same
//! translation on our side, for what has to be settled before the guest starts: which
//! program a name means, whether a directory exists, where a file goes.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use nix::unistd::{AccessFlags, access};

use crate::base::env;
use crate::base::fsx::{self, Context};
use crate::base::path::{GuestPath, HostPath};

/// Symbolic links followed before a path counts as a loop; path_resolution(7).
const MAX_SYMLINKS: usize = 40;

/// A root and what is bound over it, as the guest sees them.
#[derive(Clone, Debug)]
pub(super) struct Sight {
    root: HostPath,
    bound: Vec<(GuestPath, HostPath)>,
}

/// A place as both sides name it, without symbolic links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// As the guest names it.
    pub(super) guest: GuestPath,
    /// As we name it.
    pub(super) host: HostPath,
    /// Whether it lies in the root itself, not in something bound over it.
    pub(super) in_root: bool,
}

/// Why a program's name leads to nothing that can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// Nothing of that name is there.
    Absent,
    /// Something is there, and it is no file that may be executed.
    NotExecutable,
    /// What has this name is a directory.
    Directory,
}

impl Sight {
    /// A root with nothing bound over it.
    pub(super) fn new(root: HostPath) -> Sight {
        let bound = Vec::new();
        Sight { root, bound }
    }

    /// Shows `source` at `target`, from now on.
    pub(super) fn bind(&mut self, target: GuestPath, source: HostPath) {
        self.bound.push((target, source));
    }

    /// Where `guest` lies once its symbolic links are followed as the guest would follow
    /// them. What comes after an absent component is taken by name.
    pub(super) fn locate(&self, guest: &GuestPath) -> fsx::Result<Place> {
        let mut n_links = 0;
        let mut done = GuestPath::root();
        let mut todo = reversed(guest.as_path());
        while let Some(name) = todo.pop() {
            let next = done.join(&name);
            let (host, _) = self.host_of(&next);
            let is_link = fsx::symlink_metadata(&host).is_ok_and(|meta| meta.is_symlink());
            if !is_link || name == ".." {
                done = next;
                continue;
            }
            n_links += 1;
            if n_links > MAX_SYMLINKS {
                let too_many = io::Error::from_raw_os_error(libc::ELOOP);
                return Err(too_many).context("resolve", guest.as_path());
            }
            let target = fsx::read_link(&host)?;
            if target.is_absolute() {
                done = GuestPath::root();
            }
            todo.extend(reversed(&target));
        }
        let (host, in_root) = self.host_of(&done);
        Ok(Place {
            guest: done,
            host,
            in_root,
        })
    }

    /// The host's name of a path without links, by the innermost binding that holds it.
    fn host_of(&self, guest: &GuestPath) -> (HostPath, bool) {
        let inside = |target: &GuestPath| guest.as_path().strip_prefix(target.as_path()).ok();
        let holding = self
            .bound
            .iter()
            .filter_map(|(target, source)| Some((target, source, inside(target)?)));
        let innermost = holding.max_by_key(|(target, ..)| target.as_path().components().count());
        match innermost {
            // Joining an empty path would add a slash, which a file does not bear.
            Some((_, source, rest)) if rest.as_os_str().is_empty() => (source.clone(), false),
            Some((_, source, rest)) => (source.join(rest), false),
            None => (self.root.join(guest.relative()), true),
        }
    }

    /// Where the program `name` lies, looked up as execvp(3) does in a guest with this
    /// `environment` and working directory.
    pub(super) fn program(
        &self,
        name: &OsStr,
        environment: &[(OsString, OsString)],
        cwd: &GuestPath,
    ) -> Result<Place, Missing> {
        let mut missing = Missing::Absent;
        for path in candidates(name, environment, cwd) {
            let Ok(place) = self.locate(&path) else {
                continue;
            };
            if !place.host.exists() {
                continue;
            }
            let may_run = access(place.host.as_os_str(), AccessFlags::X_OK).is_ok();
            if may_run && place.host.is_file() {
                return Ok(place);
            }
            missing = match place.host.is_dir() {
                true => Missing::Directory,
                false => Missing::NotExecutable,
            };
        }
        Err(missing)
    }
}

/// Where `name` may lie: itself if it has a slash, else in each directory of PATH.
fn candidates(
    name: &OsStr,
    environment: &[(OsString, OsString)],
    cwd: &GuestPath,
) -> Vec<GuestPath> {
    if name.as_bytes().contains(&b'/') {
        return vec![GuestPath::new(name).unwrap_or_else(|| cwd.join(name))];
    }
    if name.is_empty() {
        // Joined to a directory it would be that directory.
        return Vec::new();
    }
    let path = environment.iter().find(|(key, _)| key == env::PATH);
    let path = path.map_or(OsStr::new("/usr/bin:/bin"), |(_, value)| value.as_os_str());
    // An empty entry means the working directory, for execvp(3) and the shells.
    let dirs = std::env::split_paths(path).map(|dir| cwd_or(&dir, cwd));
    dirs.map(|dir| dir.join(name)).collect()
}

fn cwd_or(dir: &Path, cwd: &GuestPath) -> GuestPath {
    GuestPath::new(dir).unwrap_or_else(|| cwd.join(dir))
}

/// The names of `path`, last first, `..` kept.
fn reversed(path: &Path) -> Vec<OsString> {
    let names = path.components().rev().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    names.collect()
}
