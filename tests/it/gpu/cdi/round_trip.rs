//! What we write, we read, and it comes to the same files and nodes.

use std::collections::BTreeSet;

use coracle::base::path::GuestPath;
use coracle::gpu::cdi::{self, CdiSource, Edits, Format, Spec};
use coracle::gpu::nvidia::{
    Access, DriverFile, DriverVersion, FileKind, Flavour, Group, MigInstance, Node, NodeRole,
    Nvidia, Processor, Socket, Tree, Verdict, Wants,
};

use super::World;

fn guest(path: &str) -> GuestPath {
    GuestPath::new(path).expect("absolute")
}

fn file(world: &World, kind: FileKind, path: &str, links: &[&str]) -> DriverFile {
    let name = path.rsplit('/').next().expect("a file has a name");
    let host = format!("host/{name}");
    world.file(&host, "not read");
    DriverFile {
        kind,
        group: Group::Compute,
        path: guest(path),
        host: world.path(host),
        name: match path.split_once("/lib64/") {
            Some((_, rest)) => format!("lib64/{rest}"),
            None => format!(
                "{}/{name}",
                if kind == FileKind::Library {
                    "lib64"
                } else {
                    "bin"
                }
            ),
        },
        links: links.iter().map(|link| (*link).to_owned()).collect(),
        text: None,
        required: false,
        verdict: Verdict::Taken,
        wants: Wants::default(),
    }
}

fn node(path: &str, host: &str, role: NodeRole) -> Node {
    Node {
        path: guest(path),
        host: coracle::base::path::HostPath::new(host),
        role,
        access: Access::Granted,
    }
}

fn processor(index: Option<usize>, minor: u32, uuid: &str) -> Processor {
    Processor {
        index,
        bus_id: format!("0000:0{minor}:00.0"),
        uuid: Some(uuid.to_owned()),
        minor: Some(minor),
        model: None,
        mig: Vec::new(),
        dri: Vec::new(),
    }
}

/// Two processors that can be opened, whose numbers and nodes go crosswise, and one that cannot.
fn driver(world: &World) -> Nvidia {
    let mut first = processor(Some(0), 1, "GPU-aa");
    first.dri = vec![coracle::base::path::HostPath::new("/dev/tty")];
    let mut second = processor(Some(1), 0, "GPU-bb");
    second.mig = vec![MigInstance {
        gi: 1,
        ci: 0,
        caps: [12, 13],
    }];
    let left = DriverFile {
        verdict: Verdict::Left(coracle::gpu::nvidia::Reason::Empty),
        ..file(
            world,
            FileKind::Library,
            "/usr/lib64/libnvidia-left.so.5.1",
            &[],
        )
    };
    // GBM's module is the allocator by another name.
    let module = DriverFile {
        name: "lib64/gbm/nvidia-drm_gbm.so".to_owned(),
        ..file(
            world,
            FileKind::Library,
            "/usr/lib64/libnvidia-allocator.so.580.1",
            &[],
        )
    };
    Nvidia {
        driver: Some(DriverVersion {
            version: "580.1".into(),
            source: world.path("sys"),
            from_kernel: true,
        }),
        files: vec![
            file(
                world,
                FileKind::Library,
                "/usr/lib64/libcuda.so.580.1",
                &["libcuda.so.1", "libcuda.so"],
            ),
            file(
                world,
                FileKind::Library,
                "/usr/lib64/vdpau/libvdpau_nvidia.so.580.1",
                &["libvdpau_nvidia.so.1"],
            ),
            file(world, FileKind::Program, "/usr/bin/nvidia-smi", &[]),
            file(
                world,
                FileKind::Data,
                "/usr/share/vulkan/icd.d/nvidia_icd.json",
                &[],
            ),
            left,
            module,
        ],
        processors: vec![first, second, processor(None, 2, "GPU-cc")],
        nodes: vec![
            node("/dev/nvidiactl", "/dev/null", NodeRole::Control),
            node("/dev/nvidia-uvm", "/dev/zero", NodeRole::Uvm),
            node("/dev/nvidia0", "/dev/full", NodeRole::Processor),
            node("/dev/nvidia1", "/dev/random", NodeRole::Processor),
            node("/dev/nvidia2", "/dev/urandom", NodeRole::Processor),
            node(
                "/dev/nvidia-caps/nvidia-cap12",
                "/dev/null",
                NodeRole::MigCapability,
            ),
            node(
                "/dev/nvidia-caps/nvidia-cap13",
                "/dev/zero",
                NodeRole::MigCapability,
            ),
            node(
                "/dev/nvidia-caps/nvidia-cap14",
                "/dev/full",
                NodeRole::MigCapability,
            ),
            node("/dev/dri/card1", "/dev/tty", NodeRole::Dri),
            node("/dev/nvidia-nvswitch0", "/dev/null", NodeRole::Switch),
        ],
        sockets: vec![Socket {
            host: world.path("host/nvidia-smi"),
            path: guest("/run/nvidia-persistenced/socket"),
            daemon: "nvidia-persistenced",
        }],
        ..Nvidia::default()
    }
}

