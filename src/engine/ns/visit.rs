//! Making a container's files this process's own, without a guest: for whoever copies from or to it.

use nix::unistd::Pid;

use super::{binds, identity, join, make_root, root};
use crate::base::fsx;
use crate::base::path::RootDir;
use crate::base::progress::Progress;
use crate::engine::Stop;
use crate::engine::start::{GuestError, Step};
use crate::plan::{RunPlan, UserView};

/// Enters the view of `plan` as its root, so that `/` is the container's; that of the guest `beside` where one runs.
/// Descriptors that were opened before go on to mean the host. Must be called while there is one thread.
///
/// `Stop::NotHere`, with nothing changed, where the host forbids user namespaces. pivot_root(2), setns(2).
pub fn visit(plan: &RunPlan, beside: Option<Pid>, progress: &dyn Progress) -> Result<(), Stop> {
    let user = UserView {
        uid: 0,
        gid: 0,
        groups: Vec::new(),
        ..plan.user.clone()
    };
    if let Some(beside) = beside {
        let host = fsx::metadata("/")?;
        join::enter(beside)?;
        join::take_root(&host, &plan.root, &user)?;
        return Ok(nix::unistd::chdir("/")
            .map_err(std::io::Error::from)
            .step("enter", "/")?);
    }
    identity::enter(&user, false)?;
    let root = match root::mount(&plan.root, progress)? {
        root::Mounted::At(root) => root,
        root::Mounted::NeedsDisk(scratch) => {
            return Err(GuestError::NoSource(scratch.to_string()).into());
        }
    };
    binds::mount_all(&plan.mounts, &RootDir::new(root.clone()))?;
    Ok(make_root(&root)?)
}
