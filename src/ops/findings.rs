//! What is found for graphics processors before a run: on the host by the wish, and in the image's tree.

use crate::base::env;
use crate::base::fault::BoxFault;
use crate::base::path::{GuestPath, HostPath, RootDir};
use crate::gpu::cdi::{self, DeviceName};
use crate::gpu::nvidia::Verdict;
use crate::gpu::vantage::Vantage;
use crate::gpu::{Findings, drm, fit, guest, nvidia};
use crate::oci::config::RunConfig;
use crate::ops::facts;
use crate::plan::wish::{GpuWish, Text, Via};

/// The kind of NVIDIA's processors in specifications that NVIDIA's toolkit writes.
const NVIDIA_KIND: &str = "nvidia.com/gpu=";

/// What matters to a run with these `trees` as its root, the uppermost first: nothing, where no processors were asked
/// for now or in an earlier run.
pub(super) fn gather(
    trees: &[RootDir],
    wish: &GpuWish,
    image: &RunConfig,
) -> Result<Option<Findings>, BoxFault> {
    // An image as it was pulled was told nothing; only what a container has written over it may say so.
    let written = &trees[..trees.len() - 1];
    if !wish.is_any() && facts::read(written, guest::OWN_CONF)?.is_none() {
        return Ok(None);
    }
    let vantage = match &wish.driver_root {
        Some(Text(root)) => Vantage::of_root(HostPath::new(root)),
        None => Vantage::host(),
    };
    let nvidia = wish.via().filter(|via| *via == Via::Discovery);
    let nvidia = nvidia.map(|_| nvidia::discover(&vantage));
    let devices = devices(wish)?;
    let cdi = match devices.is_empty() {
        true => None,
        false => Some(cdi::resolve(
            &devices,
            &env::cdi_directories(),
            &vantage.sys,
        )?),
    };
    let drm = (wish.rocm || wish.intel || wish.dri).then(|| drm::discover(&vantage));
    let files = nvidia.iter().flat_map(|nvidia| &nvidia.files);
    let sonames = fit::sonames(files.filter(|file| file.verdict == Verdict::Taken));
    let guest = guest::look(trees, &sonames, &library_path(image));
    Ok(Some(Findings {
        nvidia,
        cdi,
        drm,
        guest,
    }))
}

/// The devices that are to come by specifications, those of `--nvidia=cdi` among them: `--gpus` names them by what
/// stands behind `nvidia.com/gpu=`.
fn devices(wish: &GpuWish) -> Result<Vec<DeviceName>, BoxFault> {
    let mut names: Vec<String> = Vec::new();
    if wish.via() == Some(Via::Cdi) {
        let chosen = wish.gpus.as_deref().filter(|chosen| !chosen.is_empty());
        let each = chosen.unwrap_or("all").split(',').map(str::trim);
        names.extend(each.map(|name| match name.starts_with(NVIDIA_KIND) {
            true => name.to_owned(),
            false => format!("{NVIDIA_KIND}{name}"),
        }));
    }
    names.extend(
        wish.devices
            .iter()
            .map(|name| name.0.to_string_lossy().into_owned()),
    );
    let parsed: Result<Vec<DeviceName>, _> = names.iter().map(|name| name.parse()).collect();
    Ok(parsed?)
}

/// The directories that the image's own `LD_LIBRARY_PATH` names.
fn library_path(image: &RunConfig) -> Vec<GuestPath> {
    let entries = image.env.iter().rev();
    let mut entries = entries.filter_map(|entry| entry.split_once('='));
    let path = entries.find(|(name, _)| *name == env::LD_LIBRARY_PATH);
    let dirs = path.iter().flat_map(|(_, value)| value.split(':'));
    dirs.filter_map(GuestPath::new).collect()
}
