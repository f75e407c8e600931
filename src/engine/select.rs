//! Which engine runs a plan: a pure function of the plan, the wish and the host's facts.
//!
//! [`candidates`] are tried in their order. [`consider`] says of one whether it can carry
//! out this plan on this host, or why not; it asks only for the facts that it needs, so
//! that a host with user namespaces never pays for a look at ptrace. An engine that was
//! considered able and still finds out that it is not (`Stop::NotHere`) becomes a
//! [`Rejection`] by [`turned_out`]. When none is left, [`SelectError::NoEngine`] names each
//! reason, and what somebody would have to change.

use crate::base::fault::{Fault, Kind};
use crate::base::near;
use crate::engine::{apptainer, ns, proot};
use crate::host::{Ask, Fact, HostFacts};
use crate::plan::{Ids, Network, RunPlan};

/// An engine in the mode in which it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Namespaces; udocker's R1, R2 and R3.
    Ns,
    /// PRoot with seccomp acceleration; udocker's P1.
    ProotP1,
    /// PRoot that stops at every system call; udocker's P2.
    ProotP2,
    /// The host's apptainer or singularity; udocker's S1.
    Apptainer,
}

impl Mode {
    /// The name that the guest finds in `CORACLE_ENGINE`, and that `--engine` takes.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Ns => "ns",
            Mode::ProotP1 => "proot:P1",
            Mode::ProotP2 => "proot:P2",
            Mode::Apptainer => "apptainer",
        }
    }
}

/// What `--engine` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineWish {
    /// The first that can.
    Auto,
    /// This one or none.
    Only(Mode),
}

/// Names that `--engine` takes, in any case of letters.
const NAMES: [(&str, EngineWish); 13] = [
    ("auto", EngineWish::Auto),
    ("ns", EngineWish::Only(Mode::Ns)),
    ("proot", EngineWish::Only(Mode::ProotP1)),
    ("proot:P1", EngineWish::Only(Mode::ProotP1)),
    ("proot:P2", EngineWish::Only(Mode::ProotP2)),
    ("P1", EngineWish::Only(Mode::ProotP1)),
    ("P2", EngineWish::Only(Mode::ProotP2)),
    ("R1", EngineWish::Only(Mode::Ns)),
    ("R2", EngineWish::Only(Mode::Ns)),
    ("R3", EngineWish::Only(Mode::Ns)),
    ("apptainer", EngineWish::Only(Mode::Apptainer)),
    ("singularity", EngineWish::Only(Mode::Apptainer)),
    ("S1", EngineWish::Only(Mode::Apptainer)),
];

/// Names that users of udocker know and this version does not carry out.
const LATER: [&str; 8] = ["trap", "T1", "T2", "fakechroot", "F1", "F2", "F3", "F4"];

/// Why an engine is not the one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Which.
    pub mode: Mode,
    /// Why, in one line.
    pub reason: String,
    /// What would have to change, where we know it.
    pub remedy: Option<String>,
}

/// Why no engine runs a plan.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// A name that nobody knows.
    #[error("unknown engine `{0}`, expected one of {names}", names = known_names())]
    Unknown(String),
    /// A name of something that is still to come.
    #[error("the engine `{0}` is not in this version, expected one of {names}", names = known_names())]
    NotYet(String),
    /// All were rejected.
    #[error("no engine can run this here: {reasons}", reasons = reasons(.0))]
    NoEngine(Vec<Rejection>),
}

impl Fault for SelectError {
    fn kind(&self) -> Kind {
        match self {
            SelectError::Unknown(_) | SelectError::NotYet(_) => Kind::Usage,
            SelectError::NoEngine(_) => Kind::Refused,
        }
    }

    fn hints(&self) -> Vec<String> {
        let rejections = match self {
            SelectError::Unknown(name) => {
                let known = NAMES.map(|(name, _)| name);
                return near::question(name, known).into_iter().collect();
            }
            SelectError::NotYet(_) => return Vec::new(),
            SelectError::NoEngine(rejections) => rejections,
        };
        let mut hints: Vec<String> = Vec::new();
        for remedy in rejections
            .iter()
            .filter_map(|rejection| rejection.remedy.clone())
        {
            if !hints.contains(&remedy) {
                hints.push(remedy);
            }
        }
        hints.push("`coracle doctor` shows what was tried".to_owned());
        hints
    }
}

fn known_names() -> String {
    NAMES.map(|(name, _)| format!("`{name}`")).join(", ")
}

