//! `mkrepo`, and which directory holds images and containers where udocker's own may be there already.

use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::fsx;
use crate::base::path::HostPath;
use crate::store::Store;

/// The directory of ours beside what udocker keeps.
const BESIDE: &str = "coracle";

/// A directory that cannot be used.
#[derive(Debug, thiserror::Error)]
enum RepoError {
    #[error("`{0}` is there already")]
    Exists(HostPath),
    #[error("`{0}` is no directory of images and containers")]
    NotOne(HostPath),
}

impl Fault for RepoError {
    fn kind(&self) -> Kind {
        match self {
            RepoError::Exists(_) => Kind::Usage,
            RepoError::NotOne(_) => Kind::NotFound,
        }
    }

    fn hints(&self) -> Vec<String> {
        vec![match self {
            RepoError::Exists(_) => "name a directory that is not there yet".to_owned(),
            RepoError::NotOne(dir) => format!("make one with `udocker mkrepo {dir}`"),
        }]
    }
}

/// Makes an empty one, with the directories above it.
pub fn make(dir: &HostPath) -> Result<(), BoxFault> {
    if fsx::absent_as_none(fsx::symlink_metadata(dir))?.is_some() {
        return Err(RepoError::Exists(dir.clone()).into());
    }
    Ok(Store::open(dir.clone())?.make()?)
}

/// The one at `dir`, which must be there, or the one beside udocker's there, which need not.
pub fn existing(dir: &HostPath) -> Result<HostPath, BoxFault> {
    if is_udockers(dir) {
        return Ok(dir.join(BESIDE));
    }
    if Store::open(dir.clone())?.is_made()? {
        return Ok(dir.clone());
    }
    Err(RepoError::NotOne(dir.clone()).into())
}

/// `dir`, or a directory below it where udocker keeps its own files there: they have other forms under the same names.
pub fn beside_udockers(dir: &HostPath) -> HostPath {
    match is_udockers(dir) {
        true => dir.join(BESIDE),
        false => dir.clone(),
    }
}

fn is_udockers(dir: &HostPath) -> bool {
    ["repos", "layers"]
        .iter()
        .all(|part| dir.join(part).is_dir())
}
