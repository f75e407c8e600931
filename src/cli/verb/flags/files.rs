//! What of the host's files the guest sees, and where it may write.

use std::ffi::OsString;

use crate::ops::options::FileOptions;

/// Docker's flags for files.
#[derive(clap::Args)]
pub(super) struct FileFlags {
    /// Show a file or directory of the host in the guest, or a volume, which is made if there is none; `z`, `Z`,
    /// `cached` and `rslave` ask for what is so anyway (repeatable)
    #[arg(short, long, value_name = "SRC|NAME:DST[:ro|rw|nocopy]")]
    volume: Vec<OsString>,
    /// The same in words: `type=bind,source=…,target=…[,readonly]`, `source=NAME,target=…`,
    /// `type=tmpfs,target=…[,tmpfs-size=…][,tmpfs-mode=…]` (repeatable)
    #[arg(long, value_name = "KEY=VALUE,…")]
    mount: Vec<OsString>,
    /// Put an empty directory in memory there: `ro`, `noexec`, `size=64m`, `mode=1777` (repeatable)
    #[arg(long, value_name = "DST[:OPTIONS]")]
    tmpfs: Vec<OsString>,
    /// Show what is mounted in another container of yours (repeatable)
    #[arg(long, value_name = "CONTAINER[:ro|rw]")]
    volumes_from: Vec<String>,
    /// Show your home at its own place
    #[arg(long)]
    bindhome: bool,
    /// Leave out what is shown by default: /proc, /sys, /dev, and the host's files for names and time
    #[arg(long)]
    nosysdirs: bool,
    /// Leave out one of the mounts, by its path (repeatable)
    #[arg(long, value_name = "MOUNT")]
    novol: Vec<OsString>,
    /// Let no write of the guest reach its root file system
    #[arg(long)]
    read_only: bool,
}

impl FileFlags {
    /// What was typed.
    pub(super) fn into_options(self) -> FileOptions {
        FileOptions {
            volume: self.volume,
            mount: self.mount,
            tmpfs: self.tmpfs,
            volumes_from: self.volumes_from,
            novol: self.novol,
            nosysdirs: self.nosysdirs,
            bindhome: self.bindhome,
            read_only: self.read_only,
        }
    }
}
