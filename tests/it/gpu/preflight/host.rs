//! Causes on the host: files of the driver, and nodes.

use coracle::base::path::HostPath;
use coracle::gpu::nvidia::{Access, Flavour, NodeRole, Nvidia, Reason, Searched, Socket};

use super::Row;
use super::world::{World, guest, library};

const NODES_MISSING: &str = "-> run `nvidia-smi` once on the host, which makes the nodes; inside of another container, start that one with its GPU option; in a job, ask the scheduler for a GPU (Slurm: `--gres=gpu:1` or `--gpus=1`)";
const ASK: &str = "-> ask the scheduler for a GPU (Slurm: `--gres=gpu:1` or `--gpus=1`), or choose one that the job has";
const ANEW: &str =
    "-> install the driver's libraries on this host anew; `coracle gpu list` shows what was found";
const UNSET: &str = "-> unset CUDA_VISIBLE_DEVICES, or in a job ask the scheduler for a GPU (Slurm: `--gres=gpu:1`)";
const UVM: &str = "-> run `nvidia-modprobe -u -c=0` on the host (any user may where it is setuid), or have the administrator do so or run a CUDA program once";
const GROUPS: &str = "-> have the administrator put you into the groups that own the nodes, often `render` and `video`";

pub(super) const FILES: &[Row] = &[
    Row {
        name: "the kernel's half alone, and no place of the other is known",
        change: |world| {
            world.without_files("libcuda.so");
            world.nvidia.searched.clear();
        },
        said: &[
            "fatal: the kernel has NVIDIA's driver 580.159.04, its library `libcuda.so` was not found in any directory of `/etc/ld.so.cache`, of LD_LIBRARY_PATH or known to hold drivers",
            "-> install the driver's CUDA library of the same version, or put its directory into LD_LIBRARY_PATH, or name the tree that holds it with `--driver-root`",
        ],
    },
    Row {
        name: "a host without anything",
        change: |world| {
            let searched = std::mem::take(&mut world.nvidia.searched);
            world.nvidia = Nvidia {
                searched,
                ..Nvidia::default()
            };
        },
        said: &[
            "fatal: there is no NVIDIA driver on this host: no kernel module, no device node, no `libcuda.so` in `/usr/lib/x86_64-linux-gnu`",
            "-> run this on a host with an NVIDIA GPU and its driver (on a cluster, in a job on a GPU node), or name the driver's place with `--driver-root`",
        ],
    },
    Row {
        name: "the kernel's half alone, and many places were searched",
        change: |world| {
            world.without_files("libcuda.so");
            for number in 1..8 {
                world.nvidia.searched.push(Searched {
                    path: guest(&format!("/opt/{number}")),
                    because: "known place",
                    holds_driver: false,
                    other_versions: Vec::new(),
                });
            }
        },
        said: &[
            "fatal: the kernel has NVIDIA's driver 580.159.04, its library `libcuda.so` was not found in `/usr/lib/x86_64-linux-gnu`, `/opt/1`, `/opt/2`, `/opt/3` and 4 more",
            "-> install the driver's CUDA library of the same version, or put its directory into LD_LIBRARY_PATH, or name the tree that holds it with `--driver-root`",
        ],
    },
    Row {
        name: "updated, not yet rebooted",
        change: |world| world.leave("libcuda.so", Reason::OtherVersion("590.10".to_owned())),
        said: &[
            "fatal: the kernel runs NVIDIA's driver 580.159.04, the libraries on disk are of 590.10: `/usr/lib/x86_64-linux-gnu/libcuda.so.580.159.04` (error 803)",
            "-> reboot the host, or have its administrator reload the NVIDIA kernel modules: the driver was updated while the old one was running",
        ],
    },
    Row {
        name: "the toolkit without a driver",
        change: |world| world.leave("libcuda.so", Reason::Stub),
        said: &[
            "fatal: the only `libcuda.so` on this host is a stub to link against, `/usr/lib/x86_64-linux-gnu/libcuda.so.580.159.04` (error 34)",
            "-> install NVIDIA's driver on this host; the CUDA toolkit does not bring it",
        ],
    },
    Row {
        name: "for 32-bit programs only",
        change: |world| world.leave("libcuda.so", Reason::Bits32),
        said: &[
            "fatal: the host's `libcuda.so` is for 32-bit programs only: `/usr/lib/x86_64-linux-gnu/libcuda.so.580.159.04`",
            "-> install the driver's 64-bit libraries on this host",
        ],
    },
    Row {
        name: "of another machine",
        change: |world| world.leave("libcuda.so", Reason::OtherMachine("aarch64".to_owned())),
        said: &[
            "fatal: the host's `libcuda.so` is for another machine, aarch64: `/usr/lib/x86_64-linux-gnu/libcuda.so.580.159.04`",
            "-> install the driver for this host's own architecture",
        ],
    },
    Row {
        name: "left empty by another tool",
        change: |world| world.leave("libcuda.so", Reason::Empty),
        said: &[
            "fatal: the host's `/usr/lib/x86_64-linux-gnu/libcuda.so.580.159.04` cannot be used: it is empty",
            ANEW,
        ],
    },
    Row {
        name: "no compiler of PTX",
        change: |world| world.without_files("libnvidia-ptxjitcompiler"),
        said: &[
            "fatal: the driver's `libnvidia-ptxjitcompiler.so.1` is not on this host: CUDA programs may fail with error 221",
            ANEW,
        ],
    },
    Row {
        name: "NVML of another version",
        change: |world| world.leave("libnvidia-ml.so", Reason::OtherVersion("535.1".to_owned())),
        said: &[
            "warning: the driver's `libnvidia-ml.so.1` cannot be used (version 535.1, the driver is another): `nvidia-smi` and some CUDA programs will fail",
            ANEW,
        ],
    },
    Row {
        name: "a login node: files without a module, and without nodes",
        change: |world| {
            world
                .nvidia
                .driver
                .as_mut()
                .expect("it has one")
                .from_kernel = false;
            world.nvidia.uvm_loaded = Some(false);
            world.without_nodes("/dev/");
        },
        said: &[
            "fatal: the files of NVIDIA's driver 580.159.04 are installed, its kernel module is not loaded",
            "-> run this on a node with a GPU (login nodes often have the files alone), or have the administrator run `modprobe nvidia`",
        ],
    },
    Row {
        name: "the same, where the files alone are wanted",
        change: |world| {
            world
                .nvidia
                .driver
                .as_mut()
                .expect("it has one")
                .from_kernel = false;
            world.without_nodes("/dev/");
            world.chosen = None;
        },
        said: &[
            "detail: the files of NVIDIA's driver 580.159.04 are installed, its kernel module is not loaded",
            "-> run this on a node with a GPU (login nodes often have the files alone), or have the administrator run `modprobe nvidia`",
        ],
    },
    Row {
        name: "a sandbox that hides /sys and hands out nodes",
        change: |world| {
            world
                .nvidia
                .driver
                .as_mut()
                .expect("it has one")
                .from_kernel = false
        },
        said: &[],
    },
    Row {
        name: "LD_LIBRARY_PATH begins with the toolkit's stubs",
        change: |world| {
            let mut stub = library("libcuda.so.1", coracle::gpu::nvidia::Group::Compute, &[]);
            stub.path = guest("/usr/local/cuda/lib64/stubs/libcuda.so");
            stub.verdict = coracle::gpu::nvidia::Verdict::Left(Reason::Stub);
            world.nvidia.files.push(stub);
            world.nvidia.searched.insert(
                0,
                Searched {
                    path: guest("/usr/local/cuda/lib64/stubs"),
                    because: "LD_LIBRARY_PATH",
                    holds_driver: false,
                    other_versions: Vec::new(),
                },
            );
        },
        said: &[
            "detail: the stub `/usr/local/cuda/lib64/stubs/libcuda.so` comes before the driver's `libcuda.so` in the host's search path; it is left out",
        ],
    },
    Row {
        name: "a server without the driver's Vulkan",
        change: |world| world.nvidia.files.retain(|file| !file.name.contains("icd")),
        said: &[
            "detail: Vulkan will not find the GPU: the host has no `nvidia_icd.json` of the driver",
            "-> install the driver's package for Vulkan or graphics on this host",
        ],
    },
];

