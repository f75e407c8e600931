//! The causes on a host once more, from files on disk through discovery to a finding.

use coracle::gpu::drm;
use coracle::gpu::nvidia::discover;
use coracle::gpu::preflight::{Wanted, check_host};
use coracle::gpu::vantage::Vantage;
use coracle::ops::doctor::{self, Processors};
use nix::sys::stat::{self, Mode, SFlag};
use nix::unistd::Gid;

use super::super::elf_file::Target;
use super::name_of;
use super::tree::Tree;
use super::world::{DRIVER, guest};
use crate::support::{Sandbox, require};

/// What is done to a healthy host, and which causes are found.
type Row = (fn(&mut Tree), &'static [&'static str]);

/// What doctor makes of a host.
fn seen(vantage: &Vantage) -> Processors {
    doctor::processors(discover(vantage), &drm::discover(vantage))
}

const LIBCUDA: &str = "usr/lib/x86_64-linux-gnu/libcuda.so.580.159.04";
const STUB: &str = "usr/local/cuda/lib64/stubs/libcuda.so";

const ROWS: &[Row] = &[
    (|_| (), &[]),
    (
        |tree| {
            ["sys", "proc", "dev", "usr"]
                .iter()
                .for_each(|name| tree.remove(name))
        },
        &["NoDriver"],
    ),
    (|tree| tree.without("libcuda"), &["NoLibcuda"]),
    (|tree| tree.remove("usr"), &["NoLibcuda"]),
    (
        |tree| tree.file("sys/module/nvidia/version", "535.261.03\n"),
        &["OtherVersion"],
    ),
    (
        |tree| {
            tree.without("libcuda");
            tree.file(STUB, "");
            tree.library_path = vec![guest("/usr/local/cuda/lib64/stubs")];
        },
        &["OnlyStub"],
    ),
    (
        |tree| {
            tree.file(STUB, "");
            tree.library_path = vec![guest("/usr/local/cuda/lib64/stubs")];
        },
        &["StubFirst"],
    ),
    (
        |tree| tree.library("libcuda", DRIVER, Target::I386),
        &["Only32Bit"],
    ),
    (
        |tree| tree.library("libcuda", DRIVER, Target::Aarch64),
        &["LibcudaOfOtherMachine"],
    ),
    (|tree| tree.file(LIBCUDA, ""), &["BrokenLibcuda"]),
    (
        |tree| tree.file(LIBCUDA, "not a library"),
        &["BrokenLibcuda"],
    ),
    (
        |tree| tree.without("libnvidia-ptxjitcompiler"),
        &["NoPtxCompiler"],
    ),
    (|tree| tree.without("libnvidia-ml"), &["NoNvml"]),
    (
        |tree| {
            ["sys/module/nvidia", "proc/driver", "dev"]
                .iter()
                .for_each(|name| tree.remove(name))
        },
        &["ModuleNotLoaded"],
    ),
    (|tree| tree.remove("dev/nvidiactl"), &["NoControlNode"]),
    (|tree| tree.remove("dev/nvidia0"), &["NoProcessorNode"]),
    (|tree| tree.remove("proc/driver/nvidia/gpus"), &[]),
    (
        |tree| {
            tree.processor(1);
            tree.remove("dev/nvidia0");
        },
        &["SomeClosed"],
    ),
    (
        |tree| tree.remove("sys/module/nvidia_uvm"),
        &["UvmNotLoaded"],
    ),
    // A sandbox that lends the nodes and hides the modules.
    (
        |tree| {
            tree.remove("sys/module/nvidia");
            tree.remove("sys/module/nvidia_uvm");
        },
        &[],
    ),
    (|tree| tree.remove("dev/nvidia-uvm"), &["NoUvmNode"]),
    (|tree| tree.node("nvidia-nvswitch0"), &["NoFabricManager"]),
    (
        |tree| tree.library("libnvidia-glcore", DRIVER, Target::X86_64),
        &["NoGraphicsNode", "NoVulkanFile"],
    ),
];

#[test]
fn causes_are_found_in_trees() {
    for (position, (change, wanted)) in ROWS.iter().enumerate() {
        let sandbox = Sandbox::new();
        let mut tree = Tree::healthy(&sandbox, "host");
        change(&mut tree);
        let nvidia = discover(&tree.vantage());
        let open = nvidia.processors.iter().enumerate();
        let open: Vec<usize> = open
            .filter(|(_, one)| one.index.is_some())
            .map(|(at, _)| at)
            .collect();
        let wants_all = Wanted {
            processors: Some(&open),
            cuda_visible: None,
        };
        let findings = check_host(&nvidia, &wants_all);
        let causes: Vec<&str> = findings
            .iter()
            .map(|finding| name_of(&finding.cause))
            .collect();
        assert_eq!(causes, *wanted, "row {position}: {findings:?}");
    }
}

/// The driver's nodes, real ones, on a mount of their own; then the words that follow.
const MOUNTED: &str = "mount -t tmpfs -o mode=755$1 none $0/dev; \
    for node in nvidiactl nvidia0 nvidia-uvm; do mknod -m 666 $0/dev/$node c 1 3; done; shift; exec \"$@\"";

