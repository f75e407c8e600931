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

use std::os::unix::fs::FileTypeExt;

use crate::base::fsx;
use crate::base::path::HostPath;
use crate::gpu::drm::Drm;
use crate::gpu::guest::Guest;
use crate::gpu::nvidia::Nvidia;

/// What was found for one run: on the host by the wish, and in the image's tree.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// NVIDIA's driver on the host, where it was asked for.
    pub nvidia: Option<Nvidia>,
    /// What specifications of devices ask for, where such devices were asked for.
    pub cdi: Option<cdi::Edits>,
    /// The cards of AMD and Intel, likewise.
    pub drm: Option<Drm>,
    /// The tree that the driver's files go into.
    pub guest: Guest,
}

/// Directories in which drivers put nodes, and the beginnings of those that count; an
/// empty beginning takes them all. NVIDIA: nodes and MIG capabilities; DRM: Intel, AMD,
/// and everybody's render nodes; KFD: AMD compute; dxg: the paravirtual one of WSL.
const NODES: [(&str, &str); 5] = [
    ("/dev", "nvidia"),
    ("/dev/nvidia-caps", ""),
    ("/dev/dri", ""),
    ("/dev", "kfd"),
    ("/dev", "dxg"),
];

/// The device nodes of graphics processors, sorted by name. A host without any, or with
/// a directory that cannot be listed, has none.
pub fn nodes() -> Vec<HostPath> {
    let mut found: Vec<HostPath> = NODES
        .iter()
        .flat_map(|(dir, beginning)| nodes_in(dir, beginning))
        .collect();
    found.sort();
    found
}

fn nodes_in(dir: &str, beginning: &str) -> Vec<HostPath> {
    let entries = fsx::read_dir(dir).unwrap_or_default();
    let nodes = entries.into_iter().filter(|entry| {
        let counts = entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(beginning.as_bytes());
        counts && entry.file_type().is_ok_and(|kind| kind.is_char_device())
    });
    nodes.map(|entry| HostPath::new(entry.path())).collect()
}
