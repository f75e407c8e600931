//! `coracle run`: plan, choose an engine, become the guest.

use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;

use nix::fcntl::Flock;
use serde_json::{Value, json};

use crate::base::creator::Creator;
use crate::base::env;
use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::progress::Progress;
use crate::engine::select::{self, EngineWish, Mode, Rejection, SelectError};
use crate::engine::{Outcome, Stop};
use crate::gpu::compat::CudaCompat;
use crate::host::HostFacts;
use crate::ops::create::{self, Subject};
use crate::ops::engines;
use crate::ops::ids;
use crate::ops::life;
use crate::ops::life::attach::{self, Attach};
use crate::ops::options::Options;
use crate::ops::reach::Reach;
use crate::ops::share::{self, Shared};
use crate::ops::volume;
use crate::plan::wish::{Userns, Wish};
use crate::plan::{Ids, Level, RunPlan, View, explain as plan_text};
use crate::store::{Condition, RunState, Store};

/// What to run.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// A container, by name or id, or an image.
    pub target: String,
    /// What was typed for it.
    pub options: Options,
    /// How long what the guest writes is kept.
    pub lifetime: Lifetime,
    /// What a new container is to be called.
    pub name: Option<String>,
    /// The engine asked for, by any of its names.
    pub engine: Option<String>,
    /// A file that is to hold the container's id (`--cidfile`).
    pub cidfile: Option<PathBuf>,
    /// The streams that the guest shares with its caller (`--attach`); all where none is named.
    pub attach: Vec<Attach>,
}

/// How long what the guest writes is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lifetime {
    /// Until the guest ends (`--rm`).
    Run,
    /// The same, also in a container that is there already (udocker's `--rm`).
    Ends,
    /// In a container, until that is removed.
    #[default]
    Kept,
}

/// A flag that does not suit a container which exists already.
#[derive(Debug, thiserror::Error)]
#[error("`{flag}` is for new containers, but `{target}` exists")]
struct NotForContainer {
    flag: &'static str,
    target: String,
    hint: &'static str,
}

impl Fault for NotForContainer {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec![self.hint.to_owned()]
    }
}

/// What `--explain` says.
#[derive(Clone, Debug)]
pub struct Explanation {
    plan: RunPlan,
    chosen: Option<Mode>,
    rejections: Vec<Rejection>,
}

/// Runs the guest; the exit status is its own. Where the engine can, the guest takes this
/// process over and the call does not return: nothing may be left to do by then.
pub fn run(
    request: &Request,
    reach: &Reach,
    progress: &dyn Progress,
) -> Result<ExitCode, BoxFault> {
    let mut ready = Ready::of(request, reach, Seat::Callers, progress)?;
    ready.tell(progress);
    attach::leave_out(&request.attach)?;
    let turn = match share::beside_living(&ready, request, reach, progress)? {
        Shared::Ended(status) => return Ok(status),
        Shared::Alone(turn) => turn,
    };
    let id = ready.settle(request, progress)?;
    let outcome = match id {
        Some(id) if ready.is_removed => {
            // The guest's own process waits for its turn, which this one would keep while it waits for the guest.
            drop(turn);
            life::run_beside(&ready, request, &id, progress)?
        }
        _ => ready.carry_out(None, turn, progress)?,
    };
    Ok(outcome.code())
}

/// What [`run`] would do. The image is brought here if need be; nothing else changes.
pub fn explain(
    request: &Request,
    reach: &Reach,
    progress: &dyn Progress,
) -> Result<Explanation, BoxFault> {
    let ready = Ready::of(request, reach, Seat::Callers, progress)?;
    let mut explanation = Explanation {
        plan: ready.plan.clone(),
        chosen: None,
        rejections: Vec::new(),
    };
    for mode in ready.modes {
        match select::consider(*mode, &ready.facts, &ready.plan) {
            Ok(()) => {
                explanation.plan = ready.plan_for(*mode);
                explanation.chosen = Some(*mode);
                break;
            }
            Err(rejection) => explanation.rejections.push(rejection),
        }
    }
    Ok(explanation)
}

