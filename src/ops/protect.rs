//! `protect` and `unprotect`: containers and images that are not to be removed or changed by a slip of the hand.

use crate::base::fault::BoxFault;
use crate::base::path::HostPath;
use crate::oci::source::Source;
use crate::ops::images;
use crate::store::{Protection, Store, StoreError};

/// Protects the container or, if there is none, the image that `text` names.
pub fn protect(home: &HostPath, text: &str) -> Result<(), BoxFault> {
    set(home, text, Protection::On)
}

/// Takes that back.
pub fn unprotect(home: &HostPath, text: &str) -> Result<(), BoxFault> {
    set(home, text, Protection::Off)
}

/// Whether the container with this id is protected.
pub fn is_container_protected(home: &HostPath, id: &str) -> Result<bool, BoxFault> {
    Ok(Store::open(home.clone())?.is_container_protected(id)?)
}

/// Whether the container with this name or id is protected.
pub fn is_protected(home: &HostPath, name_or_id: &str) -> Result<bool, BoxFault> {
    let store = Store::open(home.clone())?;
    let id = store.container(name_or_id)?.record.id;
    Ok(store.is_container_protected(&id)?)
}

/// Whether the image of this full name is protected.
pub fn is_image_protected(home: &HostPath, name: &str) -> Result<bool, BoxFault> {
    let source: Source = name.parse()?;
    Ok(Store::open(home.clone())?.is_image_protected(&source)?)
}

fn set(home: &HostPath, text: &str, protection: Protection) -> Result<(), BoxFault> {
    let store = Store::open(home.clone())?;
    match store.container(text) {
        Ok(container) => {
            return Ok(store.protect_container(&container.record.id, protection)?);
        }
        Err(StoreError::NoContainer(_)) => {}
        Err(error) => return Err(error.into()),
    }
    for image in images::find(&store, text)? {
        store.protect_image(&image.name.parse()?, protection)?;
    }
    Ok(())
}
