//! Extended attributes of files. xattr(7).

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The most bytes that the kernel takes for one value; linux/limits.h, `XATTR_SIZE_MAX`.
pub const MAX_VALUE: usize = 65536;

/// Sets an attribute of the open file `fd`. fsetxattr(2).
pub fn set(fd: BorrowedFd<'_>, name: &CStr, value: &[u8]) -> io::Result<()> {
    // SAFETY: `name` is NUL-terminated, `value` is readable for its length, and both
    // outlive the call; `fd` is open as long as it is borrowed.
    let result = unsafe {
        libc::fsetxattr(
            fd.as_raw_fd(),
            name.as_ptr(),
            value.as_ptr().cast(),
            value.len(),
            0,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The value of an attribute of `path`, links not followed. lgetxattr(2).
pub fn get(path: &Path, name: &CStr) -> io::Result<Vec<u8>> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut value = vec![0u8; MAX_VALUE];
    // SAFETY: both strings are NUL-terminated, and the kernel writes at most
    // `value.len()` bytes into `value`.
    let size = unsafe {
        libc::lgetxattr(
            path.as_ptr(),
            name.as_ptr(),
            value.as_mut_ptr().cast(),
            value.len(),
        )
    };
    value.truncate(usize::try_from(size).map_err(|_| io::Error::last_os_error())?);
    Ok(value)
}

/// The names of the attributes of `path`, links not followed. llistxattr(2).
pub fn names(path: &Path) -> io::Result<Vec<CString>> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut list = vec![0u8; MAX_VALUE];
    // SAFETY: `path` is NUL-terminated, and the kernel writes at most `list.len()`
    // bytes into `list`.
    let size = unsafe { libc::llistxattr(path.as_ptr(), list.as_mut_ptr().cast(), list.len()) };
    list.truncate(usize::try_from(size).map_err(|_| io::Error::last_os_error())?);
    let names = list
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty());
    names
        .map(|name| CString::new(name).map_err(io::Error::from))
        .collect()
}

/// Whether files in the directory `dir` can have `user.` attributes. Tried, not guessed:
/// tmpfs has them from Linux 6.6, NFS from 5.9 where the server agrees, ext4 by default.
pub fn user_attributes_work(dir: &Path) -> bool {
    let Ok(open) = std::fs::File::open(dir) else {
        return false;
    };
    let fd = std::os::fd::AsFd::as_fd(&open);
    set(fd, c"user.coracle", b"probe").is_ok() && remove(fd, c"user.coracle").is_ok()
}

/// Removes an attribute of the open file `fd`. fremovexattr(2).
pub fn remove(fd: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
    // SAFETY: `name` is NUL-terminated and outlives the call; `fd` is open while borrowed.
    let result = unsafe { libc::fremovexattr(fd.as_raw_fd(), name.as_ptr()) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
