//! Mounts that `nix` cannot make: attributes of a whole subtree.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sys::statvfs::{FsFlags, statvfs};

/// `MOUNT_ATTR_RDONLY` of linux/mount.h.
const MOUNT_ATTR_RDONLY: u64 = 1;
/// `MOUNT_ATTR_NODEV` of linux/mount.h.
const MOUNT_ATTR_NODEV: u64 = 4;

/// `struct mount_attr` of linux/mount.h, version 0 (32 bytes).
#[repr(C)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

/// Makes the mount at `target` and every mount below it read-only.
///
/// Linux 5.12 does this in one call. Before, each mount is remounted with the
/// flags that it has, because those of another user namespace are locked and
/// leaving one out is EPERM. mount_setattr(2), mount_namespaces(7).
pub fn make_read_only(target: &Path) -> io::Result<()> {
    match set(target, MOUNT_ATTR_RDONLY, libc::AT_RECURSIVE) {
        Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => {}
        done => return done,
    }
    remount_read_only(target)?;
    for below in mounts_below(target)? {
        // A mount that another one covers cannot be reached by name, by the guest neither.
        if let Err(error) = remount_read_only(&below)
            && error.raw_os_error() != Some(libc::EINVAL)
        {
            return Err(error);
        }
    }
    Ok(())
}

/// Makes the devices on the one mount at `target` impossible to open, for root too. mount(2), MS_NODEV.
///
/// It takes a right away, so flags that are locked do not stand against it; before Linux 5.12
/// they have to be repeated, as in [`make_read_only`].
pub fn forbid_devices(target: &Path) -> io::Result<()> {
    match set(target, MOUNT_ATTR_NODEV, 0) {
        Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => {
            remount(target, MsFlags::MS_NODEV)
        }
        done => done,
    }
}

/// Adds the attribute `attribute` to the mount at `target`, with `AT_RECURSIVE` to all below it as well.
fn set(target: &Path, attribute: u64, how_far: libc::c_int) -> io::Result<()> {
    let path = CString::new(target.as_os_str().as_bytes())?;
    let attr = MountAttr {
        attr_set: attribute,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: `path` is NUL-terminated and `attr` has the size that is passed; both
    // live until the call returns and the kernel only reads them.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            how_far,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Makes the one mount at `target` read-only and leaves those below it. mount(2), MS_BIND.
pub fn remount_read_only(target: &Path) -> io::Result<()> {
    remount(target, MsFlags::MS_RDONLY)
}

/// Adds `added` to the flags that the mount at `target` has. Those that only take rights away are kept.
fn remount(target: &Path, added: MsFlags) -> io::Result<()> {
    let kept = statvfs(target)?.flags();
    let mut flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | added;
    // `relatime`, for which nix has no name on musl, is the kernel's default here. fs/namespace.c, path_mount().
    for (has, keep) in [
        (FsFlags::ST_RDONLY, MsFlags::MS_RDONLY),
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
    ] {
        if kept.contains(has) {
            flags |= keep;
        }
    }
    Ok(mount(
        None::<&str>,
        target,
        None::<&str>,
        flags,
        None::<&str>,
    )?)
}

/// The mount points below `top`, parents first; proc_pid_mountinfo(5).
fn mounts_below(top: &Path) -> io::Result<Vec<PathBuf>> {
    let table = std::fs::read("/proc/self/mountinfo")?;
    let points = table
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|b| *b == b' ').nth(4));
    let points = points.map(|point| PathBuf::from(std::ffi::OsStr::from_bytes(&unescape(point))));
    Ok(points
        .filter(|point| point != top && point.starts_with(top))
        .collect())
}

/// Undoes the octal escapes of mountinfo, such as `\040` for a blank.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let octal = |digits: &[u8]| {
            digits
                .iter()
                .fold(0u8, |value, digit| value.wrapping_mul(8) | (digit & 7))
        };
        if byte == b'\\' && after.len() >= 3 {
            plain.push(octal(&after[..3]));
            rest = &after[3..];
        } else {
            plain.push(byte);
            rest = after;
        }
    }
    plain
}
