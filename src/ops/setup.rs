//! `coracle setup`: what a container is to remember for its later runs.

use crate::base::fault::BoxFault;
use crate::base::fsx;
use crate::base::path::HostPath;
use crate::base::progress::Progress;
use crate::base::subids;
use crate::engine::select::{self, EngineWish};
use crate::gpu::nvidia;
use crate::gpu::preflight::{self, Severity, Wanted};
use crate::ops::create::{self, CreateError};
use crate::ops::gpu;
use crate::plan::wish::{Text, Via, Wish};
use crate::store::{ContainerRecord, Store};

/// Whether a container's runs get NVIDIA's GPUs without being told so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nvidia {
    /// With the driver as each run finds it on its host.
    Host,
    /// By a specification of the Container Device Interface, likewise.
    Cdi,
    /// Only where a run asks for it.
    Off,
}

impl Nvidia {
    /// The word for it on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Nvidia::Host => "host",
            Nvidia::Cdi => "cdi",
            Nvidia::Off => "off",
        }
    }
}

/// What the container with this name or id remembers.
pub fn remembered(home: &HostPath, name_or_id: &str) -> Result<Nvidia, BoxFault> {
    let container = Store::open(home.clone())?.container(name_or_id)?;
    let wish = wish_of(&container.record)?;
    Ok(match wish.gpu.via() {
        Some(Via::Discovery) => Nvidia::Host,
        Some(Via::Cdi) => Nvidia::Cdi,
        None => Nvidia::Off,
    })
}

/// Has it remember a setting. Nothing of the driver is copied: each run finds it on the host where it happens, which
/// need not be this one, so what is missing here is a warning. To switch it off also forgets which GPUs were chosen.
pub fn remember(
    home: &HostPath,
    name_or_id: &str,
    setting: Nvidia,
    progress: &dyn Progress,
) -> Result<(), BoxFault> {
    let store = Store::open(home.clone())?;
    let record = store.container(name_or_id)?.record;
    let mut wish = wish_of(&record)?;
    match setting {
        Nvidia::Host => wish.gpu.nvidia = Some(Via::Discovery),
        Nvidia::Cdi => wish.gpu.nvidia = Some(Via::Cdi),
        Nvidia::Off => {
            wish.gpu.nvidia = None;
            wish.gpu.gpus = None;
        }
    }
    let driver_root = wish.gpu.driver_root.clone();
    set_wish(&store, record, wish)?;
    if setting == Nvidia::Host {
        match gpu::vantage(driver_root.map(|Text(root)| HostPath::new(root))) {
            Ok(vantage) => warn(&nvidia::discover(&vantage), progress),
            Err(fault) => progress.warn(&format!("this is remembered, but on this host: {fault}")),
        }
    }
    Ok(())
}

/// Whether `word` names a container, as `run` understands it.
pub fn is_container(home: &HostPath, word: &str) -> Result<bool, BoxFault> {
    Ok(create::container(&Store::open(home.clone())?, word)?.is_some())
}

/// The engine that the container remembers, as it was typed; none where each run takes the best that works.
pub fn execmode(home: &HostPath, name_or_id: &str) -> Result<Option<String>, BoxFault> {
    let container = Store::open(home.clone())?.container(name_or_id)?;
    Ok(wish_of(&container.record)?.engine)
}

/// Has the container remember an engine, by any name that `--engine` takes; `auto` forgets it.
pub fn set_execmode(home: &HostPath, name_or_id: &str, mode: &str) -> Result<(), BoxFault> {
    let engine = match select::wish(mode)? {
        EngineWish::Auto => None,
        EngineWish::Only(_) => Some(mode.to_owned()),
    };
    let store = Store::open(home.clone())?;
    let record = store.container(name_or_id)?.record;
    store.require_unprotected_container(&record.id)?;
    let mut wish = wish_of(&record)?;
    wish.engine = engine;
    set_wish(&store, record, wish)
}

/// Makes all that was written in the container its user's own, readable and writable.
pub fn fix_permissions(home: &HostPath, name_or_id: &str) -> Result<(), BoxFault> {
    let container = Store::open(home.clone())?.container(name_or_id)?;
    for part in ["upper", "rootfs"] {
        let path = container.dir.join(part);
        if fsx::absent_as_none(fsx::symlink_metadata(&path))?.is_some() {
            subids::take_over(&path)?;
        }
    }
    Ok(())
}

fn set_wish(store: &Store, record: ContainerRecord, wish: Wish) -> Result<(), BoxFault> {
    let options = wish.to_options();
    Ok(store.set_options(record, options)?)
}

/// Says what would stop a run on this host as it is now.
fn warn(here: &nvidia::Nvidia, progress: &dyn Progress) {
    let processors = here.processors.iter().enumerate();
    let open = processors.filter(|(_, one)| one.index.is_some());
    let open: Vec<usize> = open.map(|(at, _)| at).collect();
    let wanted = Wanted {
        processors: Some(&open),
        cuda_visible: None,
    };
    let findings = preflight::check_host(here, &wanted).into_iter();
    for finding in findings.filter(|finding| finding.severity == Severity::Fatal) {
        let remedy = finding.remedy.map(|remedy| format!("; {remedy}"));
        let message = finding.message + &remedy.unwrap_or_default();
        progress.warn(&format!("this is remembered, but on this host {message}"));
    }
}

/// The wish that a container keeps.
pub(super) fn wish_of(record: &ContainerRecord) -> Result<Wish, CreateError> {
    serde_json::from_value(record.options.clone()).map_err(|source| CreateError::Options {
        id: record.id.clone(),
        source,
    })
}

/// Whether `--engine` takes `name`.
pub fn known_engine(name: &str) -> Result<(), BoxFault> {
    Ok(select::wish(name).map(drop)?)
}
