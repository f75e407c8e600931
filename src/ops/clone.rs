//! `clone`: a further container like one that is there, with all that was written in it.

use crate::base::fault::{BoxFault, Fault, Kind, While};
use crate::base::path::HostPath;
use crate::ops::containers::is_running;
use crate::ops::create;
use crate::store::{Container, Store};

/// What runs in a container may be half-way through writing its files.
#[derive(Debug, thiserror::Error)]
#[error("container `{0}` is running, and its files may change while they are copied")]
struct Running(String);

impl Fault for Running {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec![format!(
            "end what runs in it with `coracle stop {}`, then clone it",
            self.0
        )]
    }
}

/// Makes a copy of the container with this name or id, called `name`, or as its image where none is given. The copy
/// has the options and the writes of the original, and none of its names, logs and runs.
pub fn clone(home: &HostPath, name_or_id: &str, name: Option<&str>) -> Result<Container, BoxFault> {
    let store = Store::open(home.clone())?;
    let original = store.container(name_or_id)?;
    if let Some(name) = name {
        store.check_name_is_free(name)?;
    }
    if is_running(&store, &original.record.id)? {
        return Err(Running(name_or_id.to_owned()).into());
    }
    let copied = store.clone_container(&original, name);
    let copy = copied
        .map_err(|error| While::new(format!("cannot clone container `{name_or_id}`"), error))?;
    if name.is_none() {
        create::give_made_up_name(&store, &copy)?;
    }
    Ok(copy)
}
