//! When an image's package for CUDA's forward compatibility comes before the host's driver.
//!
//! The package holds a newer `libcuda` that works with an older kernel module, on processors for data centres only;
//! on others `cuInit` fails with error 804. NVIDIA, "CUDA Compatibility", chapter "Forward Compatibility".

use serde::{Deserialize, Serialize};

use crate::base::path::GuestPath;
use crate::gpu::guest::Compat;
use crate::gpu::version::Version;

/// Whether the package comes before the host's driver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CudaCompat {
    /// Where NVIDIA's rule says so.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// Words in the names of processors that are not made for data centres. NVIDIA names the ones that are by a letter
/// and a number (`NVIDIA H200`, `Tesla T4`), new ones each year: so these are listed, not those. Some workstation
/// processors are allowed ("NGC-ready" servers), but nothing in `/proc` tells; `--cuda-compat=on` is for them.
const NOT_FOR_DATA_CENTRES: [&str; 10] = [
    "geforce", "gtx", "rtx", "quadro", "titan", "nvs", "ion", "mx", "shield", "tegra",
];

/// The workstation processors whose names look like those for data centres, `Tesla T4` in particular.
const SMALL_WORKSTATIONS: [&str; 6] = ["t400", "t500", "t550", "t600", "t1000", "t2000"];

/// The directory whose libraries are to come first, if any: of `packages` the newest that NVIDIA's rule accepts for
/// a kernel module of version `driver` and processors of these `models`. The rule is the one of NVIDIA's container
/// toolkit: a greater major version than the module's, or a note in the file that names the module's major version,
/// in a package that is newer than the module.
pub fn choose(
    packages: &[Compat],
    driver: &str,
    models: &[&str],
    wish: CudaCompat,
) -> Option<GuestPath> {
    let refused = match wish {
        CudaCompat::On => false,
        CudaCompat::Auto => models.iter().any(|model| !is_for_data_centres(model)),
        CudaCompat::Off => true,
    };
    if refused {
        return None;
    }
    let driver = Version::parse(driver);
    let accepted = packages.iter().filter_map(|package| {
        let version = Version::parse(&package.version)?;
        let accepted = wish == CudaCompat::On || accepts(package, &version, driver.as_ref()?);
        accepted.then_some((version, package))
    });
    let newest = accepted.max_by(|one, other| one.0.cmp(&other.0))?;
    Some(newest.1.path.clone())
}

fn accepts(package: &Compat, version: &Version, driver: &Version) -> bool {
    let named = package.accepts.contains(&driver.major()) && version > driver;
    version.major() > driver.major() || named
}

/// Whether a processor of that model takes the package. One whose name says nothing counts as one for data centres,
/// as it does in NVIDIA's own tool, which does not look at the model.
pub fn is_for_data_centres(model: &str) -> bool {
    let lower = model.to_ascii_lowercase();
    let mut words = lower.split(|letter: char| !letter.is_ascii_alphanumeric());
    !words.any(|word| NOT_FOR_DATA_CENTRES.contains(&word) || SMALL_WORKSTATIONS.contains(&word))
}
