//! `coracle diff`: what a container has that its image has not, and the other way round.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::base::fault::BoxFault;
use crate::base::fsx;
use crate::base::merged::{Item, Listing, Whiteouts, list as list_all};
use crate::base::path::HostPath;
use crate::ops::create::{self, Subject};
use crate::ops::export;
use crate::plan::wish::GpuWish;
use crate::plan::{GuestFile, GuestLink, RunPlan, View};
use crate::store::Store;

/// What became of a path; the letters are Docker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The image has not got it.
    Added,
    /// It is another file, or a directory in which something has changed.
    Changed,
    /// Only the image has it.
    Deleted,
}

impl Change {
    /// As `docker diff` writes it.
    pub fn letter(self) -> char {
        match self {
            Change::Added => 'A',
            Change::Changed => 'C',
            Change::Deleted => 'D',
        }
    }
}

/// The changes in the container with this name or id, by path; each path starts with a slash.
///
/// What every run puts there itself does not count: places to mount on, the added lines of `/etc/passwd`. Must be called
/// while there is one thread: files of sub-ids are read from inside namespaces that this process enters.
pub fn diff(home: &HostPath, name_or_id: &str) -> Result<Vec<(Change, PathBuf)>, BoxFault> {
    let store = Store::open(home.clone())?;
    let container = store.container(name_or_id)?;
    let subject = create::of_container(&store, container.clone())?;
    let ours = Ours::of(&subject)?;
    let copy = container.dir.join("rootfs");
    let is_copy = fsx::absent_as_none(fsx::symlink_metadata(&copy))?.is_some();
    let trees = match is_copy {
        true => vec![copy],
        false => vec![container.dir.join("upper"), subject.lower.clone()],
    };
    let (now, _) = export::list(&trees)?;
    let before = list_all(std::slice::from_ref(&subject.lower), Whiteouts::Applied)?;
    let image_layer = (!is_copy).then_some(1);
    let changes = compare(&now, &before, &ours, image_layer, &|_, _| Ok(false))?;
    let lines = changes.into_iter();
    Ok(lines
        .map(|(path, change)| (change, Path::new("/").join(path)))
        .collect())
}

/// What a run puts into a container by itself.
pub(super) struct Ours {
    /// Where something is mounted.
    mounts: BTreeSet<PathBuf>,
    files: HashMap<PathBuf, GuestFile>,
    links: HashMap<PathBuf, GuestLink>,
}

impl Ours {
    /// By the plan for the image as it came, which says what the first run found missing in it.
    pub(super) fn of(subject: &Subject) -> Result<Ours, BoxFault> {
        let planned = |with_gpu: bool| -> Result<RunPlan, BoxFault> {
            let mut subject = subject.clone();
            subject.wish.terminal = false;
            if !with_gpu {
                subject.wish.gpu = GpuWish::default();
            }
            subject.plan_of_running(View::ReadOnly, &[])
        };
        // Processors that this host does not have put nothing there either.
        let plan = planned(true).or_else(|_| planned(false))?;
        let below = |path: &crate::base::path::GuestPath| path.relative().to_owned();
        let mounts = plan.mounts.iter().map(|mount| below(&mount.target));
        let files = plan.files.into_iter().map(|file| (below(&file.path), file));
        let links = plan.links.into_iter().map(|link| (below(&link.path), link));
        Ok(Ours {
            mounts: mounts.collect(),
            files: files.collect(),
            links: links.collect(),
        })
    }

    /// Whether something is ours, apart from what a directory holds.
    fn has(&self, item: &Item) -> bool {
        if item.meta.is_symlink() {
            let link = self.links.get(&item.path);
            return link.is_some_and(|link| {
                fsx::read_link(&item.host).is_ok_and(|target| target.as_os_str() == link.target)
            });
        }
        if self.mounts.contains(&item.path) {
            return true;
        }
        if item.meta.is_dir() {
            return self.leads_to_ours(&item.path);
        }
        self.files.get(&item.path).is_some_and(|file| {
            let content = fsx::read(&item.host, file.content.len() as u64);
            content.is_ok_and(|content| content == file.content)
        })
    }

    /// Whether something of ours lies below a directory, for which it may have been made or changed.
    fn leads_to_ours(&self, dir: &Path) -> bool {
        let mut all = self
            .mounts
            .iter()
            .chain(self.files.keys())
            .chain(self.links.keys());
        all.any(|path| path.starts_with(dir))
    }
}

/// Compares from the deepest path up, so that a directory knows of the changes in it. `looks_again` at what seems to be
/// the same.
pub(super) fn compare(
    now: &Listing,
    before: &Listing,
    ours: &Ours,
    image_layer: Option<usize>,
    looks_again: &dyn Fn(&Item, &Item) -> fsx::Result<bool>,
) -> fsx::Result<BTreeMap<PathBuf, Change>> {
    let old: HashMap<&Path, &Item> = by_path(before);
    let new: HashMap<&Path, &Item> = by_path(now);
    let mut found: BTreeMap<PathBuf, Change> = BTreeMap::new();
    let mut changed_inside: BTreeSet<PathBuf> = BTreeSet::new();
    for item in &before.items {
        let parent = item.path.parent().unwrap_or(Path::new(""));
        let has_dir = parent.as_os_str().is_empty()
            || new.get(parent).is_some_and(|parent| parent.meta.is_dir());
        // What lay in a directory that has gone went with it.
        if has_dir && !new.contains_key(&*item.path) {
            found.insert(item.path.clone(), Change::Deleted);
            changed_inside.insert(parent.to_owned());
        }
    }
    for item in now.items.iter().rev() {
        let inside = changed_inside.contains(&item.path);
        let change = match old.get(&*item.path) {
            None => Some(Change::Added),
            Some(_) if image_layer == Some(item.layer) => None,
            Some(old) => {
                let hidden = item.meta.is_dir() && ours.leads_to_ours(&item.path);
                let is_other = is_other(item, old, hidden) || looks_again(item, old)?;
                is_other.then_some(Change::Changed)
            }
        };
        let change = match change {
            Some(_) if !inside && ours.has(item) => None,
            None if inside => Some(Change::Changed),
            change => change,
        };
        if let Some(change) = change {
            found.insert(item.path.clone(), change);
            let parent = item.path.parent().unwrap_or(Path::new(""));
            changed_inside.insert(parent.to_owned());
        }
    }
    Ok(found)
}

fn by_path(listing: &Listing) -> HashMap<&Path, &Item> {
    let items = listing.items.iter();
    items.map(|item| (&*item.path, item)).collect()
}

/// Whether a file is another than that of the image: what the guest only opened for writing is not. Of a directory in
/// which a run puts something by itself, the time says nothing.
fn is_other(item: &Item, old: &Item, ignore_time: bool) -> bool {
    let (one, other) = (&item.meta, &old.meta);
    // Owners do not count: with sub-ids a run gives the image's files to whom the image says.
    let kind_or_mode = one.mode() != other.mode();
    if kind_or_mode || one.is_dir() && ignore_time {
        return kind_or_mode;
    }
    let same_size = one.is_dir() || one.size() == other.size();
    let same_target =
        !one.is_symlink() || fsx::read_link(&item.host).ok() == fsx::read_link(&old.host).ok();
    // Of a link or a pipe it tells nothing.
    let counts = one.is_dir() || one.is_file();
    let same_time = !counts || item.changed() == old.changed();
    !(same_size && same_target && same_time)
}
