//! Cards of the kernel's graphics subsystem: AMD's, Intel's and everybody's, and AMD's node for computing.
//!
//! What such a card needs of the host is its nodes; its libraries are in the image. ROCm, "Running ROCm Docker
//! containers"; Intel, "Compute Runtime". Kernel, `drivers/gpu/drm/drm_drv.c` for the names of nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use nix::unistd::AccessFlags;

use crate::base::fsx;
use crate::base::path::{GuestPath, HostPath};
use crate::gpu::node;
use crate::gpu::nvidia::Access;
use crate::gpu::vantage::Vantage;

/// Nodes of one directory that are looked at; the kernel has minors for 64 cards, since 6.11 for more.
const MAX_NODES: usize = 512;
/// Links of `/dev/dri/by-path`: two for each card.
const MAX_LINKS: usize = 2 * MAX_NODES;
/// Bytes of one file of sysfs, which is a page.
const MAX_SYSFS: u64 = 64 << 10;
/// Nodes in the topology of AMD's driver: processors of every kind.
const MAX_TOPOLOGY: usize = 512;
/// Characters of a name in sysfs.
const MAX_NAME: usize = 64;

/// Who makes a card, by the vendor id of its PCI device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Vendor {
    /// 1002.
    Amd,
    /// 8086.
    Intel,
    /// 10de.
    Nvidia,
    /// Another, such as 1af4, the virtual card of QEMU.
    Other(u16),
    /// On no PCI bus, as on most boards with ARM, or sysfs does not say.
    Unknown,
}

/// What the graphics subsystem shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drm {
    /// The cards, in the order of their smallest node.
    pub cards: Vec<Card>,
    /// `/dev/kfd`, through which programs compute on all of AMD's cards.
    pub kfd: Option<Port>,
    /// `/dev/accel/accel*`: accelerators without graphics, such as Gaudi and NPUs.
    pub accelerators: Vec<Port>,
}

/// One card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// Who makes it.
    pub vendor: Vendor,
    /// The kernel's driver of it, such as `amdgpu`, `i915`, `xe`.
    pub driver: Option<String>,
    /// Where it is: `0000:03:00.0`, or another name of a device in sysfs.
    pub device: Option<String>,
    /// `/dev/dri/card*`, which also drives displays.
    pub display: Option<Port>,
    /// `/dev/dri/renderD*`, with which programs compute and draw.
    pub render: Option<Port>,
    /// Its names in `/dev/dri/by-path`, which some programs ask for.
    pub by_path: Vec<String>,
    /// Its number in the topology of AMD's driver. `None` for one that does not compute, and for one that the
    /// control group of devices denies.
    pub topology_node: Option<u32>,
}

/// One device node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name in the guest.
    pub path: GuestPath,
    /// On this host.
    pub host: HostPath,
    /// Whether this user may open it for reading and writing.
    pub access: Access,
}

/// Looks at the cards of a host; whatever cannot be read is not there.
pub fn discover(vantage: &Vantage) -> Drm {
    let dri = vantage.dev.join("dri");
    let links = by_path(&dri);
    let topology = topology(vantage);
    let mut cards: Vec<Card> = Vec::new();
    // `card` sorts before `renderD`, so a card's place is that of its first node of either kind.
    for (name, kind, number) in numbered(&dri, &["card", "renderD"]) {
        let Some(port) = port(vantage, "dri", &name) else {
            continue;
        };
        let mut found = described(vantage, &name);
        found.by_path = links.get(&name).cloned().unwrap_or_default();
        let is_same = |card: &&mut Card| card.device.is_some() && card.device == found.device;
        let card = match cards.iter_mut().find(is_same) {
            Some(card) => {
                card.by_path.append(&mut found.by_path);
                card
            }
            None => {
                cards.push(found);
                cards.last_mut().expect("one was pushed above")
            }
        };
        match kind {
            "card" => card.display = Some(port),
            _ => {
                card.render = Some(port);
                card.topology_node = topology.get(&number).copied();
            }
        }
    }
    let accelerators = numbered(&vantage.dev.join("accel"), &["accel"]);
    Drm {
        cards,
        kfd: port(vantage, "", "kfd"),
        accelerators: accelerators
            .into_iter()
            .filter_map(|(name, ..)| port(vantage, "accel", &name))
            .collect(),
    }
}

impl Drm {
    /// The cards of one maker.
    pub fn cards_of(&self, vendor: Vendor) -> impl Iterator<Item = &Card> {
        self.cards.iter().filter(move |card| card.vendor == vendor)
    }

    /// The render nodes of one maker's cards.
    pub fn render_of(&self, vendor: Vendor) -> impl Iterator<Item = &Port> {
        self.cards_of(vendor)
            .filter_map(|card| card.render.as_ref())
    }

    /// All nodes, by name.
    pub fn ports(&self) -> Vec<&Port> {
        let of_cards = self.cards.iter();
        let of_cards = of_cards.flat_map(|card| card.display.iter().chain(&card.render));
        let others = self.kfd.iter().chain(&self.accelerators);
        let mut ports: Vec<&Port> = of_cards.chain(others).collect();
        ports.sort_by(|a, b| a.path.cmp(&b.path));
        ports
    }
}

