//! The tree of a container as its guest sees it: the image's, what was written over it, and what no disk of ours can say.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use nix::unistd::{getegid, geteuid};
use tar::EntryType;

use crate::base::fault::{BoxFault, While};
use crate::base::fsx::{self, Context, PathError};
use crate::base::merged::{self, Item, Listing, Whiteouts};
use crate::base::path::HostPath;
use crate::base::subids;
use crate::layer::{EntryKind, Sidecar, Truth};
use crate::ops::create::CreateError;
use crate::ops::export::Unwritten;
use crate::ops::tarball::{Member, Tarball};
use crate::store::{Container, Store};

/// The largest sidecar that is read, in bytes; a million odd files have a tenth of it.
const MAX_SIDECAR: u64 = 1 << 30;
/// Bytes compared at once.
const CHUNK: usize = 64 << 10;

/// The names of files that have several and were packed under their first, by file.
pub(in crate::ops) type Linked = HashMap<(u64, u64), Vec<u8>>;

/// All that a guest sees below `/` but what is mounted there.
pub(in crate::ops) struct GuestTree {
    pub(in crate::ops) listing: Listing,
    /// What the image's tree could not say of its entries, by path.
    truths: HashMap<Vec<u8>, Truth>,
    /// Our ids, which are root's for the guest.
    own: (u32, u32),
    /// Which of the listed trees is the image's, if any: a copy has none below it.
    pub(in crate::ops) image_layer: Option<usize>,
    /// The image's tree.
    lower: HostPath,
}

impl GuestTree {
    /// Looks at all of a container's files, and opens none yet.
    pub(in crate::ops) fn of(store: &Store, container: &Container) -> Result<GuestTree, BoxFault> {
        let record = &container.record;
        let gone = || CreateError::no_tree(record);
        let tree = store.tree(&record.chain)?.ok_or_else(gone)?;
        let sidecar = fsx::read_if_there(&tree.sidecar, MAX_SIDECAR)?;
        let truths = match sidecar {
            Some(bytes) => Sidecar::decode(&bytes)?.truths,
            None => Vec::new(),
        };
        let copy = container.dir.join("rootfs");
        let has_copy = fsx::absent_as_none(fsx::symlink_metadata(&copy))?.is_some();
        let trees = match has_copy {
            true => vec![copy],
            false => vec![container.dir.join("upper"), tree.rootfs.clone()],
        };
        let (listing, own) = list(&trees)?;
        let by_path = truths.into_iter().map(|truth| (truth.path.clone(), truth));
        Ok(GuestTree {
            listing,
            truths: by_path.collect(),
            own,
            image_layer: (!has_copy).then_some(1),
            lower: tree.rootfs,
        })
    }

    /// Writes it below `prefix`, which is empty or ends with a slash; devices last, as they lie on no disk.
    pub(super) fn write(
        &self,
        tarball: &mut Tarball<&mut dyn Write>,
        prefix: &[u8],
    ) -> Result<(), BoxFault> {
        let mut linked = Linked::new();
        for item in &self.listing.items {
            self.add(tarball, item, prefix, &mut linked)?;
        }
        for device in self.devices() {
            add_device(tarball, prefix, device)?;
        }
        Ok(())
    }

    /// Adds one name of it below `prefix`. Sockets are left out: without the process that made them they are nothing.
    pub(in crate::ops) fn add(
        &self,
        tarball: &mut Tarball<&mut dyn Write>,
        item: &Item,
        prefix: &[u8],
        linked: &mut Linked,
    ) -> Result<(), BoxFault> {
        let path = [prefix, item.name()].concat();
        if item.meta.file_type().is_socket() {
            return Ok(());
        }
        if let Some(first) = linked.get(&item.identity()) {
            let member = Member {
                kind: EntryType::Link,
                link: first,
                size: 0,
                ..self.member(item, &path)
            };
            let added = tarball.add(&member, &mut io::empty());
            return added.map_err(Unwritten::of);
        }
        self.item(tarball, item, &path)?;
        if item.meta.nlink() > 1 && !item.meta.is_dir() {
            linked.insert(item.identity(), path);
        }
        Ok(())
    }

