//! What makes written bytes outlive a power cut, by the kind of file system.

use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::statfs::statfs;

use crate::base::fsx::{self, Context};
use crate::sys::flush;

/// File systems whose close(2), not syncfs(2), is what makes files safe; statfs(2) and
/// linux/magic.h: NFS, CIFS, SMB2, Lustre, GPFS, BeeGFS, CephFS, AFS, 9p, FUSE.
const REMOTE: [u64; 10] = [
    0x6969,
    0xff53_4d42,
    0xfe53_4d42,
    0x0bd0_0bd0,
    0x4750_4653,
    0x1983_0326,
    0x00c3_6400,
    0x5346_414f,
    0x0102_1997,
    0x6573_5546,
];

/// Bytes of a file from which on its writing is begun before somebody waits for it. Below, the call costs more than it
/// saves.
const LARGE: u64 = 256 << 10;
/// Bytes of a growing file after which what it has is on its way.
const STRIDE: u64 = 8 << 20;

/// Whether another host keeps the files of the file system that `path` is on. statfs(2).
pub fn is_remote(path: &Path) -> fsx::Result<bool> {
    let facts = statfs(path).context("stat the file system of", path)?;
    // Magic numbers have 32 bits; some of them arrive with their sign extended.
    let magic = (facts.filesystem_type().0 as u64) & 0xffff_ffff;
    Ok(REMOTE.contains(&magic))
}

/// Writes out the whole file system that `path` is on, if it is a local one; whether that was done. syncfs(2).
pub fn sync_file_system(path: &Path) -> fsx::Result<bool> {
    if is_remote(path)? {
        return Ok(false);
    }
    match nix::unistd::syncfs(fsx::open(path)?) {
        Err(Errno::ENOSYS | Errno::EPERM) => Ok(false),
        result => result
            .context("flush the file system of", path)
            .map(|()| true),
    }
}

/// Has a file that grows written out while it grows, so that whoever waits for all of it in the end waits for little: the
/// disk works while the processor does.
#[derive(Debug, Default)]
pub struct Ahead {
    written: u64,
    begun: u64,
}

impl Ahead {
    /// As many bytes were there already.
    pub fn from(written: u64) -> Ahead {
        Ahead {
            written,
            begun: written,
        }
    }

    /// Hears that `count` bytes were appended to `file`.
    pub fn advance(&mut self, file: &impl AsFd, count: usize) {
        self.written += count as u64;
        if self.written - self.begun >= STRIDE {
            flush::start_writing(file.as_fd(), self.begun, self.written - self.begun);
            self.begun = self.written;
        }
    }

    /// Hears that the file is complete.
    pub fn end(&self, file: &impl AsFd) {
        if self.written >= LARGE {
            flush::start_writing(file.as_fd(), self.begun, 0);
        }
    }
}
