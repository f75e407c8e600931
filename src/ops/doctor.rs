//! `coracle doctor`: what this host can do, by trying, and which engine a run will take.

use serde::Serialize;

use crate::base::path::HostPath;
use crate::engine::select::{self, EngineWish, Mode};
use crate::gpu;
use crate::host::{Ask, Fact, HostFacts};

/// Everything that was found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Each thing that was tried, in the order of [`Ask::ALL`].
    pub checks: Vec<Check>,
    /// Each engine, in the order in which `--engine=auto` considers them.
    pub engines: Vec<Verdict>,
    /// The engine that `--engine=auto` takes; `None` if none works.
    pub auto: Option<&'static str>,
    /// The device nodes of graphics processors.
    pub gpu_nodes: Vec<String>,
}

/// One thing that was tried.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What, in a few words.
    pub title: &'static str,
    /// Whether it works, or is as it should be.
    pub ok: bool,
    /// What was done and what came of it.
    pub evidence: String,
    /// Who would have to change what.
    pub remedy: Option<String>,
}

/// One engine.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// Its name, as `--engine` takes it.
    pub engine: &'static str,
    /// Whether it works here.
    pub works: bool,
    /// Why not.
    pub reason: Option<String>,
    /// What would have to change.
    pub remedy: Option<String>,
}

/// Asks the host everything. `store` and `temporary` are where coracle would keep images
/// and put temporary files. Forks, so it wants a process with one thread.
pub fn doctor(store: HostPath, temporary: HostPath) -> Report {
    let facts = HostFacts::new(store, temporary);
    let checks: Vec<Check> = Ask::ALL.iter().map(|ask| check(*ask, &facts)).collect();
    // Where a run would simply try namespaces, we have tried already and know.
    let facts = facts.assume(Ask::NamespacesLikely, Fact::no("all is tried here"));
    let modes = select::candidates(EngineWish::Auto);
    let engines: Vec<Verdict> = modes.iter().map(|mode| verdict(*mode, &facts)).collect();
    let auto = engines.iter().find(|verdict| verdict.works);
    Report {
        auto: auto.map(|verdict| verdict.engine),
        checks,
        engines,
        gpu_nodes: gpu::nodes().iter().map(ToString::to_string).collect(),
    }
}

fn check(ask: Ask, facts: &HostFacts) -> Check {
    let fact = facts.ask(ask).clone();
    Check {
        title: ask.title(),
        ok: fact.holds,
        evidence: fact.evidence,
        remedy: fact.remedy,
    }
}

fn verdict(mode: Mode, facts: &HostFacts) -> Verdict {
    let rejection = select::works_here(mode, facts).err();
    Verdict {
        engine: mode.name(),
        works: rejection.is_none(),
        reason: rejection.as_ref().map(|rejection| rejection.reason.clone()),
        remedy: rejection.and_then(|rejection| rejection.remedy),
    }
}
