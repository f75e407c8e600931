//! `coracle gpu list`: what of graphics processors is found here, and what would become of it in a guest.

use std::collections::BTreeSet;
use std::ffi::OsStr;

use serde::Serialize;

use crate::base::env;
use crate::base::fault::{BoxFault, While};
use crate::base::fsx;
use crate::base::path::{GuestPath, HostPath};
use crate::gpu::cdi;
use crate::gpu::drm::{self, Card, Drm, Vendor};
use crate::gpu::node::Names;
use crate::gpu::nvidia::{self, Access, DriverVersion, NodeRole, Nvidia, Searched, Tree, Verdict};
use crate::gpu::preflight::{self, Finding, Wanted};
use crate::gpu::vantage::Vantage;
use crate::plan::gpu::PLACE;

/// Everything that was found. Its form as JSON is a promise: within one `schema`, fields are added at most.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The form of this document.
    pub schema: u32,
    /// NVIDIA's driver.
    pub driver: Option<DriverVersion>,
    /// `native` or `wsl`.
    pub platform: String,
    /// Whether the module `nvidia_uvm` is loaded.
    pub uvm_loaded: Option<bool>,
    /// NVIDIA's processors, in the order of their bus ids.
    pub gpus: Vec<Gpu>,
    /// Files of NVIDIA's driver, taken ones first.
    pub files: Vec<File>,
    /// Directories that have to be where they are.
    pub trees: Vec<Tree>,
    /// Device nodes of all makers.
    pub nodes: Vec<Node>,
    /// Sockets of NVIDIA's daemons.
    pub sockets: Vec<nvidia::Socket>,
    /// Where NVIDIA's libraries were looked for.
    pub searched: Vec<Searched>,
    /// The cards of the kernel's graphics subsystem, whoever made them.
    pub cards: Vec<CardRow>,
    /// What stands between a guest and the processors.
    pub findings: Vec<Obstacle>,
}

/// One of NVIDIA's processors.
#[derive(Clone, Debug, Serialize)]
pub struct Gpu {
    /// What the kernel module says of it.
    #[serde(flatten)]
    pub processor: nvidia::Processor,
    /// As [`Node::access`].
    pub access: String,
}

/// One file of NVIDIA's driver.
#[derive(Clone, Debug, Serialize)]
pub struct File {
    /// Whether it appears in the guest.
    pub taken: bool,
    /// Why not.
    pub reason: Option<String>,
    /// NVIDIA's name of the capability that it is for.
    pub group: String,
    /// `library`, `program` or `data`.
    pub kind: String,
    /// As found, below the driver root.
    pub path: GuestPath,
    /// The file itself on this host.
    pub host: HostPath,
    /// Its name in the guest.
    pub guest: Option<GuestPath>,
    /// Further names beside that one.
    pub links: Vec<String>,
    /// Whether CUDA programs fail without it.
    pub required: bool,
}

/// One device node.
#[derive(Clone, Debug, Serialize)]
pub struct Node {
    /// Its name in the guest.
    pub path: GuestPath,
    /// On this host.
    pub host: HostPath,
    /// What it is for.
    pub role: String,
    /// `granted`, `denied` (by its permission bits), `cgroup` (by a scheduler), `failed` or `absent`.
    pub access: String,
    /// Mode, owner and group as `ls -l` shows them.
    pub owners: String,
}

/// One card.
#[derive(Clone, Debug, Serialize)]
pub struct CardRow {
    /// Who makes it; a PCI vendor id where we have no name for it.
    pub vendor: String,
    /// The kernel's driver of it.
    pub driver: Option<String>,
    /// Its name in sysfs, mostly a PCI bus id.
    pub device: Option<String>,
    /// The node that also drives displays.
    pub display: Option<GuestPath>,
    /// The node with which programs compute and draw.
    pub render: Option<GuestPath>,
    /// Its names in `/dev/dri/by-path`.
    pub by_path: Vec<String>,
    /// Its number in the topology of AMD's driver.
    pub topology_node: Option<u32>,
}

/// One thing that stands between a guest and the processors.
#[derive(Clone, Debug, Serialize)]
pub struct Obstacle {
    /// Which, as one word.
    pub cause: String,
    /// `fatal`, `warning` or `detail`.
    pub severity: String,
    /// One line.
    pub message: String,
    /// What somebody can do.
    pub remedy: Option<String>,
}

/// Looks at everything. `driver_root` is the tree in which NVIDIA's driver was installed, as it was typed.
pub fn list(driver_root: Option<HostPath>) -> Result<Report, BoxFault> {
    Ok(look(&vantage(driver_root)?))
}

/// From where a host is looked at: the root that was typed, `$CORACLE_DRIVER_ROOT`, or the host's own. A root that
/// is no directory is a typing error, and not a host without a driver.
pub fn vantage(driver_root: Option<HostPath>) -> Result<Vantage, BoxFault> {
    let Some(root) = driver_root.or_else(env::driver_root) else {
        return Ok(Vantage::host());
    };
    let doing = || format!("cannot look for NVIDIA's driver in `{root}`");
    fsx::metadata(root.join(".")).map_err(|error| While::new(doing(), error))?;
    Ok(Vantage::of_root(root))
}