impl Vendor {
    /// The maker's name; for one that we do not know its id.
    pub fn name(self) -> String {
        match self {
            Vendor::Amd => "AMD".to_owned(),
            Vendor::Intel => "Intel".to_owned(),
            Vendor::Nvidia => "NVIDIA".to_owned(),
            Vendor::Other(id) => format!("{id:04x}"),
            Vendor::Unknown => "unknown".to_owned(),
        }
    }

    /// Reads `0x1002`.
    fn parse(text: &str) -> Vendor {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        match u16::from_str_radix(digits, 16) {
            Ok(0x1002) => Vendor::Amd,
            Ok(0x8086) => Vendor::Intel,
            Ok(0x10de) => Vendor::Nvidia,
            Ok(id) => Vendor::Other(id),
            Err(_) => Vendor::Unknown,
        }
    }
}

fn port(vantage: &Vantage, folder: &str, name: &str) -> Option<Port> {
    let inner = Path::new(folder).join(name);
    let host = vantage.dev.join(&inner);
    node::is_there(vantage, &host).then(|| Port {
        path: GuestPath::root().join("dev").join(&inner),
        access: node::try_access(vantage, &host, AccessFlags::R_OK | AccessFlags::W_OK),
        host,
    })
}

/// What sysfs says of the card that a node belongs to.
fn described(vantage: &Vantage, name: &str) -> Card {
    let device = vantage.sys.join("class/drm").join(name).join("device");
    Card {
        vendor: sysfs(&device.join("vendor"))
            .map_or(Vendor::Unknown, |text| Vendor::parse(text.trim())),
        driver: last_name(&device.join("driver")),
        device: last_name(&device),
        display: None,
        render: None,
        by_path: Vec::new(),
        topology_node: None,
    }
}

/// The names of `/dev/dri/by-path`, by the node that each leads to.
fn by_path(dri: &HostPath) -> BTreeMap<String, Vec<String>> {
    let dir = dri.join("by-path");
    let mut links: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let entries = fsx::read_dir(&dir).unwrap_or_default();
    let names: BTreeSet<_> = entries.iter().map(|entry| entry.file_name()).collect();
    for name in names.iter().take(MAX_LINKS) {
        let target = fsx::read_link(dir.join(name)).ok();
        let target = target.as_deref().and_then(Path::file_name);
        if let (Some(name), Some(target)) = (name.to_str(), target.and_then(|name| name.to_str())) {
            links
                .entry(target.to_owned())
                .or_default()
                .push(name.to_owned());
        }
    }
    links
}

/// The nodes of AMD's topology, by the minor of their render node. `Documentation/ABI/testing/sysfs-class-kfd` does not
/// exist; `drivers/gpu/drm/amd/amdkfd/kfd_topology.c` writes the file. A processor without graphics has minor 0.
fn topology(vantage: &Vantage) -> BTreeMap<u32, u32> {
    let nodes = vantage.sys.join("class/kfd/kfd/topology/nodes");
    let mut found = BTreeMap::new();
    for (name, _, number) in numbered(&nodes, &[""]).into_iter().take(MAX_TOPOLOGY) {
        let text = sysfs(&nodes.join(name).join("properties")).unwrap_or_default();
        let minor = text
            .lines()
            .find_map(|line| line.strip_prefix("drm_render_minor "))
            .and_then(|digits| digits.trim().parse().ok());
        if let Some(minor) = minor.filter(|minor| *minor != 0) {
            found.entry(minor).or_insert(number);
        }
    }
    found
}

/// The names in a directory that are one of `kinds` and a number, sorted by both.
fn numbered<'a>(dir: &HostPath, kinds: &[&'a str]) -> Vec<(String, &'a str, u32)> {
    let names = fsx::names(dir).into_iter();
    let mut found: Vec<(String, &str, u32)> = names
        .filter_map(|name| {
            let (kind, number) = kinds.iter().find_map(|kind| {
                let digits = name.strip_prefix(kind)?;
                // `parse` takes a sign.
                let are_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
                Some((*kind, digits.parse().ok().filter(|_| are_digits)?))
            })?;
            Some((name, kind, number))
        })
        .collect();
    found.sort_by_key(|(_, kind, number)| (*kind, *number));
    found.truncate(MAX_NODES);
    found
}

/// The last name of what a link leads to, or of the directory that stands in its place in an imitation.
fn last_name(path: &HostPath) -> Option<String> {
    let real = fsx::canonicalize(path).ok()?;
    let name = real.file_name()?.to_str()?;
    (name.len() <= MAX_NAME).then(|| name.to_owned())
}

/// A file of sysfs as text. Anything but a file, which a reader could hang on, counts as absent.
fn sysfs(path: &HostPath) -> Option<String> {
    if !fsx::metadata(path).ok()?.is_file() {
        return None;
    }
    String::from_utf8(fsx::read(path, MAX_SYSFS).ok()?).ok()
}