    fn item(
        &self,
        tarball: &mut Tarball<&mut dyn Write>,
        item: &Item,
        path: &[u8],
    ) -> Result<(), BoxFault> {
        let attributes = self.attributes(item);
        let link = match item.meta.is_symlink() {
            true => item.target()?,
            false => Vec::new(),
        };
        let member = Member {
            link: &link,
            attributes: &attributes,
            ..self.member(item, path)
        };
        let mut content: Box<dyn Read> = match item.meta.is_file() {
            true => Box::new(item.open()?),
            false => Box::new(io::empty()),
        };
        let added = tarball.add(&member, &mut content);
        let doing = || format!("cannot pack `/{}`", item.path.display());
        added.map_err(|error| While::new(doing(), Unwritten::of(error)).into())
    }

    fn attributes(&self, item: &Item) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut attributes = match item.meta.is_symlink() {
            true => Vec::new(),
            false => item.attributes(),
        };
        if let Some(truth) = self.truth(item).filter(|_| self.is_unchanged(item)) {
            let hidden = truth.xattrs.iter();
            attributes.extend(hidden.map(|it| (it.name.clone(), it.value.clone())));
            attributes.sort();
            attributes.dedup_by(|one, other| one.0 == other.0);
        }
        attributes
    }

    /// Whether the guest's `item` is another thing than the image's `old` of that name, of which size and time are the
    /// same: by what an entry of an archive says of it, and by what is in it.
    pub(in crate::ops) fn is_other(&self, item: &Item, old: &Item) -> fsx::Result<bool> {
        let said = |item: &Item| {
            let member = self.member(item, b"");
            let owner = (member.uid, member.gid);
            (member.kind, member.mode, owner, self.attributes(item))
        };
        // All of the image's tree is root's but for what its sidecar says, whoever's it is on this disk.
        let mut before = said(old);
        before.2 = self
            .truths
            .get(old.name())
            .map_or((0, 0), |truth| (truth.uid, truth.gid));
        if said(item) != before {
            return Ok(true);
        }
        match item.meta.is_file() {
            true => Ok(!have_equal_bytes(item.open()?, old.open()?, &item.host)?),
            false => Ok(false),
        }
    }

    /// An entry but for its content, link and attributes.
    fn member<'b>(&self, item: &Item, path: &'b [u8]) -> Member<'b> {
        let (mut mode, mut owner) = (item.meta.mode() & 0o7777, self.seen_owner(item));
        if let Some(truth) = self.truth(item) {
            if owner == (0, 0) {
                owner = (truth.uid, truth.gid);
            }
            if self.has_mode_of_image(item) {
                mode = truth.mode;
            }
        }
        let kind = match item.meta.file_type() {
            kind if kind.is_dir() => EntryType::Directory,
            kind if kind.is_symlink() => EntryType::Symlink,
            kind if kind.is_fifo() => EntryType::Fifo,
            kind if kind.is_char_device() => EntryType::Char,
            kind if kind.is_block_device() => EntryType::Block,
            _ => EntryType::Regular,
        };
        let rdev = item.meta.rdev();
        let is_device = matches!(kind, EntryType::Char | EntryType::Block);
        Member {
            path,
            kind,
            mode: if kind == EntryType::Symlink {
                0o777
            } else {
                mode
            },
            uid: owner.0,
            gid: owner.1,
            changed: item.changed(),
            size: match kind {
                EntryType::Regular => item.meta.size(),
                _ => 0,
            },
            link: b"",
            // Linux's numbers have 32 bits each; makedev(3).
            device: match is_device {
                true => (libc::major(rdev), libc::minor(rdev)),
                false => (0, 0),
            },
            attributes: &[],
        }
    }

    /// Whose a file is for the guest: what is ours is root's, and so is the image's tree, also in a store of somebody else.
    fn seen_owner(&self, item: &Item) -> (u32, u32) {
        if self.image_layer == Some(item.layer) {
            return (0, 0);
        }
        let translate = |id, own| if id == own { 0 } else { id };
        let (uid, gid) = (item.meta.uid(), item.meta.gid());
        (translate(uid, self.own.0), translate(gid, self.own.1))
    }

    /// What the image's tree could not say of a name that is still what it was there.
    fn truth(&self, item: &Item) -> Option<&Truth> {
        let truth = self.truths.get(item.name())?;
        let is_it = match truth.kind {
            EntryKind::File => item.meta.is_file(),
            EntryKind::Directory => item.meta.is_dir(),
            EntryKind::Symlink => item.meta.is_symlink(),
            EntryKind::Fifo => item.meta.file_type().is_fifo(),
            EntryKind::CharDevice | EntryKind::BlockDevice | EntryKind::HardLink => false,
        };
        (is_it && !item.is_apart && !item.hides).then_some(truth)
    }

    fn has_mode_of_image(&self, item: &Item) -> bool {
        let image = fsx::symlink_metadata(self.lower.join(&item.path));
        self.image_layer == Some(item.layer)
            || image.is_ok_and(|image| image.mode() == item.meta.mode())
    }

    /// Whether a file has the content of the image's, as far as its size and time tell: what grants rights to a program
    /// (`security.capability`) does not stay with another.
    fn is_unchanged(&self, item: &Item) -> bool {
        let same = |image: std::fs::Metadata| {
            let size = image.is_dir() || image.size() == item.meta.size();
            size && (image.is_dir()
                || (image.mtime(), image.mtime_nsec())
                    == (item.meta.mtime(), item.meta.mtime_nsec()))
        };
        self.image_layer == Some(item.layer)
            || fsx::symlink_metadata(self.lower.join(&item.path)).is_ok_and(same)
    }

    /// Where the image has devices.
    pub(in crate::ops) fn device_paths(&self) -> impl Iterator<Item = &Vec<u8>> {
        let devices = self.truths.values().filter(|truth| truth.is_device());
        devices.map(|truth| &truth.path)
    }

    /// The image's devices, which are on no disk: those whose directory is still there and whose names are free.
    pub(in crate::ops) fn devices(&self) -> Vec<&Truth> {
        let is_old_dir = |item: &Item| item.meta.is_dir() && !item.is_apart && !item.hides;
        let names: BTreeMap<&[u8], bool> = self
            .listing
            .items
            .iter()
            .map(|item| (item.name(), is_old_dir(item)))
            .collect();
        let is_kept = |truth: &&Truth| {
            let slash = truth.path.iter().rposition(|byte| *byte == b'/');
            let parent = slash.map(|slash| &truth.path[..slash]);
            truth.is_device()
                && !names.contains_key(&truth.path[..])
                && parent.is_none_or(|parent| names.get(parent) == Some(&true))
        };
        let mut devices: Vec<&Truth> = self.truths.values().filter(is_kept).collect();
        devices.sort_by(|one, other| one.path.cmp(&other.path));
        devices
    }
}

