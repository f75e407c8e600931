//! `rmi`: forgets an image, and frees what nothing else needs.

use crate::base::digest::Digest;
use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::path::HostPath;
use crate::oci::source::Source;
use crate::ops::images;
use crate::store::{ImageRecord, Store, User};

/// What was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// The names that are forgotten.
    pub names: Vec<String>,
    /// The bytes on disk that were freed.
    pub freed: u64,
    /// Who runs from the image's files, which therefore stay for now.
    pub kept_by: Option<User>,
}

/// Why an image stays.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// Containers were made of it, and no other name keeps it.
    #[error("image `{image}` is used by {}", listed(containers))]
    InUse {
        /// The image, as it was named.
        image: String,
        /// The containers' ids.
        containers: Vec<String>,
    },
    /// Digits were given, and the image has several names.
    #[error("removing image `{image}` must be forced, as it has {} names: {}", names.len(), names.join(", "))]
    SeveralNames {
        /// The image, as it was named.
        image: String,
        /// All its names.
        names: Vec<String>,
    },
}

fn listed(containers: &[String]) -> String {
    let short = |id: &String| format!("`{}`", id.get(..12).unwrap_or(id));
    let ids: Vec<_> = containers.iter().map(short).collect();
    let what = if ids.len() == 1 {
        "container"
    } else {
        "containers"
    };
    format!("{what} {}", ids.join(", "))
}

impl Fault for RemoveError {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hints(&self) -> Vec<String> {
        match self {
            RemoveError::InUse { .. } => vec![
                "remove the containers with `coracle rm`, or use `--force`: they go on working"
                    .into(),
            ],
            RemoveError::SeveralNames { .. } => {
                vec!["name one of them, or use `--force` to remove all".into()]
            }
        }
    }
}

/// Forgets the image `text`, a name or the first digits of a digest, in the store at
/// `home`. With `force` also an image that containers use, which keep what they need,
/// and all names of an image given by digits.
pub fn remove(home: &HostPath, text: &str, force: bool) -> Result<Removal, BoxFault> {
    let store = Store::open(home.clone())?;
    let found = images::find(&store, text)?;
    if !force {
        refuse_if_needed(&store, text, &found)?;
    }
    for image in &found {
        store.remove_image(&image.name.parse::<Source>()?)?;
    }
    let swept = store.sweep()?;
    let by = found.iter().find_map(|image| swept.kept_by(&image.chain));
    Ok(Removal {
        kept_by: by.cloned(),
        names: found.into_iter().map(|image| image.name).collect(),
        freed: swept.freed(),
    })
}

fn refuse_if_needed(store: &Store, text: &str, found: &[ImageRecord]) -> Result<(), BoxFault> {
    let image = text.to_owned();
    let names: Vec<_> = found.iter().map(|image| image.name.clone()).collect();
    if names.len() > 1 {
        return Err(RemoveError::SeveralNames { image, names }.into());
    }
    let is_it = |manifest: &Digest| found.iter().any(|image| image.manifest == *manifest);
    let all = store.images()?;
    let others = all.iter().filter(|other| !names.contains(&other.name));
    if others.into_iter().any(|other| is_it(&other.manifest)) {
        return Ok(());
    }
    let containers = store.containers()?.into_iter().map(|it| it.record);
    let users = containers.filter(|record| is_it(&record.manifest));
    let containers: Vec<_> = users.map(|record| record.id).collect();
    if containers.is_empty() {
        return Ok(());
    }
    Err(RemoveError::InUse { image, containers }.into())
}
