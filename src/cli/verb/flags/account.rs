//! Who the guest is.

use crate::ops::options::AccountOptions;

/// Docker's and Podman's flags for users and ids, and udocker's for accounts.
#[derive(clap::Args)]
pub(super) struct AccountFlags {
    /// Be this user of the image, by name or number
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// Whose ids the guest has: `single` (root, or the image's user), `keep-id` (your own, or
    /// `keep-id:uid=UID,gid=GID` with these in the guest), `subids` (root, with ids of /etc/subuid
    /// behind the others), or `host` (as without the flag). An image with gosu or su-exec that
    /// starts as root gets `subids` where the host grants them
    #[arg(long, value_name = "KIND")]
    userns: Option<String>,
    /// Be in this group of the image too, by name or number, which takes `--userns=subids`;
    /// `keep-groups` for your own groups
    #[arg(long, value_name = "GROUP")]
    group_add: Vec<String>,
    /// Know the host's users and groups instead of the image's; a container that is kept knows them
    /// from then on
    #[arg(long, conflicts_with = "containerauth")]
    hostauth: bool,
    /// Know the image's users and groups as they are: no line is added for who you are in it
    #[arg(long)]
    containerauth: bool,
}

impl AccountFlags {
    /// What was typed.
    pub(super) fn into_options(self) -> AccountOptions {
        AccountOptions {
            user: self.user,
            userns: self.userns,
            group_add: self.group_add,
            hostauth: self.hostauth,
            containerauth: self.containerauth,
        }
    }
}
