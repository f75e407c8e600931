//! Decides, in memory, what tree the layers of an image make together.
//!
//! Layers are applied bottom-up. In each, whiteouts first and additions second:
//! a whiteout speaks of the layers below, wherever it stands in its own layer.
//! OCI image-spec, layer.md, "Applying Changesets".

use std::collections::{HashMap, HashSet};

use crate::layer::entry::{Entry, EntryKind, MAX_PATH};
use crate::layer::error::{LayerError, Lie, at_most, printable};
use crate::layer::index::LayerIndex;
use crate::layer::trie::{Content, MAX_NODES, ROOT, Trie, split};
use crate::layer::whiteout::{Meaning, meaning};

/// One name of a merged tree.
#[derive(Clone, Copy, Debug)]
pub struct Name<'a> {
    /// The directory that holds it, as an index of [`MergedTree::names`]; the root holds itself.
    pub parent: usize,
    /// The last component; empty for the root.
    pub name: &'a [u8],
    /// What it stands for, as an index of [`MergedTree::contents`].
    pub content: usize,
}

/// What an image's layers make together. It refers to their indexes.
#[derive(Debug)]
pub struct MergedTree<'a> {
    /// All names, directories before what they hold, the root first.
    pub names: Vec<Name<'a>>,
    /// All contents; two names of one content are hard links.
    pub contents: Vec<Content<'a>>,
}

/// Merges `layers`, the lowest first.
///
/// Fails where a layer is ambiguous or impossible, such as a hard link to nothing
/// or symbolic links in a circle; paths never leave the tree.
pub fn merge<'a>(
    layers: impl IntoIterator<Item = &'a LayerIndex>,
) -> Result<MergedTree<'a>, LayerError> {
    merge_entries(layers.into_iter().map(|layer| &layer.entries[..]))
}

/// The same of the layers' entries.
pub(super) fn merge_entries<'a>(
    layers: impl IntoIterator<Item = &'a [Entry]>,
) -> Result<MergedTree<'a>, LayerError> {
    let mut trie = Trie::new();
    let mut n_entries = 0;
    for (layer, entries) in layers.into_iter().enumerate() {
        // A layer that occurs a thousand times was counted once when it was read.
        n_entries += entries.len() as u64;
        at_most("entries in all layers", n_entries, MAX_NODES).map_err(|lie| {
            let place = format!("layer {}", layer + 1);
            LayerError::Input { place, lie }
        })?;
        apply(&mut trie, layer, entries)?;
    }
    Ok(flatten(trie))
}

fn apply<'a>(trie: &mut Trie<'a>, layer: usize, entries: &'a [Entry]) -> Result<(), LayerError> {
    let in_entry = |entry: &Entry, lie| LayerError::Input {
        place: format!("layer {}, `{}`", layer + 1, printable(&entry.path)),
        lie,
    };
    let (mut whiteouts, mut additions) = (Vec::new(), Vec::new());
    // Hard links, and the whiteouts so far.
    let (mut links, mut hidden) = (Vec::new(), HashSet::new());
    for entry in entries {
        match meaning(&entry.path).map_err(|lie| in_entry(entry, lie))? {
            Meaning::Entry => {
                additions.push(entry);
                if entry.kind == EntryKind::HardLink && !is_hidden(&entry.link, &hidden) {
                    links.push(&entry.link[..]);
                }
            }
            Meaning::Aufs => {}
            whiteout => {
                hidden.insert(whiteout);
                whiteouts.push((entry, whiteout));
            }
        }
    }
    let mut below = HashMap::new();
    if !whiteouts.is_empty() {
        below = contents_below(trie, &links);
        let own: HashSet<&[u8]> = additions.iter().map(|entry| &entry.path[..]).collect();
        for (entry, whiteout) in &whiteouts {
            hide(trie, whiteout, &own).map_err(|lie| in_entry(entry, lie))?;
        }
    }
    for entry in additions {
        add(trie, layer, entry, &below).map_err(|lie| in_entry(entry, lie))?;
    }
    Ok(())
}

/// Whether one of `whiteouts` names `path` or a directory above it.
fn is_hidden<'a>(path: &'a [u8], whiteouts: &HashSet<Meaning<'a>>) -> bool {
    let slashes = (0..path.len()).filter(|at| path[*at] == b'/');
    slashes.chain([path.len()]).any(|end| {
        let (directory, name) = split(&path[..end]);
        whiteouts.contains(&Meaning::Hide { directory, name })
            || whiteouts.contains(&Meaning::Opaque(directory))
    })
}

