//! Cards of AMD, Intel and others on imitated hosts: files stand for nodes, links make the sysfs.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use coracle::base::path::{HostPath, RootDir};
use coracle::gpu::drm::{self, Drm, Port, Vendor};
use coracle::gpu::node;
use coracle::gpu::vantage::{Machine, NodeCheck, Vantage};

use crate::support::Sandbox;

/// A host made of small files.
struct Host {
    sandbox: Sandbox,
}

impl Host {
    fn new() -> Host {
        let sandbox = Sandbox::new();
        for folder in ["dev/dri/by-path", "sys/class/drm", "etc"] {
            sandbox.folder(folder);
        }
        Host { sandbox }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path(name)
    }

    fn file(&self, name: &str, content: &str) -> &Host {
        let parent = Path::new(name).parent().and_then(Path::to_str);
        self.sandbox
            .folder(parent.expect("a path below the sandbox"));
        self.sandbox.file(name, content);
        self
    }

    fn link(&self, name: &str, target: &str) -> &Host {
        symlink(target, self.path(name)).expect("a new link");
        self
    }

    /// One card with its nodes in `/dev` and its device in sysfs.
    fn card(&self, bus: &str, vendor: &str, driver: &str, nodes: &[&str]) -> &Host {
        let device = format!("sys/devices/pci0000:00/{bus}");
        self.file(&format!("{device}/vendor"), &format!("{vendor}\n"));
        self.sandbox
            .folder(&format!("sys/bus/pci/drivers/{driver}"));
        self.link(
            &format!("{device}/driver"),
            &format!("../../../bus/pci/drivers/{driver}"),
        );
        for node in nodes {
            self.file(&format!("dev/dri/{node}"), "");
            self.sandbox.folder(&format!("{device}/drm/{node}"));
            self.link(&format!("{device}/drm/{node}/device"), "../..");
            let class = format!("sys/class/drm/{node}");
            self.link(
                &class,
                &format!("../../devices/pci0000:00/{bus}/drm/{node}"),
            );
            let kind = if node.starts_with("card") {
                "card"
            } else {
                "render"
            };
            let by_path = format!("dev/dri/by-path/pci-{bus}-{kind}");
            self.link(&by_path, &format!("../{node}"));
        }
        self
    }

    /// A node of the topology of AMD's driver.
    fn topology(&self, number: &str, properties: &str) -> &Host {
        let name = format!("sys/class/kfd/kfd/topology/nodes/{number}/properties");
        self.file(&name, properties)
    }

    fn vantage(&self) -> Vantage {
        Vantage {
            root: RootDir::new(HostPath::new(self.path(""))),
            proc: HostPath::new(self.path("proc")),
            sys: HostPath::new(self.path("sys")),
            dev: HostPath::new(self.path("dev")),
            node_check: NodeCheck::AnyFile,
            library_path: Vec::new(),
            program_path: Vec::new(),
            mps_directory: None,
            machine: Machine::HERE,
        }
    }

    fn drm(&self) -> Drm {
        drm::discover(&self.vantage())
    }
}

/// A card a line: maker, driver, place, nodes, names by path, node of the topology; then the other nodes.
fn shown(drm: &Drm) -> String {
    let name = |port: &Port| port.path.to_string();
    let cards = drm.cards.iter().map(|card| {
        let nodes = card.display.iter().chain(&card.render).map(name);
        let mut words = vec![card.vendor.name()];
        words.push(card.driver.clone().unwrap_or_else(|| "-".to_owned()));
        words.push(card.device.clone().unwrap_or_else(|| "-".to_owned()));
        words.extend(nodes);
        words.extend(card.by_path.clone());
        words.extend(card.topology_node.map(|node| format!("node {node}")));
        words.join(" ")
    });
    let others = drm.kfd.iter().chain(&drm.accelerators).map(name);
    let lines: Vec<String> = cards.chain(others).collect();
    lines.join("\n")
}

#[track_caller]
fn check(host: &Host, expected: &str) {
    let shown = shown(&host.drm());
    let expected: Vec<&str> = expected.lines().map(str::trim).collect();
    assert_eq!(shown, expected.join("\n"));
}

#[test]
fn a_host_without_cards_has_none() {
    check(&Host::new(), "");
    let nothing = Sandbox::new();
    check(&Host { sandbox: nothing }, "");
}

#[test]
fn amds_cards_have_their_place_in_the_topology() {
    let host = Host::new();
    host.card("0000:c3:00.0", "0x1002", "amdgpu", &["card1", "renderD129"])
        .card(
            "0000:83:00.0",
            "0x1002",
            "amdgpu",
            &["card10", "renderD128"],
        )
        .topology("0", "cpu_cores_count 64\ndrm_render_minor 0\n")
        .topology("1", "simd_count 440\ndrm_render_minor 128\nunique_id 1\n")
        .topology("2", "drm_render_minor 129\n")
        .file("dev/kfd", "");
    check(
        &host,
        "AMD amdgpu 0000:c3:00.0 /dev/dri/card1 /dev/dri/renderD129 pci-0000:c3:00.0-card pci-0000:c3:00.0-render node 2
         AMD amdgpu 0000:83:00.0 /dev/dri/card10 /dev/dri/renderD128 pci-0000:83:00.0-card pci-0000:83:00.0-render node 1
         /dev/kfd",
    );
}

