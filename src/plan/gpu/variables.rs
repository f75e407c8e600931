//! What programs are told by their environment: where the driver is, and which processors are meant.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use super::Edits;
use crate::base::env;
use crate::base::path::GuestPath;
use crate::plan::Level;
use crate::plan::environ::{Environment, typed};
use crate::plan::farm::Farm;
use crate::plan::wish::{Facts, Wish};

/// What becomes of a value that the image set.
#[derive(Clone, Copy)]
enum Image {
    /// Ours comes before it; without one, before these, which loaders search by themselves.
    Follows(&'static str),
    /// It stays, and ours is left out: there can be only one.
    Stays,
}

/// Directories of the farm whose files loaders look for, by the variables that lead there. Loaders of Vulkan, GLVND,
/// EGL's external platforms, OpenCL (ocl-icd and Khronos), Mesa's GBM and VDPAU; their own documentation of each.
/// `VK_ADD_DRIVER_FILES` names files and adds; the others replace a list, so that it has to be said again.
const SEARCHED: [(&str, &str, Image); 5] = [
    (
        "share/glvnd/egl_vendor.d",
        env::EGL_VENDOR_LIBRARY_DIRS,
        Image::Follows("/etc/glvnd/egl_vendor.d:/usr/share/glvnd/egl_vendor.d"),
    ),
    (
        "share/egl/egl_external_platform.d",
        env::EGL_EXTERNAL_PLATFORM_CONFIG_DIRS,
        Image::Follows("/etc/egl/egl_external_platform.d:/usr/share/egl/egl_external_platform.d"),
    ),
    (
        "lib64/gbm",
        env::GBM_BACKENDS_PATH,
        Image::Follows(
            "/usr/lib/x86_64-linux-gnu/gbm:/usr/lib/aarch64-linux-gnu/gbm:/usr/lib64/gbm:/usr/lib/gbm",
        ),
    ),
    // One directory; the guest's own vendors are linked into it.
    (VENDORS, env::OCL_ICD_VENDORS, Image::Stays),
    // One directory, before the loader's own.
    ("lib64/vdpau", env::VDPAU_DRIVER_PATH, Image::Stays),
];

/// Where the farm has what OpenCL's loaders look for.
pub(super) const VENDORS: &str = "share/OpenCL/vendors";
const VULKAN: &str = "share/vulkan/icd.d";

/// Hands on what the caller's environment says of processors: a scheduler's grant, which an image's own value must
/// not widen. What was typed for the run counts more.
pub(super) fn pass_on(wish: &Wish, facts: &Facts<'_>, environment: &mut Environment) {
    let is_passed = |name: &OsStr| {
        env::GPU_SELECTION.iter().any(|known| name == *known)
            || name.as_bytes().starts_with(env::CUDA_MPS.as_bytes())
    };
    for (name, value) in facts.environment {
        let is_typed = || {
            name.to_str()
                .is_some_and(|name| typed(wish, facts, name).is_some())
        };
        if is_passed(name) && !is_typed() {
            environment.set(name, value);
        }
    }
}

/// Takes away numbers by which the caller chose among CUDA's processors, where some can no longer be opened: they would
/// count others. UUIDs mean the same, and what was typed for this run was typed for it.
pub(super) fn leave_numbers_out(
    wish: &Wish,
    facts: &Facts<'_>,
    edits: &mut Edits,
    environment: &mut Environment,
) {
    let name = env::CUDA_VISIBLE_DEVICES;
    let known = environment.get(name);
    let value = known.map(|value| value.to_string_lossy().into_owned());
    let counts = |value: &String| value.starts_with(|first: char| first.is_ascii_digit());
    if let Some(value) = value.filter(counts)
        && typed(wish, facts, name).is_none()
    {
        environment.unset(OsStr::new(name));
        let text = format!(
            "{name}={value} is left out: it counts all GPUs, and this run has only those that were chosen"
        );
        edits.note(Level::Warning, text);
    }
}

/// Leads loaders and shells to what `farm` has at `place`; the path of libraries becomes `searched` by [`searched`].
pub(super) fn lead_to(
    farm: &Farm,
    place: &GuestPath,
    searched: &[GuestPath],
    is_typed: impl Fn(&str) -> bool,
    environment: &mut Environment,
) {
    let holds = |dir: &str| farm.pieces().any(|(name, _)| name.starts_with(dir));
    for dir in searched.iter().rev() {
        let path = environment.get(env::LD_LIBRARY_PATH).map(OsStr::to_owned);
        environment.set(
            env::LD_LIBRARY_PATH,
            joined(dir.as_path().as_os_str(), path),
        );
    }
    if holds("bin") {
        let programs = place.join("bin");
        let path = environment.get(env::PATH).unwrap_or_default().to_owned();
        if !std::env::split_paths(&path).any(|known| known == programs.as_path()) {
            let dir = Some(programs.as_path().as_os_str().to_owned());
            environment.set(env::PATH, joined(&path, dir));
        }
    }
    for (dir, name, image) in SEARCHED {
        let known = environment.get(name).map(OsStr::to_owned);
        let ours = place.join(dir);
        let value = match image {
            _ if !holds(dir) || is_typed(name) => continue,
            Image::Stays if known.is_some() => continue,
            Image::Stays => ours.as_path().as_os_str().to_owned(),
            Image::Follows(defaults) => {
                let rest = known.unwrap_or_else(|| defaults.into());
                joined(ours.as_path().as_os_str(), Some(rest))
            }
        };
        environment.set(name, value);
    }
    let mut drivers: Vec<OsString> = Vec::new();
    for (name, _) in farm.pieces() {
        let is_driver = name.starts_with(VULKAN) && name.to_string_lossy().contains("icd.");
        if is_driver && name.extension() == Some(OsStr::new("json")) {
            drivers.push(place.join(name).as_path().as_os_str().to_owned());
        }
    }
    if !drivers.is_empty() && !is_typed(env::VK_ADD_DRIVER_FILES) {
        let known = environment
            .get(env::VK_ADD_DRIVER_FILES)
            .map(OsStr::to_owned);
        let list = drivers.join(OsStr::new(":"));
        environment.set(env::VK_ADD_DRIVER_FILES, joined(&list, known));
    }
}

/// Directories that have to come first in `LD_LIBRARY_PATH`, where that is `known` and the driver's libraries are in
/// `own`, below `place`. None where the loader finds them by its cache (`is_cached`): what is named there is searched
/// at every exec of the guest, by which a shell's work took twice as long under PRoot.
///
/// The cache is not enough where something else is searched before it, as stubs to link against are in a toolkit's
/// directories; nor for the image's newer `libcuda` in `before`, which loads others from beside it.
pub(super) fn searched(
    own: Option<GuestPath>,
    before: Option<&GuestPath>,
    known: &OsStr,
    place: &GuestPath,
    is_cached: bool,
) -> Vec<GuestPath> {
    let is_other = |dir: std::path::PathBuf| !dir.starts_with(place.as_path());
    let has_others = !known.is_empty() && std::env::split_paths(known).any(is_other);
    if is_cached && before.is_none() && !has_others {
        return Vec::new();
    }
    before.cloned().into_iter().chain(own).collect()
}

/// `first:rest`; neither may be empty, as an empty entry means the working directory.
pub(super) fn joined(first: &OsStr, rest: Option<OsString>) -> OsString {
    let mut list = first.to_owned();
    if let Some(rest) = rest.filter(|rest| !rest.is_empty()) {
        if !list.is_empty() {
            list.push(":");
        }
        list.push(rest);
    }
    list
}
