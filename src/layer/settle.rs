//! Brings what was written into line with the merged tree.
//!
//! In an order in which nothing is ever replaced: what did not survive and what lies in
//! the wrong place leaves the tree; then directories go and come; then files come from aside.
//! From there on every path is as the merge has it, and links are made, symbolic ones last.

use std::collections::{HashMap, HashSet};

use crate::base::fsx::{Context, PathError};
use crate::base::progress::Progress;
use crate::layer::attributes::{Attributes, may_be_set, truth};
use crate::layer::deposit::{Deposited, Key, aside_name};
use crate::layer::directories::TOP;
use crate::layer::entry::{Entry, EntryKind, Xattr};
use crate::layer::error::LayerError;
use crate::layer::extraction::{Extracted, Source};
use crate::layer::merge::{MergedTree, Name};
use crate::layer::sidecar::Sidecar;
use crate::layer::whiteout::{Meaning, meaning};

/// Makes `tree` of what was deposited when `layers` were read.
pub(super) fn settle(
    deposited: Deposited<'_>,
    tree: &MergedTree<'_>,
    layers: &[Source<'_>],
    progress: &dyn Progress,
) -> Result<Extracted, LayerError> {
    let plan = Plan::of(tree, layers);
    let mut settling = Settling {
        deposited,
        tree,
        layers,
    };
    settling.clear_files(&plan)?;
    settling.exchange_directories()?;
    settling.place_files(&plan)?;
    settling.make_copies(&plan.copies)?;
    settling.make_fifos(&plan.fifos)?;
    settling.make_links(&plan.links)?;
    settling.make_symlinks(&plan.symlinks)?;
    settling.make_links(&plan.symlink_links)?;
    settling.settle_directories()?;
    settling.warn_of_refused(progress);
    Ok(Extracted {
        entries: plan.entries,
        bytes: plan.bytes,
        sidecar: settling.sidecar().encode(),
    })
}

/// What is to be where, as indexes of the tree's names.
#[derive(Default)]
struct Plan {
    /// The name at which a content that was written is to lie.
    files: HashMap<Key, usize>,
    /// A file, and one with the same content that is not the same file: its layer occurs twice.
    copies: Vec<(usize, usize)>,
    fifos: Vec<usize>,
    /// A name that is made before, and a further name for it.
    links: Vec<(usize, usize)>,
    symlinks: Vec<usize>,
    /// As `links`, of symbolic links.
    symlink_links: Vec<(usize, usize)>,
    /// As in [`Extracted`].
    entries: u64,
    bytes: u64,
}

impl Plan {
    fn of(tree: &MergedTree<'_>, layers: &[Source<'_>]) -> Plan {
        let mut plan = Plan::default();
        // By content: its first name.
        let mut first = HashMap::new();
        for (index, name) in tree.names.iter().enumerate().skip(1) {
            plan.entries += 1;
            match tree.kind(name) {
                EntryKind::File => {
                    plan.bytes += tree.entry(name).map_or(0, |entry| entry.size);
                    plan.file(tree, layers, index, &mut first);
                }
                EntryKind::Fifo => match first.get(&name.content) {
                    Some(first) => plan.links.push((*first, index)),
                    None => {
                        first.insert(name.content, index);
                        plan.fifos.push(index);
                    }
                },
                EntryKind::Symlink => match first.get(&name.content) {
                    Some(first) => plan.symlink_links.push((*first, index)),
                    None => {
                        first.insert(name.content, index);
                        plan.symlinks.push(index);
                    }
                },
                EntryKind::Directory | EntryKind::HardLink => {}
                // They are not on disk.
                EntryKind::CharDevice | EntryKind::BlockDevice => plan.entries -= 1,
            }
        }
        plan
    }

    fn file(
        &mut self,
        tree: &MergedTree<'_>,
        layers: &[Source<'_>],
        index: usize,
        first: &mut HashMap<usize, usize>,
    ) {
        let name = &tree.names[index];
        if let Some(first) = first.get(&name.content) {
            self.links.push((*first, index));
            return;
        }
        first.insert(name.content, index);
        let Some(key) = key(tree, layers, name) else {
            return;
        };
        match self.files.get(&key) {
            Some(same) => self.copies.push((*same, index)),
            None => drop(self.files.insert(key, index)),
        }
    }
}

/// The content of a name; none of an implied directory.
fn key(tree: &MergedTree<'_>, layers: &[Source<'_>], name: &Name<'_>) -> Option<Key> {
    let content = &tree.contents[name.content];
    // The root is implied also where there is no layer at all.
    let offset = content.entry?.offset;
    Some(Key {
        source: layers[content.layer].source,
        offset,
    })
}

