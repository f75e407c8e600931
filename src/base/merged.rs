//! Every name of several trees as an overlay shows them, each once, in one order for all hosts.
//!
//! `base::stack` answers questions about single paths and leaves out what it cannot read. This is for those who copy
//! or pack everything, to whom that would be a loss: what cannot be read is an error here.
//! Linux, Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories".

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::base::fsx::{self, Context};
use crate::base::path::HostPath;
use crate::sys::xattr;

/// What becomes of the marks that hide what lies below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whiteouts {
    /// They hide it, and are not listed themselves.
    Applied,
    /// They are listed like anything else; for one tree alone.
    Kept,
}

/// One name.
#[derive(Debug)]
pub struct Item {
    /// Relative to the root of the trees.
    pub path: PathBuf,
    /// Where the uppermost of it lies.
    pub host: HostPath,
    /// What that is, links not followed.
    pub meta: Metadata,
    /// In which tree it lies, counted from the uppermost.
    pub layer: usize,
    /// Whether it lies in a directory that hides those below it, so that nothing of it was ever in a lower tree.
    pub is_apart: bool,
    /// Whether it is a directory that hides those of its name in lower trees.
    pub hides: bool,
}

/// All names. Directories that were closed to their owner are open until it is dropped.
#[derive(Debug, Default)]
pub struct Listing {
    /// Each directory before what it holds, the names in the order of their bytes. The root is left out.
    pub items: Vec<Item>,
    opened: Vec<(PathBuf, u32)>,
}

/// A directory that is still to be listed.
struct Todo {
    path: PathBuf,
    /// Its parts with the numbers of their trees, the uppermost first.
    parts: Vec<(usize, HostPath)>,
    is_apart: bool,
}

/// Lists `trees`, the uppermost first; those that are not there are left out.
pub fn list(trees: &[HostPath], whiteouts: Whiteouts) -> fsx::Result<Listing> {
    let mut parts = Vec::new();
    for (layer, tree) in trees.iter().enumerate() {
        if fsx::absent_as_none(fsx::metadata(tree))?.is_some() {
            parts.push((layer, tree.clone()));
        }
    }
    let mut listing = Listing::default();
    let root = Todo {
        path: PathBuf::new(),
        parts,
        is_apart: false,
    };
    let mut open = vec![listing.children(root, whiteouts)?.into_iter()];
    while let Some(children) = open.last_mut() {
        let Some((item, below)) = children.next() else {
            open.pop();
            continue;
        };
        listing.items.push(item);
        if let Some(below) = below {
            open.push(listing.children(below, whiteouts)?.into_iter());
        }
    }
    Ok(listing)
}

impl Listing {
    /// What a directory holds; with each directory in it what is needed to list that.
    fn children(
        &mut self,
        dir: Todo,
        whiteouts: Whiteouts,
    ) -> fsx::Result<Vec<(Item, Option<Todo>)>> {
        let mut names: BTreeMap<OsString, Vec<(usize, HostPath)>> = BTreeMap::new();
        for (layer, part) in &dir.parts {
            for entry in self.read_dir(part)? {
                let name = entry.file_name();
                let path = part.join(&name);
                names.entry(name).or_default().push((*layer, path));
            }
        }
        let mut children = Vec::new();
        for (name, places) in names {
            let path = dir.path.join(name);
            children.extend(child(path, places, dir.is_apart, whiteouts)?);
        }
        Ok(children)
    }

    fn read_dir(&mut self, dir: &HostPath) -> fsx::Result<Vec<std::fs::DirEntry>> {
        match fsx::read_dir(dir) {
            Err(error) if error.is_denied() => {
                let mode = fsx::symlink_metadata(dir)?.mode() & 0o7777;
                fsx::set_mode(dir, mode | 0o700)?;
                self.opened.push((dir.to_path_buf(), mode));
                fsx::read_dir(dir)
            }
            listed => listed,
        }
    }
}

impl Drop for Listing {
    fn drop(&mut self) {
        for (dir, mode) in self.opened.iter().rev() {
            let _its_owner_can_do_so_too = fsx::set_mode(dir, *mode);
        }
    }
}

/// What a name is that lies at `places`, the uppermost first; `None` for one that is hidden.
fn child(
    path: PathBuf,
    places: Vec<(usize, HostPath)>,
    is_apart: bool,
    whiteouts: Whiteouts,
) -> fsx::Result<Option<(Item, Option<Todo>)>> {
    let mut parts = Vec::new();
    let mut top = None;
    let mut hides = false;
    for (layer, host) in places {
        let meta = fsx::symlink_metadata(&host)?;
        if top.is_none() {
            if whiteouts == Whiteouts::Applied && is_whiteout(&meta) {
                return Ok(None);
            }
            top = Some((layer, host.clone(), meta.clone()));
        }
        if !meta.is_dir() {
            break;
        }
        hides = is_opaque(&host);
        parts.push((layer, host));
        if hides {
            break;
        }
    }
    let Some((layer, host, meta)) = top else {
        return Ok(None);
    };
    let below = (!parts.is_empty()).then(|| Todo {
        path: path.clone(),
        parts,
        is_apart: is_apart || hides,
    });
    let item = Item {
        path,
        host,
        meta,
        layer,
        is_apart,
        hides,
    };
    Ok(Some((item, below)))
}

/// A removed file is a character device 0:0.
pub fn is_whiteout(meta: &Metadata) -> bool {
    meta.file_type().is_char_device() && meta.rdev() == 0
}

/// A directory that hides the one below it, by the attribute that `userxattr` overlays use.
fn is_opaque(dir: &Path) -> bool {
    xattr::get(dir, c"user.overlay.opaque").is_ok_and(|value| value == b"y")
}

