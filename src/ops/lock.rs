//! `coracle.lock`: which image each name meant when it was pulled, so that later runs get the same or none.

use serde::{Deserialize, Serialize};

use crate::base::digest::Digest;
use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::fsx;
use crate::base::path::HostPath;
use crate::oci::platform::Platform;
use crate::oci::source::Source;
use crate::ops::vouch;
use crate::store::ImageRecord;

/// The form of the file; others are of a later coracle.
const VERSION: u64 = 1;
/// Bytes of a file. An image takes 400.
const MAX_FILE: u64 = 4 << 20;

/// The whole file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Locks {
    version: u64,
    images: Vec<Lock>,
}

/// What one name means on one platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lock {
    /// The full name.
    name: String,
    platform: String,
    /// What the name stands for: an index, or the manifest.
    digest: Digest,
    /// The manifest for the platform.
    manifest: Digest,
    /// How it was verified, for people: whoever uses it verifies it again.
    verified: String,
}

/// Why a locked image is not used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// A file that says what nobody understands.
    #[error("cannot use the lock file `{path}`")]
    Malformed {
        /// Which file.
        path: HostPath,
        /// Where in it, and what is wrong.
        source: serde_json::Error,
    },
    /// A file of a later version.
    #[error("the lock file `{path}` has the version {got}, expected {VERSION}")]
    Version {
        /// Which file.
        path: HostPath,
        /// Its version.
        got: u64,
    },
    /// A file that is not there.
    #[error("there is no lock file `{path}`")]
    Missing {
        /// The image that it was looked for.
        name: String,
        /// Which file.
        path: HostPath,
    },
    /// A name that was never locked.
    #[error("`{name}` is not in the lock file `{path}`")]
    Unlocked {
        /// The image.
        name: String,
        /// Which file.
        path: HostPath,
    },
    /// A name that means something else by now.
    #[error("`{name}` is {got}, but `{path}` locks it to {expected}")]
    Other {
        /// The image.
        name: String,
        /// Which file.
        path: HostPath,
        /// What the name stands for.
        got: Digest,
        /// What it is to stand for.
        expected: Digest,
    },
}

impl Fault for LockError {
    fn kind(&self) -> Kind {
        match self {
            LockError::Malformed { .. } | LockError::Version { .. } => Kind::Usage,
            LockError::Missing { .. } => Kind::NotFound,
            LockError::Unlocked { .. } => Kind::Refused,
            // A mirror may lag behind, and the registry itself have the right one.
            LockError::Other { .. } => Kind::Integrity,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            LockError::Malformed { path, .. } => vec![format!(
                "`coracle pull --lock {path} IMAGE...` writes such a file anew once this one is moved away"
            )],
            LockError::Version { .. } => vec!["use a newer coracle".to_owned()],
            LockError::Unlocked { name, path } | LockError::Missing { name, path } => {
                vec![format!("`coracle pull --lock {path} {name}` locks it")]
            }
            LockError::Other {
                name,
                path,
                expected,
                ..
            } => {
                let mut hints = vec![format!(
                    "if this image is the right one, `coracle pull --lock {path} {name}` locks it"
                )];
                if let Ok(Source::Registry(reference)) = name.parse() {
                    let locked = reference.at(expected);
                    hints.push(format!(
                        "else `coracle pull {locked}` and `coracle tag {locked} {name}` bring the locked one here"
                    ));
                }
                hints
            }
        }
    }
}

/// What an image must be.
#[derive(Clone, Debug)]
pub(super) struct Locked {
    name: String,
    path: HostPath,
    digest: Digest,
}

impl Locked {
    /// What the file `path` says of `source`, for `platform` or the host's; an error where it says nothing.
    pub(super) fn of(
        path: &HostPath,
        source: &Source,
        platform: Option<&Platform>,
    ) -> Result<Locked, BoxFault> {
        let (name, path) = (source.to_string(), path.clone());
        let Some(bytes) = fsx::read_if_there(&path, MAX_FILE)? else {
            return Err(LockError::Missing { name, path }.into());
        };
        let host = Platform::host();
        let wanted = platform.unwrap_or(&host);
        let of_name = parse(&path, &bytes)?.images.into_iter();
        let of_name: Vec<Lock> = of_name.filter(|lock| lock.name == name).collect();
        let fits = |lock: &&Lock| {
            let locked = lock.platform.parse::<Platform>();
            locked.is_ok_and(|locked| wanted.rank(&locked).is_some())
        };
        // An index that was locked for one platform locks all others.
        match of_name.iter().find(fits).or(of_name.first()) {
            Some(lock) => Ok(Locked {
                name,
                path,
                digest: lock.digest.clone(),
            }),
            None => Err(LockError::Unlocked { name, path }.into()),
        }
    }

    /// Fails unless the name stands for what is locked.
    pub(super) fn require(&self, got: &Digest) -> Result<(), LockError> {
        if self.digest == *got {
            return Ok(());
        }
        Err(LockError::Other {
            name: self.name.clone(),
            path: self.path.clone(),
            got: got.clone(),
            expected: self.digest.clone(),
        })
    }
}

/// Has the file `path` say of an image that is here what its name means; what it says of others stays. The file appears
/// whole, and is made where there is none.
pub fn lock(path: &HostPath, record: &ImageRecord) -> Result<(), BoxFault> {
    let mut locks = match fsx::read_if_there(path, MAX_FILE)? {
        Some(bytes) => parse(path, &bytes)?,
        None => Locks {
            version: VERSION,
            images: Vec::new(),
        },
    };
    let lock = Lock {
        name: record.name.clone(),
        platform: record.platform.to_string(),
        digest: record.target.clone(),
        manifest: record.manifest.clone(),
        verified: vouch::verified(record),
    };
    let is_same = |known: &Lock| known.name == lock.name && known.platform == lock.platform;
    locks.images.retain(|known| !is_same(known));
    locks.images.push(lock);
    let key = |lock: &Lock| (lock.name.clone(), lock.platform.clone());
    locks.images.sort_by_key(key);
    let mut text = serde_json::to_string_pretty(&locks).map_err(|source| LockError::Malformed {
        path: path.clone(),
        source,
    })?;
    text.push('\n');
    Ok(fsx::write_atomic(path, text.as_bytes(), 0o644)?)
}

fn parse(path: &HostPath, bytes: &[u8]) -> Result<Locks, LockError> {
    let path = path.clone();
    match serde_json::from_slice::<Locks>(bytes) {
        Ok(locks) if locks.version == VERSION => Ok(locks),
        Ok(Locks { version: got, .. }) => Err(LockError::Version { path, got }),
        Err(source) => Err(LockError::Malformed { path, source }),
    }
}
