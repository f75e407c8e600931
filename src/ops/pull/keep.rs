//! From a verified chain of documents to layers and a tree in the store.

use std::collections::BTreeMap;
use std::fs::File;
use std::time::SystemTime;

use crate::base::digest::{Algorithm, Digest};
use crate::base::durable;
use crate::base::fault::BoxFault;
use crate::base::fsx;
use crate::base::progress::Progress;
use crate::layer::{Extraction, LayerError, ReadLayer};
use crate::oci::source::Source;
use crate::ops::pull::origin::Origin;
use crate::ops::pull::resolve::Resolved;
use crate::ops::pull::{fetch, room};
use crate::store::{Content, Extent, ImageRecord, Lease, StagingTree, Store, Tree};

/// Layers fetched at the same time.
const PARALLEL: usize = 4;
/// Threads that write small files where another host keeps them, so that the waits for it overlap.
const REMOTE_WRITERS: usize = 8;

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
        let chain = resolved.config.chain_id();
        let tree = self.lease.tree(&chain)?;
        self.require_room(resolved, tree.is_none())?;
        let fetch = |extraction: Option<&Extraction>| {
            fetch::layers(
                origin,
                self.lease,
                resolved,
                extraction,
                PARALLEL,
                self.progress,
            )
        };
        if let Some(tree) = tree {
            fetch(None)?;
            return Ok(tree);
        }
        let growing = Growing::begin(self.lease.begin_tree(&chain)?)?;
        let read = fetch(Some(&growing.extraction))?;
        let layers = resolved.manifest.layers.iter();
        let layers: Vec<_> = layers.filter_map(|layer| read.get(&layer.digest)).collect();
        growing.finish(&chain, &layers, self.progress)
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

    /// Puts a tree into the store that was grown from `layers`, unless it is here.
    pub(in crate::ops) fn keep_tree(
        &self,
        resolved: &Resolved,
        growing: Growing,
        layers: &[&ReadLayer],
    ) -> Result<Tree, BoxFault> {
        let chain = resolved.config.chain_id();
        match self.lease.tree(&chain)? {
            Some(tree) => Ok(tree),
            None => growing.finish(&chain, layers, self.progress),
        }
    }

    /// Fails if the layers that are not here, and the tree should one be made, are larger than the room for them.
    ///
    /// How large a tree gets is known only at its end, and the most that it takes before some layers' files give way to
    /// others' is what all layers hold. That is hardly ever less than the layers have packed, and so much is asked for.
    fn require_room(&self, resolved: &Resolved, with_tree: bool) -> Result<(), BoxFault> {
        let (mut missing, mut packed) = (BTreeMap::new(), BTreeMap::new());
        for layer in &resolved.manifest.layers {
            let here = self.store.bytes_of(&layer.digest, layer.size)?;
            missing.insert(&layer.digest, layer.size.saturating_sub(here));
            packed.insert(&layer.digest, layer.size);
        }
        let sum = |sizes: BTreeMap<_, u64>| sizes.into_values().fold(0, u64::saturating_add);
        let (blobs, tree) = (sum(missing), if with_tree { sum(packed) } else { 0 });
        room::require(
            self.store.home(),
            "the image",
            blobs.saturating_add(tree),
            0,
        )?;
        Ok(())
    }
}

/// A tree in the making, on its way into the store.
pub(in crate::ops) struct Growing {
    // Before the directory that it is in.
    pub(in crate::ops) extraction: Extraction,
    staging: StagingTree,
}

impl Growing {
    /// Starts to extract into `staging`.
    pub(in crate::ops) fn begin(staging: StagingTree) -> Result<Growing, BoxFault> {
        let rootfs = staging.rootfs();
        // A disk of this host is not waited for: whoever has the content at hand writes it.
        let is_remote = rootfs
            .parent()
            .is_some_and(|dir| durable::is_remote(dir).unwrap_or(false));
        let n_writers = if is_remote { REMOTE_WRITERS } else { 0 };
        let extraction = Extraction::begin(&rootfs, n_writers)?;
        Ok(Growing {
            extraction,
            staging,
        })
    }

    /// Reads a compressed layer of `size` bytes; also its diffID. `explain` wraps what the layer is to blame for.
    pub(in crate::ops) fn read(
        &self,
        layer: File,
        size: u64,
        explain: impl FnOnce(LayerError) -> BoxFault,
    ) -> Result<(ReadLayer, Digest), BoxFault> {
        self.extraction.expect(size);
        match fetch::read(Some(&self.extraction), layer, size, Algorithm::Sha256) {
            Ok((Some(read), diff_id)) => Ok((read, diff_id)),
            Ok((None, _)) => Err(LayerError::Stopped.into()),
            Err(error) => match self.extraction.take_failure() {
                Some(failure) => Err(failure.into()),
                None => Err(explain(error)),
            },
        }
    }

    /// The tree of `layers`, lowest first, which were read into it, under the name of `chain`, which must be claimed.
    pub(in crate::ops) fn finish(
        self,
        chain: &Digest,
        layers: &[&ReadLayer],
        progress: &dyn Progress,
    ) -> Result<Tree, BoxFault> {
        let extracted = self.extraction.finish(layers, progress)?;
        fsx::write(self.staging.sidecar(), &extracted.sidecar, 0o644)?;
        let extent = Extent {
            entries: extracted.entries,
            bytes: extracted.bytes,
        };
        Ok(self.staging.publish(chain, extent)?)
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
            signatures: None,
            site: None,
        }
    }
}
