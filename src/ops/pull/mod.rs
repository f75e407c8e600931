//! `pull`: from a name to an image in the store, every link of the chain verified.
//!
//! The chain is name → index → manifest → config → layers → diffIDs → tree. Nothing is
//! published under the image's name before all of it is right; blobs that were right
//! stay for the next attempt, under their digests.

pub(super) mod archive;
pub(super) mod docker;
mod embedded;
pub(super) mod fetch;
pub(super) mod files;
pub(super) mod keep;
mod legacy;
pub(super) mod origin;
mod remote;
pub(super) mod resolve;
mod room;
mod unpulled;

use std::os::unix::fs::MetadataExt;
use std::time::SystemTime;

use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::fsx;
use crate::base::path::HostPath;
use crate::base::progress::Progress;
use crate::oci::platform::Platform;
use crate::oci::source::Source;
use crate::ops::reach::{Pull, Reach};
use crate::ops::vouch::{self, Guard};
use crate::store::{ImageRecord, Store, Tree};
pub use files::Input;
use keep::Keeper;
use origin::Origin;
use unpulled::Unpulled;

/// An image that is in the store, ready to be run.
#[derive(Clone, Debug)]
pub struct PulledImage {
    /// What its name means in the store.
    pub record: ImageRecord,
    /// Its tree.
    pub tree: Tree,
    /// Whether it was here before, so that nothing was transferred.
    pub was_present: bool,
}

/// An image that is not here and may not be fetched.
#[derive(Debug, thiserror::Error)]
#[error("there is no image `{0}` in the store, and no registry may be asked")]
struct Absent(String);

impl Fault for Absent {
    fn kind(&self) -> Kind {
        Kind::NotFound
    }

    fn hints(&self) -> Vec<String> {
        vec![format!("`coracle pull {}` brings it here", self.0)]
    }
}

/// Brings the image that `source` names now into `store`. One that is there already is
/// found with one small request and without a transfer of layers; with a digest in its
/// name, without any request.
pub fn pull(
    store: &Store,
    source: &Source,
    reach: &Reach,
    progress: &dyn Progress,
) -> Result<PulledImage, BoxFault> {
    pull_as(&[], store, source, reach, progress)
}

/// As [`pull`] for an image that will have further names, under which it must be trusted as well.
fn pull_as(
    names: &[&Source],
    store: &Store,
    source: &Source,
    reach: &Reach,
    progress: &dyn Progress,
) -> Result<PulledImage, BoxFault> {
    let pulled = locate(source).and_then(|source| {
        let sources: Vec<&Source> = [&source].into_iter().chain(names.iter().copied()).collect();
        let guard = Guard::of(&sources, reach)?;
        let work = Work {
            store,
            source,
            guard,
            reach,
            progress,
        };
        work.pull()
    });
    pulled.map_err(|cause| Unpulled::new(store, source, cause).into())
}

/// As [`pull`], into the store at `reach.home`.
pub fn bring(
    source: &Source,
    reach: &Reach,
    progress: &dyn Progress,
) -> Result<PulledImage, BoxFault> {
    let store = Store::open(reach.home.clone())?;
    store.make()?;
    pull(&store, source, reach, progress)
}

/// The image that `source` names and its tree, brought here if `reach.pull` says so. Where
/// it is here and no registry need be asked, this reads two small files and sends nothing.
pub fn ensure_image(
    store: &Store,
    source: &Source,
    reach: &Reach,
    progress: &dyn Progress,
) -> Result<(ImageRecord, Tree), BoxFault> {
    if reach.pull != Pull::Always
        && let Some(found) = stored(store, source, reach, progress)?
    {
        return Ok(found);
    }
    if reach.pull == Pull::Never {
        return Err(Absent(familiar(source)).into());
    }
    // A home that cannot be used is no matter of the image.
    store.make()?;
    let image = pull(store, source, reach, progress)?;
    Ok((image.record, image.tree))
}

