//! What was typed of users and ids.

use super::BadValue;
use crate::base::fault::BoxFault;
use crate::plan::wish::{Accounts, Userns, Wish};

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
        wish.userns = self.userns.as_deref().map(userns).transpose()?;
        wish.user = self.user;
        wish.groups = self.group_add;
        wish.accounts = match (self.hostauth, self.containerauth) {
            (true, _) => Some(Accounts::Host),
            (false, true) => Some(Accounts::Image),
            (false, false) => None,
        };
        Ok(())
    }
}

pub(super) fn userns(text: &str) -> Result<Userns, BadValue> {
    match text {
        "single" => Ok(Userns::Single),
        "keep-id" => Ok(Userns::KeepId),
        "subids" => Ok(Userns::Subids),
        other => Err(BadValue::of(
            "--userns",
            other,
            "`single`, `keep-id` or `subids`",
        )),
    }
}
