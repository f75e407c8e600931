//! Engine `proot`: upstream PRoot, which is in the payload, translates the guest's paths
//! by ptrace(2). For hosts without user namespaces.
//!
//! PRoot has no overlay, so the guest gets a tree of its own: a copy in the container's
//! directory, made once, or one for this run alone. In the first case PRoot takes this
//! process over. In the second this process stays to remove the copy.
//!
//! What a plan may want and PRoot cannot do is [`refusal`]'s list.

mod command;
mod farm;
mod prepare;
mod refusal;

pub(super) use refusal::refusal;

use std::io;

use nix::sys::stat::{Mode, umask};
use nix::unistd::Pid;

use crate::base::fsx;
use crate::base::path::HostPath;
use crate::base::progress::Progress;
use crate::engine::restrict::{self, limit_cpus};
use crate::engine::sight::Missing;
use crate::engine::start::{GuestError, Step};
use crate::engine::{Engine, Outcome, Stop, supervise, view};
use crate::plan::{Network, Port, RunPlan, Source, View};
use crate::sys::process::Program;

/// How PRoot learns of system calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceleration {
    /// A seccomp filter stops the guest only at calls that matter; mode P1.
    Seccomp,
    /// It stops at every call; mode P2.
    Off,
}

/// The engine.
#[derive(Clone, Debug)]
pub struct Proot {
    payload: HostPath,
    acceleration: Acceleration,
    circumstances: Circumstances,
}

/// What whoever chose PRoot knows of the other engine.
#[derive(Clone, Debug, Default)]
pub struct Circumstances {
    /// Why engine `ns` was passed over, where it was considered before.
    pub not_ns: Option<String>,
    /// Whether engine `ns` could carry out the plan here.
    pub ns_can: bool,
}

impl Proot {
    /// The engine, with the unpacked `payload`: a directory with `proot`, `loader` and
    /// `loader-m32`, from which programs may run.
    pub fn new(
        payload: HostPath,
        acceleration: Acceleration,
        circumstances: Circumstances,
    ) -> Proot {
        Proot {
            payload,
            acceleration,
            circumstances,
        }
    }

    fn why_a_copy(&self) -> String {
        let passed_over = self.circumstances.not_ns.as_ref();
        let passed_over = passed_over.map(|reason| format!(" (not engine `ns`: {reason})"));
        let passed_over = passed_over.unwrap_or_default();
        format!("PRoot runs it{passed_over}, which can lay no overlay over it")
    }

    fn warn_of_ports(&self, ports: &[Port], progress: &dyn Progress) {
        let guests: Vec<String> = ports.iter().map(|port| port.guest.to_string()).collect();
        let guests = guests.join(", ");
        let advice = match self.circumstances.ns_can {
            true => "; `--engine=ns` maps them without that",
            false => "",
        };
        progress.warn(&format!(
            "PRoot changes port numbers wherever this guest connects, so it does not reach port {guests} of other hosts, nor sockets of unix(7) without a file{advice}"
        ));
    }

    /// Completes the tree and becomes PRoot. Returns only on failure.
    fn become_guest(
        &self,
        plan: &RunPlan,
        dir: &HostPath,
        scratch: &HostPath,
        progress: &dyn Progress,
    ) -> Stop {
        match self.start(plan, dir, scratch, progress) {
            Ok(never) => match never {},
            Err(stop) => stop,
        }
    }

    /// `dir` is where the copy of the image is or will be, `scratch` what this run alone uses.
    fn start(
        &self,
        plan: &RunPlan,
        dir: &HostPath,
        scratch: &HostPath,
        progress: &dyn Progress,
    ) -> Result<std::convert::Infallible, Stop> {
        let caller_mask = umask(Mode::from_bits_truncate(0o022));
        let is_first = !view::has_copy(dir);
        let why = self.why_a_copy();
        let rootfs = view::prepare_copy(&plan.root.lower, dir, &why, progress)?;
        if let Some(file) = farm::changeable(&plan.mounts) {
            progress.warn(&format!(
                "PRoot keeps no guest from writing: this one may change `{file}` on the host, since you may"
            ));
        }
        if let Network::Mapped(ports) = &plan.network
            && is_first
        {
            self.warn_of_ports(ports, progress);
        }
        let (sight, bindings) = prepare::prepare(plan, &rootfs, scratch)?;
        umask(caller_mask);
        let name = &plan.argv[0];
        let found = sight.program(name, &plan.environment, &plan.cwd.path);
        found.map_err(|missing| match missing {
            Missing::Absent => GuestError::NoProgram(name.clone()),
            Missing::Directory => GuestError::Exec {
                program: name.clone(),
                source: io::Error::from_raw_os_error(libc::EISDIR),
            },
            Missing::NotExecutable => GuestError::Exec {
                program: name.clone(),
                source: io::Error::from_raw_os_error(libc::EACCES),
            },
        })?;
        limit_cpus(plan.cpus.as_deref())?;
        let path = self.payload.join("proot");
        let argv = command::argv(plan, &path, &rootfs, &bindings);
        let environment = command::environment(plan, &self.payload, self.acceleration, dir);
        let program =
            Program::new(&argv, &environment).step("pass on the arguments of", name.display())?;
        restrict::apply(plan)?;
        Err(program.exec(path.as_os_str())).step("execute", path)?
    }
}

impl Engine for Proot {
    fn name(&self) -> &'static str {
        match self.acceleration {
            Acceleration::Seccomp => "proot:P1",
            Acceleration::Off => "proot:P2",
        }
    }

    fn run(&self, plan: &RunPlan, progress: &dyn Progress) -> Result<Outcome, Stop> {
        if let Some(reason) = refusal(plan) {
            return Err(refused(reason).into());
        }
        restrict::check(plan)?;
        match &plan.root.view {
            View::Discarded { scratch } => {
                supervise::supervised(scratch, progress, || match fsx::create_dir_all(scratch) {
                    Ok(()) => self.become_guest(plan, scratch, scratch, progress),
                    Err(error) => error.into(),
                })
            }
            View::Kept { dir } if needs_scratch(plan) => {
                let scratch = HostPath::new(fsx::private_sibling(dir.join("scratch"))?);
                supervise::supervised(&scratch, progress, || match fsx::create_dir_all(&scratch) {
                    Ok(()) => self.become_guest(plan, dir, &scratch, progress),
                    Err(error) => error.into(),
                })
            }
            View::Kept { dir } => Err(self.become_guest(plan, dir, dir, progress)),
            View::ReadOnly => Err(refused("a read-only root".to_owned()).into()),
        }
    }

    /// The other guest's tree is a directory, and so is this one's: the same one.
    fn join(&self, plan: &RunPlan, _beside: Pid, progress: &dyn Progress) -> Result<Outcome, Stop> {
        self.run(plan, progress)
    }
}

/// Whether something has to be made for this run alone, and removed after it.
fn needs_scratch(plan: &RunPlan) -> bool {
    let mut sources = plan.mounts.iter().map(|mount| &mount.source);
    sources.any(|source| !matches!(source, Source::Bind(_)))
}

/// What PRoot cannot do, by name.
fn refused(wish: String) -> GuestError {
    GuestError::Refused {
        engine: "proot",
        wish,
    }
}
