//! What of the host keeps a guest from the processors: the driver's halves, its files, its nodes.

use super::Wanted;
use super::cause::Cause;
use crate::base::env;
use crate::base::path::{GuestPath, HostPath};
use crate::gpu::nvidia::{
    Access, DriverFile, FileKind, Flavour, Group, Node, NodeRole, Nvidia, Processor, Reason,
    Verdict,
};

/// The library through which CUDA reaches the driver.
const LIBCUDA: &str = "libcuda.so";
/// The library that compiles PTX for a processor newer than the program.
const PTX_COMPILER: &str = "libnvidia-ptxjitcompiler.so";
/// The library through which `nvidia-smi` and frameworks ask the driver.
const NVML: &str = "libnvidia-ml.so";
/// What Slurm puts into `CUDA_VISIBLE_DEVICES` of a job without GPUs. gres.conf(5).
const NO_DEVICES: &str = "NoDevFiles";

pub(super) fn check(nvidia: &Nvidia, wanted: &Wanted) -> Vec<Cause> {
    let mut causes = files(nvidia);
    let nothing_works = |cause: &Cause| {
        matches!(
            cause,
            Cause::NoDriver { .. } | Cause::ModuleNotLoaded { .. }
        )
    };
    // Where there is no driver, the nodes of it that are not there either are no news.
    if causes.iter().any(nothing_works) {
        return causes;
    }
    let Some(chosen) = wanted.processors else {
        return causes;
    };
    match nvidia.flavour {
        Flavour::Wsl => causes.extend(node(nvidia, NodeRole::Dxg).unwrap_or(Some(Cause::NoDxg))),
        Flavour::Native => causes.extend(nodes(nvidia, chosen)),
    }
    if nvidia.dev_is_nodev {
        causes.push(Cause::DevIsNodev);
    }
    causes.extend(fabric(nvidia));
    causes.extend(graphics(nvidia));
    causes.extend(
        wanted
            .cuda_visible
            .and_then(|value| hidden(&value.to_string_lossy())),
    );
    causes
}

/// Why a node is no use, if so.
pub(super) fn denied(node: &HostPath, access: &Access) -> Option<Cause> {
    let node = node.clone();
    match access {
        Access::Granted => None,
        Access::Denied(owner) => Some(Cause::NodeDenied {
            node,
            owner: owner.clone(),
            group: group(owner),
        }),
        Access::Cgroup => Some(Cause::NodeInCgroup { node }),
        Access::Failed(error) => Some(Cause::NodeFailed {
            node,
            error: error.clone(),
        }),
    }
}

fn files(nvidia: &Nvidia) -> Vec<Cause> {
    let found: Vec<&DriverFile> = nvidia
        .files
        .iter()
        .filter(|file| is_called(file, LIBCUDA))
        .collect();
    let Some(_taken) = found.iter().find(|file| file.verdict == Verdict::Taken) else {
        return vec![no_libcuda(nvidia, &found)];
    };
    let mut causes = Vec::new();
    let stub = found
        .iter()
        .find(|file| file.verdict == Verdict::Left(Reason::Stub));
    causes.extend(
        stub.filter(|stub| precedes(nvidia, &stub.path))
            .map(|stub| Cause::StubFirst {
                path: stub.path.clone(),
            }),
    );
    causes.extend(missing(nvidia, PTX_COMPILER).map(|why| Cause::NoPtxCompiler { why }));
    causes.extend(missing(nvidia, NVML).map(|why| Cause::NoNvml { why }));
    causes.extend(not_loaded(nvidia));
    causes
}

/// Whether the name of `file` begins like that, whatever the version behind it.
fn is_called(file: &DriverFile, beginning: &str) -> bool {
    let path = file.path.as_path().file_name().unwrap_or_default();
    let begins = |name: &str| name.starts_with(beginning);
    file.kind == FileKind::Library && (begins(&path.to_string_lossy()) || begins(last(&file.name)))
}

fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// Whether `LD_LIBRARY_PATH` makes programs on the host find this one.
fn precedes(nvidia: &Nvidia, stub: &GuestPath) -> bool {
    let dir = stub.as_path().parent();
    let stands = |searched: &&crate::gpu::nvidia::Searched| Some(searched.path.as_path()) == dir;
    let place = nvidia.searched.iter().find(stands);
    place.is_some_and(|place| place.because == env::LD_LIBRARY_PATH)
}

