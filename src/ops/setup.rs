//! `coracle setup`: what a container is to remember for its later runs.

use crate::base::fault::BoxFault;
use crate::base::path::HostPath;
use crate::ops::create::CreateError;
use crate::plan::wish::{Via, Wish};
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

/// Has it remember `nvidia`. Nothing of the driver is copied or looked for: that is done by each run, on the host
/// where it happens, which need not be this one. To switch it off also forgets which GPUs were chosen.
pub fn remember(home: &HostPath, name_or_id: &str, nvidia: Nvidia) -> Result<(), BoxFault> {
    let store = Store::open(home.clone())?;
    let record = store.container(name_or_id)?.record;
    let mut wish = wish_of(&record)?;
    match nvidia {
        Nvidia::Host => wish.gpu.nvidia = Some(Via::Discovery),
        Nvidia::Cdi => wish.gpu.nvidia = Some(Via::Cdi),
        Nvidia::Off => {
            wish.gpu.nvidia = None;
            wish.gpu.gpus = None;
        }
    }
    let options = serde_json::to_value(wish);
    let options = options.expect("a wish has neither maps with odd keys nor failing parts");
    store.set_options(record, options)?;
    Ok(())
}

fn wish_of(record: &ContainerRecord) -> Result<Wish, CreateError> {
    serde_json::from_value(record.options.clone()).map_err(|source| CreateError::Options {
        id: record.id.clone(),
        source,
    })
}
