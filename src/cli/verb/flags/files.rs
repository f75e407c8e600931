//! What of the host's files the guest sees, and where it may write.

use std::ffi::OsString;

use crate::ops::options::FileOptions;

/// Docker's flags for files.
#[derive(clap::Args)]
pub(super) struct FileFlags {
    /// Show a file or directory of the host in the guest (repeatable)
    #[arg(short, long, value_name = "SRC:DST[:ro|rw]")]
    volume: Vec<OsString>,
    /// The same in words, or an empty directory in memory: `type=bind,source=…,target=…[,readonly]`,
    /// `type=tmpfs,target=…[,tmpfs-size=…][,tmpfs-mode=…]` (repeatable)
    #[arg(long, value_name = "KEY=VALUE,…")]
    mount: Vec<OsString>,
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
            read_only: self.read_only,
            ..FileOptions::default()
        }
    }
}
