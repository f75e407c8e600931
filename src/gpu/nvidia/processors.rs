//! The processors by what the kernel module says of them: order, names, instances of MIG, nodes of displays.
//!
//! NVML, which `nvidia-smi` asks, is a library of the driver that a static program cannot load; the module's files
//! in `/proc/driver/nvidia` say the same.

use std::collections::BTreeMap;

use crate::base::fsx;
use crate::base::path::HostPath;
use crate::gpu::nvidia::{Access, MigInstance, Node, NodeRole, Processor};
use crate::gpu::vantage::Vantage;

/// `information` has some 400 bytes.
const MAX_INFORMATION: u64 = 16 << 10;
/// `mig-minors` has a line for each instance that could exist: 32 processors, 15 instances, 9 lines each.
const MAX_MINORS: u64 = 1 << 20;
/// Processors beyond this are not looked at; the module has 8 bits for their minors.
const MAX_PROCESSORS: usize = 256;
/// Instances of one processor, or compute instances in one of them; there are at most 15.
const MAX_INSTANCES: usize = 64;

/// All processors that the kernel has, in the order of their bus ids.
///
/// A control group of a scheduler does not filter `/proc/driver/nvidia`, while NVML counts only what it can open. So
/// only what this user can open gets an index.
pub(super) fn find(vantage: &Vantage, nodes: &[Node]) -> Vec<Processor> {
    let folder = vantage.proc.join("driver/nvidia/gpus");
    let mut ids: Vec<_> = fsx::names(&folder)
        .into_iter()
        .filter_map(|name| Some((bus_number(&name)?, name)))
        .collect();
    // As numbers: as text, `10000:01:00.0` would come before `2000:01:00.0`.
    ids.sort();
    ids.truncate(MAX_PROCESSORS);
    let mut minors = None;
    let mut n_open = 0;
    let mut processors = Vec::new();
    for (_, bus_id) in ids {
        let information = information(&folder.join(&bus_id));
        let field = |name: &str| {
            information
                .get(name)
                .filter(|value| !value.is_empty())
                .cloned()
        };
        let minor = field("Device Minor").and_then(|minor| minor.parse().ok());
        let is_excluded = field("GPU Excluded").is_some_and(|answer| answer == "Yes");
        let counts = !is_excluded && minor.is_some_and(|minor| is_open(vantage, nodes, minor));
        processors.push(Processor {
            index: counts.then_some(n_open),
            // An unknown one shows as question marks.
            uuid: field("GPU UUID").filter(|uuid| !uuid.contains('?')),
            minor,
            model: field("Model"),
            mig: minor.map_or_else(Vec::new, |minor| instances(vantage, minor, &mut minors)),
            dri: displays(vantage, &bus_id),
            bus_id,
        });
        n_open += usize::from(counts);
    }
    processors
}

fn is_open(vantage: &Vantage, nodes: &[Node], minor: u32) -> bool {
    let host = vantage.dev.join(format!("nvidia{minor}"));
    let mut nodes = nodes.iter().filter(|node| node.role == NodeRole::Processor);
    nodes.any(|node| node.host == host && node.access == Access::Granted)
}

/// Domain, bus, device and function of `0000:1b:00.0`, which are hexadecimal.
fn bus_number(name: &str) -> Option<[u32; 4]> {
    let (domain, rest) = name.split_once(':')?;
    let (bus, rest) = rest.split_once(':')?;
    let (device, function) = rest.split_once('.')?;
    let number = |part: &str| u32::from_str_radix(part, 16).ok();
    Some([
        number(domain)?,
        number(bus)?,
        number(device)?,
        number(function)?,
    ])
}

/// The lines `Name: \t value` of a processor's file.
fn information(folder: &HostPath) -> BTreeMap<String, String> {
    let bytes = fsx::read_regular(folder.join("information"), MAX_INFORMATION).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    fields
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect()
}

/// Which minor each capability of MIG has. Read once, and only where an instance exists.
type Minors = Option<BTreeMap<String, u32>>;

/// The compute instances of the processor with that minor: its name in these files is `gpu<minor>`.
fn instances(vantage: &Vantage, minor: u32, minors: &mut Minors) -> Vec<MigInstance> {
    let gpu = format!("gpu{minor}");
    let folder = vantage.proc.join("driver/nvidia/capabilities");
    let folder = folder.join(&gpu).join("mig");
    let mut found = Vec::new();
    for gi in numbered(&folder, "gi") {
        for ci in numbered(&folder.join(format!("gi{gi}")), "ci") {
            let minors = minors.get_or_insert_with(|| mig_minors(vantage));
            let cap = |path: String| minors.get(&path).copied();
            let caps = (
                cap(format!("{gpu}/gi{gi}/access")),
                cap(format!("{gpu}/gi{gi}/ci{ci}/access")),
            );
            if let (Some(of_gi), Some(of_ci)) = caps {
                let caps = [of_gi, of_ci];
                found.push(MigInstance { gi, ci, caps });
            }
        }
    }
    found
}

/// The lines `gpu0/gi1/ci0/access 13`.
fn mig_minors(vantage: &Vantage) -> BTreeMap<String, u32> {
    let path = vantage.proc.join("driver/nvidia-caps/mig-minors");
    let bytes = fsx::read_regular(path, MAX_MINORS).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines
        .filter_map(|(name, minor)| Some((name.to_owned(), minor.trim().parse().ok()?)))
        .collect()
}

/// The nodes in `/dev/dri` of the device with that bus id: `card*` before `renderD*`.
fn displays(vantage: &Vantage, bus_id: &str) -> Vec<HostPath> {
    let folder = vantage.sys.join("bus/pci/devices").join(bus_id).join("drm");
    let dri = vantage.dev.join("dri");
    let mut found = Vec::new();
    for beginning in ["card", "renderD"] {
        let numbers = numbered(&folder, beginning).into_iter();
        let paths = numbers.map(|number| dri.join(format!("{beginning}{number}")));
        found.extend(paths.filter(|path| path.exists()));
    }
    found
}

/// The numbers behind `beginning` among the names in a directory, rising.
fn numbered(folder: &HostPath, beginning: &str) -> Vec<u32> {
    let mut numbers: Vec<u32> = fsx::names(folder)
        .iter()
        .filter_map(|name| name.strip_prefix(beginning)?.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers.truncate(MAX_INSTANCES);
    numbers
}
