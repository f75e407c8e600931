//! Who vouches for images: what policies demand of each before it may be used, and signatures that meet it.
//!
//! Every image is judged by its name here and, where it comes from somewhere, by that: when it is brought, between its
//! manifest and its config; and when it is used, by the signatures that are kept with it. Where no file demands
//! anything, nothing but these files is looked for.

mod kept;
mod look;
mod packed;
mod pile;

use std::error::Error;

use crate::base::digest::Digest;
use crate::base::fault::{BoxFault, Fault, Kind, While};
use crate::base::fsx;
use crate::base::path::HostPath;
use crate::base::progress::Progress;
use crate::oci::source::Source;
use crate::ops::lock::{LockError, Locked};
use crate::ops::pull::origin::Origin;
use crate::ops::reach::Reach;
use crate::store::{Content, ImageRecord, Lease, Signatures, Store};
use crate::trust::{
    Candidate, Demand, Identity, Places, Policy, Requirement, Rule, TrustError, TrustedKey,
};
pub(in crate::ops) use kept::{images, signable};
pub(in crate::ops) use packed::{Packed, packed};
use pile::{Object, Pile};

/// Bytes of a file with a key.
const MAX_KEY: u64 = 64 << 10;

/// A file that was named as a key and holds none.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the key `{file}`: {what}")]
struct BadKey {
    file: HostPath,
    what: String,
}

impl Fault for BadKey {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec!["expected a public key as PEM: `coracle help trust` says how one is made".to_owned()]
    }
}

/// What one image must be.
pub(in crate::ops) struct Guard {
    /// Names of the image that must be signed, and by whom.
    wanted: Vec<(Source, Requirement)>,
    /// Whether signatures are to be kept that nobody demands.
    with_signatures: bool,
    /// What the image must be, whoever signed it.
    locked: Option<Locked>,
}

/// Signatures that were found where an image comes from.
#[derive(Default)]
pub(in crate::ops) struct Brought {
    objects: Vec<Object>,
    /// What is to be remembered of them; none where nobody asked for any.
    signatures: Option<Signatures>,
}

impl Guard {
    /// Learns what is demanded of the image that each of `sources` names; an error where one is rejected, or the
    /// demand cannot be understood.
    pub(in crate::ops) fn of(sources: &[&Source], reach: &Reach) -> Result<Guard, BoxFault> {
        let mut guard = Guard {
            wanted: Vec::new(),
            with_signatures: reach.with_signatures,
            locked: None,
        };
        if let (Some(file), Some(source)) = (&reach.locked, sources.first()) {
            guard.locked = Some(Locked::of(file, source, reach.platform.as_ref())?);
        }
        let is_inside = |source: &&Source| matches!(source, Source::Embedded(_));
        // What is in this binary needs no leave of a file that may be wrong.
        if sources.iter().all(is_inside) {
            return Ok(guard);
        }
        let policy = Policy::load(&Places::of_host())?;
        for source in sources {
            let demand = policy.demand(source)?;
            if let Some(rejection) = demand.rejection(source) {
                return Err(rejection.into());
            }
            if let Demand::Signed(requirement) = demand {
                guard.wanted.push(((*source).clone(), requirement));
            }
        }
        Ok(guard)
    }

    /// Who demands a signature of the image `source` by one key.
    pub(in crate::ops) fn by_key(source: &Source, file: &HostPath) -> Result<Guard, BoxFault> {
        let pem = fsx::read_regular(file, MAX_KEY)?;
        let key = TrustedKey::from_pem(&pem).map_err(|error| BadKey {
            file: file.clone(),
            what: error.to_string(),
        })?;
        let rule = Rule {
            keys: vec![key],
            threshold: 1,
            identity: Identity::Any,
            by: file.clone(),
            scope: source.to_string(),
        };
        let wanted = Requirement { rules: vec![rule] };
        Ok(Guard {
            wanted: vec![(source.clone(), wanted)],
            with_signatures: false,
            locked: None,
        })
    }

    /// Fails unless the image is the one that is locked, where one is: `target` is what its name stands for.
    pub(in crate::ops) fn require_locked(&self, target: &Digest) -> Result<(), LockError> {
        self.locked.iter().try_for_each(|it| it.require(target))
    }

    /// Whether the place that an image comes from need not be asked for signatures.
    pub(in crate::ops) fn asks_nothing(&self) -> bool {
        self.wanted.is_empty() && !self.with_signatures
    }

    /// Looks for signatures of the image with the digests `images` where it comes from, and compares them with what is
    /// demanded. They are yet to be stored. Those of an archive or a layout are taken along unasked: whoever has it may
    /// have no network later.
    pub(in crate::ops) fn admit(
        &self,
        origin: &dyn Origin,
        images: &[Digest],
        progress: &dyn Progress,
    ) -> Result<Brought, BoxFault> {
        if self.asks_nothing() && !origin.is_here() {
            return Ok(Brought::default());
        }
        let mut pile = Pile::new(images);
        look::for_signatures(origin, &mut pile);
        if self.asks_nothing() && pile.objects.is_empty() {
            return Ok(Brought::default());
        }
        let mut checked = self.check(images, &pile.candidates);
        if checked.is_err() {
            look::for_rare_ones(origin, &mut pile);
            checked = self.check(images, &pile.candidates);
        }
        // What could not be asked for may be there.
        if let Some(failure) = pile.failure
            && (checked.is_err() || self.wanted.is_empty() && self.with_signatures)
        {
            return Err(While::new(self.looking(), failure).into());
        }
        let keys = checked?;
        match (keys.as_slice(), pile.objects.as_slice()) {
            ([], []) => progress.warn("the image has no signatures that could be kept"),
            ([], _) => {}
            (keys, _) => progress.note(&format!("the image is signed with {}", keys.join(", "))),
        }
        let manifests = pile.objects.iter().map(|object| object.digest.clone());
        let manifests = manifests.collect();
        Ok(Brought {
            signatures: Some(Signatures { manifests, keys }),
            objects: pile.objects,
        })
    }

