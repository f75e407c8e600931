//! `coracle volume`, and the volumes that a run needs.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::base::fault::{BoxFault, Fault, Kind, While};
use crate::base::path::{GuestPath, HostPath, RootDir};
use crate::base::progress::Progress;
use crate::ops::create::CreateError;
use crate::plan::binds;
use crate::plan::wish::Wish;
use crate::store::{Container, Store, StoreError};

/// What cannot be done with a volume.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// A text that names none.
    #[error("`{0}` cannot name a volume, expected 2 to 128 letters, digits, `_`, `.` and `-`")]
    BadName(String),
    /// `--volumes-from` with what it does not take.
    #[error(
        "got `{0}` for `--volumes-from`, expected a container, with `:ro` or `:rw` behind it if wanted"
    )]
    BadLoan(String),
    /// `--volumes-from` of a container in which nothing is mounted.
    #[error("container `{0}` has no volumes that another one could see")]
    NothingToLend(String),
    /// A container sees it, or will when it runs again.
    #[error("the volume `{name}` is used by {by}")]
    InUse {
        /// The volume.
        name: String,
        /// Who uses it.
        by: String,
    },
    /// Everything that nobody uses is to go, without a word that this is meant.
    #[error("volumes hold data that nothing else has: {0}")]
    Unconfirmed(String),
}

impl Fault for VolumeError {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            VolumeError::BadName(_) | VolumeError::BadLoan(_) => return Vec::new(),
            VolumeError::NothingToLend(_) => {
                "make it with `-v NAME:/path`: what is written elsewhere in a container is its own"
            }
            VolumeError::InUse { .. } => "remove the container first, with `coracle rm`",
            VolumeError::Unconfirmed(_) => {
                "`coracle volume prune --all --force` removes them; `coracle volume rm NAME` only one"
            }
        };
        vec![hint.to_owned()]
    }
}

/// A volume, as it is listed.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// When it was created, RFC 3339 in UTC.
    pub created: String,
    /// Data for people.
    pub labels: BTreeMap<String, String>,
    /// Where what guests see of it lies.
    pub mountpoint: HostPath,
}

/// All volumes, by name.
pub fn list(home: &HostPath) -> Result<Vec<Row>, BoxFault> {
    let volumes = Store::open(home.clone())?.volumes()?.into_iter();
    Ok(volumes
        .map(|volume| Row {
            name: volume.record.name,
            created: volume.record.created,
            labels: volume.record.labels,
            mountpoint: volume.content,
        })
        .collect())
}

/// Makes a volume, called by 64 random digits where no name is given; its name. One that exists stays as it is.
pub fn create(
    home: &HostPath,
    name: Option<String>,
    labels: BTreeMap<String, String>,
) -> Result<String, BoxFault> {
    let store = Store::open(home.clone())?;
    let name = match name {
        Some(name) if binds::is_volume_name(&name) => name,
        Some(other) => return Err(VolumeError::BadName(other).into()),
        None => store.random_volume_name()?,
    };
    store.create_volume(&name, labels, None)?;
    Ok(name)
}

/// A volume in the words of `docker volume inspect`.
pub fn inspect(home: &HostPath, name: &str) -> Result<Value, BoxFault> {
    let volume = Store::open(home.clone())?.volume(name)?;
    let volume = volume.ok_or_else(|| StoreError::NoVolume(name.to_owned()))?;
    Ok(json!({
        "CreatedAt": volume.record.created,
        "Driver": "local",
        "Labels": volume.record.labels,
        "Mountpoint": volume.content.to_string(),
        "Name": volume.record.name,
        "Options": null,
        "Scope": "local",
    }))
}

/// Removes a volume that nobody uses.
pub fn remove(home: &HostPath, name: &str) -> Result<(), BoxFault> {
    let store = Store::open(home.clone())?;
    if let Some(by) = user(&store, &store.containers()?, name) {
        let name = name.to_owned();
        return Err(VolumeError::InUse { name, by }.into());
    }
    Ok(store.remove_volume(name)?)
}

/// The volumes that nobody uses.
pub fn unused(home: &HostPath) -> Result<Vec<String>, BoxFault> {
    let store = Store::open(home.clone())?;
    let containers = store.containers()?;
    let names = store.volumes()?.into_iter().map(|it| it.record.name);
    Ok(names
        .filter(|name| user(&store, &containers, name).is_none())
        .collect())
}

/// Makes the volumes of a wish that do not exist yet. One that is empty begins with what the image has at its place, as
/// with Docker.
pub(super) fn provide(
    store: &Store,
    wish: &Wish,
    lower: &HostPath,
    progress: &dyn Progress,
) -> Result<(), BoxFault> {
    for named in binds::named(wish)? {
        let name = &named.name;
        let doing = |error| While::new(format!("cannot make the volume `{name}`"), error);
        let first = match named.copies {
            true => first_content(lower, &named.target),
            false => None,
        };
        match store.volume(name)? {
            None => {
                store
                    .create_volume(name, BTreeMap::new(), first.as_ref())
                    .map_err(doing)?;
                progress.note(&format!("made the volume `{name}`"));
                let is_here = std::path::Path::new(name).is_dir();
                if is_here {
                    progress.warn(&format!(
                        "`{name}` is a new volume, not the directory `{name}` that is here, which is `./{name}`"
                    ));
                }
            }
            Some(volume) => {
                if let Some(first) = first {
                    store.fill_volume(&volume, &first).map_err(doing)?;
                }
            }
        }
    }
    Ok(())
}

/// Adds what is mounted in other containers: `NAME[:ro|rw]` each. Places that have a mount already keep it.
pub(super) fn borrow(store: &Store, lenders: &[String], wish: &mut Wish) -> Result<(), BoxFault> {
    for lender in lenders {
        let (name, mode) = lender.split_once(':').unwrap_or((lender, "rw"));
        if !matches!(mode, "ro" | "rw") {
            return Err(VolumeError::BadLoan(lender.clone()).into());
        }
        let record = store.container(name)?.record;
        let options = |source| CreateError::Options {
            id: record.id.clone(),
            source,
        };
        let theirs: Wish = serde_json::from_value(record.options.clone()).map_err(options)?;
        let mut found = false;
        for mut wanted in binds::wanted(&theirs)? {
            wanted.read_only |= mode == "ro";
            let Some(mount) = wanted.as_mount() else {
                continue;
            };
            found = true;
            let mut ours = binds::wanted(wish)?.into_iter();
            if !ours.any(|known| known.target == wanted.target) {
                wish.mounts.push(mount);
            }
        }
        if !found {
            return Err(VolumeError::NothingToLend(name.to_owned()).into());
        }
    }
    Ok(())
}

/// The directory of the image at a volume's place, if it has one.
fn first_content(lower: &HostPath, target: &GuestPath) -> Option<HostPath> {
    let path = RootDir::new(lower.clone()).resolve(target).ok()?;
    path.is_dir().then_some(path)
}

/// Who uses a volume: a container that was made with it, or a guest that runs on this host.
fn user(store: &Store, containers: &[Container], name: &str) -> Option<String> {
    let uses = |container: &&Container| {
        let wish = serde_json::from_value::<Wish>(container.record.options.clone());
        let named = wish.ok().and_then(|wish| binds::named(&wish).ok());
        named.into_iter().flatten().any(|named| named.name == name)
    };
    if let Some(container) = containers.iter().find(uses) {
        return Some(format!("container {}", &container.record.id[..12]));
    }
    store
        .is_volume_in_use(name)
        .then(|| "a guest that runs on this host".to_owned())
}
