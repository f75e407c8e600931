//! What graphics processors add to a plan: a driver's files, what finds them, and which devices stay closed.
//!
//! The files appear in a directory of the run's own, so that nothing is written into the guest's, and a run with
//! another driver meets nothing of this one. Devices come with `/dev`, which every guest sees.

mod cdi;
mod driver;
mod loader;
mod selection;
mod variables;

use crate::base::path::{GuestPath, HostPath};
use crate::gpu::drm::Drm;
use crate::gpu::nvidia::Access;
use crate::gpu::preflight::{self, Finding, Refusal, Severity};
use crate::plan::environ::Environment;
use crate::plan::fault::PlanError;
use crate::plan::wish::{Facts, Wish};
use crate::plan::{GuestFile, GuestLink, Level, Mount, Note, Source};

/// Where the driver's files appear. Images that are made for NVIDIA's tools search here already.
pub const PLACE: &str = "/usr/local/nvidia";
/// The second place is for runs in which the user mounts something at the first, around it or in it.
const PLACES: [&str; 2] = [PLACE, "/.coracle/nvidia"];

/// What is added to a plan, beside the environment.
#[derive(Debug, Default)]
pub(super) struct Edits {
    pub(super) mounts: Vec<Mount>,
    pub(super) files: Vec<GuestFile>,
    pub(super) links: Vec<GuestLink>,
    pub(super) notes: Vec<Note>,
}

/// What graphics processors add to a run with these `mounts`. `environment` gets what programs need to find the
/// driver, and the caller's choice among its processors.
pub(super) fn edits(
    wish: &Wish,
    facts: &Facts<'_>,
    mounts: &[Mount],
    environment: &mut Environment,
) -> Result<Edits, PlanError> {
    let mut edits = Edits::default();
    let Some(found) = facts.gpu else {
        return Ok(edits);
    };
    let mut libraries = loader::Libraries::default();
    if wish.gpu.is_any() {
        variables::pass_on(wish, facts, environment);
    }
    if let Some(nvidia) = &found.nvidia {
        let run = driver::Run {
            wish,
            facts,
            nvidia,
            guest: &found.guest,
            place: place(mounts),
            has_cache: loader::has_cache(&found.guest, mounts),
        };
        libraries = run.add(&mut edits, environment)?;
    }
    if let Some(wanted) = &found.cdi {
        let run = cdi::Run {
            wish,
            facts,
            guest: &found.guest,
            nodes: &found.nodes,
            wanted,
        };
        run.add(&mut edits, &mut libraries, environment);
    }
    if let Some(drm) = &found.drm {
        check_cards(wish, drm, &mut edits)?;
    }
    edits.files.extend(loader::files(&found.guest, &libraries));
    // What the user mounts at the same place comes first, as with the default mounts.
    edits
        .mounts
        .retain(|ours| !mounts.iter().any(|known| known.target == ours.target));
    Ok(edits)
}

/// Whether the cards that were asked for can be used. Their nodes come with the others, their libraries with the image.
fn check_cards(wish: &Wish, drm: &Drm, edits: &mut Edits) -> Result<(), PlanError> {
    let mut findings = Vec::new();
    if wish.gpu.rocm {
        findings.extend(preflight::check_amd(drm));
    }
    if wish.gpu.intel {
        findings.extend(preflight::check_intel(drm));
    }
    if let Some(refusal) = Refusal::of(&findings) {
        return Err(refusal.into());
    }
    edits.findings(&findings);
    if wish.gpu.dri
        && !drm
            .ports()
            .iter()
            .any(|port| port.access == Access::Granted)
    {
        edits.note(
            Level::Warning,
            "`/dev/dri` has no node that this user may open: see `coracle gpu list`",
        );
    }
    Ok(())
}

/// The first place that no mount lies at, around or in: around it the directory would be made in something of the
/// host, and in it the mount would hide the driver, or find a directory in which no mount point can be made.
fn place(mounts: &[Mount]) -> GuestPath {
    let [first, last] = PLACES.map(|place| GuestPath::root().join(place));
    let meets = |mount: &Mount| {
        let target = mount.target.as_path();
        first.as_path().starts_with(target) || target.starts_with(first.as_path())
    };
    if mounts.iter().any(meets) {
        last
    } else {
        first
    }
}

impl Edits {
    fn note(&mut self, level: Level, text: impl Into<String>) {
        let text = text.into();
        self.notes.push(Note { level, text });
    }

    fn findings(&mut self, findings: &[Finding]) {
        for finding in findings {
            let level = match finding.severity {
                Severity::Detail => Level::Detail,
                Severity::Warning | Severity::Fatal => Level::Warning,
            };
            let remedy = finding.remedy.iter().map(|remedy| format!("; {remedy}"));
            self.note(level, finding.message.clone() + &remedy.collect::<String>());
        }
    }

    /// Keeps everybody from opening the device `target`.
    fn close(&mut self, target: GuestPath) {
        self.mounts.push(Mount {
            source: Source::Masked,
            target,
            read_only: false,
            optional: true,
        });
    }

    /// Shows `host` at `target` if it is there.
    fn bind(&mut self, host: HostPath, target: GuestPath, read_only: bool) {
        self.mounts.push(Mount {
            source: Source::Bind(host),
            target,
            read_only,
            optional: true,
        });
    }
}
