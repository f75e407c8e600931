//! Before a guest starts: what would keep it from the processors, by name, each cause with its way out.
//!
//! Without this a missing module shows as `cuInit` returning 999 in the middle of somebody's program. Nothing is
//! read here: all checks are pure over what was found of the host and of the image, so that each of them can be
//! provoked by data.

pub mod cause;
mod guest;
mod host;
mod ports;

use std::collections::BTreeSet;
use std::ffi::OsStr;

use serde::Serialize;

use crate::base::fault::{Fault, Kind};
use crate::base::path::GuestPath;
use crate::gpu::guest::Guest;
use crate::gpu::nvidia::{DriverFile, Nvidia};
use crate::gpu::vantage::Machine;

pub use cause::Cause;
pub use ports::{check_amd, check_intel};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth a word with `-v`.
    Detail,
    /// The guest can start, and something that it may want does not work.
    Warning,
    /// No program of the guest could compute; it is not started.
    Fatal,
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Severity::Detail => "detail",
            Severity::Warning => "warning",
            Severity::Fatal => "fatal",
        })
    }
}

/// One cause that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which, with the values that its message names.
    #[serde(flatten)]
    pub cause: Cause,
    /// How bad.
    pub severity: Severity,
    /// One line without a full stop.
    pub message: String,
    /// What somebody can do, in one sentence.
    pub remedy: Option<String>,
}

/// What is asked of the host.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// The chosen ones, as positions in [`Nvidia::processors`]; `None` where only the driver's files are wanted
    /// (`--gpus none`). None of the causes is fatal then.
    pub processors: Option<&'a [usize]>,
    /// `CUDA_VISIBLE_DEVICES` as the guest will have it.
    pub cuda_visible: Option<&'a OsStr>,
}

/// What is to happen in the guest.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The machine of the driver's files.
    pub machine: Machine,
    /// The files that are to appear, of [`Nvidia::files`].
    pub files: &'a [&'a DriverFile],
    /// The package for forward compatibility that comes first: [`crate::gpu::compat::choose`].
    pub compat: Option<&'a GuestPath>,
    /// The directories of `LD_LIBRARY_PATH` that the image itself sets.
    pub library_path: &'a [GuestPath],
}

/// What of the host stands between a guest and the processors, the worst first.
pub fn check_host(nvidia: &Nvidia, wanted: &Wanted) -> Vec<Finding> {
    rated(host::check(nvidia, wanted), wanted)
}

/// What of the image does, the worst first.
pub fn check_guest(
    nvidia: &Nvidia,
    guest: &Guest,
    setting: &Setting,
    wanted: &Wanted,
) -> Vec<Finding> {
    rated(guest::check(nvidia, guest, setting, wanted), wanted)
}

fn rated(causes: Vec<Cause>, wanted: &Wanted) -> Vec<Finding> {
    let mut findings: Vec<Finding> = causes.into_iter().map(Finding::from).collect();
    if wanted.processors.is_none() {
        for finding in &mut findings {
            let most = match finding.cause {
                // Just where the files alone are of use: to build on a host without a processor.
                Cause::ModuleNotLoaded { .. } => Severity::Detail,
                _ => Severity::Warning,
            };
            finding.severity = finding.severity.min(most);
        }
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

impl From<Cause> for Finding {
    fn from(cause: Cause) -> Finding {
        Finding {
            severity: cause.severity(),
            message: cause.to_string(),
            remedy: cause.remedy(),
            cause,
        }
    }
}

/// Fatal findings, as the error that keeps a guest from being started.
#[derive(Debug, thiserror::Error)]
#[error("{}", joined(.0))]
pub struct Refusal(Vec<Finding>);

impl Refusal {
    /// The error that `findings` amount to, if any of them is fatal.
    pub fn of(findings: &[Finding]) -> Option<Refusal> {
        let fatal = findings
            .iter()
            .filter(|finding| finding.severity == Severity::Fatal);
        let fatal: Vec<Finding> = fatal.cloned().collect();
        (!fatal.is_empty()).then_some(Refusal(fatal))
    }
}

impl Fault for Refusal {
    fn kind(&self) -> Kind {
        Kind::Refused
    }

    fn hints(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let remedies = self.0.iter().filter_map(|finding| finding.remedy.clone());
        remedies
            .filter(|remedy| seen.insert(remedy.clone()))
            .collect()
    }
}

fn joined(findings: &[Finding]) -> String {
    let messages: Vec<&str> = findings
        .iter()
        .map(|finding| finding.message.as_str())
        .collect();
    messages.join("; ")
}
