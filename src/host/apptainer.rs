//! The host's apptainer, or singularity.

use super::Fact;
use super::uplink::in_path;
use crate::base::path::HostPath;

/// What is said where there is none.
pub const ABSENT: &str = "neither `apptainer` nor `singularity` is in PATH";

/// Where it is; the successor first.
pub fn program() -> Option<HostPath> {
    in_path("apptainer").or_else(|| in_path("singularity"))
}

/// Whether it is there.
pub(super) fn present() -> Fact {
    match program() {
        Some(path) => Fact::yes(path.to_string()),
        None => Fact::no(ABSENT).with_remedy("load the site's module of Apptainer, if it has one"),
    }
}
