//! Device nodes of the driver, and whether this user may open them.

use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::AccessFlags;

use crate::base::fsx;
use crate::base::path::GuestPath;
use crate::gpu::node;
use crate::gpu::nvidia::{Node, NodeRole, Processor};
use crate::gpu::vantage::{NodeCheck, Vantage};

/// Nodes beyond this are not looked at: a machine has at most 32 processors with 120 capabilities of MIG each, of
/// which far fewer exist, and 2048 channels of NVLink.
const MAX_NODES: usize = 4096;

/// The directories below `/dev` that hold nothing but nodes of one role.
const FOLDERS: [(&str, &str, NodeRole); 2] = [
    ("nvidia-caps", "nvidia-cap", NodeRole::MigCapability),
    ("nvidia-caps-imex-channels", "channel", NodeRole::Imex),
];

/// The nodes, by role and number.
pub(super) fn find(vantage: &Vantage) -> Vec<Node> {
    let mut found: Vec<(NodeRole, Option<u32>, String)> = Vec::new();
    for name in fsx::names(&vantage.dev) {
        if let Some((role, number)) = role(&name) {
            found.push((role, number, name));
        }
    }
    for (folder, beginning, role) in FOLDERS {
        for name in fsx::names(vantage.dev.join(folder)) {
            if let Some(number) = numbered(&name, beginning) {
                found.push((role, Some(number), format!("{folder}/{name}")));
            }
        }
    }
    found.sort_by_key(|(role, number, _)| (*role as u8, *number));
    let nodes = found.into_iter().take(MAX_NODES);
    nodes
        .filter_map(|(role, _, name)| node(vantage, &name, role))
        .collect()
}

/// The nodes of the kernel's graphics subsystem that belong to `processors`.
pub(super) fn of_displays(vantage: &Vantage, processors: &[Processor]) -> Vec<Node> {
    let paths = processors.iter().flat_map(|processor| &processor.dri);
    let names = paths.filter_map(|path| path.strip_prefix(&*vantage.dev).ok()?.to_str());
    names
        .filter_map(|name| node(vantage, name, NodeRole::Dri))
        .collect()
}

/// Whether the module is loaded without which CUDA fails with error 999. The kernel loads it only when asked by
/// `nvidia-modprobe`, so that it may be absent where all else works. Where the driver's own module does not show, that
/// this one does not says nothing: sandboxes such as gVisor have a `/sys/module` with nothing in it.
pub(super) fn uvm_loaded(vantage: &Vantage) -> Option<bool> {
    let modules = vantage.sys.join("module");
    let shows = modules.join("nvidia").exists();
    shows.then(|| modules.join("nvidia_uvm").exists())
}

/// Whether nodes cannot be opened where they lie. A container may have single nodes mounted, so one of them is asked
/// where there is one.
pub(super) fn dev_is_nodev(vantage: &Vantage) -> bool {
    let control = vantage.dev.join("nvidiactl");
    let asked = if control.exists() {
        &control
    } else {
        &vantage.dev
    };
    // Where any file counts as a node, the mount says nothing.
    vantage.node_check == NodeCheck::Device
        && statvfs(asked.as_os_str()).is_ok_and(|facts| facts.flags().contains(FsFlags::ST_NODEV))
}

fn node(vantage: &Vantage, name: &str, role: NodeRole) -> Option<Node> {
    let host = vantage.dev.join(name);
    let wanted = match role {
        // These are opened for reading only, and have the modes 0444 and 0400.
        NodeRole::MigCapability => AccessFlags::R_OK,
        _ => AccessFlags::R_OK | AccessFlags::W_OK,
    };
    node::is_there(vantage, &host).then(|| Node {
        path: GuestPath::root().join("dev").join(name),
        access: node::try_access(vantage, &host, wanted),
        host,
        role,
    })
}

/// What a file directly in `/dev` is, by its name, and its number where it has one.
fn role(name: &str) -> Option<(NodeRole, Option<u32>)> {
    let role = match name {
        "nvidiactl" => NodeRole::Control,
        "nvidia-uvm" => NodeRole::Uvm,
        "nvidia-uvm-tools" => NodeRole::UvmTools,
        "nvidia-modeset" => NodeRole::Modeset,
        "nvidia-nvswitchctl" | "nvidia-nvlink" => NodeRole::Switch,
        "gdrdrv" => NodeRole::Direct,
        "dxg" => NodeRole::Dxg,
        _ => return numbered_role(name),
    };
    Some((role, None))
}

fn numbered_role(name: &str) -> Option<(NodeRole, Option<u32>)> {
    let beginnings = [
        ("nvidia-nvswitch", NodeRole::Switch),
        ("nvidia-fs", NodeRole::Direct),
        ("nvidia", NodeRole::Processor),
    ];
    beginnings
        .into_iter()
        .find_map(|(beginning, role)| Some((role, Some(numbered(name, beginning)?))))
}

/// The number behind `beginning`, which is all that follows.
fn numbered(name: &str, beginning: &str) -> Option<u32> {
    let digits = name.strip_prefix(beginning)?;
    // `parse` takes a sign.
    let are_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    are_digits.then(|| digits.parse().ok()).flatten()
}
