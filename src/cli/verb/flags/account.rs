//! Who the guest is.

use crate::ops::options::AccountOptions;

/// Docker's and Podman's flags for users and ids.
#[derive(clap::Args)]
pub(super) struct AccountFlags {
    /// Be this user of the image, by name or number
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// Whose ids the guest has: `single` (root, or the image's user), `keep-id` (your own), or
    /// `subids` (root, with ids of /etc/subuid behind the others)
    #[arg(long, value_name = "KIND")]
    userns: Option<String>,
}

impl AccountFlags {
    /// What was typed.
    pub(super) fn into_options(self) -> AccountOptions {
        AccountOptions {
            user: self.user,
            userns: self.userns,
            ..AccountOptions::default()
        }
    }
}
