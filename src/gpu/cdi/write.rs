//! A specification of what was found of NVIDIA's driver, for runners that read such files.
//!
//! It has the form of what `nvidia-ctk cdi generate` writes, but no hooks, which would be programs of the toolkit that
//! the host may not have. Their work is done by mounts: a file is mounted once under its own name and once more under
//! each name that would be a link to it. What mounts cannot do is to tell the guest's loader of the directories: for
//! other runners they must be ones that it searches anyway, and coracle reads them from an annotation.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::base::path::{GuestPath, HostPath};
use crate::gpu::cdi::CdiError;
use crate::gpu::cdi::spec::{ContainerEdits, Device, DeviceNode, Mount, Spec};
use crate::gpu::cdi::version::Version;
use crate::gpu::nvidia::{
    DriverFile, FileKind, Flavour, Node, NodeRole, Nvidia, Processor, Verdict,
};

/// The annotation that names the directories of the libraries, with colons between them.
pub(super) const LIBRARY_FOLDERS: &str = "coracle.library-folders";

/// Files, programs, data: nobody writes to them.
const FILE_OPTIONS: [&str; 5] = ["ro", "nosuid", "nodev", "rbind", "rprivate"];
/// Sockets, which are written to.
const SOCKET_OPTIONS: [&str; 5] = ["nosuid", "nodev", "noexec", "rbind", "rprivate"];
/// Keeps NVIDIA's older hook, which looks at this variable, from doing everything a second time.
const ENVIRONMENT: &str = "NVIDIA_VISIBLE_DEVICES=void";

/// The specification of `nvidia`: each processor by its number and by its UUID, and `all`.
pub fn write(nvidia: &Nvidia) -> Result<Spec, CdiError> {
    let devices = devices(nvidia);
    if devices.is_empty() {
        return Err(CdiError::NothingToDescribe);
    }
    let common = nvidia.nodes.iter().filter(|node| is_common(node.role));
    let folders = folders(nvidia);
    let mut spec = Spec {
        kind: "nvidia.com/gpu".to_owned(),
        devices,
        container_edits: ContainerEdits {
            env: vec![ENVIRONMENT.to_owned()],
            device_nodes: common.map(device_node).collect(),
            mounts: mounts(nvidia),
            ..ContainerEdits::default()
        },
        ..Spec::default()
    };
    if !folders.is_empty() {
        spec.annotations = BTreeMap::from([(LIBRARY_FOLDERS.to_owned(), folders.join(":"))]);
    }
    spec.version = Version::lowest(&spec).to_string();
    Ok(spec)
}

/// What every processor needs.
fn is_common(role: NodeRole) -> bool {
    matches!(
        role,
        NodeRole::Control | NodeRole::Uvm | NodeRole::UvmTools | NodeRole::Modeset
    )
}

fn devices(nvidia: &Nvidia) -> Vec<Device> {
    let mut devices = Vec::new();
    let mut all: Vec<DeviceNode> = Vec::new();
    for processor in &nvidia.processors {
        let Some(index) = processor.index else {
            continue;
        };
        let nodes = nodes_of(nvidia, processor);
        if nodes.is_empty() {
            continue;
        }
        let names = std::iter::once(index.to_string()).chain(processor.uuid.clone());
        devices.extend(names.map(|name| device(name, nodes.clone())));
        all.extend(nodes);
    }
    if nvidia.flavour == Flavour::Wsl {
        all.extend(
            nvidia
                .nodes
                .iter()
                .filter(|node| node.role == NodeRole::Dxg)
                .map(device_node),
        );
    }
    let mut seen = BTreeSet::new();
    all.retain(|node| seen.insert(node.path.clone()));
    if !all.is_empty() {
        devices.push(device("all".to_owned(), all));
    }
    devices
}

fn device(name: String, device_nodes: Vec<DeviceNode>) -> Device {
    Device {
        name,
        container_edits: ContainerEdits {
            device_nodes,
            ..ContainerEdits::default()
        },
        ..Device::default()
    }
}

