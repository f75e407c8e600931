//! Stores of other users that are read beside the own one, and how a store is made for them.
//!
//! The own store comes first, then the others in their order: who pulled an image himself meant that. Nothing is ever
//! written into another's store, no lock, lease or time included, and nothing there is claimed: its owner sweeps it
//! without knowing who reads it. What is gone from there is gone; whoever needs it pulls it into his own.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::base::env;
use crate::base::fsx;
use crate::base::path::HostPath;
use crate::store::layout::Layout;
use crate::store::{Result, Store, StoreError, check_format};

/// Other stores that are looked into; each costs a look for whatever is not found before.
const MAX_SITES: usize = 16;

/// The layouts of the stores that the user's setting names, but for the one at `own`. A directory that is not there
/// holds nothing yet, and one that is closed to us nothing for us.
pub(super) fn named(own: &Layout) -> Result<Vec<Layout>> {
    let identity = |path: &Path| fsx::metadata(path).ok().map(|it| (it.dev(), it.ino()));
    let mut sites = Vec::new();
    for home in env::stores().into_iter().take(MAX_SITES) {
        let is_own = home == *own.home()
            || identity(&home).is_some() && identity(&home) == identity(own.home());
        let layout = Layout::new(home);
        let is_made = match check_format(&layout) {
            // What another version made is not for us to judge.
            Err(error @ StoreError::Format { .. }) => return Err(error),
            checked => checked.unwrap_or(false),
        };
        if !is_own && is_made {
            sites.push(layout);
        }
    }
    Ok(sites)
}

/// What was `read` in another's store. What is closed or damaged there is as good as absent: whoever needs it has it
/// from elsewhere, and could not mend it.
pub(super) fn if_usable<T>(read: Result<Option<T>>) -> Option<T> {
    read.unwrap_or(None)
}

/// Whether everybody may list and enter the directory `path`; of one that cannot be used nothing is taken.
pub(super) fn is_open(path: &HostPath) -> bool {
    fsx::read_dir(path).is_ok() && fsx::metadata(path.join(".")).is_ok()
}

impl Store {
    /// The homes of the other stores that are read.
    pub fn sites(&self) -> impl Iterator<Item = &HostPath> {
        self.sites.iter().map(Layout::home)
    }

    /// Where content may lie: the own store, then the others.
    pub(super) fn places(&self) -> impl Iterator<Item = &Layout> {
        std::iter::once(&self.layout).chain(&self.sites)
    }

    /// Fails where `path`, which is about to be taken out of the own store, is not in it but in another one.
    pub(super) fn require_own(&self, path: &HostPath, what: impl FnOnce() -> String) -> Result<()> {
        if fsx::absent_as_none(fsx::symlink_metadata(path))?.is_some() {
            return Ok(());
        }
        let below = path.strip_prefix(self.home()).unwrap_or(path);
        let is_there = |site: &&HostPath| fsx::symlink_metadata(site.join(below)).is_ok();
        match self.sites().find(is_there) {
            Some(site) => Err(StoreError::OfSite {
                what: what(),
                site: site.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Lets everybody read images, blobs and trees of this store, now and whenever something is added, whatever the
    /// umask. Containers stay their owner's.
    pub fn share(&mut self) -> Result<()> {
        self.prepare()?;
        self.is_shared = true;
        self.place(b"1\n", &self.layout.shared())?;
        fsx::set_mode(self.home(), 0o755)?;
        let own = [self.layout.containers(), self.layout.volumes()];
        for dir in own.into_iter().chain(self.layout.private()) {
            fsx::set_mode(dir, 0o700)?;
        }
        let all = [
            self.home().join("blobs"),
            self.layout.refs(),
            self.layout.trees(),
        ];
        all.iter().try_for_each(|dir| open_to_all(dir))?;
        fsx::set_mode(self.layout.version(), 0o644)?;
        Ok(())
    }

    /// Whether everybody is to read what is kept here.
    pub fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Makes a tree in the making readable, where the store is shared.
    pub(super) fn open_tree(&self, path: &Path) -> Result<()> {
        match self.is_shared {
            true => open_to_all(path),
            false => Ok(()),
        }
    }

    /// The same for a small file at its place, with the directories above it, unless it is part of a container.
    pub(super) fn open_up(&self, path: &Path) -> Result<()> {
        let is_public = path.starts_with(self.layout.refs()) || path == &*self.layout.version();
        if !self.is_shared || !is_public {
            return Ok(());
        }
        open_one(path)?;
        let above = path.ancestors().skip(1);
        for dir in above.take_while(|dir| dir.starts_with(self.home())) {
            open_one(dir)?;
        }
        Ok(())
    }
}

/// Lets everybody read the file or tree `path`, and enter its directories. Programs that some may run, all may.
fn open_to_all(path: &Path) -> Result<()> {
    let mut todo = vec![path.to_owned()];
    while let Some(path) = todo.pop() {
        if open_one(&path)? {
            todo.extend(fsx::read_dir(&path)?.iter().map(std::fs::DirEntry::path));
        }
    }
    Ok(())
}

/// The same for one entry; whether it is a directory.
fn open_one(path: &Path) -> Result<bool> {
    let meta = fsx::symlink_metadata(path)?;
    let mode = meta.permissions().mode() & 0o7777;
    let wanted = match (meta.is_dir(), meta.is_file()) {
        (true, _) => mode | 0o555,
        (_, true) if mode & 0o111 != 0 => mode | 0o555,
        (_, true) => mode | 0o444,
        _ => mode,
    };
    if wanted != mode {
        fsx::set_mode(path, wanted)?;
    }
    Ok(meta.is_dir())
}