/// Where a guest sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seat {
    /// In the place of its caller, with his streams.
    Callers,
    /// By itself, with streams of its own.
    Own,
}

/// Everything that is settled before an engine is chosen.
pub(super) struct Ready {
    pub(super) store: Store,
    pub(super) subject: Subject,
    pub(super) plan: RunPlan,
    facts: HostFacts,
    modes: &'static [Mode],
    makes_container: bool,
    /// The container, once there is one; whether it was made for this run; whether it goes with the guest.
    id: Option<String>,
    is_new: bool,
    new_name: Option<String>,
    pub(super) is_removed: bool,
}

impl Ready {
    pub(super) fn of(
        request: &Request,
        reach: &Reach,
        seat: Seat,
        progress: &dyn Progress,
    ) -> Result<Ready, BoxFault> {
        let typed_engine = request.engine.as_deref().map(select::wish).transpose()?;
        let store = Store::open(reach.home.clone())?;
        if let Some(name) = &request.name {
            store.check_name_is_free(name)?;
        }
        if let Some(file) = &request.cidfile {
            life::check_cidfile(file)?;
        }
        let typed = request.options.clone().into_wish()?;
        let mut subject = create::find(&store, &request.target, reach, progress)?;
        let is_new = subject.container.is_none();
        if is_new {
            subject.wish = request.options.standing_wish()?.overlaid(typed.clone());
        } else {
            check_flags(request, &typed, &subject.wish)?;
            subject.wish = subject.wish.overlaid(typed.clone());
        }
        volume::borrow(
            &store,
            &request.options.files.volumes_from,
            &mut subject.wish,
        )?;
        check_use(&typed, &subject.wish)?;
        let remembered = subject.wish.engine.clone().or_else(env::engine);
        let engine = match (typed_engine, remembered) {
            (Some(typed), _) => typed,
            (None, Some(name)) => select::wish(&name)?,
            (None, None) => EngineWish::Auto,
        };
        let modes = select::candidates(engine);
        // What somebody else is to find, or is told of, has to be a container, if only for a while.
        let is_named = request.name.is_some() || request.cidfile.is_some() || seat == Seat::Own;
        let is_kept = request.lifetime == Lifetime::Kept || is_named || !is_new;
        let lifetime = if is_kept {
            Lifetime::Kept
        } else {
            Lifetime::Run
        };
        subject.own_terminal = seat == Seat::Own;
        let view = first_view(&subject, lifetime, &store)?;
        let plan = subject.plan_for(view, modes)?;
        if plan.user.ids == Ids::Ranges {
            subject.wish.userns = Some(Userns::Subids);
        }
        let container = subject.container.as_ref();
        Ok(Ready {
            id: container.map(|container| container.record.id.clone()),
            store,
            plan,
            facts: HostFacts::new(reach.home.clone(), env::temporary_dir()),
            modes,
            makes_container: is_new && is_kept,
            is_new: false,
            new_name: None,
            is_removed: request.lifetime != Lifetime::Kept && is_kept,
            subject,
        })
    }

    /// Says what was decided and the user should know.
    pub(super) fn tell(&self, progress: &dyn Progress) {
        for note in &self.plan.notes {
            match note.level {
                Level::Warning => progress.warn(&note.text),
                Level::Detail => progress.note(&note.text),
            }
        }
    }

    /// Makes the container, if this run is to have one of its own and an engine can run it; the id of that which the
    /// run has.
    pub(super) fn settle(
        &mut self,
        request: &Request,
        progress: &dyn Progress,
    ) -> Result<Option<String>, BoxFault> {
        let subject = &self.subject;
        volume::provide(&self.store, &subject.wish, &subject.lower, progress)?;
        if !self.makes_container {
            if let Some(id) = &self.id {
                life::check_place(&self.store, id, &request.target)?;
            }
            return Ok(self.id.clone());
        }
        let consider = |mode: &Mode| select::consider(*mode, &self.facts, &self.plan);
        // One that can is enough: to ask what the others need may cost a fork each.
        if !self.modes.iter().any(|mode| consider(mode).is_ok()) {
            let rejections = self.modes.iter().filter_map(|mode| consider(mode).err());
            return Err(SelectError::NoEngine(rejections.collect()).into());
        }
        if self.is_removed {
            self.store.sweep_ended()?;
        }
        let container = self.subject.create(&self.store, request.name.as_deref())?;
        if let View::Kept { dir } = &mut self.plan.root.view {
            *dir = container.dir.clone();
        }
        let made_up = create::made_up_name(&container.record.image, &container.record.id);
        self.new_name = Some(request.name.clone().unwrap_or(made_up));
        let id = container.record.id;
        (self.id, self.is_new) = (Some(id.clone()), true);
        if self.is_removed {
            let state = self.state("", None);
            self.store.set_state(&id, &state)?;
        }
        if let Some(file) = &request.cidfile {
            life::write_cidfile(file, &id)?;
        }
        Ok(Some(id))
    }

