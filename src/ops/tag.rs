//! `tag`: a further name for an image that is here.

use crate::base::fault::{BoxFault, Fault, Kind, While};
use crate::base::path::HostPath;
use crate::oci::reference::Reference;
use crate::oci::source::Source;
use crate::ops::images;
use crate::store::{ImageRecord, Store};

/// A name that says what it means already.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` has a digest, which cannot be given to an image")]
struct Digested(String);

impl Fault for Digested {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec!["write it as `[registry[:port]/]name[:tag]`".to_owned()]
    }
}

/// A name of a registry that may be given to an image: one without a digest. Never `embedded:hello`.
pub(super) fn new_name(text: &str) -> Result<Source, BoxFault> {
    let text = text.strip_prefix("docker://").unwrap_or(text);
    let reference: Reference = text.parse()?;
    match reference.digest() {
        Some(_) => Err(Digested(text.to_owned()).into()),
        None => Ok(Source::Registry(reference)),
    }
}

/// Gives the image `text`, a name or the first digits of a digest, the further name `name`; another image that had it
/// loses it, unless it is protected.
pub fn tag(home: &HostPath, text: &str, name: &str) -> Result<ImageRecord, BoxFault> {
    let store = Store::open(home.clone())?;
    let found = images::find(&store, text)?;
    let image = found
        .first()
        .ok_or_else(|| images::FindError::None(text.to_owned()))?;
    let source = new_name(name)?;
    let record = ImageRecord {
        name: source.to_string(),
        ..image.clone()
    };
    let tagged = store
        .lease()
        .and_then(|lease| lease.publish(&source, &record));
    tagged.map_err(|error| While::new(format!("cannot tag `{text}` as `{name}`"), error))?;
    Ok(record)
}
