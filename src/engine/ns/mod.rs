//! Engine `ns`: a user and a mount namespace, an overlay, pivot_root(2), then exec in place.
//!
//! The caller's process becomes the guest; nothing stands between the two, so
//! signals, the terminal, limits and the exit status need no care at all. Only
//! where the writes of a `--rm` run must go to disk does this process stay, to
//! remove them.
//!
//! The steps, each in its file: [`identity`] (who we are in the new namespace),
//! [`root`] (the writable view), [`binds`] (what of the host is in it), then this
//! file turns the view into `/` and execs.

mod binds;
mod farm;
mod identity;
mod join;
mod network;
mod owners;
mod pretend;
mod ranges;
mod refusal;
mod root;
mod skeleton;
mod slirp;
mod uplink;
mod visit;

pub use join::{await_start, may_enter};
pub(super) use refusal::refusal;
pub use visit::visit;

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Pid, chdir, chroot, pivot_root, sethostname};

use crate::base::env;
use crate::base::fsx;
use crate::base::path::{HostPath, RootDir};
use crate::base::progress::Progress;
use crate::engine::restrict::{self, limit_cpus};
use crate::engine::start::{GuestError, Step};
use crate::engine::{Engine, Outcome, Stop, supervise};
use crate::plan::{Cwd, Ids, RunPlan, View};
use crate::sys;
use crate::sys::process::Program;

/// The engine; it holds no state.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ns;

impl Engine for Ns {
    fn name(&self) -> &'static str {
        "ns"
    }

    fn run(&self, plan: &RunPlan, progress: &dyn Progress) -> Result<Outcome, Stop> {
        check(plan)?;
        let program = Program::new(&plan.argv, &plan.environment)
            .step("pass on the arguments of", plan.argv[0].display())?;
        let network = network::prepare(plan)?;
        let plan = network.named(plan);
        limit_cpus(plan.cpus.as_deref())?;
        identity::enter(&plan.user, plan.hostname.is_some())?;
        network.enter()?;
        let view = root::mount(&plan.root, progress)?;
        match view {
            root::Mounted::At(root) => Err(become_guest(&plan, &root, &program)),
            root::Mounted::NeedsDisk(scratch) => on_disk(&plan, &scratch, &program, progress),
        }
    }

    fn join(&self, plan: &RunPlan, beside: Pid, _progress: &dyn Progress) -> Result<Outcome, Stop> {
        restrict::check(plan)?;
        let program = Program::new(&plan.argv, &plan.environment)
            .step("pass on the arguments of", plan.argv[0].display())?;
        let host = fsx::metadata("/")?;
        join::enter(beside)?;
        limit_cpus(plan.cpus.as_deref())?;
        join::take_root(&host, &plan.root, &plan.user)?;
        enter_cwd(&plan.cwd)?;
        join::take_identity(&plan.user)?;
        Err(exec(plan, &program).into())
    }
}

/// Refuses what this engine cannot do, before anything has changed.
fn check(plan: &RunPlan) -> Result<(), Stop> {
    if let Some(wish) = refusal(plan) {
        let engine = "ns";
        return Err(GuestError::Refused { engine, wish }.into());
    }
    restrict::check(plan)
}

/// Runs the guest as a child with its writes in `scratch`, and removes them after it.
///
/// The way of hosts whose tmpfs keeps no user attributes (Linux < 6.6).
fn on_disk(
    plan: &RunPlan,
    scratch: &HostPath,
    program: &Program,
    progress: &dyn Progress,
) -> Result<Outcome, Stop> {
    supervise::supervised(scratch, progress, || {
        match root::mount_on_disk(&plan.root.lower, scratch, progress) {
            Ok(root) => become_guest(plan, &root, program),
            Err(stop) => stop,
        }
    })
}

/// Completes the view at `root`, makes it `/`, and becomes the program. Returns only on failure.
fn become_guest(plan: &RunPlan, root: &HostPath, program: &Program) -> Stop {
    let caller_mask = umask(Mode::from_bits_truncate(0o022));
    let prepared = complete(plan, root);
    umask(caller_mask);
    match prepared {
        Ok(()) => Stop::Failed(exec(plan, program).into()),
        Err(error) => Stop::Failed(error.into()),
    }
}

