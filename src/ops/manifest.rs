//! `manifest inspect`: what a name stands for where it comes from, without bringing it here.

use crate::base::fault::{BoxFault, While};
use crate::base::progress::Progress;
use crate::oci::manifest::Document;
use crate::oci::source::Source;
use crate::ops::pull::{self, origin};
use crate::ops::reach::Reach;
use crate::registry::Served;
use crate::store::Store;

/// The index or manifest that `source` names, as served and verified; with a platform in `reach` its manifest.
pub fn inspect(
    source: &Source,
    reach: &Reach,
    progress: &dyn Progress,
) -> Result<Vec<u8>, BoxFault> {
    let served = pull::locate(source).and_then(|located| fetch(&located, reach, progress));
    let doing = || format!("cannot inspect the manifest of `{source}`");
    served
        .map(|served| served.bytes)
        .map_err(|cause| While::new(doing(), cause).into())
}

fn fetch(source: &Source, reach: &Reach, progress: &dyn Progress) -> Result<Served, BoxFault> {
    let store = Store::open(reach.home.clone())?;
    let origin = origin::open(source, &store, reach, progress)?;
    let served = origin.target()?;
    match (&served.document, &reach.platform) {
        (Document::Index(index), Some(platform)) => origin.document(index.choose(platform)?),
        _ => Ok(served),
    }
}
