//! From a name to a config: which index, which manifest, which platform.
//!
//! In two steps: whoever demands signatures looks at them between the manifest and the config.

use crate::base::digest::Digest;
use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::progress::Progress;
use crate::oci::config::ImageConfig;
use crate::oci::descriptor::Descriptor;
use crate::oci::manifest::{Document, Manifest};
use crate::oci::platform::Platform;
use crate::oci::{DocumentError, MAX_DOCUMENT};
use crate::ops::pull::origin::{Origin, read_whole};
use crate::ops::vouch;

/// Indexes inside indexes; real ones have one level, sometimes two.
const MAX_DEPTH: usize = 4;

/// An image whose documents are verified; its layers are not here yet.
pub(in crate::ops) struct Resolved {
    /// What the name stands for: the digest of an index or of the manifest.
    pub(in crate::ops) target: Digest,
    /// The digest of the manifest.
    pub(in crate::ops) manifest_digest: Digest,
    pub(in crate::ops) manifest: Manifest,
    pub(in crate::ops) config: ImageConfig,
    /// Indexes, manifest and config as served.
    pub(in crate::ops) documents: Vec<(Digest, Vec<u8>)>,
}

#[derive(Debug, thiserror::Error)]
#[error("the index holds another index, {MAX_DEPTH} levels deep")]
struct TooDeep;

impl Fault for TooDeep {
    fn kind(&self) -> Kind {
        Kind::Integrity
    }
}

/// An image's index and manifest, verified; nothing else of it was looked at.
pub(in crate::ops) struct Chain {
    target: Digest,
    manifest_digest: Digest,
    manifest: Manifest,
    documents: Vec<(Digest, Vec<u8>)>,
}

/// Follows the chain from the name to the manifest of the image for `wanted`, or for the host.
pub(in crate::ops) fn chain(
    origin: &dyn Origin,
    wanted: Option<&Platform>,
) -> Result<Chain, BoxFault> {
    let host = Platform::host();
    let wanted = wanted.unwrap_or(&host);
    let mut documents = Vec::new();
    let mut served = origin.target()?;
    let target = served.digest.clone();
    for _level in 0..MAX_DEPTH {
        documents.push((served.digest.clone(), served.bytes));
        match served.document {
            Document::Index(index) => served = origin.document(index.choose(wanted)?)?,
            Document::Manifest(manifest) => {
                manifest.require_image()?;
                return Ok(Chain {
                    target,
                    manifest_digest: served.digest,
                    manifest: *manifest,
                    documents,
                });
            }
        }
    }
    Err(TooDeep.into())
}

impl Chain {
    /// The digest that the name stands for.
    pub(in crate::ops) fn target(&self) -> &Digest {
        &self.target
    }

    /// The digests by which the image may be signed: of its index, if it has one, and of the manifest.
    pub(in crate::ops) fn images(&self) -> Vec<Digest> {
        vouch::signable(&self.target, &self.manifest_digest)
    }

    /// Goes on to the config. An image that says it is for another platform is used, with a warning: many configs are
    /// wrong, and where an index was chosen from, the index knows better.
    pub(in crate::ops) fn resolve(
        self,
        origin: &dyn Origin,
        wanted: Option<&Platform>,
        progress: &dyn Progress,
    ) -> Result<Resolved, BoxFault> {
        let host = Platform::host();
        let Chain {
            target,
            manifest_digest,
            manifest,
            mut documents,
        } = self;
        let bytes = read_config(origin, &manifest.config)?;
        let config = ImageConfig::parse_for(&manifest, &bytes)?;
        warn_of_platform(&config.platform, wanted.unwrap_or(&host), progress);
        documents.push((manifest.config.digest.clone(), bytes));
        Ok(Resolved {
            target,
            manifest_digest,
            manifest,
            config,
            documents,
        })
    }
}

fn warn_of_platform(got: &Platform, wanted: &Platform, progress: &dyn Progress) {
    let is_known = !got.os.is_empty() && !got.architecture.is_empty();
    if is_known && !wanted.is_kin_of(got) {
        progress.warn(&format!(
            "the image says that it is for `{got}`, expected `{wanted}`"
        ));
    }
}

fn read_config(origin: &dyn Origin, descriptor: &Descriptor) -> Result<Vec<u8>, BoxFault> {
    let what = "image config";
    if descriptor.size > MAX_DOCUMENT {
        let got = descriptor.size;
        return Err(DocumentError::TooLarge { what, got }.into());
    }
    if let Some(bytes) = descriptor.inline() {
        return Ok(bytes);
    }
    let bytes = origin.blob(descriptor, 0)?;
    read_whole(bytes, what, &descriptor.digest, descriptor.size)
}
