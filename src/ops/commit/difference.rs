//! What a container has that its image has not, and the other way round, as a layer over the image's.
//!
//! image-spec, layer.md: what was added or changed, and for each name that has gone a file `.wh.NAME`. The same files
//! always make the same bytes. No directory is marked opaque: each name that it hides is named.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::merged::{self, Item, Whiteouts};
use crate::ops::create::Subject;
use crate::ops::diff::{self, Change, Ours};
use crate::ops::export::{GuestTree, Linked, Unwritten};
use crate::ops::tarball::{Member, Tarball};

/// How the name of a mark begins.
const MARK: &[u8] = b".wh.";

/// A guest's file that would be a mark in a layer.
#[derive(Debug, thiserror::Error)]
#[error(
    "`/{}` cannot be in an image: a name that begins with `.wh.` hides another one there",
    _0.display()
)]
struct Marked(PathBuf);

impl Fault for Marked {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec!["remove or rename it in the container".to_owned()]
    }
}

/// What the layer says of a path.
enum Said<'a> {
    Is(&'a Item),
    Gone,
}

/// The layer, put together and not yet written.
pub(super) struct Difference<'a> {
    tree: &'a GuestTree,
    said: BTreeMap<PathBuf, Said<'a>>,
}

impl<'a> Difference<'a> {
    /// Between `tree`, which is that of the container `subject`, and its image's. What a run puts there by itself is no
    /// difference.
    pub(super) fn of(tree: &'a GuestTree, subject: &Subject) -> Result<Difference<'a>, BoxFault> {
        let ours = Ours::of(subject)?;
        let before = merged::list(std::slice::from_ref(&subject.lower), Whiteouts::Applied)?;
        let looks_again = |item: &Item, old: &Item| tree.is_other(item, old);
        let changes = diff::compare(
            &tree.listing,
            &before,
            &ours,
            tree.image_layer,
            &looks_again,
        )?;
        let mut said = BTreeMap::new();
        for (path, change) in &changes {
            if *change == Change::Deleted {
                said.insert(path.clone(), Said::Gone);
            }
        }
        let is_new = |item: &Item| {
            let change = changes.get(&item.path);
            change.is_some_and(|change| *change != Change::Deleted)
        };
        let has_more_names = |item: &Item| item.meta.nlink() > 1 && !item.meta.is_dir();
        let items = &tree.listing.items;
        // A file with a new name has its old ones beside it: a layer's links lead to what is in the layer.
        let linked = items
            .iter()
            .filter(|item| has_more_names(item) && is_new(item));
        let linked: BTreeSet<_> = linked.map(Item::identity).collect();
        for item in items {
            let is_beside = has_more_names(item) && linked.contains(&item.identity());
            if !is_new(item) && !is_beside {
                continue;
            }
            let name = item.path.file_name().map_or(&b""[..], OsStrExt::as_bytes);
            if name.starts_with(MARK) {
                return Err(Marked(item.path.clone()).into());
            }
            let is_socket = item.meta.file_type().is_socket();
            match changes.get(&item.path) {
                Some(Change::Changed) if is_socket => said.insert(item.path.clone(), Said::Gone),
                _ if is_socket => None,
                _ => said.insert(item.path.clone(), Said::Is(item)),
            };
        }
        for path in lost_devices(tree) {
            said.entry(path).or_insert(Said::Gone);
        }
        Ok(Difference { tree, said })
    }

    /// Whether the container is as its image.
    pub(super) fn is_none(&self) -> bool {
        self.said.is_empty()
    }

    /// Writes the layer: each directory before what is in it.
    pub(super) fn write(&self, out: &mut dyn Write) -> Result<(), BoxFault> {
        let mut tarball = Tarball::new(out);
        let mut linked = Linked::new();
        for (path, said) in &self.said {
            match said {
                Said::Is(item) => self.tree.add(&mut tarball, item, b"", &mut linked)?,
                Said::Gone => {
                    let mark = mark(path);
                    let added = tarball.add(&Member::file(&mark, 0), &mut io::empty());
                    added.map_err(Unwritten::of)?;
                }
            }
        }
        tarball.finish().map_err(Unwritten::of)?;
        Ok(())
    }
}

/// The file that hides `path`.
fn mark(path: &Path) -> Vec<u8> {
    let name = path.file_name().map_or(&b""[..], OsStrExt::as_bytes);
    let name = std::ffi::OsString::from_vec([MARK, name].concat());
    path.with_file_name(name).into_os_string().into_vec()
}

/// Devices of the image, which lie on no disk, in directories that are there again without them.
fn lost_devices(tree: &GuestTree) -> Vec<PathBuf> {
    let kept: BTreeSet<_> = tree.devices().iter().map(|truth| &truth.path).collect();
    let dirs = tree.listing.items.iter().filter(|item| item.meta.is_dir());
    let dirs: BTreeSet<_> = dirs.map(|item| &*item.path).collect();
    let paths = tree.device_paths().filter(|path| !kept.contains(path));
    let paths = paths.map(|path| PathBuf::from(std::ffi::OsString::from_vec(path.clone())));
    paths
        .filter(|path| path.parent().is_some_and(|dir| dirs.contains(dir)))
        .collect()
}
