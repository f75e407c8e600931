//! A directory tree in memory, with links resolved as the kernel would inside it.
//!
//! Names and contents are separate, as on disk: a hard link is a second name for
//! a content, and keeps it when the first name is removed or replaced.

use std::collections::BTreeMap;

use crate::layer::allowance::MAX_IMPLIED;
use crate::layer::entry::{Entry, EntryKind, MAX_COMPONENT, MAX_PATH};
use crate::layer::error::{Lie, at_most, printable};
use crate::layer::reader::MAX_ENTRIES;

/// Symbolic links followed on the way to one path; path_resolution(7).
const MAX_LINKS: usize = 40;
/// Names walked on the way to one path, those in link targets included.
const MAX_STEPS: u64 = 4096;
/// The same for all paths of one tree together. A hundred for each entry of the largest trees; without a limit, a small
/// layer of links keeps a processor busy for hours.
const MAX_WALKED: u64 = 100 * MAX_ENTRIES;
/// Names in one tree, with those that were removed again. More than the entries,
/// because an entry may imply directories.
pub(super) const MAX_NODES: u64 = 2 * MAX_ENTRIES;

/// The node that everything starts from.
pub(super) const ROOT: usize = 0;

/// What a name stands for.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// The layer that holds it.
    pub layer: usize,
    /// Its entry there; `None` for a directory that no entry describes.
    pub entry: Option<&'a Entry>,
}

#[derive(Debug)]
struct Node<'a> {
    parent: usize,
    content: usize,
    /// Length of the whole path, in bytes.
    length: usize,
    /// Of a directory.
    children: Option<BTreeMap<&'a [u8], usize>>,
}

/// The tree. Nodes and contents are numbers; removed ones stay allocated.
#[derive(Debug)]
pub(super) struct Trie<'a> {
    nodes: Vec<Node<'a>>,
    contents: Vec<Content<'a>>,
    /// Names walked so far.
    walked: u64,
    /// Directories that no entry described when they were made.
    n_implied: u64,
}

