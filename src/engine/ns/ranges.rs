//! A map of many ids: the caller is root, and his range of sub-ids are the others.

use std::io;

use nix::sys::prctl;
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

use super::identity::forbidden;
use crate::base::subids::{self, SubidError};
use crate::engine::Stop;
use crate::engine::start::{GuestError, Step};
use crate::plan::UserView;
use crate::sys::namespace::Uts;

/// Enters new namespaces in which the caller is root and his sub-ids are 1, 2, ….
pub(super) fn enter(uts: Uts) -> Result<(), Stop> {
    subids::enter(uts).map_err(|error| match error {
        SubidError::Forbidden(errno) => forbidden(errno),
        SubidError::NotGranted(_) => Stop::NotHere(error.to_string()),
        SubidError::Map(_) | SubidError::Table(_) => error.into(),
    })
}

/// Becomes `user` inside; the last step before exec, as it gives up the rights of root.
pub(super) fn become_user(user: &UserView) -> Result<(), GuestError> {
    let is_root = user.uid == 0 && user.gid == 0;
    if is_root && user.groups.is_empty() {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    let groups: Vec<_> = user.groups.iter().copied().map(Gid::from_raw).collect();
    let grouped = match user.keeps_groups {
        true => Ok(()),
        false => setgroups(&groups),
    };
    // A change of ids unties the guest from whoever stays beside it. PR_SET_PDEATHSIG(2const)
    let tied = prctl::get_pdeathsig();
    let became = grouped
        .and_then(|()| setresgid(gid, gid, gid))
        .and_then(|()| setresuid(uid, uid, uid))
        .and_then(|()| prctl::set_pdeathsig(tied?));
    became
        .map_err(io::Error::from)
        .step("become user", user.uid)
}
