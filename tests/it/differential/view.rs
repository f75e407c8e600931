//! What is in a tree, as it lies on disk or as it is meant: types, modes, owners, devices, content, times, links, attributes.

use std::collections::{BTreeMap, HashMap};
use std::ffi::CStr;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use coracle::layer::{EntryKind, Sidecar, Truth};
use coracle::sys::xattr;
use sha2::{Digest, Sha256};

/// What umoci notes an owner in who is not root. Its value is a message of two numbers, `Resource` of rootlesscontainers.
const OWNER: &CStr = c"user.rootlesscontainers";

/// Everything in a tree by its path, the root under the empty one.
pub(super) type View = BTreeMap<Vec<u8>, Thing>;

/// One name of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Thing {
    /// As in `ls -l`: `d`, `-`, `l`, `p`, `c`, `b`.
    pub(super) kind: char,
    /// Permission bits with setuid, setgid and sticky; none of links, which have none.
    pub(super) mode: u32,
    /// `None` where nobody says.
    pub(super) owner: Option<(u32, u32)>,
    /// Major and minor number.
    pub(super) device: (u64, u64),
    /// Bytes, of files only.
    pub(super) size: u64,
    /// SHA-256 of a file's content, or a link's target.
    pub(super) content: Vec<u8>,
    /// Seconds and nanoseconds.
    pub(super) modified: (i64, i64),
    /// The first of the names that are hard links to each other.
    pub(super) same_as: Vec<u8>,
    /// By name.
    pub(super) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// A tree with the owners that the disk says.
pub(super) fn on_disk(root: &Path) -> View {
    let mut view = View::new();
    let mut todo = vec![root.to_path_buf()];
    let mut nodes: HashMap<(u64, u64), Vec<Vec<u8>>> = HashMap::new();
    while let Some(path) = todo.pop() {
        let data = path
            .symlink_metadata()
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let below = path.strip_prefix(root).expect("the walk stays below it");
        let name = below.as_os_str().as_bytes().to_vec();
        if data.is_dir() {
            let entries = std::fs::read_dir(&path).expect("root may list it");
            todo.extend(entries.map(|entry| entry.expect("it can be read to its end").path()));
        } else {
            let node = nodes.entry((data.dev(), data.ino())).or_default();
            node.push(name.clone());
        }
        view.insert(name.clone(), describe(&path, &data, name));
    }
    for mut names in nodes.into_values() {
        names.sort();
        for name in &names {
            view.get_mut(name).expect("it was listed").same_as = names[0].clone();
        }
    }
    view
}

/// Our tree: what lies on disk, with what the sidecar says of it.
pub(super) fn meant(disk: &View, sidecar: &Sidecar) -> View {
    let mut view = disk.clone();
    for thing in view.values_mut() {
        thing.owner = Some((0, 0));
    }
    for truth in &sidecar.truths {
        let thing = view.entry(truth.path.clone());
        correct(thing.or_insert_with(|| absent(truth.path.clone())), truth);
    }
    view
}

/// A tree of `umoci unpack --rootless`: owners are in an attribute.
pub(super) fn rootless(root: &Path) -> View {
    let mut view = on_disk(root);
    for thing in view.values_mut() {
        thing.owner = match thing.xattrs.remove(OWNER.to_bytes()) {
            Some(note) => Some(noted_owner(&note)),
            // A link has no such attributes. xattr(7).
            None => (thing.kind != 'l').then_some((0, 0)),
        };
    }
    view
}

fn describe(path: &Path, data: &Metadata, name: Vec<u8>) -> Thing {
    let kind = kind(data);
    let content = match kind {
        '-' => Sha256::digest(std::fs::read(path).expect("root may read it")).to_vec(),
        'l' => std::fs::read_link(path)
            .expect("a link can be read")
            .as_os_str()
            .as_bytes()
            .to_vec(),
        _ => Vec::new(),
    };
    Thing {
        kind,
        mode: if kind == 'l' { 0 } else { data.mode() & 0o7777 },
        owner: Some((data.uid(), data.gid())),
        device: (
            libc::major(data.rdev()).into(),
            libc::minor(data.rdev()).into(),
        ),
        size: if kind == '-' { data.len() } else { 0 },
        content,
        modified: (data.mtime(), data.mtime_nsec()),
        same_as: name,
        xattrs: attributes(path),
    }
}

fn kind(data: &Metadata) -> char {
    let kind = data.file_type();
    match () {
        () if kind.is_dir() => 'd',
        () if kind.is_file() => '-',
        () if kind.is_symlink() => 'l',
        () if kind.is_fifo() => 'p',
        () if kind.is_char_device() => 'c',
        () if kind.is_block_device() => 'b',
        () => '?',
    }
}

fn attributes(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let names = xattr::names(path).expect("every file system of tests has attributes");
    let value = |name: &CStr| xattr::get(path, name).expect("root may read it");
    names
        .iter()
        .map(|name| (name.to_bytes().to_vec(), value(name)))
        .collect()
}

/// What is in the sidecar alone.
fn absent(path: Vec<u8>) -> Thing {
    Thing {
        kind: '?',
        mode: 0,
        owner: None,
        device: (0, 0),
        size: 0,
        content: Vec::new(),
        modified: (0, 0),
        same_as: path,
        xattrs: BTreeMap::new(),
    }
}

fn correct(thing: &mut Thing, truth: &Truth) {
    thing.kind = match truth.kind {
        EntryKind::File | EntryKind::HardLink => '-',
        EntryKind::Directory => 'd',
        EntryKind::Symlink => 'l',
        EntryKind::Fifo => 'p',
        EntryKind::CharDevice => 'c',
        EntryKind::BlockDevice => 'b',
    };
    thing.mode = if thing.kind == 'l' { 0 } else { truth.mode };
    thing.owner = Some((truth.uid, truth.gid));
    thing.device = (truth.device.0.into(), truth.device.1.into());
    let xattrs = truth.xattrs.iter();
    thing
        .xattrs
        .extend(xattrs.map(|xattr| (xattr.name.clone(), xattr.value.clone())));
}

/// The numbers of fields 1 and 2; a field that is not there, or says that nothing changed, is 0.
fn noted_owner(note: &[u8]) -> (u32, u32) {
    let mut owner = (0, 0);
    let mut rest = note.iter().copied();
    while let Some(tag) = rest.next() {
        let (mut value, mut shift) = (0u64, 0);
        for byte in rest.by_ref() {
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let value = u32::try_from(value).expect("an owner has 32 bits");
        let value = if value == u32::MAX { 0 } else { value };
        match tag {
            0x08 => owner.0 = value,
            0x10 => owner.1 = value,
            other => panic!("an owner is noted with a field {other:#x}: {note:?}"),
        }
    }
    owner
}