#[test]
fn makers_are_told_apart() {
    let host = Host::new();
    host.card("0000:00:02.0", "0x8086", "i915", &["card0", "renderD128"])
        .card("0000:1b:00.0", "0x10de", "nvidia", &["card1", "renderD129"])
        .card("0000:00:03.0", "0x1af4", "virtio-pci", &["card2"])
        .file("dev/dri/card3", "")
        .file("dev/accel/accel1", "")
        .file("dev/accel/accel0", "")
        .file("dev/accel/accel_controlD0", "");
    check(
        &host,
        "Intel i915 0000:00:02.0 /dev/dri/card0 /dev/dri/renderD128 pci-0000:00:02.0-card pci-0000:00:02.0-render
         NVIDIA nvidia 0000:1b:00.0 /dev/dri/card1 /dev/dri/renderD129 pci-0000:1b:00.0-card pci-0000:1b:00.0-render
         1af4 virtio-pci 0000:00:03.0 /dev/dri/card2 pci-0000:00:03.0-card
         unknown - - /dev/dri/card3
         /dev/accel/accel0
         /dev/accel/accel1",
    );
    let drm = host.drm();
    let intel: Vec<String> = drm
        .render_of(Vendor::Intel)
        .map(|port| port.path.to_string())
        .collect();
    assert_eq!(intel, ["/dev/dri/renderD128"]);
    assert_eq!(drm.render_of(Vendor::Amd).count(), 0);
    let names: Vec<String> = drm
        .ports()
        .iter()
        .map(|port| port.path.to_string())
        .collect();
    assert_eq!(names.len(), 8);
    assert!(names.is_sorted(), "{names:?}");
}

#[test]
fn a_hostile_sysfs_is_not_believed() {
    let host = Host::new();
    for name in [
        "card+1",
        "card",
        "card99999999999",
        "renderD1x",
        "cardé",
        "card0-HDMI-A-1",
    ] {
        host.file(&format!("dev/dri/{name}"), "");
    }
    host.card(
        "0000:03:00.0",
        "0x1002\0\u{1b}[31m",
        "amdgpu",
        &["card0", "renderD128"],
    )
    .card(&"b".repeat(200), "no number", "xe", &["card5"])
    .topology("0", &"x".repeat(100_000))
    .topology("-1", "drm_render_minor 128\n")
    .topology("7", "drm_render_minor -128\n")
    .topology("8", "drm_render_minor 4294967296\n");
    // Whoever opens a pipe waits for its other end.
    for name in ["dev/dri/card7", "sys/class/kfd/kfd/topology/nodes/7/pipe"] {
        nix::unistd::mkfifo(&host.path(name), nix::sys::stat::Mode::S_IRWXU).expect("a new pipe");
    }
    host.sandbox.folder("sys/class/kfd/kfd/topology/nodes/9");
    host.link("sys/class/kfd/kfd/topology/nodes/9/properties", "../7/pipe");
    host.link("dev/dri/card8", "card8");
    host.link("dev/dri/by-path/loop", "loop");
    host.sandbox.folder("sys/class/drm/card9");
    host.file("dev/dri/card9", "");
    host.link("sys/class/drm/card9/device", "device");
    check(
        &host,
        "unknown amdgpu 0000:03:00.0 /dev/dri/card0 /dev/dri/renderD128 pci-0000:03:00.0-card pci-0000:03:00.0-render
         unknown xe - /dev/dri/card5 pci-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-card
         unknown - - /dev/dri/card9",
    );
}

#[test]
fn owners_are_called_by_the_names_that_the_host_has_for_them() {
    let host = Host::new();
    let (uid, gid) = host.sandbox.ids();
    host.file("dev/kfd", "");
    let kfd = HostPath::new(host.path("dev/kfd"));
    std::fs::set_permissions(&kfd, PermissionsExt::from_mode(0o664)).expect("our own file");
    let owners = || node::owners(&host.vantage(), &kfd);
    assert_eq!(owners(), format!("-rw-rw-r-- {uid} {gid}"));
    host.file(
        "etc/passwd",
        &format!("# {uid}\nroot:x:0:0\nada:x:{uid}:1::/:/bin/sh\n"),
    );
    host.file("etc/group", &format!("root:x:0:\nrender:x:{gid}:ada\n"));
    assert_eq!(owners(), "-rw-rw-r-- ada render");
}