/// As [`ensure_image`], where the registry that is asked is not the one of the name by which the image is known:
/// udocker's `--registry`, a mirror. Only the name `known` means the image afterwards.
pub fn ensure_as(
    known: &Source,
    origin: &Source,
    reach: &Reach,
    progress: &dyn Progress,
) -> Result<(), BoxFault> {
    let store = Store::open(reach.home.clone())?;
    let is_here = reach.pull != Pull::Always && stored(&store, known, reach, progress)?.is_some();
    if is_here || known == origin || reach.pull == Pull::Never {
        ensure_image(&store, known, reach, progress)?;
        return Ok(());
    }
    let was_known = store.image(origin)?.is_some();
    let lease = store.lease()?;
    let mut record = pull_as(&[known], &store, origin, reach, progress)?.record;
    record.name = known.to_string();
    lease.publish(known, &record)?;
    if !was_known {
        store.remove_image(origin)?;
    }
    Ok(())
}

/// The image as it is here, if that will do.
fn stored(
    store: &Store,
    source: &Source,
    reach: &Reach,
    progress: &dyn Progress,
) -> Result<Option<(ImageRecord, Tree)>, BoxFault> {
    let located = locate(source)?;
    let Some(record) = store.image(&located)? else {
        return Ok(None);
    };
    let will_do = reach.pull == Pull::Never || is_current(&located, &record)?;
    if !will_do || !fits(&record, reach.platform.as_ref()) {
        return Ok(None);
    }
    let Some(tree) = store.tree(&record.chain)? else {
        return Ok(None);
    };
    let guard = Guard::of(&[&located], reach).map_err(|it| vouch::unusable(&record.name, it))?;
    let locked = guard.require_locked(&record.target);
    locked.map_err(|error| vouch::unusable(&record.name, error))?;
    match guard.admit_kept(store, &record) {
        Ok(_keys) => Ok(Some((record, tree))),
        Err(error) if reach.pull == Pull::Never => Err(vouch::unsigned(&record, error)),
        Err(error) => {
            let name = familiar(source);
            progress.note(&format!("`{name}` is here: {error}; asking for signatures"));
            Ok(None)
        }
    }
}

/// The source under the name that the store knows it by: paths absolute and without links.
pub fn locate(source: &Source) -> Result<Source, BoxFault> {
    let real = |path: &HostPath| fsx::canonicalize(path).map(HostPath::new);
    Ok(match source {
        Source::Registry(_) | Source::Embedded(_) => source.clone(),
        Source::OciDir { dir, tag } => Source::OciDir {
            dir: real(dir)?,
            tag: tag.clone(),
        },
        Source::OciArchive { file, tag } => Source::OciArchive {
            file: real(file)?,
            tag: tag.clone(),
        },
        Source::DockerArchive { file, name } => Source::DockerArchive {
            file: real(file)?,
            name: name.clone(),
        },
    })
}

fn familiar(source: &Source) -> String {
    match source {
        Source::Registry(reference) => reference.familiar(),
        other => other.to_string(),
    }
}

fn fits(record: &ImageRecord, wanted: Option<&Platform>) -> bool {
    wanted.is_none_or(|wanted| wanted.rank(&record.platform).is_some())
}

/// Whether an image is still what its origin holds, as far as this host can tell: a file
/// that is older than the image, the same version of this binary. A registry is asked
/// only when the user says so.
fn is_current(source: &Source, record: &ImageRecord) -> Result<bool, BoxFault> {
    let path = match source {
        Source::Registry(_) => return Ok(true),
        Source::Embedded(name) => return Ok(embedded::is_current(name, record)?),
        Source::OciDir { dir, .. } => dir.join("index.json"),
        Source::OciArchive { file, .. } | Source::DockerArchive { file, .. } => file.clone(),
    };
    // Not the time of its content, which an older file that takes its place brings along. stat(2), `st_ctime`.
    let changed = u64::try_from(fsx::metadata(&path)?.ctime()).unwrap_or(0);
    let pulled = humantime::parse_rfc3339_weak(&record.pulled).ok();
    let pulled = pulled.and_then(|pulled| pulled.duration_since(SystemTime::UNIX_EPOCH).ok());
    Ok(pulled.is_some_and(|pulled| changed < pulled.as_secs()))
}

