//! `start` and `restart`: a container's guest once more, under a monitor.

use crate::base::fault::BoxFault;
use crate::base::progress::Progress;
use crate::ops::life::stop::{self, Manner};
use crate::ops::life::{LifeError, check_place, detach};
use crate::ops::reach::Reach;
use crate::ops::run::Request;
use crate::store::{Condition, Store};

/// Starts the container with this name or id as it was created; one that runs already goes on, as with Docker.
pub fn start(name: &str, reach: &Reach, progress: &dyn Progress) -> Result<(), BoxFault> {
    let store = Store::open(reach.home.clone())?;
    let id = store.container(name)?.record.id;
    check_place(&store, &id, name)?;
    if let Some(state) = store.state(&id)?
        && matches!(state.condition(), Condition::Up(_))
    {
        return Ok(());
    }
    // Who joined a guest that has ended, or was left by a killed monitor: not ours to end without being asked to.
    if !store.processes(&id).is_empty() {
        return Err(LifeError::Running(name.to_owned()).into());
    }
    let request = Request {
        target: id,
        ..Request::default()
    };
    detach(&request, reach, progress).map(drop)
}

/// The id of the container with this name or id.
pub fn known(name: &str, reach: &Reach) -> Result<String, BoxFault> {
    let store = Store::open(reach.home.clone())?;
    Ok(store.container(name)?.record.id)
}

/// Stops the container with this name or id, should it run, and starts it.
pub fn restart(
    name: &str,
    manner: &Manner,
    reach: &Reach,
    progress: &dyn Progress,
) -> Result<(), BoxFault> {
    stop::stop(&reach.home, name, manner)?;
    start(name, reach, progress)
}
