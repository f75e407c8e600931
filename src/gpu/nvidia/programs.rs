//! The driver's programs.

use crate::base::fsx;
use crate::base::path::{GuestPath, HostPath};
use crate::gpu::nvidia::{DriverFile, FileKind, Group, Reason, Searched, Verdict, inspect, places};
use crate::gpu::vantage::Vantage;

/// What each is for. Left out are those that change the host (`nvidia-modprobe`, `nvidia-installer`) or want a desktop
/// (`nvidia-settings`).
const PROGRAMS: [(&str, Group); 9] = [
    ("nvidia-smi", Group::Utility),
    ("nvidia-debugdump", Group::Utility),
    ("nvidia-persistenced", Group::Utility),
    ("nv-fabricmanager", Group::Utility),
    ("nvidia-imex", Group::Utility),
    ("nvidia-imex-ctl", Group::Utility),
    ("nvidia-cuda-mps-control", Group::Compute),
    ("nvidia-cuda-mps-server", Group::Compute),
    ("nvidia-xconfig", Group::Display),
];

/// Where programs are beside the search path; that of a daemon or of another root has none of them.
const DIRECTORIES: [&str; 8] = [
    "/usr/bin",
    "/usr/sbin",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/bin",
    "/sbin",
    "/run/current-system/sw/bin", // NixOS
    "/opt/nvidia/bin",
];

/// Programs, each the first good one, and those before it that are none. The directories beside those of the libraries
/// come first: programs do not carry the version, and what was installed together fits together.
pub(super) fn find(vantage: &Vantage, holding: &[&Searched]) -> Vec<DriverFile> {
    let directories = directories(vantage, holding);
    let mut files: Vec<DriverFile> = Vec::new();
    for (name, group) in PROGRAMS {
        for (path, host) in &directories {
            let link = host.join(name);
            if fsx::symlink_metadata(&link).is_err() {
                continue;
            }
            let file = judge(vantage, path.join(name), &link, name, group);
            let is_taken = file.verdict == Verdict::Taken;
            files.push(file);
            if is_taken {
                break;
            }
        }
    }
    files
}

fn judge(
    vantage: &Vantage,
    path: GuestPath,
    link: &HostPath,
    name: &str,
    group: Group,
) -> DriverFile {
    let host = vantage.root.resolve(&path).unwrap_or_else(|_| link.clone());
    let elf = inspect::binary(&path, &host, vantage.machine);
    let wants = elf.as_ref().map(inspect::wants).unwrap_or_default();
    let verdict = match elf {
        Ok(_) if group == Group::Display => Verdict::Left(Reason::DisplayServer),
        Ok(_) => Verdict::Taken,
        Err(reason) => Verdict::Left(reason),
    };
    DriverFile {
        kind: FileKind::Program,
        group,
        path,
        host,
        name: format!("bin/{name}"),
        links: Vec::new(),
        text: None,
        required: false,
        verdict,
        wants,
    }
}

/// Each directory once, as it really is.
fn directories(vantage: &Vantage, holding: &[&Searched]) -> Vec<(GuestPath, HostPath)> {
    // `/usr/local/nvidia/lib64` has `bin` beside it; `/usr/lib/wsl/lib` has `nvidia-smi` in it; for `/usr/lib64` it
    // is `/usr/bin`, which the list has too.
    let beside = holding.iter().flat_map(|place| {
        let parent = places::parent(&place.path);
        [
            parent.map(|parent| parent.join("bin")),
            Some(place.path.clone()),
        ]
    });
    let known = DIRECTORIES.iter().map(GuestPath::new);
    let path = vantage.program_path.iter().cloned().map(Some);
    let mut found: Vec<(GuestPath, HostPath)> = Vec::new();
    for directory in beside.chain(known).chain(path).flatten() {
        let Ok(host) = vantage.root.resolve(&directory) else {
            continue;
        };
        if found.iter().any(|(_, known)| *known == host) || !host.is_dir() {
            continue;
        }
        if let Some(real) = places::below(vantage, &host) {
            found.push((real, host));
        }
    }
    found
}
