//! A listing of a tree as text, one line per entry: to see that nothing changed, or how two trees differ.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use sha2::{Digest, Sha256};

/// What is listed of an entry: type, mode, size, modification time, digest of the content or target of the link.
pub(crate) type Tree = BTreeMap<Vec<u8>, Entry>;

/// One entry of a [`Tree`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// `d`, `f`, `l` or `o` for anything else.
    pub(crate) kind: char,
    /// Permission bits with setuid, setgid and sticky.
    pub(crate) mode: u32,
    /// Bytes, of files only: what a folder's size means differs.
    pub(crate) size: u64,
    /// Seconds and nanoseconds.
    pub(crate) modified: (i64, i64),
    /// Names that the same file has.
    pub(crate) links: u64,
    /// SHA-256 of a file's content, or a link's target.
    pub(crate) content: Vec<u8>,
}

/// Lists a tree by paths relative to its root, which itself is left out.
pub(crate) fn list(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries {
            let path = entry.expect("a folder can be read to its end").path();
            let data = path
                .symlink_metadata()
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let name = path
                .strip_prefix(root)
                .expect("the walk stays below its root")
                .as_os_str()
                .as_bytes()
                .to_vec();
            tree.insert(name, describe(&path, &data));
            if data.is_dir() {
                folders.push(path);
            }
        }
    }
    tree
}

/// The lines in which two trees differ, as `path: field: one != other`.
pub(crate) fn differences(one: &Tree, other: &Tree) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, entry) in one {
        let shown = String::from_utf8_lossy(name);
        match other.get(name) {
            None => lines.push(format!("{shown}: only in the first")),
            Some(twin) => lines.extend(
                entry
                    .fields_unlike(twin)
                    .map(|line| format!("{shown}: {line}")),
            ),
        }
    }
    let only = other.keys().filter(|name| !one.contains_key(*name));
    lines.extend(only.map(|name| format!("{}: only in the second", String::from_utf8_lossy(name))));
    lines
}

impl Entry {
    fn fields_unlike(&self, other: &Self) -> impl Iterator<Item = String> {
        [
            (self.kind != other.kind).then(|| format!("type: {} != {}", self.kind, other.kind)),
            (self.mode != other.mode).then(|| format!("mode: {:o} != {:o}", self.mode, other.mode)),
            (self.size != other.size).then(|| format!("size: {} != {}", self.size, other.size)),
            (self.modified != other.modified)
                .then(|| format!("mtime: {:?} != {:?}", self.modified, other.modified)),
            (self.links != other.links)
                .then(|| format!("links: {} != {}", self.links, other.links)),
            (self.content != other.content).then(|| "content".to_string()),
        ]
        .into_iter()
        .flatten()
    }
}

fn describe(path: &Path, data: &Metadata) -> Entry {
    let kind = match data {
        data if data.is_dir() => 'd',
        data if data.is_file() => 'f',
        data if data.is_symlink() => 'l',
        _ => 'o',
    };
    let content = match kind {
        'f' => std::fs::read(path)
            .map(|bytes| Sha256::digest(bytes).to_vec())
            .unwrap_or_default(),
        'l' => std::fs::read_link(path)
            .map(|target| target.as_os_str().as_bytes().to_vec())
            .unwrap_or_default(),
        _ => Vec::new(),
    };
    let size = if kind == 'f' { data.len() } else { 0 };
    // How many names a folder has depends on the file system.
    let links = if kind == 'd' { 1 } else { data.nlink() };
    Entry {
        kind,
        mode: data.mode() & 0o7777,
        size,
        modified: (data.mtime(), data.mtime_nsec()),
        links,
        content,
    }
}
