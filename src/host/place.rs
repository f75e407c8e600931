//! What a directory's file system is and allows: kind, room, whether programs run from it.

use std::ffi::CString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::sys::statfs::statfs;
use nix::sys::statvfs::{FsFlags, statvfs};

use super::{Fact, nearest_existing};
use crate::base::fsx;
use crate::base::path::HostPath;

/// File systems by the number that statfs(2) gives. Sources: linux/magic.h; Lustre's
/// `lustre_idl.h`, BeeGFS's `FhgfsOps.h` and the manuals of GPFS and PanFS for the others.
const KINDS: [(u32, &str); 22] = [
    (0xEF53, "ext4"),
    (0x5846_5342, "xfs"),
    (0x9123_683E, "btrfs"),
    (0x0102_1994, "tmpfs"),
    (0x8584_58F6, "ramfs"),
    (0x794C_7630, "overlay"),
    (0x6969, "nfs"),
    (0x0BD0_0BD0, "lustre"),
    (0x4750_4653, "gpfs"),
    (0x1983_0326, "beegfs"),
    (0xAAD7_AAEA, "panfs"),
    (0x00C3_6400, "ceph"),
    (0x5346_414F, "afs"),
    (0x6573_5546, "fuse"),
    (0xFF53_4D42, "cifs"),
    (0xFE53_4D42, "smb"),
    (0x2FC1_2FC1, "zfs"),
    (0xF2F5_2010, "f2fs"),
    (0x0102_1997, "9p"),
    (0x7371_7368, "squashfs"),
    (0xE0F5_E1E2, "erofs"),
    (0xF15F, "ecryptfs"),
];

/// Less free room than this makes a pull fail sooner or later; most images are larger.
const LITTLE: u64 = 1 << 30;
/// Fewer free inodes than one Debian image has files.
const FEW: u64 = 20_000;

/// The kind of file system that `dir` is or will be on, such as `nfs`.
pub(super) fn kind(dir: &HostPath) -> Result<String, String> {
    let dir = nearest_existing(dir);
    let facts =
        statfs(dir.as_os_str()).map_err(|errno| format!("statfs `{dir}`: {}", errno.desc()))?;
    // The C libraries differ in this field's width; the numbers have 32 bits.
    let magic = facts.filesystem_type().0 as u32;
    let known = KINDS.iter().find(|(number, _)| *number == magic);
    Ok(known.map_or_else(
        || format!("file system {magic:#x}"),
        |(_, name)| (*name).to_owned(),
    ))
}

/// What a file system has left for this user; a quota may leave less. `None` where it does
/// not count: ramfs, and a tmpfs without a limit, say 0 of 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Free {
    /// Bytes.
    pub bytes: Option<u64>,
    /// Inodes. Btrfs and some network file systems count none.
    pub inodes: Option<u64>,
}

/// What the file system that `dir` is or will be on has left. statvfs(3).
pub fn free(dir: &HostPath) -> nix::Result<Free> {
    let facts = statvfs(nearest_existing(dir).as_os_str())?;
    let bytes = (facts.blocks_available() as u64).saturating_mul(facts.fragment_size() as u64);
    Ok(Free {
        bytes: (facts.blocks() > 0).then_some(bytes),
        inodes: (facts.files() > 0).then_some(facts.files_available() as u64),
    })
}

/// Kind, free bytes and free inodes; holds where an image is likely to fit.
pub(super) fn room(dir: &HostPath) -> Fact {
    let kind = match kind(dir) {
        Ok(kind) => kind,
        Err(evidence) => return Fact::no(evidence),
    };
    let free = match free(dir) {
        Ok(free) => free,
        Err(errno) => return Fact::no(format!("statvfs `{dir}`: {}", errno.desc())),
    };
    let shown = |count: Option<u64>| count.map_or("uncounted".to_owned(), |it| it.to_string());
    let evidence = format!(
        "`{dir}` on {kind}: {} MiB and {} inodes free",
        shown(free.bytes.map(|bytes| bytes >> 20)),
        shown(free.inodes)
    );
    let has = |count: Option<u64>, least| count.is_none_or(|count| count >= least);
    if has(free.bytes, LITTLE) && has(free.inodes, FEW) {
        return Fact::yes(evidence);
    }
    Fact::no(evidence).with_remedy("free some, or set CORACLE_HOME to a directory with more room")
}

/// Executes a file that is no program: ENOEXEC says that the kernel would have run a real
/// one, EACCES that the mount (`noexec`) or a policy forbids it. Nothing is ever started. `variable` is the
/// one that names another directory.
pub(super) fn try_exec(dir: &HostPath, variable: &str) -> Fact {
    let near = nearest_existing(dir);
    let file = match fsx::private_sibling(near.join("exec")) {
        Ok(file) => HostPath::new(file),
        Err(error) => return Fact::no(error.to_string()),
    };
    let written = fsx::create_new(&file, 0o700).and_then(|mut handle| {
        use fsx::Context;
        handle.write_all(b"not a program\n").context("write", &file)
    });
    let tried = match written {
        Ok(()) => exec(&file),
        Err(error) => Err(format!("{error}: {}", error.source)),
    };
    let removed = fsx::remove_file(&file);
    let marked =
        statvfs(near.as_os_str()).is_ok_and(|facts| facts.flags().contains(FsFlags::ST_NOEXEC));
    match (tried, removed) {
        (Ok(()), Ok(())) => Fact::yes(format!("`{near}` lets files be executed")),
        (Err(evidence), _) if marked => Fact::no(format!("{evidence}; `{near}` is mounted noexec"))
            .with_remedy(format!(
                "set {variable} to a directory from which programs may run"
            )),
        (Err(evidence), _) => Fact::no(evidence),
        (_, Err(error)) => Fact::no(error.to_string()),
    }
}

fn exec(file: &HostPath) -> Result<(), String> {
    let Ok(path) = CString::new(file.as_os_str().as_bytes()) else {
        return Err(format!("`{file}` has a NUL byte"));
    };
    let none: [CString; 0] = [];
    match nix::unistd::execve(&path, std::slice::from_ref(&path), &none) {
        Err(nix::Error::ENOEXEC) => Ok(()),
        Err(errno) => Err(format!("executing `{file}`: {}", errno.desc())),
        Ok(never) => match never {},
    }
}

/// Opens `/dev/fuse` as a FUSE server does; fuse(4).
pub(super) fn fuse() -> Fact {
    let opened = open("/dev/fuse", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty());
    match opened {
        Ok(_) => Fact::yes("opened it"),
        Err(errno) => Fact::no(format!("opening it: {}", errno.desc())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_count_its_room_is_not_full() {
        let free = free(&HostPath::new("/proc")).expect("procfs answers statvfs");
        assert_eq!(free.bytes, None);
    }
}
