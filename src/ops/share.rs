//! A further run in a container in which a guest lives: it joins that one.
//!
//! Two overlays with a common upper half are undefined, says the kernel (overlayfs.rst, "Sharing and copying layers"),
//! so the second run of a container on this host mounts none of its own. It sees the mounts of the first: what it wants
//! beside those is refused by name. Ranks of a parallel job, which all say the same, are one in everything.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::process::ExitCode;

use nix::fcntl::{Flock, FlockArg};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};

use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::fsx;
use crate::base::path::{GuestPath, HostPath, RootDir};
use crate::base::progress::Progress;
use crate::engine::proot::Circumstances;
use crate::engine::select::{self, EngineWish, Mode};
use crate::engine::{Stop, ns};
use crate::ops::beside::{self, Beside, NotThere};
use crate::ops::engines::engine;
use crate::ops::reach::Reach;
use crate::ops::run::{Ready, Request};
use crate::plan::wish::Wish;
use crate::plan::{Mount, Source, View};
use crate::store::Container;

/// Something that the guest who lives in a container does not have.
#[derive(Debug, thiserror::Error)]
#[error("cannot give {what} to a further run in container `{container}`, which is running")]
struct NotShared {
    what: String,
    container: String,
}

impl Fault for NotShared {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec![format!(
            "leave it out to run beside what runs there, or end that first with `coracle stop {}`",
            self.container
        )]
    }
}

/// How a run went that may have found a guest in its container.
pub(super) enum Shared {
    /// There was one, and the run beside it has ended.
    Ended(ExitCode),
    /// There is none. Others look for one only once the lock is gone: by then the state must tell of this run.
    Alone(Option<Flock<File>>),
}

/// Runs beside the guest that lives in the container, if one does.
pub(super) fn beside_living(
    ready: &Ready,
    request: &Request,
    reach: &Reach,
    progress: &dyn Progress,
) -> Result<Shared, BoxFault> {
    loop {
        let turn = ready.subject.container.as_ref().and_then(take_turn);
        let Some(living) = living(ready, request)? else {
            return Ok(Shared::Alone(turn));
        };
        // It may still be on its way, and needs the same lock for its mounts.
        drop(turn);
        match ns::await_start(living.pid)
            .and_then(|()| join(ready, request, living, reach, progress))
        {
            Ok(ended) => return Ok(Shared::Ended(ended)),
            Err(Stop::Failed(fault)) => return Err(fault),
            // It ended meanwhile.
            Err(Stop::NotHere(_)) => {}
        }
    }
}

/// Lets runs of one container look for each other one after the other. Where there are no locks, two that start in
/// the same moment do not see each other. flock(2).
pub(super) fn take_turn(container: &Container) -> Option<Flock<File>> {
    let dir = fsx::open(&container.dir).ok()?;
    Flock::lock(dir, FlockArg::LockExclusive).ok()
}

/// The guest that a run with this plan has to join, if any.
fn living(ready: &Ready, request: &Request) -> Result<Option<Beside>, BoxFault> {
    let (Some(container), View::Kept { dir }) = (&ready.subject.container, &ready.plan.root.view)
    else {
        return Ok(None);
    };
    // A copy of the image is a directory like any other.
    if fsx::symlink_metadata(dir.join("rootfs")).is_ok() {
        return Ok(None);
    }
    match beside::look(&ready.store, container, &request.target)? {
        Ok(living) if living.mode == Mode::Ns => Ok(Some(living)),
        Ok(_) | Err(NotThere::Stopped(_) | NotThere::Elsewhere { .. }) => Ok(None),
        Err(foreign) => Err(foreign.into()),
    }
}

/// Refuses what the guest that lives there does not have.
fn check(ready: &Ready, request: &Request, living: Beside) -> Result<(), BoxFault> {
    let not_shared = |what: String| NotShared {
        what,
        container: request.target.clone(),
    };
    let wanted = select::wish(request.engine.as_deref().unwrap_or("auto"))?;
    if !matches!(wanted, EngineWish::Auto | EngineWish::Only(Mode::Ns)) {
        return Err(not_shared("another engine".to_owned()).into());
    }
    let typed = request.options.clone().into_wish()?;
    if let Some(flag) = own_world(&typed) {
        return Err(not_shared(format!("`{flag}`")).into());
    }
    let root = RootDir::new(HostPath::new(format!("/proc/{}/root", living.pid)));
    let mut mounts = ready.plan.mounts.iter();
    match mounts.find(|mount| !is_there(mount, &root)) {
        Some(mount) => Err(not_shared(format!("the mount on `{}`", mount.target)).into()),
        None => Ok(()),
    }
}

/// Runs beside `living`.
fn join(
    ready: &Ready,
    request: &Request,
    living: Beside,
    reach: &Reach,
    progress: &dyn Progress,
) -> Result<ExitCode, Stop> {
    let (mode, pid) = (living.mode, living.pid);
    check(ready, request, living).map_err(|fault| {
        // Who has just ended has nothing of what was looked for.
        match fsx::metadata(format!("/proc/{pid}/root")) {
            Ok(_) => Stop::Failed(fault),
            Err(_) => Stop::NotHere(format!("process {pid} has ended")),
        }
    })?;
    progress.note(&format!("engine {}, beside process {pid}", mode.name()));
    let engine = engine(mode, &reach.home, Circumstances::default()).map_err(Stop::Failed)?;
    let container = ready.subject.container.as_ref();
    let container = container.expect("only in a container that exists somebody lives");
    let note = ready.store.note_guest(&container.record.id)?;
    let stop = match engine.join(&ready.plan_for(mode), pid, progress) {
        Ok(ended) => return Ok(ended.code()),
        Err(stop) => stop,
    };
    // In the guest's namespaces the file may be out of reach; then it goes with this process.
    let _whoever_looks_next_removes_it = fsx::remove_file(note);
    Err(stop)
}

/// The flag in `typed` that wants a world of its own.
fn own_world(typed: &Wish) -> Option<&'static str> {
    let wanted = [
        (typed.hostname.is_some(), "--hostname"),
        (typed.network.is_some(), "--network"),
        (!typed.publish.is_empty() || typed.publish_all, "--publish"),
        (!typed.dns.is_empty(), "--dns"),
        (!typed.add_hosts.is_empty(), "--add-host"),
    ];
    wanted.into_iter().find_map(|(is, flag)| is.then_some(flag))
}

/// Whether the guest with this root has the mount.
fn is_there(mount: &Mount, root: &RootDir) -> bool {
    let at = |target: &GuestPath| root.resolve(target).ok();
    match &mount.source {
        _ if mount.optional => true,
        Source::Masked => true,
        Source::Bind(source) => {
            let same = |target: HostPath| {
                let (one, other) = (fsx::metadata(source).ok()?, fsx::metadata(target).ok()?);
                Some((one.dev(), one.ino()) == (other.dev(), other.ino()))
            };
            at(&mount.target).and_then(same).unwrap_or(false)
        }
        Source::Tmpfs { .. } | Source::Farm(_) => at(&mount.target)
            .and_then(|target| statfs(&*target).ok())
            .is_some_and(|kind| kind.filesystem_type() == TMPFS_MAGIC),
    }
}