/// The node of a processor, those of its partitions, and its nodes of the kernel's graphics subsystem.
fn nodes_of(nvidia: &Nvidia, processor: &Processor) -> Vec<DeviceNode> {
    let own = processor.minor.map(|minor| format!("/dev/nvidia{minor}"));
    let caps = processor.mig.iter().flat_map(|instance| instance.caps);
    let caps: BTreeSet<String> = caps
        .map(|cap| format!("/dev/nvidia-caps/nvidia-cap{cap}"))
        .collect();
    let is_of = |node: &&Node| {
        let path = node.path.to_string();
        match node.role {
            NodeRole::Processor => Some(&path) == own.as_ref(),
            NodeRole::MigCapability => caps.contains(&path),
            NodeRole::Dri => processor.dri.contains(&node.host),
            _ => false,
        }
    };
    nvidia.nodes.iter().filter(is_of).map(device_node).collect()
}

fn device_node(node: &Node) -> DeviceNode {
    let (path, host) = (node.path.to_string(), node.host.to_string());
    DeviceNode {
        host_path: (host != path).then_some(host),
        path,
        ..DeviceNode::default()
    }
}

fn taken(nvidia: &Nvidia) -> impl Iterator<Item = &DriverFile> {
    nvidia
        .files
        .iter()
        .filter(|file| file.verdict == Verdict::Taken)
}

/// The files under their own names first, since a link must not take the place of a file.
fn mounts(nvidia: &Nvidia) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = taken(nvidia)
        .map(|file| mount(file, &place(file)))
        .collect();
    for file in taken(nvidia) {
        let folder = place(file).join("..");
        let links = file.links.iter().map(|link| folder.join(link));
        mounts.extend(links.map(|link| mount(file, &link)));
    }
    // What lies in a directory that is mounted as it is comes with it, and no further name can be made there.
    let is_inside = |mount: &Mount| {
        let place = Path::new(&mount.container_path);
        nvidia
            .trees
            .iter()
            .any(|tree| place.starts_with(tree.path.as_path()))
    };
    mounts.retain(|mount| !is_inside(mount));
    let trees = nvidia.trees.iter();
    mounts.extend(trees.map(|tree| bind(&tree.host, &tree.path, &FILE_OPTIONS)));
    let sockets = nvidia.sockets.iter();
    mounts.extend(sockets.map(|socket| bind(&socket.host, &socket.path, &SOCKET_OPTIONS)));
    let mut seen = BTreeSet::new();
    mounts.retain(|mount| seen.insert(mount.container_path.clone()));
    mounts
}

/// Where a file appears: where it was found. A library that stands for another, as GBM's module does, is found under
/// that one's name, and appears beside it under its own.
fn place(file: &DriverFile) -> GuestPath {
    let name = file.name.strip_prefix("lib64/").unwrap_or(&file.name);
    match file.kind == FileKind::Library && !file.path.as_path().ends_with(name) {
        true => file.path.join("..").join(name),
        false => file.path.clone(),
    }
}

fn mount(file: &DriverFile, place: &GuestPath) -> Mount {
    bind(&file.host, place, &FILE_OPTIONS)
}

fn bind(host: &HostPath, place: &GuestPath, options: &[&str]) -> Mount {
    Mount {
        host_path: host.to_string(),
        container_path: place.to_string(),
        options: options.iter().map(|option| (*option).to_owned()).collect(),
        ..Mount::default()
    }
}

/// The directories of the libraries, in the order in which they were found.
fn folders(nvidia: &Nvidia) -> Vec<String> {
    let libraries = taken(nvidia).filter(|file| file.kind == FileKind::Library);
    let mut seen = BTreeSet::new();
    let folders = libraries.map(|file| file.path.join("..").to_string());
    folders
        .filter(|folder| seen.insert(folder.clone()))
        .collect()
}
