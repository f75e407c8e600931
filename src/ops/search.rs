//! `search`: images in a registry, and the tags of one.

use crate::base::fault::{BoxFault, While};
use crate::base::progress::Progress;
use crate::oci::reference::{self, Reference};
use crate::ops::reach::Reach;
use crate::registry::{self, Found};

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// A word; in front of it may stand a registry and a slash.
    pub term: String,
    /// The host whose search is asked instead of the registry's own, or its address.
    pub index: Option<String>,
    /// The most images.
    pub limit: usize,
}

/// The images that fit, each with its registry's name in front where that is not Docker Hub.
pub fn search(
    request: &Request,
    reach: &Reach,
    progress: &dyn Progress,
) -> Result<Vec<Found>, BoxFault> {
    let is_host = |part: &str| part.contains(['.', ':']) || part == "localhost";
    let (host, term) = match request.term.split_once('/') {
        Some((host, term)) if is_host(host) => (host, term),
        _ => ("", request.term.as_str()),
    };
    let registry = reference::parse_registry(host)?;
    let index = request.index.as_deref().map(reference::parse_registry);
    let index = index.transpose()?;
    let options = reach.registry_options();
    let found = registry::search(
        &registry,
        index.as_deref(),
        term,
        request.limit,
        &options,
        progress,
    );
    let doing = || format!("cannot search `{registry}` for `{term}`");
    let mut found = found.map_err(|error| While::new(doing(), error))?;
    if !host.is_empty() {
        for image in &mut found {
            image.name = format!("{registry}/{}", image.name);
        }
    }
    Ok(found)
}

/// All tags of the repository that `name` names.
pub fn tags(name: &str, reach: &Reach, progress: &dyn Progress) -> Result<Vec<String>, BoxFault> {
    let reference: Reference = name.parse()?;
    let tags = registry::tags(&reference, &reach.registry_options(), progress);
    let doing = || format!("cannot list the tags of `{name}`");
    Ok(tags.map_err(|error| While::new(doing(), error))?)
}