impl<'a> Trie<'a> {
    /// A root directory that no entry describes.
    pub(super) fn new() -> Trie<'a> {
        let content = Content {
            layer: 0,
            entry: None,
        };
        let root = Node {
            parent: ROOT,
            content: 0,
            length: 0,
            children: Some(BTreeMap::new()),
        };
        Trie {
            nodes: vec![root],
            contents: vec![content],
            walked: 0,
            n_implied: 0,
        }
    }

    /// All contents, also of removed names.
    pub(super) fn into_contents(self) -> Vec<Content<'a>> {
        self.contents
    }

    /// The number of a node's content.
    pub(super) fn content(&self, node: usize) -> usize {
        self.nodes[node].content
    }

    /// The names in a directory, sorted; none for anything else.
    pub(super) fn children(
        &self,
        node: usize,
    ) -> impl DoubleEndedIterator<Item = (&'a [u8], usize)> {
        let children = self.nodes[node].children.iter().flatten();
        children.map(|(name, child)| (*name, *child))
    }

    pub(super) fn is_directory(&self, node: usize) -> bool {
        self.nodes[node].children.is_some()
    }

    pub(super) fn child(&self, node: usize, name: &[u8]) -> Option<usize> {
        self.nodes[node].children.as_ref()?.get(name).copied()
    }

    pub(super) fn remove(&mut self, node: usize, name: &[u8]) {
        if let Some(children) = &mut self.nodes[node].children {
            children.remove(name);
        }
    }

    pub(super) fn clear(&mut self, node: usize) {
        if let Some(children) = &mut self.nodes[node].children {
            children.clear();
        }
    }

    /// Makes a content for `entry` of `layer` and returns its number.
    pub(super) fn add_content(&mut self, layer: usize, entry: Option<&'a Entry>) -> usize {
        self.contents.push(Content { layer, entry });
        self.contents.len() - 1
    }

    /// Gives a node another content.
    pub(super) fn set_content(&mut self, node: usize, content: usize) {
        self.nodes[node].content = content;
    }

    /// Puts `name` into the directory `parent`, in place of what had that name.
    pub(super) fn put(
        &mut self,
        parent: usize,
        name: &'a [u8],
        content: usize,
        is_directory: bool,
    ) -> Result<usize, Lie> {
        let length = self.nodes[parent].length + 1 + name.len();
        too_long("path component", name.len(), MAX_COMPONENT)?;
        // `PATH_MAX` counts a NUL, and `length` a slash before the first name.
        too_long("path behind symbolic links", length, MAX_PATH)?;
        at_most("names in one image", self.nodes.len() as u64 + 1, MAX_NODES)?;
        let node = self.nodes.len();
        self.nodes.push(Node {
            parent,
            content,
            length,
            children: is_directory.then(BTreeMap::new),
        });
        if let Some(children) = &mut self.nodes[parent].children {
            children.insert(name, node);
        }
        Ok(node)
    }

    /// The node of `path`, links followed on the way but not at its end.
    pub(super) fn lookup(&mut self, path: &'a [u8]) -> Result<Option<usize>, Lie> {
        let (directory, name) = split(path);
        if name.is_empty() {
            return Ok(Some(ROOT));
        }
        let parent = self.find_directory(directory)?;
        Ok(parent.and_then(|parent| self.child(parent, name)))
    }

    /// The directory that `path` leads to, links followed, if there is one.
    pub(super) fn find_directory(&mut self, path: &'a [u8]) -> Result<Option<usize>, Lie> {
        self.walk(path, None)
    }

    /// As [`Trie::find_directory`]; what is missing or no directory becomes one of `layer`.
    pub(super) fn make_directory(&mut self, path: &'a [u8], layer: usize) -> Result<usize, Lie> {
        let found = self.walk(path, Some(layer))?;
        Ok(found.expect("walk makes every directory that is missing"))
    }

    /// The content that a hard link of `entry` shares; `place` is where the link goes.
    pub(super) fn linked_content(
        &mut self,
        entry: &'a Entry,
        place: Option<usize>,
    ) -> Result<usize, Lie> {
        let shown = || printable(&entry.link);
        let target = self.lookup(&entry.link)?;
        let target = target.ok_or_else(|| Lie::LinkMissing(shown()))?;
        if self.is_directory(target) {
            return Err(Lie::LinkToDirectory(shown()));
        }
        if place == Some(target) {
            return Err(Lie::LinkToSelf(shown()));
        }
        Ok(self.content(target))
    }

    fn walk(&mut self, path: &'a [u8], make_in: Option<usize>) -> Result<Option<usize>, Lie> {
        let mut here = ROOT;
        let mut todo: Vec<&'a [u8]> = path.rsplit(is_slash).collect();
        let (mut links, mut steps) = (0, 0);
        while let Some(name) = todo.pop() {
            steps += 1;
            at_most("names on the way to one path", steps, MAX_STEPS)?;
            self.walked += 1;
            at_most("names on the way to all paths", self.walked, MAX_WALKED)?;
            if name.is_empty() || name == b"." {
                continue;
            }
            if name == b".." {
                here = self.nodes[here].parent;
                continue;
            }
            let child = self.child(here, name);
            if let Some(target) = child.and_then(|child| self.link_target(child)) {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Lie::Loop(MAX_LINKS));
                }
                if target.starts_with(b"/") {
                    here = ROOT;
                }
                todo.extend(target.rsplit(is_slash));
                continue;
            }
            here = match (child, make_in) {
                (Some(child), _) if self.is_directory(child) => child,
                (_, None) => return Ok(None),
                (_, Some(layer)) => {
                    self.imply()?;
                    let content = self.add_content(layer, None);
                    self.put(here, name, content, true)?
                }
            };
        }
        Ok(Some(here))
    }

    /// Counts a directory that no entry describes yet.
    fn imply(&mut self) -> Result<(), Lie> {
        self.n_implied += 1;
        let n_described = self.contents.len() as u64 - self.n_implied;
        let what = "directories that no entry describes";
        let n_bare = self.n_implied.saturating_sub(n_described);
        at_most(what, n_bare, MAX_IMPLIED)
    }

    fn link_target(&self, node: usize) -> Option<&'a [u8]> {
        let entry = self.contents[self.nodes[node].content].entry?;
        (entry.kind == EntryKind::Symlink).then_some(&entry.link[..])
    }
}

/// Splits a clean path into directory and last name; both empty for the root.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(is_slash) {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

fn is_slash(byte: &u8) -> bool {
    *byte == b'/'
}

fn too_long(field: &'static str, got: usize, most: usize) -> Result<(), Lie> {
    if got <= most {
        return Ok(());
    }
    let (got, most) = (got as u64, most as u64);
    Err(Lie::TooLong { field, got, most })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_paths_together_are_bounded() {
        let mut trie = Trie::new();
        trie.walked = MAX_WALKED - 3;
        assert!(trie.make_directory(b"a/b", 0).is_ok());
        let error = trie.make_directory(b"a/b", 0).expect_err("the fourth name");
        let what = "names on the way to all paths";
        let most = MAX_WALKED;
        assert_eq!(error, Lie::TooMany { what, most });
    }
}
