//! What was typed of users and ids.

use nix::unistd::{getegid, geteuid};

use super::BadValue;
use crate::base::fault::BoxFault;
use crate::plan::fault::PlanError;
use crate::plan::wish::{Accounts, Userns, Wish};

/// Values of `--userns`.
const KINDS: &str = "`single`, `keep-id`, `keep-id:uid=UID,gid=GID`, `subids` or `host`";

/// What was typed, as it was typed.
#[derive(Clone, Debug, Default)]
pub struct AccountOptions {
    /// `--user`.
    pub user: Option<String>,
    /// `--userns`.
    pub userns: Option<String>,
    /// `--group-add`.
    pub group_add: Vec<String>,
    /// `--hostauth`: passwd and group are the host's.
    pub hostauth: bool,
    /// `--containerauth`: passwd and group are the image's, as they are.
    pub containerauth: bool,
}

impl AccountOptions {
    /// Adds what this asks for.
    pub(super) fn add_to(self, wish: &mut Wish) -> Result<(), BoxFault> {
        wish.user = self.user;
        if let Some(text) = &self.userns {
            ask_for_userns(text, wish)?;
        }
        wish.groups = self.group_add;
        wish.accounts = match (self.hostauth, self.containerauth) {
            (true, _) => Some(Accounts::Host),
            (false, true) => Some(Accounts::Image),
            (false, false) => None,
        };
        Ok(())
    }
}

/// Adds what a value of `--userns` asks for, after what `--user` did.
pub(super) fn ask_for_userns(text: &str, wish: &mut Wish) -> Result<(), BoxFault> {
    match userns(text)? {
        Kind::Host => {}
        Kind::Of(kind) => wish.userns = Some(kind),
        Kind::KeepIdAs(user) => {
            if let Some(typed) = &wish.user {
                return Err(PlanError::UserAndKeepId(typed.clone()).into());
            }
            wish.userns = Some(Userns::Single);
            wish.user = Some(user);
        }
    }
    Ok(())
}

/// What `--userns` can ask for.
enum Kind {
    /// No other namespace than without the flag: Docker's word, which its users type where a daemon would remap ids.
    Host,
    /// This one.
    Of(Userns),
    /// The caller's id is this user's in the guest.
    KeepIdAs(String),
}

fn userns(text: &str) -> Result<Kind, BadValue> {
    match text {
        "host" => Ok(Kind::Host),
        "single" => Ok(Kind::Of(Userns::Single)),
        "keep-id" => Ok(Kind::Of(Userns::KeepId)),
        "subids" => Ok(Kind::Of(Userns::Subids)),
        other => other
            .strip_prefix("keep-id:")
            .and_then(keep_id_as)
            .map(Kind::KeepIdAs)
            .ok_or_else(|| BadValue::of("--userns", other, KINDS)),
    }
}

/// Reads `uid=UID,gid=GID`; what is left out is the caller's. podman-run(1)
fn keep_id_as(text: &str) -> Option<String> {
    let (mut uid, mut gid) = (geteuid().as_raw(), getegid().as_raw());
    for part in text.split(',') {
        let (name, value) = part.split_once('=')?;
        let id = match name {
            "uid" => &mut uid,
            "gid" => &mut gid,
            _ => return None,
        };
        *id = value.parse().ok()?;
    }
    Some(format!("{uid}:{gid}"))
}