fn no_libcuda(nvidia: &Nvidia, found: &[&DriverFile]) -> Cause {
    // The reason that says most of what is wrong with the host comes first.
    let candidates = found.iter().filter_map(|file| match &file.verdict {
        Verdict::Left(reason) => Some((weight(reason), *file, reason)),
        Verdict::Taken => None,
    });
    let Some((_, file, reason)) = candidates.min_by_key(|(weight, ..)| *weight) else {
        return nothing(nvidia);
    };
    let path = file.path.clone();
    match (reason, &nvidia.driver) {
        (Reason::OtherVersion(library), Some(driver)) => Cause::OtherVersion {
            kernel: driver.version.clone(),
            library: library.clone(),
            path,
        },
        (Reason::Stub, _) => Cause::OnlyStub { path },
        (Reason::Bits32, _) => Cause::Only32Bit { path },
        (Reason::OtherMachine(machine), _) => Cause::LibcudaOfOtherMachine {
            path,
            machine: machine.clone(),
        },
        (reason, _) => Cause::BrokenLibcuda {
            path,
            why: reason.to_string(),
        },
    }
}

fn weight(reason: &Reason) -> u8 {
    match reason {
        Reason::OtherVersion(_) => 0,
        Reason::Unreadable(_) => 1,
        Reason::Empty | Reason::NotElf(_) => 2,
        Reason::Bits32 => 3,
        Reason::OtherMachine(_) => 4,
        Reason::Stub => 5,
        _ => 6,
    }
}

fn nothing(nvidia: &Nvidia) -> Cause {
    let searched = nvidia
        .searched
        .iter()
        .map(|searched| searched.path.clone())
        .collect();
    let version = nvidia.driver.as_ref().map(|driver| driver.version.clone());
    match version.is_none() && nvidia.nodes.iter().all(|node| node.role == NodeRole::Dri) {
        true => Cause::NoDriver { searched },
        false => Cause::NoLibcuda { version, searched },
    }
}

/// Nothing if the library is there, else why a file of that name was left aside, if there is one.
fn missing(nvidia: &Nvidia, library: &str) -> Option<Option<String>> {
    let mut why = None;
    for file in &nvidia.files {
        match &file.verdict {
            _ if !is_called(file, library) => {}
            Verdict::Taken => return None,
            Verdict::Left(reason) => why = why.or_else(|| Some(reason.to_string())),
        }
    }
    Some(why)
}

fn not_loaded(nvidia: &Nvidia) -> Option<Cause> {
    let driver = nvidia
        .driver
        .as_ref()
        .filter(|driver| !driver.from_kernel)?;
    // A sandbox that hides /sys and /proc/driver may still hand out nodes that work, as gVisor does.
    let reached = nvidia
        .nodes
        .iter()
        .any(|node| node.role == NodeRole::Control);
    let unloaded = nvidia.flavour == Flavour::Native && !reached;
    unloaded.then(|| Cause::ModuleNotLoaded {
        version: driver.version.clone(),
    })
}

/// `None` if there is no node of that role; else why it is no use, if so.
fn node(nvidia: &Nvidia, role: NodeRole) -> Option<Option<Cause>> {
    let node = nvidia.nodes.iter().find(|node| node.role == role)?;
    Some(denied(&node.host, &node.access))
}

fn nodes(nvidia: &Nvidia, chosen: &[usize]) -> Vec<Cause> {
    let needed = [NodeRole::Control, NodeRole::Processor, NodeRole::Uvm];
    if nvidia.nodes.iter().all(|node| !needed.contains(&node.role)) {
        // As in a container that was started without its GPU option: one cause, not three.
        return vec![Cause::NoControlNode];
    }
    let mut causes = Vec::new();
    causes.extend(node(nvidia, NodeRole::Control).unwrap_or(Some(Cause::NoControlNode)));
    causes.extend(processors(nvidia, chosen));
    causes.extend(match (nvidia.uvm_loaded, node(nvidia, NodeRole::Uvm)) {
        (Some(false), _) => Some(Cause::UvmNotLoaded),
        (_, None) => Some(Cause::NoUvmNode),
        (_, Some(denied)) => denied,
    });
    // One control group or one missing group closes them all: it is said once.
    let mut kinds = Vec::new();
    causes.retain(|cause| {
        let kind = std::mem::discriminant(cause);
        let closed = matches!(cause, Cause::NodeInCgroup { .. } | Cause::NodeDenied { .. });
        let repeated = closed && kinds.contains(&kind);
        kinds.push(kind);
        !repeated
    });
    causes
}

