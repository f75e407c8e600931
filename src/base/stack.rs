//! Several trees seen as one, as an overlay shows them, without mounting one.
//!
//! What a container wrote lies in a tree of its own over that of its image: a name in the upper one hides that in the
//! lower one, a whiteout hides it without putting anything there, and folders of both are one. Links lead through all
//! of them: a library that was installed into a container lies in the upper tree, and the link `/lib` that leads there
//! only in the lower one. Linux, Documentation/filesystems/overlayfs.rst.

use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::base::fsx;
use crate::base::path::{GuestPath, HostPath, RootDir};
use crate::sys::xattr;

/// Links that are followed for one path. path_resolution(7).
const MAX_LINKS: usize = 40;

/// Trees as one. For trees that nobody changes meanwhile: what was seen once is not looked at again.
#[derive(Debug)]
pub struct Stack {
    top: Rc<Folder>,
    seen: HashMap<PathBuf, Thing>,
}

/// A folder, links followed.
#[derive(Debug)]
pub struct Folder {
    /// Its real path in the guest.
    pub path: GuestPath,
    /// What it consists of on the host, the uppermost first.
    layers: Vec<HostPath>,
}

/// A file, links followed.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its real path in the guest.
    pub path: GuestPath,
    /// Where it lies on the host.
    pub host: HostPath,
    /// Its bytes.
    pub size: u64,
}

/// What a name leads to.
#[derive(Clone, Debug)]
enum Thing {
    Absent,
    Folder(Rc<Folder>),
    Link(PathBuf),
    File(Found),
}

impl Stack {
    /// The view of `trees`, the uppermost first. Those that are not there are left out.
    pub fn of(trees: &[RootDir]) -> Stack {
        let trees = trees.iter().map(RootDir::path);
        let there = trees.filter(|tree| fsx::metadata(tree).is_ok_and(|meta| meta.is_dir()));
        let layers = there.cloned().collect();
        let path = GuestPath::root();
        Stack {
            top: Rc::new(Folder { path, layers }),
            seen: HashMap::new(),
        }
    }

    /// The folder that `path` leads to; `None` for anything else, and for what cannot be looked at.
    pub fn folder(&mut self, path: &GuestPath) -> Option<Rc<Folder>> {
        match self.walk(path)? {
            Thing::Folder(folder) => Some(folder),
            _ => None,
        }
    }

    /// The regular file that `path` leads to; `None` for anything else, such as a pipe that would block who opens it.
    pub fn file(&mut self, path: &GuestPath) -> Option<Found> {
        match self.walk(path)? {
            Thing::File(found) => Some(found),
            _ => None,
        }
    }

    /// The bytes of the file that `path` leads to; `None` for one larger than `limit` and one that cannot be read.
    pub fn read(&mut self, path: &GuestPath, limit: u64) -> Option<Vec<u8>> {
        let found = self.file(path)?;
        fsx::read(found.host, limit).ok()
    }

    /// The names in the folder that `path` leads to, sorted; none where it is no folder.
    pub fn names(&mut self, path: &GuestPath) -> Vec<OsString> {
        let Some(folder) = self.folder(path) else {
            return Vec::new();
        };
        let mut names = BTreeSet::new();
        for layer in &folder.layers {
            let entries = fsx::read_dir(layer).unwrap_or_default();
            names.extend(entries.into_iter().map(|entry| entry.file_name()));
        }
        // One layer alone has no whiteouts.
        let hides = folder.layers.len() > 1;
        let names = names.into_iter();
        names
            .filter(|name| !hides || !matches!(self.child(&folder, name), Thing::Absent))
            .collect()
    }

    fn walk(&mut self, path: &GuestPath) -> Option<Thing> {
        let mut n_links = 0;
        let mut here = vec![self.top.clone()];
        let mut todo: Vec<OsString> = reversed(path.relative());
        while let Some(name) = todo.pop() {
            if name == ".." {
                here.truncate(here.len().saturating_sub(1).max(1));
                continue;
            }
            let folder = here.last().expect("the top is never taken away").clone();
            match self.child(&folder, &name) {
                Thing::Absent => return None,
                Thing::Folder(folder) => here.push(folder),
                Thing::Link(target) => {
                    n_links += 1;
                    if n_links > MAX_LINKS {
                        return None;
                    }
                    if target.is_absolute() {
                        here.truncate(1);
                    }
                    todo.extend(reversed(&target));
                }
                Thing::File(found) => return todo.is_empty().then_some(Thing::File(found)),
            }
        }
        here.pop().map(Thing::Folder)
    }

    fn child(&mut self, folder: &Folder, name: &OsStr) -> Thing {
        let path = folder.path.join(name);
        if let Some(thing) = self.seen.get(path.as_path()) {
            return thing.clone();
        }
        let thing = look(folder, name, &path);
        self.seen.insert(path.as_path().to_owned(), thing.clone());
        thing
    }
}

/// What `name` in `folder` is, from the uppermost layer down.
fn look(folder: &Folder, name: &OsStr, path: &GuestPath) -> Thing {
    let mut layers = Vec::new();
    for (idx, layer) in folder.layers.iter().enumerate() {
        let host = layer.join(name);
        let meta = match fsx::symlink_metadata(&host) {
            Ok(meta) => meta,
            Err(error) if error.is_not_found() => continue,
            Err(_) => break,
        };
        if meta.is_dir() {
            let is_last = idx + 1 == folder.layers.len();
            let is_opaque = !is_last && is_opaque(&host);
            layers.push(host);
            if is_opaque {
                break;
            }
        } else if layers.is_empty() {
            return other(&meta, path, host);
        } else {
            break;
        }
    }
    match layers.is_empty() {
        true => Thing::Absent,
        false => Thing::Folder(Rc::new(Folder {
            path: path.clone(),
            layers,
        })),
    }
}

/// Anything but a folder. A whiteout is a character device with the number 0:0; nobody has a use for other devices,
/// pipes and sockets of an image here.
fn other(meta: &Metadata, path: &GuestPath, host: HostPath) -> Thing {
    if meta.is_symlink() {
        return fsx::read_link(&host).map_or(Thing::Absent, Thing::Link);
    }
    match meta.is_file() {
        true => Thing::File(Found {
            path: path.clone(),
            host,
            size: meta.len(),
        }),
        false => Thing::Absent,
    }
}

/// Whether a folder hides those below it. The attribute is that of overlays of plain users, mounted with `userxattr`.
fn is_opaque(folder: &Path) -> bool {
    xattr::get(folder, c"user.overlay.opaque").is_ok_and(|value| value == b"y")
}

/// The names of `path`, the last first, without `/` and `.`.
fn reversed(path: &Path) -> Vec<OsString> {
    let names = path
        .as_os_str()
        .as_bytes()
        .split(|byte| *byte == b'/')
        .rev();
    let kept = names.filter(|name| !name.is_empty() && *name != b".");
    kept.map(|name| OsStr::from_bytes(name).to_owned())
        .collect()
}
