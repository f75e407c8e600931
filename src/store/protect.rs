//! What its user wants neither removed nor changed: an empty file says so, beside the container's record or the name.
//!
//! It guards against a slip of the hand, not against other processes: it is looked for right before something is done.

use crate::base::fsx;
use crate::base::path::HostPath;
use crate::oci::source::Source;
use crate::store::{Result, Store, StoreError};

/// Whether something may be removed and changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// It may not.
    On,
    /// It may.
    Off,
}

impl Store {
    /// Has the container `id` protected, or no longer.
    pub fn protect_container(&self, id: &str, protection: Protection) -> Result<()> {
        self.mark(&self.container_mark(id), protection)
    }

    /// Whether the container `id` is protected.
    pub fn is_container_protected(&self, id: &str) -> Result<bool> {
        is_there(&self.container_mark(id))
    }

    /// Fails if the container `id` is protected.
    pub fn require_unprotected_container(&self, id: &str) -> Result<()> {
        match self.is_container_protected(id)? {
            true => Err(StoreError::Protected(format!("container `{id}`"))),
            false => Ok(()),
        }
    }

    /// Has what `source` means here protected, or no longer.
    pub fn protect_image(&self, source: &Source, protection: Protection) -> Result<()> {
        self.mark(&self.image_mark(source), protection)
    }

    /// Whether what `source` means here is protected.
    pub fn is_image_protected(&self, source: &Source) -> Result<bool> {
        is_there(&self.image_mark(source))
    }

    /// Fails if what `source` means here is protected.
    pub fn require_unprotected(&self, source: &Source) -> Result<()> {
        match self.is_image_protected(source)? {
            true => Err(StoreError::Protected(format!("image `{source}`"))),
            false => Ok(()),
        }
    }

    fn container_mark(&self, id: &str) -> HostPath {
        self.layout.container(id).join("protected")
    }

    fn image_mark(&self, source: &Source) -> HostPath {
        HostPath::new(self.layout.reference(source).with_extension("protected"))
    }

    fn mark(&self, mark: &HostPath, protection: Protection) -> Result<()> {
        match protection {
            Protection::On => self.place(b"", mark),
            Protection::Off => Ok(fsx::remove_file(mark)?),
        }
    }
}

fn is_there(mark: &HostPath) -> Result<bool> {
    Ok(fsx::absent_as_none(fsx::symlink_metadata(mark))?.is_some())
}