fn reasons(rejections: &[Rejection]) -> String {
    let each = rejections
        .iter()
        .map(|rejection| format!("`{}`: {}", rejection.mode.name(), rejection.reason));
    each.collect::<Vec<_>>().join("; ")
}

/// Understands the value of `--engine`.
pub fn wish(text: &str) -> Result<EngineWish, SelectError> {
    let is_meant = |name: &str| name.eq_ignore_ascii_case(text);
    if let Some((_, wish)) = NAMES.into_iter().find(|(name, _)| is_meant(name)) {
        return Ok(wish);
    }
    if LATER.into_iter().any(is_meant) {
        return Err(SelectError::NotYet(text.to_owned()));
    }
    Err(SelectError::Unknown(text.to_owned()))
}

/// The engines to consider, the best first.
pub fn candidates(wish: EngineWish) -> &'static [Mode] {
    match wish {
        EngineWish::Auto => &[Mode::Ns, Mode::ProotP1, Mode::ProotP2, Mode::Apptainer],
        EngineWish::Only(Mode::Ns) => &[Mode::Ns],
        EngineWish::Only(Mode::ProotP1) => &[Mode::ProotP1],
        EngineWish::Only(Mode::ProotP2) => &[Mode::ProotP2],
        EngineWish::Only(Mode::Apptainer) => &[Mode::Apptainer],
    }
}

/// Whether `mode` can carry out `plan` on this host; else why not.
pub fn consider(mode: Mode, facts: &HostFacts, plan: &RunPlan) -> Result<(), Rejection> {
    let (wanted, other) = match mode {
        Mode::Ns => (ns::refusal(plan), "proot"),
        Mode::ProotP1 | Mode::ProotP2 => (proot::refusal(plan), "ns"),
        Mode::Apptainer => (apptainer::refusal(plan), "ns"),
    };
    if let Some(wanted) = wanted {
        return Err(Rejection {
            mode,
            reason: format!("it cannot do {wanted}"),
            remedy: Some(format!(
                "leave that out, or use `--engine={other}` where it works"
            )),
        });
    }
    if mode == Mode::Ns && plan.user.ids == Ids::Ranges {
        held(mode, facts.ask(Ask::IdRanges))?;
    }
    if mode == Mode::Ns && matches!(plan.network, Network::Mapped(_)) {
        held(mode, facts.ask(Ask::Uplink))?;
    }
    works_here(mode, facts)
}

/// Whether this host lets `mode` run plans at all; else why not.
pub fn works_here(mode: Mode, facts: &HostFacts) -> Result<(), Rejection> {
    match mode {
        // Trying costs nothing where it fails cleanly, so only an unclear case is probed.
        Mode::Ns if facts.ask(Ask::NamespacesLikely).holds => Ok(()),
        Mode::Ns => held(mode, facts.ask(Ask::Namespaces)).and_then(|()| filtered(mode, facts)),
        Mode::ProotP1 => traced(mode, facts).and_then(|()| filtered(mode, facts)),
        Mode::ProotP2 => traced(mode, facts),
        Mode::Apptainer => held(mode, facts.ask(Ask::Apptainer)),
    }
}

/// PRoot traces, and the guest's programs run from where they lie: in the store. (PRoot
/// itself could be unpacked elsewhere.)
fn traced(mode: Mode, facts: &HostFacts) -> Result<(), Rejection> {
    held(mode, facts.ask(Ask::Ptrace))?;
    held(mode, facts.ask(Ask::StoreExec))
}

/// PRoot's acceleration is a seccomp filter, and so is the root view of namespaces, which
/// the kernel would refuse only when there is no way back.
fn filtered(mode: Mode, facts: &HostFacts) -> Result<(), Rejection> {
    held(mode, facts.ask(Ask::Seccomp))
}

fn held(mode: Mode, fact: &Fact) -> Result<(), Rejection> {
    if fact.holds {
        return Ok(());
    }
    Err(Rejection {
        mode,
        reason: fact.evidence.clone(),
        remedy: fact.remedy.clone(),
    })
}

/// The rejection of an engine that was able by [`consider`] and stopped with `why`.
pub fn turned_out(mode: Mode, why: String, facts: &HostFacts) -> Rejection {
    let remedy = match mode {
        Mode::Ns => facts.ask(Ask::Namespaces).remedy.clone(),
        Mode::ProotP1 | Mode::ProotP2 => facts.ask(Ask::Ptrace).remedy.clone(),
        Mode::Apptainer => facts.ask(Ask::Apptainer).remedy.clone(),
    };
    Rejection {
        mode,
        reason: why,
        remedy,
    }
}
