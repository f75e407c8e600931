//! `coracle doctor`: what this host can do, by trying, and which engine a run will take.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::base::env;
use crate::base::fault::BoxFault;
use crate::base::path::HostPath;
use crate::engine::select::{self, EngineWish, Mode};
use crate::gpu::drm::{self, Drm};
use crate::gpu::nvidia::{self, DriverVersion, Flavour, Nvidia, Processor};
use crate::gpu::preflight::{Cause, Finding};
use crate::host::{Ask, Fact, HostFacts};
use crate::ops;

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
    /// What else is known of them.
    pub gpu: Processors,
}

/// The graphics processors, and what would keep a run from them.
#[derive(Clone, Debug, Serialize)]
pub struct Processors {
    /// NVIDIA's driver, and where its version stands.
    pub nvidia_driver: Option<DriverVersion>,
    /// Whose kernel that driver is in.
    pub nvidia_flavour: Flavour,
    /// NVIDIA's processors, in the order of their bus ids.
    pub nvidia: Vec<Processor>,
    /// What would keep a run from the processors of any maker of which there is a trace here.
    pub findings: Vec<Finding>,
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
/// and put temporary files; `driver_root` is the tree with NVIDIA's driver, if that is not the host's. Forks, so it
/// wants a process with one thread.
pub fn doctor(
    store: HostPath,
    temporary: HostPath,
    driver_root: Option<HostPath>,
) -> Result<Report, BoxFault> {
    let vantage = ops::gpu::vantage(driver_root)?;
    let facts = HostFacts::new(store, temporary);
    let checks: Vec<Check> = Ask::ALL.iter().map(|ask| check(*ask, &facts)).collect();
    // Where a run would simply try namespaces, we have tried already and know.
    let facts = facts.assume(Ask::NamespacesLikely, Fact::no("all is tried here"));
    let modes = select::candidates(EngineWish::Auto);
    let engines: Vec<Verdict> = modes.iter().map(|mode| verdict(*mode, &facts)).collect();
    let auto = engines.iter().find(|verdict| verdict.works);
    let (nvidia, drm) = (nvidia::discover(&vantage), drm::discover(&vantage));
    Ok(Report {
        auto: auto.map(|verdict| verdict.engine),
        checks,
        engines,
        gpu_nodes: nodes(&nvidia, &drm),
        gpu: processors(nvidia, &drm),
    })
}

impl Processors {
    /// The driver in a few words.
    pub fn driver(&self) -> String {
        match (&self.nvidia_driver, self.nvidia_flavour) {
            (Some(driver), _) => format!("{}, by `{}`", driver.version, driver.source),
            (None, Flavour::Wsl) => "that of Windows".to_owned(),
            (None, Flavour::Native) => "none".to_owned(),
        }
    }
}

/// What a run would make of the processors that were found.
pub fn processors(nvidia: Nvidia, drm: &Drm) -> Processors {
    // Set and empty means something here, which `env::get` would not tell from unset.
    let all = env::all();
    let visible = all
        .iter()
        .find(|(name, _)| name == env::CUDA_VISIBLE_DEVICES);
    let visible = visible.map(|(_, value)| value.as_os_str());
    let mut findings = ops::gpu::findings(&nvidia, drm, visible);
    // On most hosts that none is there is no finding: whoever wants one asks `gpu list`, or runs something.
    findings.retain(|finding| !matches!(finding.cause, Cause::NoDriver { .. }));
    Processors {
        nvidia_driver: nvidia.driver,
        nvidia_flavour: nvidia.flavour,
        nvidia: nvidia.processors,
        findings,
    }
}

/// The device nodes of all makers, by name.
fn nodes(nvidia: &Nvidia, drm: &Drm) -> Vec<String> {
    let own = nvidia.nodes.iter().map(|node| node.path.to_string());
    let others = drm.ports().into_iter().map(|port| port.path.to_string());
    let names: BTreeSet<String> = own.chain(others).collect();
    names.into_iter().collect()
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
