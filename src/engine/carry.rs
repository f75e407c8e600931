//! What a guest wrote into an overlay, carried over into a copy of the image.
//!
//! A container that ran with an overlay keeps its writes in `upper`. When it next runs
//! where no overlay can be made, its copy must hold them, or work would be lost without
//! a word. Documentation/filesystems/overlayfs.rst: "whiteouts and opaque directories".

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::view::{copy_file, copy_special, finish};
use crate::base::fsx;
use crate::sys::xattr;

/// Applies the overlay's `upper` to `copy`, a copy of its lower tree that nobody uses yet.
/// Sockets stay behind: without the process that made them they are nothing.
pub(super) fn carry_over(upper: &Path, copy: &Path) -> fsx::Result<()> {
    let mut dirs: Vec<(PathBuf, Metadata)> = Vec::new();
    let mut linked: HashMap<u64, PathBuf> = HashMap::new();
    let mut todo = vec![PathBuf::new()];
    while let Some(dir) = todo.pop() {
        for entry in fsx::read_dir(upper.join(&dir))? {
            let name = dir.join(entry.file_name());
            let (from, to) = (upper.join(&name), copy.join(&name));
            let meta = fsx::symlink_metadata(&from)?;
            open_up(&from, &meta)?;
            let joins = meta.is_dir() && is_dir(&to) && !is_opaque(&from);
            if !joins {
                remove(&to)?;
            }
            if is_whiteout(&meta) || meta.file_type().is_socket() {
                continue;
            }
            if meta.is_dir() {
                if !joins {
                    fsx::create_dir(&to, 0o700)?;
                }
                todo.push(name.clone());
                dirs.push((name, meta));
            } else if !meta.is_file() {
                copy_special(&from, &to, &meta)?;
            } else if let Some(first) = linked.get(&meta.ino()) {
                fsx::hard_link(first, &to)?;
            } else {
                copy_file(&from, &to, &meta)?;
                linked.insert(meta.ino(), to);
            }
        }
    }
    // Only now: what is put into a directory changes its times, and its mode may forbid it.
    for (name, meta) in dirs.iter().rev() {
        finish(&copy.join(name), meta)?;
    }
    Ok(())
}

/// Lets us read what is ours: root in the guest could, whatever the mode said, and RPM's
/// `/etc/shadow` has none. `upper` is not used again; the copy gets the mode of `meta`.
fn open_up(path: &Path, meta: &Metadata) -> fsx::Result<()> {
    let needed = if meta.is_dir() { 0o700 } else { 0o400 };
    let can_be_closed = meta.is_dir() || meta.is_file();
    if can_be_closed && meta.mode() & needed != needed {
        fsx::set_mode(path, meta.mode() & 0o7777 | needed)?;
    }
    Ok(())
}

/// A removed file is a character device 0:0.
fn is_whiteout(meta: &Metadata) -> bool {
    meta.file_type().is_char_device() && meta.rdev() == 0
}

/// A directory that hides the one below it, by the attribute that `userxattr` overlays use.
fn is_opaque(dir: &Path) -> bool {
    xattr::get(dir, c"user.overlay.opaque").is_ok_and(|value| value == b"y")
}

fn is_dir(path: &Path) -> bool {
    fsx::symlink_metadata(path).is_ok_and(|meta| meta.is_dir())
}

fn remove(path: &Path) -> fsx::Result<()> {
    if is_dir(path) {
        return fsx::remove_tree(path);
    }
    fsx::remove_file(path)
}
