//! Files that tell loaders of Vulkan, EGL and OpenCL of the driver, and data of its libraries.

use serde_json::Value;

use crate::base::fsx;
use crate::base::path::{GuestPath, HostPath};
use crate::gpu::nvidia::{
    DriverFile, FileKind, Group, Reason, Searched, Verdict, Wants, inspect, places,
};
use crate::gpu::vantage::Vantage;

/// These files have a few hundred bytes.
const MAX_TEXT: u64 = 64 << 10;

/// Names of files in the directories of data, by folder, and what they are for. The farm has the same folders.
const FOLDERS: [(&str, Group, &[&str]); 7] = [
    (
        "vulkan/icd.d",
        Group::Graphics,
        &["nvidia_icd.json", "nvidia_icd.{M}.json"],
    ),
    (
        "vulkan/implicit_layer.d",
        Group::Graphics,
        &["nvidia_layers.json"],
    ),
    ("vulkansc/icd.d", Group::Graphics, &["nvidia_icd_vksc.json"]),
    ("glvnd/egl_vendor.d", Group::Graphics, &["10_nvidia.json"]),
    (
        "egl/egl_external_platform.d",
        Group::Graphics,
        &[
            "09_nvidia_wayland2.json",
            "10_nvidia_wayland.json",
            "15_nvidia_gbm.json",
            "20_nvidia_xcb.json",
            "20_nvidia_xlib.json",
            "99_nvidia_wayland2.json",
        ],
    ),
    ("nvidia", Group::Graphics, &["nvoptix.bin"]),
    ("OpenCL/vendors", Group::Compute, &["nvidia.icd"]),
];

/// Directories of data: `/etc`, which comes first for loaders too, and those of the XDG Base Directory Specification.
const DIRECTORIES: [&str; 4] = [
    "/etc",
    "/usr/local/share",
    "/usr/share",
    "/run/opengl-driver/share", // NixOS
];

/// The files, each the first good one of its name, and those before it that are none.
pub(super) fn find(vantage: &Vantage, holding: &[&Searched]) -> Vec<DriverFile> {
    let directories = directories(vantage, holding);
    let mut files = Vec::new();
    for (folder, group, names) in FOLDERS {
        let resolved = directories
            .iter()
            .filter_map(|(path, host)| in_directory(vantage, path, host, folder));
        let resolved: Vec<_> = resolved.collect();
        for name in names {
            let name = name.replace("{M}", &vantage.machine.to_string());
            // The machine in a name is for packages of two machines on one host; the farm is for one.
            let target = name.replace(&format!(".{}", vantage.machine), "");
            let target = format!("share/{folder}/{target}");
            let is_target =
                |file: &DriverFile| file.name == target && file.verdict == Verdict::Taken;
            for (path, host) in &resolved {
                let is_there = fsx::symlink_metadata(host.join(&name)).is_ok();
                if is_there && !files.iter().any(is_target) {
                    files.push(judge(vantage, path.join(&name), &target, group));
                }
            }
        }
    }
    files
}

/// Each directory of data that is there, once.
fn directories(vantage: &Vantage, holding: &[&Searched]) -> Vec<(GuestPath, HostPath)> {
    // GKE has `vulkan/icd.d` directly beside `lib64`.
    let parents = holding
        .iter()
        .filter_map(|place| places::parent(&place.path));
    let beside = parents.flat_map(|parent| [parent.join("share"), parent]);
    let known = DIRECTORIES.iter().filter_map(GuestPath::new);
    let mut found: Vec<(GuestPath, HostPath)> = Vec::new();
    for path in beside.chain(known) {
        let Ok(host) = vantage.root.resolve(&path) else {
            continue;
        };
        if host.is_dir() && found.iter().all(|(_, known)| *known != host) {
            found.push((path, host));
        }
    }
    found
}

/// A folder in a directory of data, if it is there. Mostly it is not, which its first part alone tells.
fn in_directory(
    vantage: &Vantage,
    path: &GuestPath,
    host: &HostPath,
    folder: &str,
) -> Option<(GuestPath, HostPath)> {
    let first = folder.split('/').next()?;
    fsx::symlink_metadata(host.join(first)).ok()?;
    let path = path.join(folder);
    let host = vantage.root.resolve(&path).ok()?;
    host.is_dir().then_some((path, host))
}

fn judge(vantage: &Vantage, path: GuestPath, target: &str, group: Group) -> DriverFile {
    let named = vantage.root.path().join(path.relative());
    let host = vantage.root.resolve(&path).unwrap_or(named);
    let content = inspect::file(&path, &host).and_then(|()| text(&host, target));
    let (text, verdict) = match content {
        Ok(text) => (text, Verdict::Taken),
        Err(reason) => (None, Verdict::Left(reason)),
    };
    DriverFile {
        kind: FileKind::Data,
        group,
        path,
        host,
        name: target.to_owned(),
        links: Vec::new(),
        text,
        required: false,
        verdict,
        wants: Wants::default(),
    }
}

/// What stands for a file whose own text cannot be used: one that names a library by its place on the host, as Red
/// Hat's packages do (`/usr/lib64/libGLX_nvidia.so.0`). The bare name finds it wherever it is.
fn text(host: &HostPath, target: &str) -> Result<Option<Vec<u8>>, Reason> {
    if target.ends_with(".icd") {
        return icd_text(host);
    }
    if !target.ends_with(".json") {
        return Ok(None);
    }
    let bytes = fsx::read(host, MAX_TEXT).map_err(inspect::reason)?;
    // Bounded in depth by the parser itself: 128 levels.
    let mut document: Value = serde_json::from_slice(&bytes)
        .map_err(|error| Reason::Unreadable(format!("not JSON: {error}")))?;
    if !put_right(&mut document) {
        return Ok(None);
    }
    let text = serde_json::to_vec_pretty(&document)
        .map_err(|error| Reason::Unreadable(error.to_string()))?;
    Ok(Some([text, b"\n".to_vec()].concat()))
}

/// A `.icd` of OpenCL is one line: the library.
fn icd_text(host: &HostPath) -> Result<Option<Vec<u8>>, Reason> {
    let bytes = fsx::read(host, MAX_TEXT).map_err(inspect::reason)?;
    let text = String::from_utf8(bytes).map_err(|_| Reason::Unreadable("not text".to_owned()))?;
    let bare = bare_name(text.trim());
    Ok(bare.map(|name| format!("{name}\n").into_bytes()))
}

/// Takes directories away from each `library_path`; says whether there was one.
fn put_right(value: &mut Value) -> bool {
    match value {
        Value::Object(fields) => {
            let mut changed = false;
            for (name, value) in fields {
                let bare = value.as_str().and_then(bare_name).map(str::to_owned);
                match bare.filter(|_| name == "library_path") {
                    Some(bare) => {
                        *value = Value::String(bare);
                        changed = true;
                    }
                    None => changed |= put_right(value),
                }
            }
            changed
        }
        Value::Array(values) => values
            .iter_mut()
            .fold(false, |changed, value| put_right(value) | changed),
        _ => false,
    }
}

/// The last part of a path of several.
fn bare_name(path: &str) -> Option<&str> {
    let (_, name) = path.rsplit_once('/')?;
    (!name.is_empty() && name != "..").then_some(name)
}
