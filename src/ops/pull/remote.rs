//! A registry as the origin of an image.

use crate::base::digest::Digest;
use crate::base::fault::BoxFault;
use crate::base::progress::Progress;
use crate::oci::descriptor::Descriptor;
use crate::oci::reference::Reference;
use crate::ops::pull::origin::{BlobReader, Origin};
use crate::ops::reach::Reach;
use crate::registry::{Registry, Served};

/// A registry.
pub(super) struct Remote<'a> {
    registry: Registry<'a>,
    reference: Reference,
}

impl<'a> Remote<'a> {
    /// The registry of `reference`, which is asked nothing yet.
    pub(super) fn new(
        reference: &Reference,
        reach: &Reach,
        progress: &'a dyn Progress,
    ) -> Remote<'a> {
        Remote {
            registry: Registry::new(reference, &reach.registry_options(), progress),
            reference: reference.clone(),
        }
    }
}

impl Origin for Remote<'_> {
    fn target_digest(&self) -> Result<Option<Digest>, BoxFault> {
        match self.reference.digest() {
            Some(digest) => Ok(Some(digest.clone())),
            None => Ok(self.registry.digest_of(&self.reference)?),
        }
    }

    fn target(&self) -> Result<Served, BoxFault> {
        Ok(self.registry.manifest(&self.reference)?)
    }

    fn document(&self, entry: &Descriptor) -> Result<Served, BoxFault> {
        Ok(self.registry.manifest_of(entry)?)
    }

    fn blob(&self, descriptor: &Descriptor, offset: u64) -> Result<BlobReader<'_>, BoxFault> {
        Ok(Box::new(self.registry.blob(descriptor, offset)))
    }

    fn tagged(&self, tag: &str) -> Result<Option<Served>, BoxFault> {
        Ok(self.registry.tagged(tag)?)
    }

    fn referrers(
        &self,
        digest: &Digest,
        artifact_type: &str,
        limit: usize,
    ) -> Result<Vec<Descriptor>, BoxFault> {
        Ok(self.registry.referrers(digest, artifact_type, limit)?)
    }
}
