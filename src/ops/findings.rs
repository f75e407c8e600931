//! What is found for graphics processors before a run: on the host by the wish, and in the image's tree.

use crate::base::env;
use crate::base::fault::BoxFault;
use crate::base::path::{GuestPath, HostPath, RootDir};
use crate::gpu::cdi::{self, DeviceName};
use crate::gpu::choice::Choice;
use crate::gpu::nvidia::Verdict;
use crate::gpu::{Findings, drm, fit, guest, nvidia};
use crate::oci::config::RunConfig;
use crate::ops::{facts, gpu};
use crate::plan::wish::{GpuWish, Text, Via};

/// What matters to a run with these `trees` as its root, the uppermost first, of which `lower` is the image's: nothing,
/// where no processors were asked for now or in an earlier run.
pub(super) fn gather(
    trees: &[RootDir],
    lower: &HostPath,
    wish: &GpuWish,
    image: &RunConfig,
) -> Result<Option<Findings>, BoxFault> {
    // An image as it was pulled was told nothing; only what a container has written over it may say so.
    let mut written = trees.to_vec();
    written.retain(|tree| tree.path() != lower);
    if !wish.is_any() && facts::read(&written, guest::OWN_CONF)?.is_none() {
        return Ok(None);
    }
    let root = wish.driver_root.as_ref();
    let vantage = gpu::vantage(root.map(|Text(root)| HostPath::new(root)))?;
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
    let nodes = match cdi.is_some() {
        true => nvidia::nodes(&vantage),
        false => Vec::new(),
    };
    let drm = (wish.rocm || wish.intel || wish.dri).then(|| drm::discover(&vantage));
    let files = nvidia.iter().flat_map(|nvidia| &nvidia.files);
    let sonames = fit::sonames(files.filter(|file| file.verdict == Verdict::Taken));
    let guest = guest::look(trees, &sonames, &library_path(image));
    Ok(Some(Findings {
        nvidia,
        nodes,
        cdi,
        drm,
        guest,
    }))
}

/// The devices that are to come by specifications, those of `--nvidia=cdi` among them.
fn devices(wish: &GpuWish) -> Result<Vec<DeviceName>, BoxFault> {
    let mut devices = Vec::new();
    if wish.via() == Some(Via::Cdi) {
        let choice = Choice::parse(wish.gpus.as_deref().unwrap_or("all"))?;
        devices.extend(choice.cdi_names()?);
    }
    for Text(name) in &wish.devices {
        devices.push(name.to_string_lossy().parse()?);
    }
    Ok(devices)
}

/// The directories that the image's own `LD_LIBRARY_PATH` names.
fn library_path(image: &RunConfig) -> Vec<GuestPath> {
    let entries = image.env.iter().rev();
    let mut entries = entries.filter_map(|entry| entry.split_once('='));
    let path = entries.find(|(name, _)| *name == env::LD_LIBRARY_PATH);
    let dirs = path.iter().flat_map(|(_, value)| value.split(':'));
    dirs.filter_map(GuestPath::new).collect()
}