    /// Hands the plan to the first engine that can carry it out, with `monitor` as whoever waits for the guest's end.
    /// `turn` keeps others from looking for a guest until the state tells of this one.
    pub(super) fn carry_out(
        &self,
        monitor: Option<&Creator>,
        mut turn: Option<Flock<File>>,
        progress: &dyn Progress,
    ) -> Result<Outcome, BoxFault> {
        let mut rejections = Vec::new();
        for mode in self.modes {
            if let Err(rejection) = select::consider(*mode, &self.facts, &self.plan) {
                rejections.push(rejection);
                continue;
            }
            let around = engines::around(*mode, &rejections, &self.facts, &self.plan);
            let engine = engines::engine(*mode, self.store.home(), around)?;
            if let (Ids::Ranges, Some(container)) = (self.plan.user.ids, &self.subject.container) {
                ids::remember(&self.store, container)?;
            }
            self.write_state(*mode, monitor)?;
            drop(turn.take());
            progress.note(&format!("engine {}", mode.name()));
            match engine.run(&self.plan_for(*mode), progress) {
                Ok(outcome) => return Ok(outcome),
                Err(Stop::Failed(fault)) => {
                    self.tell_of_rest(&*fault, progress);
                    return Err(fault);
                }
                Err(Stop::NotHere(why)) => {
                    rejections.push(select::turned_out(*mode, why, &self.facts));
                }
            }
        }
        if let Some(id) = self.id.as_ref().filter(|_| self.is_new) {
            self.store.remove_container(id)?;
        }
        Err(SelectError::NoEngine(rejections).into())
    }

    /// Where the guest's program cannot be started, a container made for it stays, as Docker's does.
    fn tell_of_rest(&self, fault: &dyn Fault, progress: &dyn Progress) {
        let is_about_program = matches!(fault.kind(), Kind::NoProgram | Kind::NotExecutable);
        if let Some(name) = self
            .new_name
            .as_ref()
            .filter(|_| is_about_program && !self.is_removed)
        {
            progress.warn(&format!(
                "the new container `{name}` stays; `coracle rm {name}` removes it"
            ));
        }
    }

    /// Whether somebody lives in the container: its last guest, or who came in beside that one.
    pub(super) fn is_taken(&self) -> Result<bool, BoxFault> {
        let Some(id) = self.id.as_ref().filter(|_| !self.is_new) else {
            return Ok(false);
        };
        let is_up = |state: RunState| matches!(state.condition(), Condition::Up(_));
        Ok(self.store.state(id)?.is_some_and(is_up) || !self.store.processes(id).is_empty())
    }

    /// Says that this process is the container's guest from now on. What somebody waits for keeps the state that he
    /// wrote: a second run in the foreground leaves it alone.
    fn write_state(&self, mode: Mode, monitor: Option<&Creator>) -> Result<(), BoxFault> {
        let Some(id) = &self.id else { return Ok(()) };
        let is_up = |state: RunState| matches!(state.condition(), Condition::Up(_));
        if monitor.is_none() && self.store.state(id)?.is_some_and(is_up) {
            return Ok(());
        }
        Ok(self
            .store
            .set_state(id, &self.state(mode.name(), monitor))?)
    }

    fn state(&self, engine: &str, monitor: Option<&Creator>) -> RunState {
        RunState {
            monitor: monitor.cloned(),
            remove: self.is_removed,
            ..RunState::starting(engine)
        }
    }