/// Looks at everything from there. Nothing is opened that could wake a device.
pub fn look(vantage: &Vantage) -> Report {
    let nvidia = nvidia::discover(vantage);
    let drm = drm::discover(vantage);
    let findings = findings(&nvidia, &drm, None).iter().map(obstacle).collect();
    let nodes = nodes(&nvidia, &drm, &Names::read(vantage));
    let (taken, left): (Vec<File>, Vec<File>) =
        nvidia.files.iter().map(file).partition(|file| file.taken);
    Report {
        schema: 1,
        platform: word(&nvidia.flavour),
        uvm_loaded: nvidia.uvm_loaded,
        gpus: nvidia
            .processors
            .iter()
            .map(|one| gpu(one, &nodes))
            .collect(),
        files: taken.into_iter().chain(left).collect(),
        trees: nvidia.trees,
        nodes,
        sockets: nvidia.sockets,
        searched: nvidia.searched,
        cards: drm.cards.iter().map(card).collect(),
        driver: nvidia.driver,
        findings,
    }
}

/// A specification of the Container Device Interface, as JSON, of NVIDIA's driver and processors.
pub fn specification(driver_root: Option<HostPath>) -> Result<String, BoxFault> {
    let nvidia = nvidia::discover(&vantage(driver_root)?);
    Ok(cdi::write(&nvidia)?.to_json())
}

/// What stands between a guest and the processors of each maker that has some here. Where nobody has any, that
/// NVIDIA's driver is missing is what most people want to know. `cuda_visible` is `CUDA_VISIBLE_DEVICES`, if that counts.
pub fn findings(nvidia: &Nvidia, drm: &Drm, cuda_visible: Option<&OsStr>) -> Vec<Finding> {
    let has_nvidia =
        nvidia.driver.is_some() || !nvidia.nodes.is_empty() || !nvidia.files.is_empty();
    let has = |vendor| drm.cards_of(vendor).next().is_some();
    let [has_amd, has_intel] = [Vendor::Amd, Vendor::Intel].map(has);
    let mut findings = Vec::new();
    if has_nvidia || !has_amd && !has_intel {
        let open = nvidia.processors.iter().enumerate();
        let open = open.filter(|(_, one)| one.index.is_some());
        let positions: Vec<usize> = open.map(|(at, _)| at).collect();
        let wanted = Wanted {
            processors: Some(&positions),
            cuda_visible,
        };
        findings.extend(preflight::check_host(nvidia, &wanted));
    }
    for (is_there, vendor) in [(has_amd, Vendor::Amd), (has_intel, Vendor::Intel)] {
        if !is_there {
            continue;
        }
        findings.extend(match vendor {
            Vendor::Amd => preflight::check_amd(drm),
            _ => preflight::check_intel(drm),
        });
    }
    findings
}

fn nodes(nvidia: &Nvidia, drm: &Drm, names: &Names) -> Vec<Node> {
    let row = |path: &GuestPath, host: &HostPath, role: String, access: &Access| Node {
        path: path.clone(),
        host: host.clone(),
        role,
        access: of_access(access).to_owned(),
        owners: names.owners(host),
    };
    let of_nvidia = nvidia.nodes.iter();
    let mut nodes: Vec<Node> = of_nvidia
        .map(|node| row(&node.path, &node.host, word(&node.role), &node.access))
        .collect();
    let known: BTreeSet<GuestPath> = nodes.iter().map(|node| node.path.clone()).collect();
    let others = drm.ports().into_iter();
    nodes.extend(
        others
            .filter(|port| !known.contains(&port.path))
            .map(|port| {
                let role = match port.path.as_path().parent() {
                    Some(dir) if dir.ends_with("dri") => word(&NodeRole::Dri),
                    Some(dir) if dir.ends_with("accel") => "accelerator".to_owned(),
                    _ => "amd-compute".to_owned(),
                };
                row(&port.path, &port.host, role, &port.access)
            }),
    );
    nodes
}

fn of_access(access: &Access) -> &'static str {
    match access {
        Access::Granted => "granted",
        Access::Denied(_) => "denied",
        Access::Cgroup => "cgroup",
        Access::Failed(_) => "failed",
    }
}

fn gpu(processor: &nvidia::Processor, nodes: &[Node]) -> Gpu {
    let node = processor.minor.and_then(|minor| {
        let path = GuestPath::root().join(format!("dev/nvidia{minor}"));
        nodes.iter().find(|node| node.path == path)
    });
    Gpu {
        processor: processor.clone(),
        access: node.map_or_else(|| "absent".to_owned(), |node| node.access.clone()),
    }
}

fn file(file: &nvidia::DriverFile) -> File {
    let reason = match &file.verdict {
        Verdict::Taken => None,
        Verdict::Left(reason) => Some(reason.to_string()),
    };
    File {
        taken: reason.is_none(),
        guest: reason
            .is_none()
            .then(|| GuestPath::root().join(PLACE).join(&file.name)),
        reason,
        group: word(&file.group),
        kind: word(&file.kind),
        path: file.path.clone(),
        host: file.host.clone(),
        links: file.links.clone(),
        required: file.required,
    }
}

fn obstacle(finding: &Finding) -> Obstacle {
    let document = serde_json::to_value(finding).unwrap_or_default();
    Obstacle {
        cause: word(&document["cause"]),
        severity: word(&finding.severity),
        message: finding.message.clone(),
        remedy: finding.remedy.clone(),
    }
}

fn card(card: &Card) -> CardRow {
    CardRow {
        vendor: card.vendor.name(),
        driver: card.driver.clone(),
        device: card.device.clone(),
        display: card.display.as_ref().map(|port| port.path.clone()),
        render: card.render.as_ref().map(|port| port.path.clone()),
        by_path: card.by_path.clone(),
        topology_node: card.topology_node,
    }
}

/// The word that stands for a value in JSON.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}
