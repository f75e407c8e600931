//! `gc`: frees what no image, no container and no running pull needs.

use crate::base::fault::BoxFault;
use crate::base::path::HostPath;
use crate::store::{Store, Swept};

/// Removes what nothing needs from the store at `home`, and says what that was.
///
/// Pulls and runs may go on meanwhile. Guests that run on other hosts from an image
/// that was removed here are not seen, and lose their files.
pub fn collect(home: &HostPath) -> Result<Swept, BoxFault> {
    Ok(Store::open(home.clone())?.sweep()?)
}
