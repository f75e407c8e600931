//! A private copy of the shared tree, for whoever cannot lay an overlay over it.

use std::collections::HashMap;
use std::fs::{self, FileTimes, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::base::crew::together;
use crate::base::fsx::{self, Context};
use crate::base::path::HostPath;
use crate::base::progress::Progress;
use crate::engine::carry::carry_over;

/// Threads that copy files; more gain nothing on one disk, and a network file
/// system hides its latency behind about this many requests.
const THREADS: usize = 8;

/// Whether `dir` has the complete copy that [`prepare_copy`] makes.
pub(super) fn has_copy(dir: &HostPath) -> bool {
    dir.join("rootfs").exists()
}

/// Makes `dir/rootfs`, a copy of the tree `lower`, unless it is there, and returns its path.
/// What an overlay of this container has in `dir/upper` goes into it.
///
/// It appears whole or not at all. Where the file system shares blocks between files
/// (Btrfs, XFS) no data is copied: copy_file_range(2) does that by itself. Hard links
/// stay links, times and modes stay; that a copy is made, and `why`, is said through `progress`.
pub(super) fn prepare_copy(
    lower: &HostPath,
    dir: &HostPath,
    why: &str,
    progress: &dyn Progress,
) -> fsx::Result<HostPath> {
    let rootfs = dir.join("rootfs");
    if has_copy(dir) {
        return Ok(rootfs);
    }
    progress.warn(&format!(
        "this run needs a copy of the image, as {why}; a container that is kept makes it only once"
    ));
    let private = fsx::private_sibling(&rootfs)?;
    let upper = dir.join("upper");
    let copied = copy_tree(lower, &private)
        .and_then(|()| match upper.is_dir() {
            true => carry_over(&upper, &private),
            false => Ok(()),
        })
        .and_then(|()| fsx::rename(&private, &rootfs));
    let Err(error) = copied else {
        return Ok(rootfs);
    };
    let _the_first_error_counts = fsx::remove_tree(&private);
    // Another run of the same container was faster.
    if error.is_already_there() && has_copy(dir) {
        return Ok(rootfs);
    }
    Err(error)
}

/// What a walk over the tree has found, by what is done with it.
#[derive(Default)]
struct Work {
    /// Directories, parents first, with what they get once their content is there.
    dirs: Vec<(PathBuf, Metadata)>,
    /// Files whose content is copied.
    files: Vec<(PathBuf, Metadata)>,
    /// Names that are further links to a file of `files`.
    links: Vec<(PathBuf, PathBuf)>,
    /// Symbolic links and FIFOs.
    special: Vec<(PathBuf, Metadata)>,
}

fn copy_tree(from: &Path, to: &Path) -> fsx::Result<()> {
    let work = find_work(from)?;
    for (dir, _) in &work.dirs {
        fsx::create_dir(to.join(dir), 0o700)?;
    }
    copy_files(from, to, &work.files)?;
    for (first, name) in &work.links {
        fsx::hard_link(to.join(first), to.join(name))?;
    }
    for (name, meta) in &work.special {
        copy_special(&from.join(name), &to.join(name), meta)?;
    }
    for (dir, meta) in work.dirs.iter().rev() {
        finish(&to.join(dir), meta)?;
    }
    Ok(())
}

fn find_work(from: &Path) -> fsx::Result<Work> {
    let mut work = Work::default();
    let mut linked: HashMap<u64, PathBuf> = HashMap::new();
    let mut todo = vec![PathBuf::new()];
    while let Some(dir) = todo.pop() {
        let here = from.join(&dir);
        for entry in fsx::read_dir(&here)? {
            let name = dir.join(entry.file_name());
            let meta = entry.metadata().context("stat", entry.path())?;
            if meta.is_dir() {
                todo.push(name);
            } else if !meta.is_file() {
                work.special.push((name, meta));
            } else if let Some(first) = linked.get(&meta.ino()) {
                work.links.push((first.clone(), name));
            } else {
                if meta.nlink() > 1 {
                    linked.insert(meta.ino(), name.clone());
                }
                work.files.push((name, meta));
            }
        }
        work.dirs.push((dir, fsx::metadata(&here)?));
    }
    Ok(work)
}

/// Copies the content of `files`, several at a time; the first error stops all.
fn copy_files(from: &Path, to: &Path, files: &[(PathBuf, Metadata)]) -> fsx::Result<()> {
    let next = AtomicUsize::new(0);
    let copy_some = || {
        while let Some((name, meta)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = copy_file(&from.join(name), &to.join(name), meta) {
                next.store(files.len(), Ordering::Relaxed);
                return Err(error);
            }
        }
        Ok(())
    };
    together(THREADS - 1, "copy-files", copy_some)
}

pub(super) fn copy_file(from: &Path, to: &Path, meta: &Metadata) -> fsx::Result<()> {
    let mut source = fsx::open(from)?;
    let mut target = fsx::create_new(to, 0o600)?;
    io::copy(&mut source, &mut target).context("copy to", to)?;
    finish(to, meta)
}

pub(super) fn copy_special(from: &Path, to: &Path, meta: &Metadata) -> fsx::Result<()> {
    if meta.is_symlink() {
        return fsx::symlink(fsx::read_link(from)?, to);
    }
    let mode = nix::sys::stat::Mode::from_bits_truncate(meta.mode());
    nix::unistd::mkfifo(to, mode).context("make the FIFO", to)
}

/// Gives a copy the times and the mode of its original.
pub(super) fn finish(copy: &Path, meta: &Metadata) -> fsx::Result<()> {
    let opened = fsx::open(copy)?;
    let times = meta
        .modified()
        .map(|time| FileTimes::new().set_modified(time).set_accessed(time));
    times
        .and_then(|times| opened.set_times(times))
        .context("set the times of", copy)?;
    let permissions = fs::Permissions::from_mode(meta.mode() & 0o7777);
    opened
        .set_permissions(permissions)
        .context("change mode of", copy)
}