/// The files that the layers below have under the names of hard links. Where the same layer
/// hides the name further on, who applies entry by entry has made the link before.
fn contents_below<'a>(trie: &mut Trie<'a>, links: &[&'a [u8]]) -> HashMap<&'a [u8], usize> {
    let content = |link: &&'a [u8]| {
        // What cannot be resolved is an error when the link is added.
        let node = trie.lookup(link).ok().flatten()?;
        (!trie.is_directory(node)).then(|| (*link, trie.content(node)))
    };
    links.iter().filter_map(content).collect()
}

/// Removes from the layers below what one whiteout hides. `own` are the paths that its layer adds.
fn hide<'a>(
    trie: &mut Trie<'a>,
    whiteout: &Meaning<'a>,
    own: &HashSet<&'a [u8]>,
) -> Result<(), Lie> {
    match whiteout {
        Meaning::Hide { directory, name } => {
            if !replaces_directory(trie, directory, own)?
                && let Some(node) = trie.find_directory(directory)?
            {
                trie.remove(node, name);
            }
        }
        Meaning::Opaque(directory) => {
            // The directory itself, not what a link of that name in a lower layer leads to.
            if !replaces_directory(trie, split(directory).0, own)?
                && let Some(node) = trie.lookup(directory)?
            {
                trie.clear(node);
            }
        }
        Meaning::Entry | Meaning::Aufs => {}
    }
    Ok(())
}

/// Whether the layer puts a directory of its own where the layers below have a
/// link or a file on the way to `directory`: its whiteouts there then hide nothing.
fn replaces_directory<'a>(
    trie: &mut Trie<'a>,
    directory: &'a [u8],
    own: &HashSet<&'a [u8]>,
) -> Result<bool, Lie> {
    let slashes = (0..directory.len()).filter(|at| directory[*at] == b'/');
    let mut here = ROOT;
    // One step for each name: a walk from the root for each would take a second where names are many.
    for end in slashes.chain([directory.len()]) {
        let prefix = &directory[..end];
        let Some(node) = trie.child(here, split(prefix).1) else {
            return Ok(false);
        };
        here = if trie.is_directory(node) {
            node
        } else if own.contains(prefix) {
            return Ok(true);
        } else {
            match trie.find_directory(prefix)? {
                Some(behind_a_link) => behind_a_link,
                None => return Ok(false),
            }
        };
    }
    Ok(false)
}

fn add<'a>(
    trie: &mut Trie<'a>,
    layer: usize,
    entry: &'a Entry,
    below: &HashMap<&'a [u8], usize>,
) -> Result<(), Lie> {
    let (directory, name) = split(&entry.path);
    if name.is_empty() {
        let content = trie.add_content(layer, Some(entry));
        trie.set_content(ROOT, content);
        return Ok(());
    }
    let parent = trie.make_directory(directory, layer)?;
    let there = trie.child(parent, name);
    let content = match entry.kind {
        EntryKind::HardLink => match (
            trie.linked_content(entry, there),
            below.get(&entry.link[..]),
        ) {
            (Err(Lie::LinkMissing(_)), Some(content)) => *content,
            (content, _) => content?,
        },
        _ => trie.add_content(layer, Some(entry)),
    };
    let is_directory = entry.kind == EntryKind::Directory;
    match there {
        Some(node) if is_directory && trie.is_directory(node) => trie.set_content(node, content),
        _ => drop(trie.put(parent, name, content, is_directory)?),
    }
    Ok(())
}

/// Lists what can be reached from the root, directories before what they hold.
fn flatten(trie: Trie<'_>) -> MergedTree<'_> {
    let mut names: Vec<Name<'_>> = Vec::new();
    let mut todo = vec![(ROOT, ROOT, &b""[..])];
    while let Some((node, parent, name)) = todo.pop() {
        let content = trie.content(node);
        let this = names.len();
        names.push(Name {
            parent,
            name,
            content,
        });
        let children = trie.children(node).rev();
        todo.extend(children.map(|(name, child)| (child, this, name)));
    }
    let contents = trie.into_contents();
    MergedTree { names, contents }
}

impl<'a> MergedTree<'a> {
    /// The entry that describes a name; none for an implied directory.
    pub(super) fn entry(&self, name: &Name<'_>) -> Option<&'a Entry> {
        self.contents[name.content].entry
    }

    /// What a name is.
    pub fn kind(&self, name: &Name<'_>) -> EntryKind {
        self.entry(name)
            .map_or(EntryKind::Directory, |entry| entry.kind)
    }

    /// The path of a name, relative to the root; empty for the root itself.
    pub fn path(&self, mut name: usize) -> Vec<u8> {
        let mut parts = Vec::new();
        while name != ROOT {
            parts.push(self.names[name].name);
            name = self.names[name].parent;
        }
        parts.reverse();
        let path = parts.join(&b'/');
        debug_assert!(path.len() < MAX_PATH, "the trie bounds every path");
        path
    }
}