#[test]
fn a_mount_without_devices_is_found() {
    require!(Root);
    let sandbox = Sandbox::new();
    let root = Tree::healthy(&sandbox, "host").path();
    for (option, wanted) in [
        ("", ""),
        (
            ",nodev",
            "GPU fatal: `/dev` is mounted nodev: no device node in it can be opened",
        ),
    ] {
        let root = root.to_str().expect("its name is text");
        let host = ["unshare", "--mount", "sh", "-ec", MOUNTED, root, option];
        let doctor = sandbox
            .coracle(["doctor", "--driver-root", root])
            .behind(host)
            .run()
            .success();
        let findings: Vec<&str> = doctor
            .stdout
            .lines()
            .filter(|line| line.starts_with("GPU fatal"))
            .collect();
        assert_eq!(findings.len(), usize::from(!wanted.is_empty()), "{doctor}");
        doctor.mentions(wanted);
    }
}

#[test]
fn a_node_of_another_group_is_found() {
    require!(Root);
    let sandbox = Sandbox::new();
    let tree = Tree::healthy(&sandbox, "host");
    let node = tree.path().join("dev/nvidiactl");
    tree.remove("dev/nvidiactl");
    // The device of `/dev/null`, which a stranger must not have left open.
    let device = stat::makedev(1, 3);
    let mode = Mode::from_bits_truncate(0o660);
    stat::mknod(&node, SFlag::S_IFCHR, mode, device).expect("root makes devices");
    // 44 is `video` in Debian's own list of groups, and no group of the plain user.
    nix::unistd::chown(&node, None, Some(Gid::from_raw(44))).expect("root gives files away");
    let doctor = sandbox
        .coracle(["doctor", "--driver-root"])
        .arguments([tree.path()]);
    let wanted = format!(
        "GPU fatal: this user may not open `{}`: crw-r----- 0 44\n     to change that: ask the administrator for access",
        node.display()
    );
    doctor.clone().run().success().mentions(&wanted);
    nix::sys::stat::fchmodat(
        nix::fcntl::AT_FDCWD,
        &node,
        mode,
        stat::FchmodatFlags::FollowSymlink,
    )
    .expect("it is ours");
    tree.file("etc/group", "video:x:44:\n");
    let wanted = format!(
        "GPU fatal: this user may not open `{}`: crw-rw---- 0 video\n     to change that: have the administrator put you \
         into its group (`usermod -aG video <you>`), then log in anew",
        node.display()
    );
    doctor.run().success().mentions(&wanted);
}

#[test]
fn doctor_looks_at_what_a_run_would() {
    let sandbox = Sandbox::new();
    let tree = Tree::healthy(&sandbox, "host");
    let healthy = seen(&tree.vantage());
    assert!(healthy.findings.is_empty(), "{:?}", healthy.findings);
    assert_eq!(healthy.nvidia[0].model.as_deref(), Some("NVIDIA H200"));
    assert!(
        healthy.driver().starts_with("580.159.04, by `"),
        "{}",
        healthy.driver()
    );
    tree.remove("sys/module/nvidia_uvm");
    assert_eq!(seen(&tree.vantage()).findings.len(), 1);
    // Half a driver is worth a word, none is not.
    tree.remove("usr");
    assert_eq!(seen(&tree.vantage()).findings.len(), 2);
    for name in ["sys", "proc", "dev"] {
        tree.remove(name);
    }
    let none = seen(&tree.vantage());
    assert!(none.findings.is_empty(), "{:?}", none.findings);
    assert_eq!(none.driver(), "none");
}

#[test]
fn doctor_prints_driver_processors_and_findings() {
    let sandbox = Sandbox::new();
    let tree = Tree::healthy(&sandbox, "host");
    tree.remove("dev/nvidia-uvm");
    let root = tree.path();
    let doctor = |more: &[&str]| {
        let arguments = [
            &["doctor", "--driver-root", root.to_str().expect("text")],
            more,
        ]
        .concat();
        sandbox.coracle(arguments).run()
    };
    let text = doctor(&[]).success().stdout;
    let wanted = format!(
        "NVIDIA driver: 580.159.04, by `{0}/sys/module/nvidia/version`\n\
         GPU 0: NVIDIA H200, 0000:0b:00.0\n\
         GPU fatal: there is no `/dev/nvidia-uvm`: CUDA would fail with error 999, while `nvidia-smi` works\n     \
         to change that: run `nvidia-modprobe -u -c=0` on the host",
        root.display()
    );
    assert!(text.contains(&wanted), "{text}");
    let json: serde_json::Value =
        serde_json::from_str(&doctor(&["--json"]).success().stdout).expect("JSON");
    assert_eq!(json["gpu"]["findings"][0]["cause"], "no-uvm-node");
    assert_eq!(json["gpu"]["nvidia_driver"]["version"], "580.159.04");
    assert!(json["gpu_nodes"].is_array());
    let hidden = sandbox.coracle(["doctor"]).env("CUDA_VISIBLE_DEVICES", "");
    let hidden = hidden.env("CORACLE_DRIVER_ROOT", &root).run().success();
    hidden.mentions(
        "GPU warning: CUDA_VISIBLE_DEVICES is ``: CUDA programs will see no GPU (error 100)",
    );
}
