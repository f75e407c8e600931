//! `coracle prune`: removes what does not run and what nothing needs, as `docker system prune`.

use std::time::SystemTime;

use crate::base::creator::Life;
use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::path::HostPath;
use crate::base::progress::Progress;
use crate::oci::source::Source;
use crate::ops::containers;
use crate::ops::images::{self, Row};
use crate::store::{Container, ImageRecord, Store};

/// What is to be removed.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Which kind of things.
    pub kinds: Kinds,
    /// Whether also images go of which there is no container (`--all`).
    pub unused_images: bool,
    /// Only what is older than this moment.
    pub until: Option<SystemTime>,
}

/// Which kinds of things are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kinds {
    /// Containers, images, and what nobody needs.
    All,
    /// Containers alone.
    Containers,
    /// Images, and what nobody needs.
    Images,
}

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Ids of containers.
    pub containers: Vec<String>,
    /// Names of images.
    pub images: Vec<String>,
    /// The bytes on disk that were freed.
    pub freed: u64,
}

/// A filter that cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error(
    "got the filter `{0}`, expected `until=` and a time such as `24h` or `2026-01-31T12:00:00Z`"
)]
pub struct BadFilter(String);

impl Fault for BadFilter {
    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

/// Reads `until=24h`, `until=<RFC 3339>` or `until=<seconds since 1970>`.
pub fn until(filter: &str) -> Result<SystemTime, BadFilter> {
    let bad = || BadFilter(filter.escape_debug().take(80).collect());
    let time = filter.strip_prefix("until=").ok_or_else(bad)?;
    if let Ok(seconds) = time.parse::<u64>() {
        let since = std::time::Duration::from_secs(seconds);
        return SystemTime::UNIX_EPOCH.checked_add(since).ok_or_else(bad);
    }
    if let Ok(age) = humantime::parse_duration(time) {
        return SystemTime::now().checked_sub(age).ok_or_else(bad);
    }
    humantime::parse_rfc3339_weak(time).map_err(|_| bad())
}

/// Removes it, and says what it was. What runs stays, also on other hosts, and so does what is protected; what cannot be
/// removed is a warning.
pub fn prune(
    request: &Request,
    home: &HostPath,
    progress: &dyn Progress,
) -> Result<Pruned, BoxFault> {
    let store = Store::open(home.clone())?;
    let mut pruned = Pruned::default();
    if request.kinds != Kinds::Images {
        for container in store.containers()? {
            let id = &container.record.id;
            if !is_old(request, &container.record.created) || lives(&store, &container)? {
                continue;
            }
            let bytes = store.container_bytes(id);
            // It looks again whether something runs, right before.
            match containers::remove(home, id, false) {
                Ok(id) => {
                    pruned.freed += bytes;
                    pruned.containers.push(id);
                }
                Err(fault) => progress.warn(&format!("container {} stays: {fault}", &id[..12])),
            }
        }
    }
    if request.kinds != Kinds::Containers {
        let mut forgotten = Vec::new();
        if request.unused_images {
            forgotten = forget_images(request, &store, home)?;
        }
        let swept = store.sweep()?;
        pruned.freed += swept.freed();
        for image in &forgotten {
            if let Some(by) = swept.kept_by(&image.chain) {
                let name = &image.name;
                progress.warn(&format!(
                    "the files of `{name}` stay for now, as {by} runs from them"
                ));
            }
        }
        pruned.images = forgotten.into_iter().map(|image| image.name).collect();
    }
    Ok(pruned)
}

/// Whether a thing of this time goes.
fn is_old(request: &Request, time: &str) -> bool {
    let Some(until) = request.until else {
        return true;
    };
    humantime::parse_rfc3339_weak(time).is_ok_and(|time| time < until)
}

/// Whether a container is to stay: a guest may live in it, here or elsewhere, or it is protected.
fn lives(store: &Store, container: &Container) -> Result<bool, BoxFault> {
    let id = &container.record.id;
    if store.is_container_protected(id)? || !store.noted_guests(id)?.is_empty() {
        return Ok(true);
    }
    let state = store.state(id)?;
    Ok(state.is_some_and(|state| state.is_kept() || state.life() == Life::Elsewhere))
}

/// Forgets the images of which there is no container, and returns them.
fn forget_images(
    request: &Request,
    store: &Store,
    home: &HostPath,
) -> Result<Vec<ImageRecord>, BoxFault> {
    let used: Vec<_> = store
        .containers()?
        .into_iter()
        .map(|it| it.record.manifest)
        .collect();
    let mut forgotten = Vec::new();
    // Those of other users' stores are not ours to remove.
    for image in store.images()?.into_iter().filter(|it| it.site.is_none()) {
        let source: Source = image.name.parse()?;
        let stays = used.contains(&image.manifest)
            || !is_old(request, &image.pulled)
            || crate::ops::protect::is_image_protected(home, &image.name)?;
        if !stays && store.remove_image(&source)? {
            forgotten.push(image);
        }
    }
    Ok(forgotten)
}

/// What one kind of things takes on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// What it is.
    pub kind: &'static str,
    /// How many there are.
    pub total: usize,
    /// How many of them are needed: by a container, by a guest.
    pub active: usize,
    /// Bytes on disk.
    pub size: u64,
    /// Bytes that removing what is not needed would free.
    pub reclaimable: u64,
}

/// A container and what it takes.
#[derive(Clone, Debug)]
pub struct ContainerUsage {
    /// It.
    pub row: containers::Row,
    /// Bytes on disk of what was written in it.
    pub size: u64,
}

/// What is on disk.
#[derive(Clone, Debug)]
pub struct Disk {
    /// Each kind.
    pub kinds: Vec<Usage>,
    /// Each image, and how many containers there are of it.
    pub images: Vec<(Row, usize)>,
    /// Each container.
    pub containers: Vec<ContainerUsage>,
}

/// Measures the store at `home`: `coracle df`.
pub fn disk(home: &HostPath) -> Result<Disk, BoxFault> {
    let store = Store::open(home.clone())?;
    let used: Vec<_> = store
        .containers()?
        .into_iter()
        .map(|it| it.record.config)
        .collect();
    let count = |row: &Row| used.iter().filter(|config| **config == row.id).count();
    let images: Vec<(Row, usize)> = images::list(home)?
        .into_iter()
        .map(|row| {
            let count = count(&row);
            (row, count)
        })
        .collect();
    let mut containers = Vec::new();
    for row in containers::list(home)? {
        let size = store.container_bytes(&row.id);
        containers.push(ContainerUsage { row, size });
    }
    let idle = images.iter().filter(|(_, count)| *count == 0);
    let stopped = containers.iter().filter(|it| !it.row.running);
    let (n_caches, caches) = store.cache_bytes();
    let kinds = vec![
        Usage {
            kind: "Images",
            total: images.len(),
            active: images.iter().filter(|(_, count)| *count > 0).count(),
            size: store.image_bytes(),
            reclaimable: idle.map(|(row, _)| row.unique).sum(),
        },
        Usage {
            kind: "Containers",
            total: containers.len(),
            active: containers.iter().filter(|it| it.row.running).count(),
            size: containers.iter().map(|it| it.size).sum(),
            reclaimable: stopped.map(|it| it.size).sum(),
        },
        // What is unpacked of this program, and what others are working on or left: `gc` knows which.
        Usage {
            kind: "Caches",
            total: n_caches,
            size: caches,
            ..Usage::default()
        },
    ];
    Ok(Disk {
        kinds,
        images,
        containers,
    })
}
