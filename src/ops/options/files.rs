//! What was typed of files.

use std::ffi::OsString;

use crate::base::fault::BoxFault;
use crate::base::path::HostPath;
use crate::plan::binds;
use crate::plan::wish::{Text, Wish};

/// What was typed, as it was typed.
#[derive(Clone, Debug, Default)]
pub struct FileOptions {
    /// `--volume`.
    pub volume: Vec<OsString>,
    /// `--mount`.
    pub mount: Vec<OsString>,
    /// `--tmpfs`.
    pub tmpfs: Vec<OsString>,
    /// `--volumes-from`, containers of ours.
    pub volumes_from: Vec<String>,
    /// `--novol`: sources of default mounts, or of `--volume`, that are left out.
    pub novol: Vec<OsString>,
    /// `--nosysdirs`: no default mounts.
    pub nosysdirs: bool,
    /// `--bindhome`.
    pub bindhome: bool,
    /// `--read-only`.
    pub read_only: bool,
}

impl FileOptions {
    /// Whether something here may be relative to the working directory.
    pub(super) fn has_sources(&self) -> bool {
        !self.volume.is_empty() || !self.mount.is_empty()
    }

    /// Adds what this asks for. Relative sources are taken from `cwd`.
    pub(super) fn add_to(self, wish: &mut Wish, cwd: &HostPath) -> Result<(), BoxFault> {
        let volumes = self.volume.iter();
        let mounts = self.mount.iter();
        wish.volumes
            .extend(volumes.map(|text| binds::anchored_volume(text, cwd)));
        wish.mounts
            .extend(mounts.map(|text| binds::anchored_mount(text, cwd)));
        wish.tmpfs = self.tmpfs.into_iter().map(Text).collect();
        wish.omitted = self.novol.into_iter().map(Text).collect();
        wish.bare = self.nosysdirs;
        wish.home = self.bindhome;
        wish.read_only = self.read_only;
        Ok(())
    }
}