fn add_device(
    tarball: &mut Tarball<&mut dyn Write>,
    prefix: &[u8],
    truth: &Truth,
) -> Result<(), BoxFault> {
    let path = [prefix, &truth.path].concat();
    let attributes: Vec<_> = truth
        .xattrs
        .iter()
        .map(|it| (it.name.clone(), it.value.clone()))
        .collect();
    let member = Member {
        kind: match truth.kind {
            EntryKind::BlockDevice => EntryType::Block,
            _ => EntryType::Char,
        },
        mode: truth.mode,
        uid: truth.uid,
        gid: truth.gid,
        device: truth.device,
        attributes: &attributes,
        ..Member::file(&path, 0)
    };
    tarball
        .add(&member, &mut io::empty())
        .map_err(Unwritten::of)
}

/// Whether two files have the same content.
fn have_equal_bytes(one: File, other: File, path: &HostPath) -> fsx::Result<bool> {
    let compare = || -> io::Result<bool> {
        let mut one = BufReader::with_capacity(CHUNK, one);
        let mut other = BufReader::with_capacity(CHUNK, other);
        loop {
            let (left, right) = (one.fill_buf()?, other.fill_buf()?);
            let count = left.len().min(right.len());
            if count == 0 {
                return Ok(left.len() == right.len());
            }
            if left[..count] != right[..count] {
                return Ok(false);
            }
            one.consume(count);
            other.consume(count);
        }
    };
    compare().context("read", path)
}

/// Lists `trees`, and tells whose files count as root's. What a guest made as one of the caller's sub-ids only root of a
/// namespace with these may read, so this process enters one where there is such a file.
pub(in crate::ops) fn list(trees: &[HostPath]) -> Result<(Listing, (u32, u32)), BoxFault> {
    let own = (geteuid().as_raw(), getegid().as_raw());
    // What lies below the uppermost is an image's tree, perhaps in a store of somebody else.
    let is_foreign = |listing: &Listing| {
        let others = |item: &Item| item.layer == 0 && item.meta.uid() != own.0;
        listing.items.iter().any(others)
    };
    match merged::list(trees, Whiteouts::Applied) {
        Ok(listing) if own.0 == 0 || !is_foreign(&listing) => return Ok((listing, own)),
        Err(error) if !PathError::is_denied(&error) => return Err(error.into()),
        _ => {}
    }
    subids::become_root()?;
    Ok((merged::list(trees, Whiteouts::Applied)?, (0, 0)))
}
