//! `embedded:NAME`: images inside this binary, pulled and verified like any other.

use std::collections::HashMap;
use std::sync::Arc;

use crate::base::fault::{BoxFault, Fault, Kind};
use crate::oci::descriptor::Descriptor;
use crate::oci::media;
use crate::ops::pull::docker::assemble;
use crate::ops::pull::origin::{Local, Part};

/// A binary that was built without its payload.
#[derive(Debug, thiserror::Error)]
#[error("this binary was built without the image `{0}`")]
struct NotInside(String);

impl Fault for NotInside {
    fn kind(&self) -> Kind {
        Kind::NotFound
    }
}

/// Opens the embedded image `name`: a config and one plain layer.
pub(super) fn open(name: &str) -> Result<Local, BoxFault> {
    let files: Option<(Vec<u8>, Vec<u8>)> = None;
    let (config, layer) = files.ok_or_else(|| NotInside(name.to_owned()))?;
    let descriptor = Descriptor::of(media::OCI_LAYER, &layer);
    let parts = HashMap::from([(descriptor.digest.clone(), Part::Memory(Arc::from(layer)))]);
    Ok(assemble(config, &[descriptor], parts))
}