impl Item {
    /// The extended attributes that mean something in the guest, by name: not those by which the overlay keeps its books.
    pub fn attributes(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut kept = Vec::new();
        // A file system without attributes has none.
        for name in xattr::names(&self.host).unwrap_or_default() {
            let bytes = name.to_bytes();
            let is_guest = bytes.starts_with(b"user.") && !bytes.starts_with(b"user.overlay.");
            if is_guest && let Ok(value) = xattr::get(&self.host, &name) {
                kept.push((bytes.to_vec(), value));
            }
        }
        kept.sort();
        kept
    }

    /// Opens a regular file, also one that its own mode closes to its owner, as root in a guest could.
    pub fn open(&self) -> fsx::Result<File> {
        match fsx::open(&self.host) {
            Err(error) if error.is_denied() => {
                let mode = self.meta.mode() & 0o7777;
                fsx::set_mode(&self.host, mode | 0o400)?;
                let opened = fsx::open(&self.host);
                fsx::set_mode(&self.host, mode)?;
                opened
            }
            opened => opened,
        }
    }

    /// The bytes of its path.
    pub fn name(&self) -> &[u8] {
        self.path.as_os_str().as_bytes()
    }

    /// Where a symbolic link leads.
    pub fn target(&self) -> fsx::Result<Vec<u8>> {
        let target = fsx::read_link(&self.host)?;
        Ok(target.into_os_string().as_bytes().to_vec())
    }

    /// When its content last changed: seconds since 1970 and nanoseconds after that.
    pub fn changed(&self) -> (i64, u32) {
        let nanoseconds = u32::try_from(self.meta.mtime_nsec()).unwrap_or(0);
        (self.meta.mtime(), nanoseconds)
    }

    /// By what further names of the same file are known.
    pub fn identity(&self) -> (u64, u64) {
        (self.meta.dev(), self.meta.ino())
    }
}

/// Copies the tree `from` to `to`, which must not exist, as exactly as its owner can: owners, modes, times, links, the
/// marks of an overlay and its attributes. Sockets stay behind: without the process that made them they are nothing.
pub fn copy(from: &HostPath, to: &HostPath) -> fsx::Result<()> {
    let listing = list(std::slice::from_ref(from), Whiteouts::Kept)?;
    fsx::create_dir(to, 0o700)?;
    let mut linked: BTreeMap<(u64, u64), HostPath> = BTreeMap::new();
    for item in &listing.items {
        let target = to.join(&item.path);
        let kind = item.meta.file_type();
        if kind.is_dir() {
            fsx::create_dir(&target, 0o700)?;
        } else if kind.is_socket() {
        } else if let Some(first) = linked.get(&item.identity()) {
            fsx::hard_link(first, &target)?;
        } else {
            copy_one(item, &target)?;
            if item.meta.nlink() > 1 {
                linked.insert(item.identity(), target);
            }
        }
    }
    // Only now: what is put into a directory changes its times, and its mode may forbid it.
    for item in listing.items.iter().rev().filter(|item| item.meta.is_dir()) {
        settle(&item.host, &item.meta, &to.join(&item.path))?;
    }
    settle(from, &fsx::symlink_metadata(from)?, to)
}

fn copy_one(item: &Item, target: &HostPath) -> fsx::Result<()> {
    use nix::sys::stat::{Mode, SFlag, mknod};
    let kind = item.meta.file_type();
    let node = |flag| {
        let mode = Mode::from_bits_truncate(item.meta.mode() & 0o7777);
        mknod(&**target, flag, mode, item.meta.rdev()).context("make the node", target)
    };
    if kind.is_symlink() {
        fsx::symlink(fsx::read_link(&item.host)?, target)?;
    } else if kind.is_fifo() {
        node(SFlag::S_IFIFO)?;
    } else if kind.is_char_device() {
        node(SFlag::S_IFCHR)?;
    } else if kind.is_block_device() {
        node(SFlag::S_IFBLK)?;
    } else {
        let mut made = fsx::create_new(target, 0o600)?;
        std::io::copy(&mut item.open()?, &mut made).context("copy to", target)?;
    }
    settle(&item.host, &item.meta, target)
}

/// Gives a copy the owner, attributes, mode and times of its original.
fn settle(from: &Path, meta: &Metadata, to: &Path) -> fsx::Result<()> {
    use nix::fcntl::{AT_FDCWD, AtFlags};
    use nix::unistd::{Gid, Uid, fchownat};
    let made = fsx::symlink_metadata(to)?;
    if (made.uid(), made.gid()) != (meta.uid(), meta.gid()) {
        let (uid, gid) = (Uid::from_raw(meta.uid()), Gid::from_raw(meta.gid()));
        let flags = AtFlags::AT_SYMLINK_NOFOLLOW;
        fchownat(AT_FDCWD, to, Some(uid), Some(gid), flags).context("change owner of", to)?;
    }
    if meta.is_dir() || meta.is_file() {
        let opened = fsx::open(to)?;
        for name in xattr::names(from).unwrap_or_default() {
            if name.to_bytes().starts_with(b"user.") {
                let value = xattr::get(from, &name).context("read attributes of", from)?;
                let fd = std::os::fd::AsFd::as_fd(&opened);
                xattr::set(fd, &name, &value).context("set attributes of", to)?;
            }
        }
    }
    if !meta.is_symlink() {
        fsx::set_mode(to, meta.mode() & 0o7777)?;
    }
    fsx::set_changed(to, meta.mtime(), meta.mtime_nsec())
}
