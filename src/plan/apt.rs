//! The one program that checks what the root view of a single id answers.
//!
//! apt downloads as the user `_apt`: it changes its ids and then asks whether they
//! have changed (apt.git, `DropPrivileges`). Where only one id exists they have not,
//! and it gives up. Options considered: a password file without `_apt` (lasts in a
//! container, and breaks `useradd`), `APT_CONFIG` (may be the user's own). apt's own
//! setting for hosts that cannot change ids is the smallest: apt.conf(5), `APT::Sandbox`.

use crate::base::path::GuestPath;
use crate::plan::{GuestFile, Ids, UserView};

/// Where apt looks for settings; a distribution that has it has apt.
pub const DIRECTORY: &str = "/etc/apt/apt.conf.d";

const CONTENT: &[u8] = b"// Written by coracle: only one user id exists in this container.\n\
    APT::Sandbox::User \"root\";\n";

/// apt's setting for `user`, in an image that has apt.
pub(super) fn settings(user: &UserView, has_apt: bool) -> Option<GuestFile> {
    let is_needed = has_apt && user.uid == 0 && user.ids == Ids::Single;
    is_needed.then(|| GuestFile {
        path: GuestPath::root().join(DIRECTORY).join("99coracle"),
        content: CONTENT.to_vec(),
        mode: 0o644,
    })
}