struct Settling<'a> {
    deposited: Deposited<'a>,
    tree: &'a MergedTree<'a>,
    layers: &'a [Source<'a>],
}

impl<'a> Settling<'a> {
    /// Takes out of the tree what is not to be there; what is to be elsewhere goes aside.
    fn clear_files(&mut self, plan: &Plan) -> Result<(), PathError> {
        let (disk, aside) = (self.deposited.tree, self.deposited.aside);
        let mut seen = HashSet::new();
        let sources = self.layers.iter().filter(|layer| seen.insert(layer.source));
        for layer in sources {
            let written = layer.entries.iter().filter(|entry| was_written(entry));
            for entry in written {
                let key = Key {
                    source: layer.source,
                    offset: entry.offset,
                };
                if self.deposited.aside_of.contains_key(&key) {
                    continue;
                }
                match plan.files.get(&key) {
                    None => disk.remove_file(&entry.path)?,
                    Some(index) if self.tree.path(*index) == entry.path => {}
                    Some(_) => {
                        let number = self.deposited.n_aside;
                        disk.move_file(&entry.path, aside, &aside_name(number))?;
                        self.deposited.aside_of.insert(key, number);
                        self.deposited.n_aside += 1;
                    }
                }
            }
        }
        Ok(())
    }

    /// Removes the directories that are not in the tree, and makes those that are missing.
    fn exchange_directories(&self) -> Result<(), PathError> {
        let made = &self.deposited.directories;
        let mut is_wanted = vec![false; made.len()];
        // By name: the directory on disk.
        let mut on_disk = HashMap::from([(0, TOP)]);
        let mut missing = Vec::new();
        for index in self.directories().skip(1) {
            let name = &self.tree.names[index];
            let above = on_disk.get(&name.parent);
            match above.and_then(|above| made.find(*above, name.name)) {
                Some(number) => {
                    is_wanted[number] = true;
                    on_disk.insert(index, number);
                }
                None => missing.push(index),
            }
        }
        made.each_unwanted(
            |number| is_wanted[number],
            |path| self.deposited.tree.remove_directory(path),
        )?;
        for index in missing {
            self.deposited.tree.make_directory(&self.tree.path(index))?;
        }
        Ok(())
    }

    /// Moves what lies aside and survives to where it belongs.
    fn place_files(&self, plan: &Plan) -> Result<(), PathError> {
        for (key, number) in &self.deposited.aside_of {
            if let Some(index) = plan.files.get(key) {
                let path = self.tree.path(*index);
                let aside = self.deposited.aside;
                aside.move_file(&aside_name(*number), self.deposited.tree, &path)?;
            }
        }
        Ok(())
    }

    fn make_copies(&mut self, copies: &[(usize, usize)]) -> Result<(), LayerError> {
        for (first, second) in copies {
            self.make_copy(&self.tree.path(*first), *second)?;
        }
        Ok(())
    }

    /// Makes a file that has the content of `from`, which nobody counted yet.
    fn make_copy(&mut self, from: &[u8], index: usize) -> Result<(), LayerError> {
        let to = self.tree.path(index);
        let entry = self.entry(index);
        entry.map_or(Ok(()), |entry| self.deposited.count_copy(entry))?;
        let attributes = Attributes::of(entry);
        let copy = self.deposited.tree.copy(from, &to, &attributes)?;
        let refused = copy.settle(&attributes);
        let refused = refused.context("finish", self.deposited.tree.shown(&to))?;
        self.remember(index, refused);
        Ok(())
    }