pub(super) const NODES: &[Row] = &[
    Row {
        name: "a container that was started without its GPU option",
        change: |world| world.without_nodes("/dev/nvidia"),
        said: &[
            "fatal: there is no `/dev/nvidiactl`, through which every use of the driver goes (error 100)",
            NODES_MISSING,
        ],
    },
    Row {
        name: "no nvidiactl",
        change: |world| world.without_nodes("/dev/nvidiactl"),
        said: &[
            "fatal: there is no `/dev/nvidiactl`, through which every use of the driver goes (error 100)",
            NODES_MISSING,
        ],
    },
    Row {
        name: "no node of a processor",
        change: |world| {
            world.without_nodes("/dev/nvidia0");
            world.without_nodes("/dev/nvidia1");
        },
        said: &[
            "fatal: there is no `/dev/nvidia0`: this host or job has no NVIDIA processor (error 100)",
            NODES_MISSING,
        ],
    },
    Row {
        name: "the node of the one that was chosen is missing",
        change: |world| {
            world.without_nodes("/dev/nvidia1");
            world.chosen = Some(vec![1]);
        },
        said: &[
            "fatal: there is no `/dev/nvidia1`: this host or job has no NVIDIA processor (error 100)",
            NODES_MISSING,
        ],
    },
    Row {
        name: "Windows without its node",
        change: |world| {
            world.nvidia.flavour = Flavour::Wsl;
            world.without_nodes("/dev/nvidia");
        },
        said: &[
            "fatal: there is no `/dev/dxg`, through which Windows lends its processors",
            "-> update WSL (`wsl --update`) and Windows' NVIDIA driver",
        ],
    },
    Row {
        name: "Windows with its node",
        change: |world| {
            world.nvidia.flavour = Flavour::Wsl;
            world.without_nodes("/dev/nvidia");
            world.add_node("/dev/dxg", NodeRole::Dxg);
        },
        said: &[],
    },
    Row {
        name: "the user is not in the group of the nodes",
        change: |world| {
            for path in [
                "/dev/nvidia0",
                "/dev/nvidia1",
                "/dev/nvidiactl",
                "/dev/nvidia-uvm",
            ] {
                world.node(path).access = Access::Denied("crw-rw---- root gpu".to_owned());
            }
            world.chosen = Some(Vec::new());
        },
        said: &[
            "fatal: this user may not open `/dev/nvidiactl`: crw-rw---- root gpu",
            "-> have the administrator put you into its group (`usermod -aG gpu <you>`), then log in anew",
        ],
    },
    Row {
        name: "nobody but root may",
        change: |world| {
            world.node("/dev/nvidiactl").access = Access::Denied("crw------- root root".to_owned())
        },
        said: &[
            "fatal: this user may not open `/dev/nvidiactl`: crw------- root root",
            "-> ask the administrator for access to it",
        ],
    },
    Row {
        name: "a job without --gres",
        change: |world| {
            for idx in 0..2 {
                world.nvidia.processors[idx].index = None;
                world.node(&format!("/dev/nvidia{idx}")).access = Access::Cgroup;
            }
            world.chosen = Some(Vec::new());
        },
        said: &[
            "fatal: a control group denies `/dev/nvidia0`: this job was given no GPU (error 100)",
            ASK,
        ],
    },
    Row {
        name: "a job with one of two",
        change: |world| {
            world.nvidia.processors[0].index = None;
            world.nvidia.processors[1].index = Some(0);
            world.node("/dev/nvidia0").access = Access::Cgroup;
            world.chosen = Some(vec![1]);
        },
        said: &[
            "detail: 1 of 2 NVIDIA processors cannot be opened by this user or job, the others can",
        ],
    },
    Row {
        name: "a node behind which nothing is",
        change: |world| {
            world.node("/dev/nvidia-uvm").access = Access::Failed("no such device".to_owned())
        },
        said: &[
            "fatal: `/dev/nvidia-uvm` cannot be opened: no such device",
            "-> see what the kernel's log says of it (`dmesg`), and ask the administrator",
        ],
    },
    Row {
        name: "/dev is nodev",
        change: |world| world.nvidia.dev_is_nodev = true,
        said: &[
            "fatal: `/dev` is mounted nodev: no device node in it can be opened (error 100)",
            "-> have whoever mounts `/dev` here leave `nodev` out: it is an option of the surrounding container or of `/etc/fstab`",
        ],
    },
    Row {
        name: "after a reboot: uvm is not loaded",
        change: |world| {
            world.nvidia.uvm_loaded = Some(false);
            world.without_nodes("/dev/nvidia-uvm");
        },
        said: &[
            "fatal: the kernel module nvidia_uvm is not loaded: CUDA would fail with error 999, while `nvidia-smi` works",
            UVM,
        ],
    },
    Row {
        name: "uvm is loaded, its node was not made",
        change: |world| world.without_nodes("/dev/nvidia-uvm"),
        said: &[
            "fatal: there is no `/dev/nvidia-uvm`: CUDA would fail with error 999, while `nvidia-smi` works",
            UVM,
        ],
    },
    Row {
        name: "switches, and nobody to set them up",
        change: |world| world.add_node("/dev/nvidia-nvswitch0", NodeRole::Switch),
        said: &[
            "warning: this host has NVSwitches and no running fabric manager was found: CUDA may fail with error 802",
            "-> have the administrator start the service nvidia-fabricmanager",
        ],
    },
    Row {
        name: "switches that are managed, and a node of the driver's own that is no switch",
        change: |world| {
            world.add_node("/dev/nvidia-nvlink", NodeRole::Switch);
            world.add_node("/dev/nvidia-nvswitchctl", NodeRole::Switch);
            let mut managed = World::healthy();
            managed.add_node("/dev/nvidia-nvswitch0", NodeRole::Switch);
            managed.nvidia.sockets.push(Socket {
                host: HostPath::new("/run/nvidia-fabricmanager/socket"),
                path: guest("/run/nvidia-fabricmanager/socket"),
                daemon: "nvidia-fabricmanager",
            });
            assert!(managed.findings().is_empty());
        },
        said: &[],
    },
    Row {
        name: "CUDA_VISIBLE_DEVICES is empty",
        change: |world| world.cuda_visible = Some(""),
        said: &[
            "warning: CUDA_VISIBLE_DEVICES is ``: CUDA programs will see no GPU (error 100)",
            UNSET,
        ],
    },
    Row {
        name: "Slurm's way to say none",
        change: |world| world.cuda_visible = Some("NoDevFiles"),
        said: &[
            "warning: CUDA_VISIBLE_DEVICES is `NoDevFiles`: CUDA programs will see no GPU (error 100)",
            UNSET,
        ],
    },
    Row {
        name: "a list that ends before it begins",
        change: |world| world.cuda_visible = Some("-1,0"),
        said: &[
            "warning: CUDA_VISIBLE_DEVICES is `-1,0`: CUDA programs will see no GPU (error 100)",
            UNSET,
        ],
    },
    Row {
        name: "a list that counts",
        change: |world| world.cuda_visible = Some("1,-1"),
        said: &[],
    },
    Row {
        name: "no render node",
        change: |world| world.without_nodes("/dev/dri/"),
        said: &[
            "detail: graphics (EGL, Vulkan) will not find the GPU: no `/dev/dri/renderD*` can be opened",
            GROUPS,
        ],
    },
    Row {
        name: "a render node of a group that the user is not in",
        change: |world| {
            world.node("/dev/dri/renderD128").access =
                Access::Denied("crw-rw---- root render".to_owned())
        },
        said: &[
            "detail: graphics (EGL, Vulkan) will not find the GPU: no `/dev/dri/renderD*` can be opened (this user may not open `/dev/dri/renderD128`: crw-rw---- root render)",
            GROUPS,
        ],
    },
];
