//! What narrows a process just before it becomes the guest: processors, limits of resources, privileges.

use std::io;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;

use crate::base::fault::{Fault, Kind};
use crate::engine::Stop;
use crate::engine::start::{GuestError, Step};
use crate::plan::limits::name;
use crate::plan::{Limit, RunPlan};

/// A limit that this caller cannot give.
#[derive(Debug, thiserror::Error)]
enum LimitError {
    #[error("cannot raise the hard limit `{name}` to {}: this user's is {}", number(*.wanted), number(*.have))]
    TooHigh {
        name: &'static str,
        wanted: u64,
        have: u64,
    },
    #[error("cannot set the limit `{name}`: soft is {}, which is above hard, {}", number(*.soft), number(*.hard))]
    Reversed {
        name: &'static str,
        soft: u64,
        hard: u64,
    },
}

impl Fault for LimitError {
    fn kind(&self) -> Kind {
        Kind::Refused
    }

    fn hints(&self) -> Vec<String> {
        match self {
            LimitError::TooHigh { name, have, .. } => vec![format!(
                "ask for at most `--ulimit {name}={}`; only the administrator raises hard limits",
                number(*have)
            )],
            LimitError::Reversed { name, .. } => {
                vec![format!("write `--ulimit {name}=SOFT:HARD`")]
            }
        }
    }
}

/// Makes sure that [`apply`] will work, while the run can still be refused. The soft limits stay, so that our own
/// steps feel nothing. A hard limit is raised here, where the administrator may do that: in a user namespace he is
/// nobody. setrlimit(2), CAP_SYS_RESOURCE.
pub(super) fn check(plan: &RunPlan) -> Result<(), Stop> {
    for limit in &plan.limits {
        let name = name(limit.resource);
        if limit.soft > limit.hard {
            let (soft, hard) = (limit.soft, limit.hard);
            return Err(LimitError::Reversed { name, soft, hard }.into());
        }
        let (soft, have) = getrlimit(limit.resource)
            .map_err(io::Error::from)
            .step("read the limit", name)?;
        if limit.hard > have && setrlimit(limit.resource, soft, limit.hard).is_err() {
            let wanted = limit.hard;
            return Err(LimitError::TooHigh { name, wanted, have }.into());
        }
    }
    Ok(())
}

/// Narrows this process, and the guest that it becomes; the last step before the exec, as what comes later would
/// have to do with the open files and the memory that the guest is given.
pub(super) fn apply(plan: &RunPlan) -> Result<(), GuestError> {
    if plan.no_new_privileges {
        nix::sys::prctl::set_no_new_privs()
            .map_err(io::Error::from)
            .step("forbid new privileges to", "the guest")?;
    }
    plan.limits.iter().try_for_each(|limit| {
        setrlimit(limit.resource, limit.soft, limit.hard)
            .map_err(io::Error::from)
            .step("set the limit", name(limit.resource))
    })
}

/// Limits this process, and the guest that it becomes, to `cpus`. sched_setaffinity(2).
pub(super) fn limit_cpus(cpus: Option<&[usize]>) -> Result<(), GuestError> {
    let Some(cpus) = cpus else { return Ok(()) };
    let mut set = CpuSet::new();
    let filled = cpus.iter().try_for_each(|cpu| set.set(*cpu));
    let limited = filled.and_then(|()| sched_setaffinity(Pid::from_raw(0), &set));
    limited
        .map_err(io::Error::from)
        .step("limit the guest to processors", format!("{cpus:?}"))
}

/// The first of `limits` on `resource`.
pub(super) fn limit_on(limits: &[Limit], resource: Resource) -> Option<&Limit> {
    limits.iter().find(|limit| limit.resource == resource)
}

/// A number of a limit, in the words of the shells.
fn number(value: u64) -> String {
    match value {
        libc::RLIM_INFINITY => "unlimited".to_owned(),
        value => value.to_string(),
    }
}
