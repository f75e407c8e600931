//! What the parts of a store take on disk.

use crate::base::fsx;
use crate::store::Store;
use crate::store::sweep::allotted;

impl Store {
    /// Bytes of all that was written in the container `id`.
    pub fn container_bytes(&self, id: &str) -> u64 {
        allotted(&self.layout.container(id))
    }

    /// Bytes of all blobs and trees.
    pub fn image_bytes(&self) -> u64 {
        allotted(&self.home().join("blobs")) + allotted(&self.layout.trees())
    }

    /// How many things are kept besides images and containers, such as the unpacked payload and scratch directories, and
    /// their bytes.
    pub fn cache_bytes(&self) -> (usize, u64) {
        let private = [self.layout.ingest(), self.layout.tmp(), self.layout.trash()];
        let mut dirs = private.to_vec();
        dirs.push(self.home().join("lib"));
        let entries: Vec<_> = dirs
            .iter()
            .flat_map(|dir| fsx::read_dir(dir).unwrap_or_default())
            .collect();
        let bytes = entries.iter().map(|entry| allotted(&entry.path())).sum();
        (entries.len(), bytes)
    }
}
