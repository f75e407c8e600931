//! The writable view: an overlay over the shared tree, or a copy where none can be made.
//!
//! What a file system can do is found out by doing it. An overlay in a user
//! namespace keeps its marks in `user.` attributes (`userxattr`, Linux 5.11), which
//! tmpfs has from 6.6 and NFS has not; without them the overlay mounts, and the
//! first `rm -r` of an image's directory fails with EIO. So attributes are tried
//! first, then the overlay, and what is left is a copy.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, SystemTime};

use nix::fcntl::{Flock, FlockArg, OFlag, open};
use nix::mount::{MntFlags, MsFlags, mount as sys_mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, fstat};

use crate::base::creator::Judge;
use crate::base::fsx;
use crate::base::path::HostPath;
use crate::base::progress::Progress;
use crate::engine::ns::skeleton;
use crate::engine::start::{GuestError, Step};
use crate::engine::{Stop, view};
use crate::plan::{Root, View};
use crate::sys::xattr;

/// How long the work of a run on another host is left alone; jobs may be long.
const WORK_GRACE: Duration = Duration::from_secs(60 * 24 * 3600);

/// What became of the view.
pub(super) enum Mounted {
    /// It is complete, a mount point here.
    At(HostPath),
    /// Nothing is mounted: the writes of this run need this directory on disk.
    NeedsDisk(HostPath),
}

/// Mounts the view of `root` in this mount namespace.
pub(super) fn mount(root: &Root, progress: &dyn Progress) -> Result<Mounted, Stop> {
    let lower = &root.lower;
    match &root.view {
        View::Discarded { scratch } => match overlay_in_memory(lower, Deletions::Wanted)? {
            Some(at) => Ok(Mounted::At(at)),
            None => Ok(Mounted::NeedsDisk(scratch.clone())),
        },
        View::ReadOnly => match overlay_in_memory(lower, Deletions::Never)? {
            Some(at) => Ok(Mounted::At(at)),
            None => Err(GuestError::Step {
                doing: "mount a read-only overlay over",
                object: lower.to_string(),
                source: io::Error::from_raw_os_error(libc::EPERM),
            })?,
        },
        View::Kept { dir } => Ok(Mounted::At(overlay_or_copy(lower, dir, progress)?)),
    }
}

/// As [`mount`], for a child process whose writes go to `scratch`; in a mount namespace of its own.
pub(super) fn mount_on_disk(
    lower: &HostPath,
    scratch: &HostPath,
    progress: &dyn Progress,
) -> Result<HostPath, Stop> {
    unshare(CloneFlags::CLONE_NEWNS)
        .map_err(io::Error::from)
        .step("make a mount namespace for", scratch)?;
    fsx::create_dir_all(scratch)?;
    overlay_or_copy(lower, scratch, progress)
}

/// Whether the guest may remove what the image has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deletions {
    Wanted,
    Never,
}

/// An overlay with its upper directory in memory; `None` where this host cannot do it.
///
/// The tmpfs is mounted over the shared tree itself, the one directory that is ours
/// and that nobody binds. Unbindable, so that a recursive bind of the home directory
/// does not carry it into the guest. It costs no unmount: it goes with the old root.
/// Options considered: a directory in /tmp (left behind after SIGKILL), the new mount
/// API's detached mounts (an overlay takes its upper from one only since Linux 6.15).
fn overlay_in_memory(
    lower: &HostPath,
    deletions: Deletions,
) -> Result<Option<HostPath>, GuestError> {
    let image = open_dir(lower)?;
    let options = Some("mode=0755");
    sys_mount(
        Some("coracle"),
        &**lower,
        Some("tmpfs"),
        MsFlags::empty(),
        options,
    )
    .map_err(io::Error::from)
    .step("mount a tmpfs on", lower)?;
    let at = lower.join("root");
    fsx::create_dir(&at, 0o755)?;
    if deletions == Deletions::Never || xattr::user_attributes_work(lower) {
        let work = lower.join("work");
        make_halves(&image, lower, &work)?;
        match overlay(&image, lower, &work, &at) {
            Ok(()) => {
                hide_from_binds(lower)?;
                return Ok(Some(at));
            }
            Err(error) if is_unsuitable(&error) => {}
            Err(error) => return Err(error).step("mount an overlay on", &at),
        }
    }
    umount2(&**lower, MntFlags::MNT_DETACH)
        .map_err(io::Error::from)
        .step("unmount", lower)?;
    Ok(None)
}

