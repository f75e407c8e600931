//! Engine `apptainer`: the host's apptainer(1) or singularity(1), where there is one.
//!
//! It has no overlay that every version and every user may have, so the guest gets a tree of its own, as under PRoot: a
//! copy in the container's directory, or one for this run alone. What a plan may want and it cannot do is [`refusal`]'s
//! list. A driver's files are the plan's own mounts; its `--nv` would look for them anew, and perhaps find others.

mod command;
mod refusal;
mod tree;

pub use command::{Flavour, words};
pub(super) use refusal::refusal;
pub use tree::Binding;

use std::convert::Infallible;

use nix::sys::stat::{Mode, umask};
use nix::unistd::Pid;

use crate::base::path::HostPath;
use crate::base::progress::Progress;
use crate::base::{env, fsx};
use crate::engine::restrict::{self, limit_cpus};
use crate::engine::start::{GuestError, Step};
use crate::engine::{Engine, Outcome, Stop, supervise, view};
use crate::host::apptainer;
use crate::plan::{RunPlan, View};
use crate::sys::process::Program;

/// The engine; it holds no state.
#[derive(Clone, Copy, Debug, Default)]
pub struct Apptainer;

impl Apptainer {
    /// Completes the tree in `dir` and becomes apptainer. Returns only on failure.
    fn start(
        plan: &RunPlan,
        dir: &HostPath,
        scratch: &HostPath,
        progress: &dyn Progress,
    ) -> Result<Infallible, Stop> {
        let Some(path) = apptainer::program() else {
            return Err(Stop::NotHere(apptainer::ABSENT.to_owned()));
        };
        let caller_mask = umask(Mode::from_bits_truncate(0o022));
        let rootfs = view::prepare_copy(
            &plan.root.lower,
            dir,
            "apptainer lays no overlay over it",
            progress,
        )?;
        let bindings = tree::prepare(plan, &rootfs, scratch)?;
        umask(caller_mask);
        limit_cpus(plan.cpus.as_deref())?;
        let flavour = Flavour::of(&path);
        let (argv, environment) = words(plan, &path, flavour, &rootfs, &bindings, &env::all());
        let program = Program::new(&argv, &environment)
            .step("pass on the arguments of", plan.argv[0].display())?;
        restrict::apply(plan)?;
        Err(program.exec(path.as_os_str())).step("execute", path)?
    }
}

impl Engine for Apptainer {
    fn name(&self) -> &'static str {
        "apptainer"
    }

    fn run(&self, plan: &RunPlan, progress: &dyn Progress) -> Result<Outcome, Stop> {
        if let Some(reason) = refusal(plan) {
            return Err(refused(reason).into());
        }
        restrict::check(plan)?;
        let dir = match &plan.root.view {
            View::Discarded { scratch } => scratch.clone(),
            View::Kept { dir } => dir.clone(),
            View::ReadOnly => return Err(refused("a read-only root".to_owned()).into()),
        };
        let scratch = match &plan.root.view {
            View::Discarded { scratch } => scratch.clone(),
            _ => HostPath::new(fsx::private_sibling(dir.join("scratch"))?),
        };
        supervise::supervised(&scratch, progress, || {
            let started = fsx::create_dir_all(&scratch)
                .map_err(Stop::from)
                .and_then(|()| Apptainer::start(plan, &dir, &scratch, progress));
            match started {
                Ok(never) => match never {},
                Err(stop) => stop,
            }
        })
    }

    /// The other guest's tree is a directory, and so is this one's: the same one.
    fn join(&self, plan: &RunPlan, _beside: Pid, progress: &dyn Progress) -> Result<Outcome, Stop> {
        self.run(plan, progress)
    }
}

/// What apptainer cannot do, by name.
fn refused(wish: String) -> GuestError {
    GuestError::Refused {
        engine: "apptainer",
        wish,
    }
}