    fn make_fifos(&self, fifos: &[usize]) -> Result<(), PathError> {
        for index in fifos {
            let path = self.tree.path(*index);
            let attributes = Attributes::of(self.entry(*index));
            self.deposited.tree.make_fifo(&path, &attributes)?;
        }
        Ok(())
    }

    fn make_links(&mut self, links: &[(usize, usize)]) -> Result<(), LayerError> {
        // What is made again, because no further link was possible, takes over as the first name.
        let mut again = HashMap::new();
        for (first, second) in links {
            let from = *again.get(first).unwrap_or(first);
            let (path, to) = (self.tree.path(from), self.tree.path(*second));
            if self.deposited.tree.link(&path, &to)? {
                continue;
            }
            match self.tree.kind(&self.tree.names[*second]) {
                EntryKind::Fifo => self.make_fifos(&[*second])?,
                EntryKind::Symlink => self.make_symlinks(&[*second])?,
                _ => self.make_copies(&[(from, *second)])?,
            }
            again.insert(*first, *second);
        }
        Ok(())
    }

    fn make_symlinks(&self, symlinks: &[usize]) -> Result<(), PathError> {
        for index in symlinks {
            if let Some(entry) = self.entry(*index) {
                let path = self.tree.path(*index);
                let disk = self.deposited.tree;
                disk.make_symlink(&path, &entry.link, entry.mtime)?;
            }
        }
        Ok(())
    }

    fn settle_directories(&mut self) -> Result<(), PathError> {
        let directories: Vec<_> = self.directories().collect();
        for index in directories.into_iter().rev() {
            let path = self.tree.path(index);
            let attributes = Attributes::of(self.entry(index));
            let refused = self.deposited.tree.settle_directory(&path, &attributes)?;
            self.remember(index, refused);
        }
        Ok(())
    }

    /// The directories among the names, those above before those below.
    fn directories(&self) -> impl Iterator<Item = usize> {
        let is_directory = |index: &usize| {
            let name = &self.tree.names[*index];
            self.tree.kind(name) == EntryKind::Directory
        };
        (0..self.tree.names.len()).filter(is_directory)
    }

    fn entry(&self, index: usize) -> Option<&'a Entry> {
        self.tree.entry(&self.tree.names[index])
    }

    fn remember(&mut self, index: usize, refused: Vec<Xattr>) {
        let key = key(self.tree, self.layers, &self.tree.names[index]);
        if let Some(key) = key.filter(|_| !refused.is_empty()) {
            self.deposited.refused.insert(key, refused);
        }
    }

    fn warn_of_refused(&self, progress: &dyn Progress) {
        let mut refused = self.deposited.refused.values().flatten();
        if refused.any(|xattr| may_be_set(&xattr.name)) {
            progress.warn("the file system does not take extended attributes; the image's are kept beside its tree");
        }
    }

    /// What the disk does not tell.
    fn sidecar(&self) -> Sidecar {
        let names = self.tree.names.iter().enumerate();
        let truths = names.filter_map(|(index, name)| {
            let entry = self.tree.entry(name)?;
            let missing = match entry.kind {
                EntryKind::File | EntryKind::Directory => {
                    let key = key(self.tree, self.layers, name)?;
                    self.deposited.refused.get(&key)
                }
                _ => Some(&entry.xattrs),
            };
            let missing = missing.map_or(&[][..], Vec::as_slice);
            truth(self.tree.path(index), entry, missing)
        });
        Sidecar {
            truths: truths.collect(),
        }
    }
}

/// Whether an entry has content that was written when its layer was read.
pub(super) fn was_written(entry: &Entry) -> bool {
    // A whiteout has none; one that names nothing is the merge's to refuse.
    entry.kind == EntryKind::File && meaning(&entry.path) == Ok(Meaning::Entry)
}
