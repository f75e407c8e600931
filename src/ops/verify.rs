//! `verify`: reads everything again and compares it with its digests.

use std::collections::BTreeSet;
use std::io::Read;

use crate::base::digest::{Digest, Hasher};
use crate::base::fault::BoxFault;
use crate::base::path::HostPath;
use crate::base::progress::Progress;
use crate::embed::{self, State};
use crate::layer::codec;
use crate::oci::MAX_DOCUMENT;
use crate::oci::config::ImageConfig;
use crate::oci::manifest::{Document, Manifest};
use crate::oci::source::Source;
use crate::ops::images;
use crate::ops::reach::Reach;
use crate::ops::vouch::{Guard, described};
use crate::store::{Content, ImageRecord, Store, StoreError};

/// Bytes inflated at once.
const CHUNK: usize = 256 * 1024;

/// What was looked at, and what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Names of images looked at.
    pub images: usize,
    /// Blobs read, each once.
    pub blobs: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Trees counted, each once.
    pub trees: usize,
    /// What is wrong; empty where all is well.
    pub findings: Vec<Finding>,
    /// Images whose signatures are those that are demanded.
    pub signed: Vec<Signed>,
    /// Images that must not be used: each with why not.
    pub untrusted: Vec<Untrusted>,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The image by which it was found, or `payload NAME` for a file of coracle's own.
    pub image: String,
    /// What it is, such as "blob `sha256:…`".
    pub object: String,
    /// What is wrong with it.
    pub problem: String,
    /// Whether it was taken out of the store, so that the next pull puts it right, or,
    /// of the payload, was replaced.
    pub discarded: bool,
}

/// An image that is signed as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Its name.
    pub image: String,
    /// The fingerprints of the keys.
    pub keys: Vec<String>,
}

/// An image that a policy, or a key that was asked for, does not vouch for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untrusted {
    /// Its name.
    pub image: String,
    /// Why not.
    pub why: String,
}

/// One verification of several images.
struct Check<'a> {
    store: &'a Store,
    /// A key that must have signed, in the place of what policies demand.
    key: Option<&'a HostPath>,
    progress: &'a dyn Progress,
    report: Report,
    /// What has been looked at for an earlier image.
    seen: BTreeSet<String>,
}

/// Verifies the image `text`, or all and the unpacked payload where none is given, in
/// the store at `home`: every blob against its digest and size, the documents against each other, every
/// layer's uncompressed bytes against the config, the tree against its marker, and the signatures that are kept with it
/// against what policies demand, or against the key in the file `key`.
///
/// Damaged blobs and trees are taken out of the store, where it can be written, as
/// they serve nobody, and damaged payload is replaced; a tree that a container needs is only reported.
pub fn verify(
    home: &HostPath,
    text: Option<&str>,
    key: Option<&HostPath>,
    progress: &dyn Progress,
) -> Result<Report, BoxFault> {
    let store = Store::open(home.clone())?;
    let images = match text {
        Some(text) => images::find(&store, text)?,
        None => store.images()?,
    };
    let mut check = Check {
        store: &store,
        key,
        progress,
        report: Report::default(),
        seen: BTreeSet::new(),
    };
    for image in &images {
        check.image(image)?;
    }
    if text.is_none() {
        check.payload(home)?;
    }
    Ok(check.report)
}