    /// The plan as `mode` gets it: the guest's environment names engine and version.
    pub(super) fn plan_for(&self, mode: Mode) -> RunPlan {
        name_engine(self.plan.clone(), mode)
    }
}

/// `plan` with the names of the engine and of this version in the guest's environment.
pub(super) fn name_engine(mut plan: RunPlan, mode: Mode) -> RunPlan {
    let names = [
        (env::CORACLE_ENGINE, mode.name()),
        (env::CORACLE_VERSION, env!("CARGO_PKG_VERSION")),
    ];
    let is_ours = |known: &OsString| names.iter().any(|(name, _)| known == name);
    plan.environment.retain(|(known, _)| !is_ours(known));
    let names = names.map(|(name, value)| (name.into(), value.into()));
    plan.environment.extend(names);
    plan
}

/// Refuses what only a new container can be given.
fn check_flags(request: &Request, typed: &Wish, stored: &Wish) -> Result<(), NotForContainer> {
    let misplaced = [
        (
            request.lifetime == Lifetime::Run,
            "--rm",
            "remove it after the run with `coracle rm`",
        ),
        (
            request.name.is_some(),
            "--name",
            "give it a further name with `coracle name`",
        ),
        (
            typed.read_only && !stored.read_only,
            "--read-only",
            "make a new one with `coracle create --read-only`",
        ),
        (
            stored.userns == Some(Userns::Subids)
                && typed.userns.is_some_and(|kind| kind != Userns::Subids),
            "--userns",
            "there may be files of other ids than yours in it, so it stays with `subids`",
        ),
    ];
    match misplaced.into_iter().find(|(given, ..)| *given) {
        None => Ok(()),
        Some((_, flag, hint)) => Err(NotForContainer {
            flag,
            target: request.target.clone(),
            hint,
        }),
    }
}

/// A flag that says how, where nobody said that.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` has no effect without `--nvidia`")]
struct Useless(&'static str);

impl Fault for Useless {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec!["add `--nvidia`, or leave it away".to_owned()]
    }
}

/// Refuses flags about a driver that this run does not get.
fn check_use(typed: &Wish, wish: &Wish) -> Result<(), Useless> {
    let about_driver = [
        (typed.gpu.driver_root.is_some(), "--driver-root"),
        (typed.gpu.cuda_compat != CudaCompat::Auto, "--cuda-compat"),
    ];
    match about_driver.into_iter().find(|(given, _)| *given) {
        Some((_, flag)) if wish.gpu.via().is_none() => Err(Useless(flag)),
        _ => Ok(()),
    }
}

/// The writable view. That of a container still to be made has a directory in name only.
pub(super) fn first_view(
    subject: &Subject,
    lifetime: Lifetime,
    store: &Store,
) -> Result<View, BoxFault> {
    Ok(match (&subject.container, lifetime) {
        _ if subject.wish.read_only => View::ReadOnly,
        (Some(container), _) => View::Kept {
            dir: container.dir.clone(),
        },
        (None, Lifetime::Kept) => View::Kept {
            dir: store.home().join("containers").join("NEW"),
        },
        (None, Lifetime::Run | Lifetime::Ends) => View::Discarded {
            scratch: store.scratch()?,
        },
    })
}

impl Explanation {
    /// For people: the engine and why no other, then the plan, a subject a line.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{:12} {}\n",
            "engine",
            self.chosen.map_or("none", Mode::name)
        );
        for rejection in &self.rejections {
            let (name, reason) = (rejection.mode.name(), &rejection.reason);
            text += &format!("{:12} {name}: {reason}\n", "not");
        }
        text + &plan_text::text(&self.plan)
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let rejections = self.rejections.iter().map(|rejection| {
            json!({
                "engine": rejection.mode.name(),
                "reason": rejection.reason,
                "remedy": rejection.remedy,
            })
        });
        json!({
            "engine": self.chosen.map(Mode::name),
            "rejected": rejections.collect::<Vec<_>>(),
            "plan": plan_text::json(&self.plan),
        })
    }
}
