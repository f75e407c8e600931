//! What a short name means: an image that is here, else what an alias in the host's files says, else docker.io's.

use crate::base::fault::BoxFault;
use crate::base::path::HostPath;
use crate::oci::source::Source;
use crate::registry::registries::{Places, Registries};
use crate::store::Store;

/// The source that was typed as `text`, for whoever has images in `home`.
pub fn meant(home: &HostPath, text: &str) -> Result<Source, BoxFault> {
    in_store(&Store::open(home.clone())?, text)
}

/// The same for an open store. No file is read where an image of that name is here, or where a registry was typed.
pub(super) fn in_store(store: &Store, text: &str) -> Result<Source, BoxFault> {
    let source: Source = text.parse()?;
    let Source::Registry(_) = &source else {
        return Ok(source);
    };
    let typed = text.strip_prefix("docker://").unwrap_or(text);
    let name = typed.split('@').next().unwrap_or_default();
    let last = name.rfind('/').map_or(0, |at| at + 1);
    let name = name[last..].find(':').map_or(name, |at| &name[..last + at]);
    let first = name.split('/').next().unwrap_or_default();
    let has_host = name.contains('/') && (first.contains(['.', ':']) || first == "localhost");
    if has_host || store.image(&source)?.is_some() {
        return Ok(source);
    }
    let registries = Registries::load(&Places::of_host(), &[])?;
    match registries.alias(name) {
        Some(full) => Ok(format!("{full}{}", &typed[name.len()..]).parse()?),
        None => Ok(source),
    }
}