fn complete(plan: &RunPlan, root: &HostPath) -> Result<(), GuestError> {
    let inside = RootDir::new(root.clone());
    if plan.user.ids == Ids::Ranges {
        owners::give(plan, &inside)?;
    }
    binds::write_files(&plan.files, &inside)?;
    binds::make_links(&plan.links, &inside)?;
    binds::mount_all(&plan.mounts, &inside)?;
    if let Some(name) = &plan.hostname {
        sethostname(name)
            .map_err(io::Error::from)
            .step("set the host name", name)?;
    }
    make_root(root)?;
    enter_cwd(&plan.cwd)?;
    if plan.root.view == View::ReadOnly {
        sys::mount::remount_read_only(Path::new("/")).step("make read-only", "/")?;
    }
    match plan.user.ids {
        Ids::Single if plan.user.uid == 0 => pretend::install(),
        Ids::Single => Ok(()),
        Ids::Ranges => ranges::become_user(&plan.user),
    }
}

/// Makes `root`, a mount point, the root directory of this process, and lets go of the old one.
///
/// With both arguments `.` the old root ends up on top of the new one at the same
/// place, so that no directory for it is needed. The view may be unbindable (see
/// `root`), which the guest's root must not be. A root file system that is an
/// initramfs (diskless nodes) cannot be pivoted away (EINVAL); chroot(2) shows the
/// same tree, but the guest cannot make a user namespace of its own in it.
/// pivot_root(2), "pivot_root(".", ".")".
fn make_root(root: &HostPath) -> Result<(), GuestError> {
    chdir(root.as_os_str())
        .map_err(io::Error::from)
        .step("enter", root)?;
    match pivot_root(".", ".") {
        Ok(()) => umount2(".", MntFlags::MNT_DETACH)
            .map_err(io::Error::from)
            .step("let go of", "the host's root")?,
        Err(Errno::EINVAL) => chroot(".")
            .map_err(io::Error::from)
            .step("change root to", root)?,
        Err(errno) => return Err(errno.into()).step("change root to", root),
    }
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_PRIVATE, none)
        .map_err(io::Error::from)
        .step("make private", "/")?;
    chdir("/").map_err(io::Error::from).step("enter", "/")
}

fn enter_cwd(cwd: &Cwd) -> Result<(), GuestError> {
    let path = cwd.path.as_path();
    if cwd.create {
        fsx::create_dirs(path, 0o755)?;
    }
    match chdir(path) {
        Ok(()) => Ok(()),
        Err(Errno::ENOENT) => Err(GuestError::NoCwd(cwd.path.clone())),
        Err(errno) => Err(errno.into()).step("enter the working directory", path.display()),
    }
}

/// Looks the program up in the guest's PATH, as execvp(3) does, and becomes it.
fn exec(plan: &RunPlan, program: &Program) -> GuestError {
    let name = &plan.argv[0];
    let mut found = None;
    let candidates = candidates(name, &plan.environment);
    if let Err(error) = restrict::apply(plan) {
        return error;
    }
    for path in candidates {
        let error = program.exec(&path);
        match error.raw_os_error() {
            Some(libc::ENOENT | libc::ENOTDIR) if !Path::new(&path).is_file() => {}
            Some(libc::EACCES) if found.is_none() => {
                // The kernel has one word for both. execve(2).
                let error = match Path::new(&path).is_dir() {
                    true => io::Error::from_raw_os_error(libc::EISDIR),
                    false => error,
                };
                found = Some((path, error));
            }
            Some(libc::EACCES) => {}
            _ => {
                return GuestError::Exec {
                    program: path,
                    source: error,
                };
            }
        }
    }
    match found {
        Some((program, source)) => GuestError::Exec { program, source },
        None => GuestError::NoProgram(name.clone()),
    }
}

/// Where `name` may lie: itself if it has a slash, else in each directory of PATH.
fn candidates(name: &OsStr, environment: &[(OsString, OsString)]) -> Vec<OsString> {
    if name.as_bytes().contains(&b'/') {
        return vec![name.to_owned()];
    }
    if name.is_empty() {
        // Joined to a directory it would be that directory.
        return Vec::new();
    }
    let path = environment
        .iter()
        .find(|(key, _)| key == env::PATH)
        .map(|(_, value)| value.as_os_str());
    let dirs = std::env::split_paths(path.unwrap_or(OsStr::new("/usr/bin:/bin")));
    dirs.filter(|dir| dir.is_absolute())
        .map(|dir| dir.join(name).into_os_string())
        .collect()
}
