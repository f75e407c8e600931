//! That an image could not be pulled, and what there is instead of it.

use std::error::Error;
use std::fmt;

use super::familiar;
use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::near;
use crate::oci::source::Source;
use crate::ops::images;
use crate::store::Store;

/// Images of the same name that a hint lists.
const MOST: usize = 3;

/// A pull that failed.
#[derive(Debug)]
pub(super) struct Unpulled {
    name: String,
    cause: BoxFault,
    /// Images that are here, with another tag or nearly of that name; looked for only where no registry answers.
    here: Vec<String>,
}

impl Unpulled {
    /// `cause`, for which `source` could not be brought into `store`.
    pub(super) fn new(store: &Store, source: &Source, cause: BoxFault) -> Unpulled {
        let name = familiar(source);
        let here = match cause.kind() {
            Kind::Network => similar(store, &name),
            _ => Vec::new(),
        };
        Unpulled { name, cause, here }
    }
}

/// The images in `store` with another tag of the repository that `name` means, else of one that is called nearly so.
fn similar(store: &Store, name: &str) -> Vec<String> {
    let known = images::familiar_names(store);
    let wanted = repository(name);
    let of = |wanted: &str| -> Vec<String> {
        let tagged = known.iter().filter(|known| **known != repository(known));
        let same = tagged.filter(|known| repository(known) == wanted);
        same.take(MOST).cloned().collect()
    };
    let same = of(wanted);
    if !same.is_empty() {
        return same;
    }
    let repositories = known.iter().map(|known| repository(known));
    near::nearest(wanted, repositories).map_or(Vec::new(), of)
}

/// A name without its tag or digest.
fn repository(name: &str) -> &str {
    let name = name.split('@').next().unwrap_or_default();
    let last = name.rfind('/').map_or(0, |at| at + 1);
    let colon = name[last..].find(':');
    colon.map_or(name, |at| &name[..last + at])
}

impl fmt::Display for Unpulled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot pull `{}`", self.name)
    }
}

impl Error for Unpulled {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}

impl Fault for Unpulled {
    fn kind(&self) -> Kind {
        self.cause.kind()
    }

    fn hints(&self) -> Vec<String> {
        let mut hints = Vec::new();
        if !self.here.is_empty() {
            let names: Vec<String> = self.here.iter().map(|name| format!("`{name}`")).collect();
            let is = if names.len() == 1 { "is" } else { "are" };
            hints.push(format!("{} {is} here", names.join(", ")));
        }
        hints.extend(self.cause.hints());
        if self.kind() == Kind::Network {
            hints.push(
                "without a network, bring `docker-archive:FILE` or `oci:DIR`: see `coracle help registries`"
                    .to_owned(),
            );
        }
        hints
    }
}

#[cfg(test)]
mod tests {
    use super::repository;

    #[test]
    fn a_tag_is_no_port() {
        for (name, wanted) in [
            ("debian", "debian"),
            ("debian:13", "debian"),
            ("h:5000/a/b", "h:5000/a/b"),
            ("h:5000/a/b:2", "h:5000/a/b"),
            ("debian@sha256:00", "debian"),
        ] {
            assert_eq!(repository(name), wanted);
        }
    }
}