/// One of the chosen processors that can be opened is enough to compute. Where a scheduler shuts them all nothing
/// could be chosen, so that then all of them are asked for the reason.
fn processors(nvidia: &Nvidia, chosen: &[usize]) -> Vec<Cause> {
    let known = &nvidia.processors;
    let mut asked: Vec<&Processor> = chosen
        .iter()
        .filter_map(|position| known.get(*position))
        .collect();
    if asked.is_empty() {
        asked = known.iter().collect();
    }
    let nodes: Vec<&Node> = match known.is_empty() {
        // Where /proc is hidden, only the nodes tell of the processors.
        true => nvidia
            .nodes
            .iter()
            .filter(|node| node.role == NodeRole::Processor)
            .collect(),
        false => asked
            .iter()
            .filter_map(|processor| node_of(nvidia, processor))
            .collect(),
    };
    let Some(first) = nodes.first() else {
        let minor = asked
            .first()
            .and_then(|processor| processor.minor)
            .unwrap_or_default();
        let node = GuestPath::root().join(format!("dev/nvidia{minor}"));
        return vec![Cause::NoProcessorNode { node }];
    };
    if nodes.iter().all(|node| node.access != Access::Granted) {
        return denied(&first.host, &first.access).into_iter().collect();
    }
    let closed = known
        .iter()
        .filter(|processor| processor.index.is_none())
        .count();
    let some = (closed > 0).then_some(Cause::SomeClosed {
        closed,
        all: known.len(),
    });
    some.into_iter().collect()
}

fn node_of<'a>(nvidia: &'a Nvidia, processor: &Processor) -> Option<&'a Node> {
    let mut nodes = nvidia
        .nodes
        .iter()
        .filter(|node| node.role == NodeRole::Processor);
    match processor.minor {
        Some(minor) => {
            let path = GuestPath::root().join(format!("dev/nvidia{minor}"));
            nodes.find(|node| node.path == path)
        }
        None => nodes.next(),
    }
}

/// NVSwitches carry nothing until the fabric manager has set them up. Its socket may lie where we cannot see it (we
/// may run in a container), so that this is never certain.
fn fabric(nvidia: &Nvidia) -> Option<Cause> {
    let is_switch = |node: &Node| {
        let path = node.path.to_string();
        let number = path
            .strip_prefix("/dev/nvidia-nvswitch")
            .unwrap_or_default();
        node.role == NodeRole::Switch && number.starts_with(|first: char| first.is_ascii_digit())
    };
    let managed = nvidia
        .sockets
        .iter()
        .any(|socket| socket.daemon == "nvidia-fabricmanager");
    (nvidia.nodes.iter().any(is_switch) && !managed).then_some(Cause::NoFabricManager)
}

/// What EGL and Vulkan want beside CUDA's nodes; of interest only where the host has the driver's graphics at all.
fn graphics(nvidia: &Nvidia) -> Vec<Cause> {
    let taken = |kind: FileKind| {
        let files = nvidia.files.iter();
        files.filter(move |file| file.kind == kind && file.verdict == Verdict::Taken)
    };
    if !taken(FileKind::Library).any(|file| file.group == Group::Graphics) {
        return Vec::new();
    }
    let mut causes = Vec::new();
    let is_render = |node: &&Node| node.path.to_string().starts_with("/dev/dri/renderD");
    let mut render = nvidia.nodes.iter().filter(is_render).peekable();
    let first = render.peek().map(|node| (*node).clone());
    if render.all(|node| node.access != Access::Granted) {
        let why = first.and_then(|node| denied(&node.host, &node.access));
        causes.push(Cause::NoGraphicsNode {
            why: why.map(|why| why.to_string()),
        });
    }
    if !taken(FileKind::Data).any(|file| last(&file.name).contains("nvidia_icd")) {
        causes.push(Cause::NoVulkanFile);
    }
    causes
}

/// CUDA takes the numbers up to the first that is none: so an empty list, and one that begins with `-1` or with a
/// word, hides every processor. CUDA C++ Programming Guide, "CUDA Environment Variables".
fn hidden(value: &str) -> Option<Cause> {
    let first = value.split(',').next().unwrap_or_default().trim();
    let nothing = first.is_empty() || first.starts_with('-') || first == NO_DEVICES;
    nothing.then(|| Cause::HiddenProcessors {
        value: value.chars().take(40).collect(),
    })
}

/// The group of a node whose `owner` is written as `ls` does, `crw-rw---- root video`, if its members may open it.
fn group(owner: &str) -> Option<String> {
    let (mode, names) = owner.split_once(' ')?;
    let (_, group) = names.split_once([' ', ':'])?;
    let group_may = mode.get(4..6) == Some("rw");
    // Nobody is made a member of root's group for this.
    (group_may && group != "root").then(|| group.to_owned())
}