    /// The same with the signatures that are kept with an image that is here, without asking anybody.
    pub(in crate::ops) fn admit_kept(
        &self,
        store: &Store,
        record: &ImageRecord,
    ) -> Result<Vec<String>, TrustError> {
        if self.wanted.is_empty() {
            return Ok(Vec::new());
        }
        let images = kept::images(record);
        let pile = kept::signatures(store, record, &images);
        self.check(&images, &pile.candidates)
    }

    /// The fingerprints of the keys that signed what they must have signed.
    fn check(
        &self,
        images: &[Digest],
        candidates: &[Candidate],
    ) -> Result<Vec<String>, TrustError> {
        let mut keys = Vec::new();
        for (source, requirement) in &self.wanted {
            for key in requirement.check(source, images, candidates)?.keys {
                if !keys.contains(&key) {
                    keys.push(key);
                }
            }
        }
        Ok(keys)
    }

    /// What cannot be done where no answer comes.
    fn looking(&self) -> String {
        let rules = self.wanted.iter().flat_map(|(_, wanted)| &wanted.rules);
        match rules.into_iter().next() {
            None => "cannot look for signatures".to_owned(),
            Some(rule) => format!(
                "cannot look for the signatures that `{}` demands for `{}`",
                rule.by, rule.scope
            ),
        }
    }
}

impl Brought {
    /// Puts the signatures into the store, and into `record` as a part of the image. Those that are here with the same
    /// image stay: `before` is what its name meant until now.
    pub(in crate::ops) fn keep(
        &self,
        lease: &Lease,
        record: &mut ImageRecord,
        before: Option<&ImageRecord>,
    ) -> Result<(), BoxFault> {
        let same = before.filter(|before| images(before) == images(record));
        kept::carry_over(lease, record, same)?;
        let Some(found) = &self.signatures else {
            return Ok(());
        };
        for object in &self.objects {
            let blobs = object.blobs.iter().map(|(digest, bytes)| (digest, bytes));
            for (digest, bytes) in blobs.chain([(&object.digest, &object.bytes)]) {
                lease.put_bytes(digest, bytes)?;
                let (digest, size) = (digest.clone(), bytes.len() as u64);
                if !record.content.iter().any(|known| known.digest == digest) {
                    record.content.push(Content { digest, size });
                }
            }
        }
        let kept = record.signatures.get_or_insert_default();
        kept.manifests
            .retain(|known| !found.manifests.contains(known));
        kept.manifests.splice(0..0, found.manifests.iter().cloned());
        if !found.keys.is_empty() {
            kept.keys.clone_from(&found.keys);
        }
        Ok(())
    }
}

/// Fails unless the stored image `record` may be used under its name.
pub(in crate::ops) fn require_trusted(
    store: &Store,
    record: &ImageRecord,
    reach: &Reach,
) -> Result<(), BoxFault> {
    let source: Source = record.name.parse()?;
    let guard = Guard::of(&[&source], reach);
    let guard = guard.and_then(|guard| {
        guard.require_locked(&record.target)?;
        Ok(guard)
    });
    let guard = guard.map_err(|cause| unusable(&record.name, cause))?;
    match guard.admit_kept(store, record) {
        Ok(_keys) => Ok(()),
        Err(error) => Err(unsigned(record, error)),
    }
}

/// How an image was verified when it was brought here, in a few words: by digests, which everything is; by the keys that
/// a policy demanded, too; or although it was found to have no signatures.
pub(in crate::ops) fn verified(record: &ImageRecord) -> String {
    match &record.signatures {
        Some(kept) if !kept.keys.is_empty() => format!("digest+key:{}", kept.keys.join(",")),
        Some(kept) if kept.manifests.is_empty() => "unsigned".to_owned(),
        _ => "digest".to_owned(),
    }
}

/// That an image which is here lacks signatures; where it came from may have them by now.
pub(in crate::ops) fn unsigned(record: &ImageRecord, error: TrustError) -> BoxFault {
    Unsigned {
        name: record.name.clone(),
        error,
    }
    .into()
}

/// See [`unsigned`].
#[derive(Debug, thiserror::Error)]
#[error("cannot use the image `{name}`")]
struct Unsigned {
    name: String,
    #[source]
    error: TrustError,
}

impl Fault for Unsigned {
    fn kind(&self) -> Kind {
        self.error.kind()
    }

    fn hints(&self) -> Vec<String> {
        let ask = format!(
            "`coracle pull {}` looks for signatures where it came from",
            self.name
        );
        [vec![ask], self.error.hints()].concat()
    }
}

/// That an image which is here may not be used.
pub(in crate::ops) fn unusable(name: &str, cause: impl Into<BoxFault>) -> BoxFault {
    While::new(format!("cannot use the image `{name}`"), cause).into()
}

/// An error with all its causes in one line.
pub(in crate::ops) fn described(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