/// An overlay with its upper directory in `dir`, or a copy of the tree in it, made once.
fn overlay_or_copy(
    lower: &HostPath,
    dir: &HostPath,
    progress: &dyn Progress,
) -> Result<HostPath, Stop> {
    if !view::has_copy(dir) && xattr::user_attributes_work(dir) {
        let image = open_dir(lower)?;
        take_turns(dir);
        let work = own_work(dir)?;
        make_halves(&image, dir, &work)?;
        match overlay(&image, dir, &work, lower) {
            Ok(()) => {
                hide_from_binds(lower)?;
                return Ok(lower.clone());
            }
            Err(error) if is_unsuitable(&error) => {}
            Err(error) => {
                return Err(error)
                    .step("mount an overlay on", lower)
                    .map_err(Stop::from);
            }
        }
    }
    let copy = view::prepare_copy(lower, dir, "no overlay can be laid over it here", progress)?;
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    let bound = sys_mount(Some(&*copy), &*copy, None::<&str>, flags, None::<&str>);
    bound
        .map_err(io::Error::from)
        .step("mount on itself", &copy)?;
    Ok(copy)
}

/// Keeps a mount of ours out of recursive binds. Only now: an overlay takes no
/// unbindable upper directory. mount(2), MS_UNBINDABLE.
fn hide_from_binds(at: &HostPath) -> Result<(), GuestError> {
    let none = None::<&str>;
    let hidden = sys_mount(none, &**at, none, MsFlags::MS_UNBINDABLE, none);
    hidden.map_err(io::Error::from).step("make unbindable", at)
}

/// Lets runs of one container make their mount points one after the other: overlays with a
/// common upper half do not see each other's changes in time (ESTALE). The lock ends with
/// the exec of the guest. Where there are no locks, they meet. flock(2).
fn take_turns(dir: &HostPath) {
    let lock = fsx::open(dir).ok();
    let lock = lock.and_then(|open| Flock::lock(open, FlockArg::LockExclusive).ok());
    std::mem::forget(lock);
}

/// Where the kernel may do its own work for an overlay in `dir`, which several runs may
/// have at once: each has its own, because a mount empties it first, also under the feet
/// of another. Its name is that of this process, which becomes the guest, so that those
/// of ended runs can be told and are removed here.
fn own_work(dir: &HostPath) -> fsx::Result<HostPath> {
    let judge = Judge::new(SystemTime::now());
    for entry in fsx::read_dir(dir)? {
        let name = entry.file_name().to_string_lossy().into_owned();
        let changed = entry.metadata().and_then(|meta| meta.modified());
        let is_left = |changed| judge.is_leftover(&name, changed, WORK_GRACE);
        if name.starts_with(".work.") && changed.is_ok_and(is_left) {
            fsx::remove_tree(entry.path())?;
        }
    }
    Ok(HostPath::new(fsx::private_sibling(dir.join("work"))?))
}

/// Makes the writable halves of an overlay, `upper` in `dir` and `work`, unless they are there.
///
/// The root directory of the view has the mode of its upper half, which therefore
/// begins with the image's; afterwards it is the guest's own to change.
fn make_halves(image: &OwnedFd, dir: &HostPath, work: &HostPath) -> Result<(), GuestError> {
    let upper = dir.join("upper");
    if make_dir(&upper)? {
        let stat = fstat(image)
            .map_err(io::Error::from)
            .step("stat the image for", dir)?;
        fsx::set_mode(&upper, stat.st_mode & 0o7777)?;
        skeleton::repeat(image, &upper)?;
    }
    make_dir(work).map(drop)
}

/// Makes one directory; false where it exists.
fn make_dir(path: &HostPath) -> Result<bool, GuestError> {
    match fsx::create_dir(path, 0o755) {
        Ok(()) => Ok(true),
        Err(error) if error.is_already_there() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Mounts an overlay of `image`, `upper` in `dir` and `work` at `at`. Documentation/filesystems/overlayfs.rst.
///
/// Directories are named through /proc/self/fd, as a path may hold the `:` and `,`
/// that separate the options.
fn overlay(image: &OwnedFd, dir: &HostPath, work: &HostPath, at: &HostPath) -> io::Result<()> {
    let (upper, work) = (open_dir_io(&dir.join("upper"))?, open_dir_io(work)?);
    let name = |fd: &OwnedFd| format!("/proc/self/fd/{}", fd.as_raw_fd());
    let options = format!(
        "lowerdir={},upperdir={},workdir={},userxattr",
        name(image),
        name(&upper),
        name(&work)
    );
    // The source of an overlay is free text: the store looks there for what is in use.
    let source = format!("{dir}:{at}");
    let (source, options) = (Some(source.as_str()), Some(options.as_str()));
    let mounted = sys_mount(source, &**at, Some("overlay"), MsFlags::empty(), options);
    Ok(mounted?)
}

/// What the kernel answers when it cannot overlay these file systems, or not here.
fn is_unsuitable(error: &io::Error) -> bool {
    let unsuitable = [
        libc::EINVAL,
        libc::EPERM,
        libc::ENODEV,
        libc::EOPNOTSUPP,
        libc::ENOTSUP,
        libc::EROFS,
    ];
    error
        .raw_os_error()
        .is_some_and(|errno| unsuitable.contains(&errno))
}

fn open_dir(path: &HostPath) -> Result<OwnedFd, GuestError> {
    open_dir_io(path).step("open", path)
}

fn open_dir_io(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    Ok(open(path, flags, Mode::empty())?)
}
