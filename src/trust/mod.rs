//! Which images may be used, and whose signatures they must bear: policies, keys, and the check. No network, no store.
//!
//! What is signed is a digest. That a tag leads to the newest image that was signed, no signature with a key can show.
//!
//! # The format of `trust.toml`
//!
//! ```toml
//! # Of /etc/coracle/trust.toml only: what users' own files may do. `stricter`: demand more; `free`: say what counts for
//! # the images that they cover; `ignored`: nothing.
//! users = "stricter"
//! # Whether policy.json of podman and skopeo counts as well.
//! policy_json = true
//!
//! # For images that no scope covers; without it they are accepted.
//! [default]
//! mode = "accept"                        # or `reject`, or `signed`
//!
//! # A host, a host and parts of a path, or a whole name: the most specific scope counts. `*.example.org` are the hosts
//! # of a domain, `docker:` is all registries; `oci:`, `oci-archive:` and `docker-archive:` are layouts and archives,
//! # each alone or with an absolute path behind it.
//! [scope."registry.example/team"]
//! mode = "signed"
//! keys = ["keys/release.pem", "keys/qa.pem"]  # files beside this one, or keys as PEM
//! threshold = 2                          # how many of them must have signed; 1 where absent
//! identity = "if-named"                  # or `repository`, or `none`
//! signed_as = "upstream.example/team"    # signatures name this in the place of what the scope covers
//! ```
//!
//! `identity` is about the repository that a signature says it is for. With `if-named`, it must be the image's where the
//! signature names one: simple signatures do, Sigstore bundles do not. With `repository`, one that names none does not
//! count. With `none`, nobody looks at it.
//!
//! # Which files count
//!
//! The administrator's `trust.toml`, the user's, and `policy.json`: an image must meet what each of them demands. Where
//! the administrator has a file with `users = "free"`, or none, the user's `policy.json` takes the place of the system's,
//! as for podman; otherwise both count.

pub mod bundle;
mod check;
mod containers;
mod der;
mod error;
mod file;
mod identity;
mod json;
mod key;
mod place;
mod scope;
pub mod simple;

pub use check::{Candidate, Form, MAX_CANDIDATE, MAX_CANDIDATES, Proof, Requirement, Rule};
pub use containers::Containers;
pub use error::{Reasons, TrustError};
pub use file::{TrustFile, Users, Whose};
pub use identity::{Identity, SignedAs};
pub use key::{KeyError, TrustedKey};

use crate::base::env;
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
        let home = env::home();
        Places {
            system: HostPath::new(SYSTEM),
            user: env::user_file("coracle/trust.toml"),
            containers_system: HostPath::new(CONTAINERS),
            containers_user: home.map(|home| home.join(".config/containers/policy.json")),
        }
    }
}

/// What the policies of a host and a user say together.
#[derive(Debug, Default)]
pub struct Policy {
    system: Option<TrustFile>,
    user: Option<TrustFile>,
    /// Every `policy.json` that counts.
    containers: Vec<Containers>,
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
    /// Reads the files of `places` that are there and count. One that cannot be read or understood is an error: a policy
    /// that nobody understands trusts nothing.
    pub fn load(places: &Places) -> Result<Policy, TrustError> {
        let system = TrustFile::read(&places.system, Whose::System)?;
        let users = system.as_ref().map_or(Users::Free, |system| system.users);
        let own = places.user.as_ref().filter(|_| users != Users::Ignored);
        let user = match own {
            Some(path) => TrustFile::read(path, Whose::User)?,
            None => None,
        };
        let wants = |file: &Option<TrustFile>| file.as_ref().is_none_or(|file| file.policy_json);
        let mut policy = Policy::default();
        let of_user = match places.containers_user.as_ref() {
            Some(path) if users != Users::Ignored && wants(&system) && wants(&user) => {
                Containers::read(path)?
            }
            _ => None,
        };
        // podman and skopeo read the user's in the place of the system's. Where users may only demand more, it is read
        // beside that.
        let is_replaced = users == Users::Free && (of_user.is_some() || !wants(&user));
        if wants(&system) && !is_replaced {
            policy
                .containers
                .extend(Containers::read(&places.containers_system)?);
        }
        policy.containers.extend(of_user);
        Ok(Policy {
            system,
            user,
            ..policy
        })
    }

    /// What is demanded of the image that `source` names: by every file that counts, all of it.
    ///
    /// Where nothing is demanded, nothing but the files is read. Keys are read here.
    pub fn demand(&self, source: &Source) -> Result<Demand, TrustError> {
        if let Source::Embedded(_) = source {
            return Ok(Demand::Accept { by: None });
        }
        let mut demands = Vec::new();
        let of_user = self
            .user
            .as_ref()
            .map(|file| file.demand(source))
            .transpose()?
            .flatten();
        if let Some(system) = &self.system
            && !(system.users == Users::Free && of_user.is_some())
        {
            demands.extend(system.demand(source)?);
        }
        demands.extend(of_user);
        for containers in &self.containers {
            demands.push(containers.demand(source)?);
        }
        Ok(together(demands))
    }
}

/// What meets all of `demands`: a rejection is not outvoted, and rules add up.
fn together(demands: Vec<Demand>) -> Demand {
    let mut accepted = None;
    let mut rules = Vec::new();
    for demand in demands {
        match demand {
            Demand::Accept { by } => accepted = accepted.or(by),
            Demand::Reject { .. } => return demand,
            Demand::Signed(requirement) => rules.extend(requirement.rules),
        }
    }
    match rules.is_empty() {
        true => Demand::Accept { by: accepted },
        false => Demand::Signed(Requirement { rules }),
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