/// One pull.
struct Work<'a> {
    store: &'a Store,
    source: Source,
    guard: Guard,
    reach: &'a Reach,
    progress: &'a dyn Progress,
}

impl Work<'_> {
    fn pull(&self) -> Result<PulledImage, BoxFault> {
        let origin = origin::open(&self.source, self.store, self.reach, self.progress)?;
        let mut brought = self.bring_if_changed(&*origin);
        if let Err(fault) = &brought
            && fetch::is_of_store(&**fault)
        {
            self.progress.warn(&format!("{fault}: fetching it anew"));
            brought = self.bring_if_changed(&*origin);
        }
        match brought {
            // A mirror may lie, or lag behind, and what an earlier pull left may be damaged; what the registry itself says
            // has the last word.
            Err(fault) if fault.kind() == Kind::Integrity && origin.doubt() => {
                let message = format!("{fault}: asking the registry itself for all of it");
                self.progress.warn(&message);
                self.bring_if_changed(&*origin)
            }
            brought => brought,
        }
    }

    fn bring_if_changed(&self, origin: &dyn Origin) -> Result<PulledImage, BoxFault> {
        match self.unchanged(origin)? {
            Some(image) => Ok(image),
            None => self.bring(origin),
        }
    }

    /// Brings the image here, whatever is here under its name.
    fn bring(&self, origin: &dyn Origin) -> Result<PulledImage, BoxFault> {
        let platform = self.reach.platform.as_ref();
        let chain = resolve::chain(origin, platform)?;
        self.guard.require_locked(chain.target())?;
        let brought = self.guard.admit(origin, &chain.images(), self.progress)?;
        let resolved = chain.resolve(origin, platform, self.progress)?;
        let lease = self.store.lease()?;
        let tree = Keeper::new(&lease, self.progress).bring(origin, &resolved)?;
        let mut record = resolved.record(&self.source);
        let before = self.store.image(&self.source)?;
        brought.keep(&lease, &mut record, before.as_ref())?;
        lease.publish(&self.source, &record)?;
        Ok(PulledImage {
            record,
            tree,
            was_present: false,
        })
    }

    /// The stored image, if the name still means it and all of it is here.
    fn unchanged(&self, origin: &dyn Origin) -> Result<Option<PulledImage>, BoxFault> {
        let Some(mut record) = self.store.image(&self.source)? else {
            return Ok(None);
        };
        // Another platform may have been asked for at that time.
        let host = Platform::host();
        let wanted = self.reach.platform.as_ref().unwrap_or(&host);
        if !fits(&record, Some(wanted)) || !self.is_complete(&record)? {
            return Ok(None);
        }
        if origin.target_digest()?.as_ref() != Some(&record.target) {
            return Ok(None);
        }
        let Some(tree) = self.store.tree(&record.chain)? else {
            return Ok(None);
        };
        self.guard.require_locked(&record.target)?;
        let is_trusted = self.guard.admit_kept(self.store, &record).is_ok();
        if self.reach.with_signatures || !is_trusted {
            let images = vouch::images(&record);
            let brought = self.guard.admit(origin, &images, self.progress)?;
            let lease = self.store.lease()?;
            brought.keep(&lease, &mut record, None)?;
            lease.publish(&self.source, &record)?;
        }
        Ok(Some(PulledImage {
            record,
            tree,
            was_present: true,
        }))
    }

    fn is_complete(&self, record: &ImageRecord) -> Result<bool, BoxFault> {
        for content in &record.content {
            if !self.store.has_blob(&content.digest, content.size)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