impl Check<'_> {
    fn image(&mut self, image: &ImageRecord) -> Result<(), BoxFault> {
        self.report.images += 1;
        let mut all_sound = true;
        for content in &image.content {
            all_sound &= self.blob(image, content)?;
        }
        // Documents and layers make sense only if they are the right bytes.
        if all_sound && self.seen.insert(format!("documents {}", image.manifest)) {
            self.documents(image)?;
        }
        if self.seen.insert(format!("tree {}", image.chain)) {
            self.tree(image)?;
        }
        self.trust(image)
    }

    /// Compares the signatures that are kept with what is demanded.
    fn trust(&mut self, image: &ImageRecord) -> Result<(), BoxFault> {
        let source: Source = image.name.parse()?;
        let guard = match self.key {
            Some(file) => Guard::by_key(&source, file)?,
            None => match Guard::of(&[&source], &Reach::new(self.store.home().clone())) {
                Ok(guard) => guard,
                Err(fault) => {
                    self.untrusted(image, described(&*fault));
                    return Ok(());
                }
            },
        };
        match guard.admit_kept(self.store, image) {
            Ok(keys) if keys.is_empty() => {}
            Ok(keys) => {
                let image = image.name.clone();
                self.report.signed.push(Signed { image, keys });
            }
            Err(error) => self.untrusted(image, described(&error)),
        }
        Ok(())
    }

    fn untrusted(&mut self, image: &ImageRecord, why: String) {
        let image = image.name.clone();
        self.report.untrusted.push(Untrusted { image, why });
    }

    /// Whether one blob is sound.
    fn blob(&mut self, image: &ImageRecord, content: &Content) -> Result<bool, BoxFault> {
        let object = format!("blob `{}`", content.digest);
        if !self.seen.insert(object.clone()) {
            return Ok(!self
                .report
                .findings
                .iter()
                .any(|known| known.object == object));
        }
        self.report.blobs += 1;
        self.report.bytes += content.size;
        let track = self
            .progress
            .begin(content.digest.short(), Some(content.size));
        match self.store.verify_blob(&content.digest, content.size) {
            Ok(()) => {
                track.advance(content.size);
                track.done("verified");
                Ok(true)
            }
            Err(error) => {
                drop(track);
                // What cannot be read now may be readable tomorrow; wrong bytes stay wrong.
                let is_wrong = matches!(error, StoreError::Mismatch(_));
                let discarded = is_wrong && self.store.discard_blob(&content.digest).is_ok();
                self.finding(image, object, described(&error), discarded);
                Ok(false)
            }
        }
    }

    /// Compares manifest, config and layers with each other.
    fn documents(&mut self, image: &ImageRecord) -> Result<(), BoxFault> {
        let object = || format!("manifest `{}`", image.manifest);
        let manifest = match self.manifest(image) {
            Ok(manifest) => manifest,
            Err(error) => {
                self.finding(image, object(), described(&*error), false);
                return Ok(());
            }
        };
        let bytes = self.store.read_blob(&image.config, MAX_DOCUMENT)?;
        let config = match ImageConfig::parse_for(&manifest, &bytes) {
            Ok(config) => config,
            Err(error) => {
                let object = format!("config `{}`", image.config);
                self.finding(image, object, described(&error), false);
                return Ok(());
            }
        };
        if manifest.config.digest != image.config || config.chain_id() != image.chain {
            let problem = "the reference names another config or tree".to_owned();
            self.finding(image, object(), problem, false);
        }
        let layers = manifest.layers.iter().map(|layer| &layer.digest);
        for (layer, diff_id) in layers.zip(&config.rootfs.diff_ids) {
            if self.seen.insert(format!("layer {layer}")) {
                self.layer(image, layer, diff_id)?;
            }
        }
        Ok(())
    }

    fn manifest(&self, image: &ImageRecord) -> Result<Manifest, BoxFault> {
        let bytes = self.store.read_blob(&image.manifest, MAX_DOCUMENT)?;
        Ok(Document::parse(&bytes, None)?.into_manifest()?)
    }

    /// Inflates a layer and compares the digest of its bytes with the config's.
    fn layer(
        &mut self,
        image: &ImageRecord,
        layer: &Digest,
        diff_id: &Digest,
    ) -> Result<(), BoxFault> {
        let mut reader = codec::decompress(self.store.open_blob(layer)?)?;
        let mut hasher = Hasher::new(diff_id.algorithm());
        let mut chunk = vec![0; CHUNK];
        let problem = loop {
            match reader.read(&mut chunk) {
                Ok(0) => {
                    let got = hasher.finish();
                    break (got != *diff_id)
                        .then(|| format!("inflates to `{got}`, expected `{diff_id}`"));
                }
                Ok(count) => hasher.update(&chunk[..count]),
                Err(error) => break Some(described(&error)),
            }
        };
        if let Some(problem) = problem {
            self.finding(image, format!("layer `{layer}`"), problem, false);
        }
        Ok(())
    }

    fn tree(&mut self, image: &ImageRecord) -> Result<(), BoxFault> {
        self.report.trees += 1;
        let Some(problem) = self.store.examine_tree(&image.chain)? else {
            return Ok(());
        };
        let containers = self.store.containers()?;
        let is_needed = containers.iter().any(|it| it.record.chain == image.chain);
        let discarded = !is_needed && self.store.discard_tree(&image.chain).is_ok();
        self.finding(image, format!("tree `{}`", image.chain), problem, discarded);
        Ok(())
    }

    /// Reads what was unpacked of this binary's payload.
    fn payload(&mut self, home: &HostPath) -> Result<(), BoxFault> {
        for payload in embed::payloads() {
            let State::Damaged(files) = embed::state(home, payload)? else {
                continue;
            };
            let replaced = embed::replace(home, payload).is_ok();
            for file in files {
                self.report.findings.push(Finding {
                    image: format!("payload {}", payload.name),
                    object: format!("file `{file}`"),
                    problem: "it is not what this binary unpacks".to_owned(),
                    discarded: replaced,
                });
            }
        }
        Ok(())
    }

    fn finding(&mut self, image: &ImageRecord, object: String, problem: String, discarded: bool) {
        let image = image.name.clone();
        self.report.findings.push(Finding {
            image,
            object,
            problem,
            discarded,
        });
    }
}
