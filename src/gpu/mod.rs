//! Graphics processors: what a host's drivers give a guest, found at run time.

pub mod cdi;
pub mod choice;
pub mod compat;
pub mod drm;
pub mod elf;
pub mod fit;
pub mod guest;
pub mod ldcache;
pub mod node;
pub mod nvidia;
pub mod preflight;
pub mod requires;
pub mod vantage;
pub mod version;

use crate::gpu::drm::Drm;
use crate::gpu::guest::Guest;
use crate::gpu::nvidia::{Node, Nvidia};

/// What was found for one run: on the host by the wish, and in the image's tree.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// NVIDIA's driver on the host, where it was asked for.
    pub nvidia: Option<Nvidia>,
    /// What specifications of devices ask for, where such devices were asked for.
    pub cdi: Option<cdi::Edits>,
    /// NVIDIA's device nodes on the host, likewise: those of other devices than these must not be used by mistake.
    pub nodes: Vec<Node>,
    /// The cards of AMD and Intel, likewise.
    pub drm: Option<Drm>,
    /// The tree that the driver's files go into.
    pub guest: Guest,
}
