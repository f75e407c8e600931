//! Which images may be used, and whose signatures they must bear: policies, keys, and the check. No network, no store.
//!
//! What is signed is a digest. That a tag leads to the newest image that was signed, no signature with a key can show.

pub mod bundle;
mod check;
mod der;
mod error;
mod identity;
mod json;
mod key;
pub mod simple;

pub use check::{Candidate, Form, MAX_CANDIDATE, MAX_CANDIDATES, Proof, Requirement, Rule};
pub use error::{Reasons, TrustError};
pub use identity::{Identity, SignedAs};
pub use key::{KeyError, TrustedKey};

use crate::base::env;
use crate::base::fsx;
use crate::base::path::HostPath;
use crate::oci::source::Source;

/// The administrator's file.
const SYSTEM: &str = "/etc/coracle/trust.toml";
/// The policy of podman and skopeo. containers-policy.json(5)
const CONTAINERS: &str = "/etc/containers/policy.json";

/// Where policies are looked for.
#[derive(Clone, Debug)]
pub struct Places {
    /// The administrator's `trust.toml`.
    pub system: HostPath,
    /// The user's.
    pub user: Option<HostPath>,
    /// The administrator's `policy.json`.
    pub containers_system: HostPath,
    /// The user's.
    pub containers_user: Option<HostPath>,
}

impl Places {
    /// The places of this host and user. XDG Base Directory Specification; containers-policy.json(5), which knows
    /// `$HOME/.config` and no variable.
    pub fn of_host() -> Places {
        let home = env::real(env::HOME).map(HostPath::new);
        Places {
            system: HostPath::new(SYSTEM),
            user: env::user_file("coracle/trust.toml"),
            containers_system: HostPath::new(CONTAINERS),
            containers_user: home.map(|home| home.join(".config/containers/policy.json")),
        }
    }
}

/// What the policies of a host and a user say together.
#[derive(Debug)]
pub struct Policy {
    unread: Option<HostPath>,
}

/// What becomes of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demand {
    /// It may be used as it is.
    Accept {
        /// The file that says so; none where no file says anything.
        by: Option<HostPath>,
    },
    /// It must not be used; [`Demand::rejection`] says it as an error.
    Reject {
        /// The file that says so.
        by: HostPath,
        /// Its scope that covers the image.
        scope: String,
    },
    /// It must be signed.
    Signed(Requirement),
}

impl Policy {
    /// Reads the files of `places` that are there. One that cannot be read or understood is an error: a policy that
    /// nobody understands trusts nothing.
    pub fn load(places: &Places) -> Result<Policy, TrustError> {
        let files = [Some(&places.system), places.user.as_ref()];
        for path in files.into_iter().flatten() {
            if fsx::read_if_there(path, 1 << 20)
                .map_err(TrustError::File)?
                .is_some()
            {
                return Ok(Policy {
                    unread: Some(path.clone()),
                });
            }
        }
        Ok(Policy { unread: None })
    }

    /// What is demanded of the image that `source` names.
    pub fn demand(&self, source: &Source) -> Result<Demand, TrustError> {
        match &self.unread {
            Some(path) => Err(TrustError::Unknown {
                by: path.clone(),
                scope: source.to_string(),
                what: "this version cannot read it yet".to_owned(),
            }),
            None => Ok(Demand::Accept { by: None }),
        }
    }
}

impl Demand {
    /// The error that a rejected `source` ends in; none for what may be used or must be signed.
    pub fn rejection(&self, source: &Source) -> Option<TrustError> {
        match self {
            Demand::Reject { by, scope } => Some(TrustError::Rejected {
                by: by.clone(),
                scope: scope.clone(),
                source_name: source.to_string(),
            }),
            Demand::Accept { .. } | Demand::Signed(_) => None,
        }
    }
}
