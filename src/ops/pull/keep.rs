//! From a verified chain of documents to layers and a tree in the store.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::base::fault::BoxFault;
use crate::base::fsx;
use crate::base::progress::Progress;
use crate::layer::{self, LayerIndex};
use crate::oci::source::Source;
use crate::ops::pull::origin::Origin;
use crate::ops::pull::resolve::Resolved;
use crate::ops::pull::{fetch, room};
use crate::store::{Content, Extent, ImageRecord, Lease, Store, Tree};

/// Layers fetched at the same time.
const PARALLEL: usize = 4;

/// Who puts an image into the store; a name it gets only after that.
pub(in crate::ops) struct Keeper<'a> {
    store: &'a Store,
    lease: &'a Lease,
    progress: &'a dyn Progress,
}

impl<'a> Keeper<'a> {
    /// One who relies on `lease`, which must outlive the naming.
    pub(in crate::ops) fn new(lease: &'a Lease, progress: &'a dyn Progress) -> Keeper<'a> {
        Keeper {
            store: lease.store(),
            lease,
            progress,
        }
    }

    /// Brings the layers that are not here from `origin`, and makes the tree unless it is here.
    pub(in crate::ops) fn bring(
        &self,
        origin: &dyn Origin,
        resolved: &Resolved,
    ) -> Result<Tree, BoxFault> {
        self.put_documents(resolved)?;
        if let Some(tree) = self.known_tree(resolved)? {
            return Ok(tree);
        }
        self.require_room(resolved)?;
        let layers = fetch::layers(origin, self.lease, resolved, PARALLEL, self.progress)?;
        self.build_tree(resolved, &layers)
    }

    /// Puts manifests and config into the store.
    pub(in crate::ops) fn put_documents(&self, resolved: &Resolved) -> Result<(), BoxFault> {
        for (digest, bytes) in &resolved.documents {
            self.lease.put_bytes(digest, bytes)?;
        }
        Ok(())
    }

    /// The tree of the same manifest under another name, if all of its blobs are here.
    /// Any other blob is read again, even if it is here: its digest may be right while
    /// it is not the layer that this config speaks of.
    fn known_tree(&self, resolved: &Resolved) -> Result<Option<Tree>, BoxFault> {
        let images = self.store.images()?;
        if !images
            .iter()
            .any(|image| image.manifest == resolved.manifest_digest)
        {
            return Ok(None);
        }
        for layer in &resolved.manifest.layers {
            if !self.lease.has_blob(&layer.digest, layer.size)? {
                return Ok(None);
            }
        }
        Ok(self.lease.tree(&resolved.config.chain_id())?)
    }

    /// Fails if the layers that are not here are larger than the room for them.
    fn require_room(&self, resolved: &Resolved) -> Result<(), BoxFault> {
        let mut missing = BTreeMap::new();
        for layer in &resolved.manifest.layers {
            let here = self.store.bytes_of(&layer.digest, layer.size)?;
            missing.insert(&layer.digest, layer.size.saturating_sub(here));
        }
        let bytes = missing.values().copied().fold(0, u64::saturating_add);
        Ok(room::require(self.store.home(), "the image", bytes, 0)?)
    }

    /// The tree of layers that are in the store, whose headers are `layers`; made unless it is here.
    pub(in crate::ops) fn build_tree(
        &self,
        resolved: &Resolved,
        layers: &[LayerIndex],
    ) -> Result<Tree, BoxFault> {
        let chain = resolved.config.chain_id();
        if let Some(tree) = self.lease.tree(&chain)? {
            return Ok(tree);
        }
        let merged = layer::merge(layers)?;
        let (bytes, inodes) = (merged.content_bytes(), merged.entries());
        room::require(self.store.home(), "the image's tree", bytes, inodes)?;
        let staging = self.lease.begin_tree(&chain)?;
        let open_layer = |place: usize| {
            let path = self
                .store
                .blob_path(&resolved.manifest.layers[place].digest);
            layer::codec::decompress(fsx::open(path)?)
        };
        let unpacked = layer::unpack(&merged, &open_layer, &staging.rootfs(), self.progress)?;
        fsx::write(staging.sidecar(), &unpacked.sidecar, 0o644)?;
        let extent = Extent::of(&staging.rootfs())?;
        Ok(staging.publish(extent)?)
    }
}

impl Resolved {
    /// What `source` is to mean in the store.
    pub(in crate::ops) fn record(&self, source: &Source) -> ImageRecord {
        let documents = self
            .documents
            .iter()
            .map(|(digest, bytes)| (digest.clone(), bytes.len() as u64));
        let layers = self
            .manifest
            .layers
            .iter()
            .map(|layer| (layer.digest.clone(), layer.size));
        let mut content: Vec<Content> = Vec::new();
        for (digest, size) in documents.chain(layers) {
            if !content.iter().any(|known| known.digest == digest) {
                content.push(Content { digest, size });
            }
        }
        ImageRecord {
            name: source.to_string(),
            target: self.target.clone(),
            manifest: self.manifest_digest.clone(),
            config: self.manifest.config.digest.clone(),
            chain: self.config.chain_id(),
            platform: self.config.platform.clone(),
            content,
            pulled: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            site: None,
        }
    }
}