fn nodes(edits: &Edits) -> BTreeSet<String> {
    edits
        .nodes
        .iter()
        .map(|node| format!("{} {}", node.target, node.host))
        .collect()
}

/// The nodes that a device has beside those of all.
const COMMON: [&str; 2] = ["/dev/nvidia-uvm /dev/zero", "/dev/nvidiactl /dev/null"];

#[test]
fn what_is_written_is_read_back() {
    let world = World::new();
    let nvidia = driver(&world);
    let json = cdi::write(&nvidia).expect("there are processors").to_json();
    // JSON is YAML too, so the file may have either name.
    for (name, format) in [
        ("high/nvidia.json", Format::Json),
        ("high/nvidia.yaml", Format::Yaml),
    ] {
        let checked = Spec::parse(json.as_bytes(), format).expect("our own");
        assert_eq!(checked.warnings, Vec::<String>::new());
        assert_eq!(
            checked.spec.version, "0.6.0",
            "the lowest that has annotations"
        );
        let names: Vec<&str> = checked.devices.iter().map(|name| name.name()).collect();
        assert_eq!(names, ["0", "GPU-aa", "1", "GPU-bb", "all"]);
        world.file(name, &json);
        compare(&world);
        std::fs::remove_file(world.path(name)).expect("it was just written");
    }
}

fn compare(world: &World) {
    let first = ["/dev/dri/card1 /dev/tty", "/dev/nvidia1 /dev/random"];
    let second = [
        "/dev/nvidia-caps/nvidia-cap12 /dev/null",
        "/dev/nvidia-caps/nvidia-cap13 /dev/zero",
        "/dev/nvidia0 /dev/full",
    ];
    let rows: [(&str, &[&[&str]]); 5] = [
        ("0", &[&first]),
        ("GPU-aa", &[&first]),
        ("1", &[&second]),
        ("GPU-bb", &[&second]),
        ("all", &[&first, &second]),
    ];
    for (name, own) in rows {
        let edits = world
            .resolve(&format!("nvidia.com/gpu={name}"))
            .expect("our own");
        let expected: BTreeSet<String> = own
            .concat()
            .iter()
            .chain(&COMMON)
            .map(|line| (*line).to_owned())
            .collect();
        assert_eq!(nodes(&edits), expected, "{name}");
        let told = world.told(&format!("nvidia.com/gpu={name}"));
        let rest: Vec<&str> = told
            .lines()
            .filter(|line| !line.starts_with("node "))
            .collect();
        assert_eq!(
            rest,
            [
                "env NVIDIA_VISIBLE_DEVICES=void",
                "ro @/host/libcuda.so.580.1 at /usr/lib64/libcuda.so.580.1",
                "ro @/host/libvdpau_nvidia.so.580.1 at /usr/lib64/vdpau/libvdpau_nvidia.so.580.1",
                "ro @/host/nvidia-smi at /usr/bin/nvidia-smi",
                "ro @/host/nvidia_icd.json at /usr/share/vulkan/icd.d/nvidia_icd.json",
                "ro @/host/libnvidia-allocator.so.580.1 at /usr/lib64/gbm/nvidia-drm_gbm.so",
                "ro @/host/libcuda.so.580.1 at /usr/lib64/libcuda.so.1",
                "ro @/host/libcuda.so.580.1 at /usr/lib64/libcuda.so",
                "ro @/host/libvdpau_nvidia.so.580.1 at /usr/lib64/vdpau/libvdpau_nvidia.so.1",
                "rw @/host/nvidia-smi at /run/nvidia-persistenced/socket",
                "folder /usr/lib64",
                "folder /usr/lib64/vdpau",
            ]
        );
        assert!(
            edits
                .mounts
                .iter()
                .all(|mount| matches!(mount.source, CdiSource::Bind(_)))
        );
    }
}

#[test]
fn wsl_has_one_device_and_a_bare_host_has_none() {
    let world = World::new();
    let wsl = Nvidia {
        flavour: Flavour::Wsl,
        files: vec![file(
            &world,
            FileKind::Library,
            "/usr/lib/wsl/lib/libdxcore.so",
            &["libdxcore.so.1"],
        )],
        trees: vec![Tree {
            host: world.path("host"),
            path: guest("/usr/lib/wsl"),
        }],
        nodes: vec![node("/dev/dxg", "/dev/null", NodeRole::Dxg)],
        ..Nvidia::default()
    };
    let json = cdi::write(&wsl).expect("there is a device").to_json();
    world.file("low/wsl.json", json).check(
        "nvidia.com/gpu=all",
        &[
            "env NVIDIA_VISIBLE_DEVICES=void",
            "ro @/host at /usr/lib/wsl",
            "node /dev/null at /dev/dxg",
            "folder /usr/lib/wsl/lib",
        ],
    );
    let error = cdi::write(&Nvidia::default()).expect_err("there is none");
    assert_eq!(
        error.to_string(),
        "no NVIDIA processor was found that a specification could describe"
    );
}
