//! `coracle exec`: a further program in a container that runs.

use std::process::ExitCode;

use nix::unistd::Pid;

use crate::base::fault::BoxFault;
use crate::base::fsx;
use crate::base::path::HostPath;
use crate::base::progress::Progress;
use crate::engine::proot::Circumstances;
use crate::engine::select::Mode;
use crate::engine::{Stop, background};
use crate::ops::beside::{self, Beside, NotThere};
use crate::ops::create::{self, Subject};
use crate::ops::engines::engine;
use crate::ops::options::Options;
use crate::ops::run::{Lifetime, first_view, name_engine};
use crate::plan::RunPlan;
use crate::plan::wish::{Text, Userns, Wish};
use crate::store::Store;

/// Bytes of a table of ids; the kernel takes 340 lines.
const MAX_MAP: u64 = 64 << 10;

/// What to run, and where.
#[derive(Clone, Debug)]
pub struct Request {
    /// The container, by name or id.
    pub container: String,
    /// What was typed.
    pub options: Options,
    /// Whether anybody waits for its end.
    pub waiting: Waiting,
}

/// Whether anybody waits for the end of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// The caller does, and the program has his terminal.
    Attached,
    /// Nobody does (`--detach`).
    Detached,
}

/// Runs the program; the exit status is its own.
pub fn exec(
    request: &Request,
    home: &HostPath,
    progress: &dyn Progress,
) -> Result<ExitCode, BoxFault> {
    let typed = request.options.clone().into_wish()?;
    let store = Store::open(home.clone())?;
    let container = store.container(&request.container)?;
    let beside = beside::find(&store, &container, &request.container)?;
    let id = container.record.id.clone();
    let mut subject = create::of_container(&store, container)?;
    subject.wish = wish(subject.wish, typed, beside.pid);
    let plan = plan(&subject, &store, beside.mode)?;
    let start = || {
        store.note_guest(&id)?;
        start(request, &plan, beside, home, progress)
    };
    match request.waiting {
        Waiting::Attached => start(),
        Waiting::Detached => background::alone(start),
    }
}

fn start(
    request: &Request,
    plan: &RunPlan,
    beside: Beside,
    home: &HostPath,
    progress: &dyn Progress,
) -> Result<ExitCode, BoxFault> {
    progress.note(&format!("engine {}", beside.mode.name()));
    match engine(beside.mode, home, Circumstances::default())?.join(plan, beside.pid, progress) {
        Ok(outcome) => Ok(outcome.code()),
        Err(Stop::Failed(fault)) => Err(fault),
        Err(Stop::NotHere(_)) => Err(NotThere::Stopped(request.container.clone()).into()),
    }
}

/// What the container remembers, with what was typed now over it. Its own command has nothing to do with this one.
fn wish(remembered: Wish, typed: Wish, beside: Pid) -> Wish {
    let terminal = typed.terminal;
    let other_user = typed.user.is_some();
    let mut wish = remembered.overlaid(Wish {
        entrypoint: Some(Text::default()),
        ..typed
    });
    wish.terminal = terminal;
    // Which ids there are was decided when the guest was started, perhaps by a launcher that is not here now.
    match ids_of(beside) {
        Some(Userns::KeepId) if other_user || wish.user.is_some() => {
            wish.userns = Some(Userns::Single);
        }
        Some(found) => wish.userns = Some(found),
        None if other_user && wish.userns == Some(Userns::KeepId) => {
            wish.userns = Some(Userns::Single);
        }
        None => {}
    }
    wish
}

/// Which ids the process has, by the map of its user namespace; `None` where it is in none of its own.
fn ids_of(process: Pid) -> Option<Userns> {
    let map = |process: &str| fsx::read(format!("/proc/{process}/uid_map"), MAX_MAP).ok();
    let theirs = map(&process.to_string())?;
    if Some(&theirs) == map("self").as_ref() {
        return None;
    }
    let text = String::from_utf8_lossy(&theirs).into_owned();
    let numbers: Vec<u32> = text
        .split_ascii_whitespace()
        .filter_map(|number| number.parse().ok())
        .collect();
    match numbers.as_slice() {
        [inside, outside, 1] if inside == outside && *inside != 0 => Some(Userns::KeepId),
        [_, _, 1] => Some(Userns::Single),
        _ => Some(Userns::Subids),
    }
}

/// The plan. A working directory that is absent is an error, as with Docker: the guest's own was made at its start.
fn plan(subject: &Subject, store: &Store, mode: Mode) -> Result<RunPlan, BoxFault> {
    let view = first_view(subject, Lifetime::Kept, store)?;
    let mut plan = match mode {
        Mode::Ns => subject.plan_of_running(view, &[mode])?,
        _ => subject.plan_for(view, &[mode])?,
    };
    plan.cwd.create = false;
    Ok(name_engine(plan, mode))
}
