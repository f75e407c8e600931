//! `embedded:NAME`: images inside this binary, pulled and verified like any other.

use std::collections::HashMap;
use std::sync::Arc;

use crate::base::fault::BoxFault;
use crate::embed::{self, EmbedError, Payload};
use crate::oci::descriptor::Descriptor;
use crate::oci::media;
use crate::ops::pull::docker::assemble;
use crate::ops::pull::origin::{Local, Part};
use crate::store::ImageRecord;

/// The files that make an embedded image.
const CONFIG: &str = "config.json";
const LAYER: &str = "layer.tar";

/// Opens the embedded image `name`: a config and one plain layer.
pub(in crate::ops) fn open(name: &str) -> Result<Local, BoxFault> {
    let payload = embed::find(name)?;
    let mut files = embed::read(payload)?;
    let mut take = |wanted: &str| {
        let position = files.iter().position(|file| file.name == wanted);
        position.map(|position| files.swap_remove(position).bytes)
    };
    let (Some(config), Some(layer)) = (take(CONFIG), take(LAYER)) else {
        return Err(EmbedError::Missing(name.to_owned()).into());
    };
    let descriptor = Descriptor::of(media::OCI_LAYER, &layer);
    let parts = HashMap::from([(descriptor.digest.clone(), Part::Memory(Arc::from(layer)))]);
    Ok(assemble(config, &[descriptor], parts))
}

/// Whether a stored image is the one in this binary, and not that of another version.
/// Nothing is unpacked for that.
pub(in crate::ops) fn is_current(name: &str, record: &ImageRecord) -> Result<bool, EmbedError> {
    let payload: &Payload = embed::find(name)?;
    let is_stored = |hex| {
        record
            .content
            .iter()
            .any(|content| content.digest.hex() == hex)
    };
    Ok(payload.files.iter().all(|file| is_stored(file.sha256)))
}
