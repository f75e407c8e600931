//! AMD and Intel: nodes that are absent or closed.

use coracle::gpu::drm::{Drm, Vendor};
use coracle::gpu::nvidia::Access;

use super::Row;
use super::world::{card, port};

const RENDER: &str = "-> run this on a host with such a GPU and its kernel module, or in a job ask the scheduler for a GPU";

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "AMD: no module",
        change: |world| world.amd = Some(Drm::default()),
        said: &[
            "fatal: there is no `/dev/kfd`: this host or job has no AMD processor for compute",
            "-> have the administrator load the kernel module amdgpu (`modprobe amdgpu`), or in a job ask the scheduler for a GPU",
        ],
    },
    Row {
        name: "AMD: the node for computing alone",
        change: |world| {
            world.amd = Some(Drm {
                kfd: Some(port("/dev/kfd", Access::Granted)),
                ..Drm::default()
            });
        },
        said: &[
            "fatal: there is no `/dev/dri/renderD*` of AMD on this host or in this job",
            RENDER,
        ],
    },
    Row {
        name: "AMD: the user is not in the group",
        change: |world| {
            world.amd = Some(Drm {
                kfd: Some(port(
                    "/dev/kfd",
                    Access::Denied("crw-rw---- root render".to_owned()),
                )),
                cards: vec![card(Vendor::Amd, Access::Granted)],
                ..Drm::default()
            });
        },
        said: &[
            "fatal: this user may not open `/dev/kfd`: crw-rw---- root render",
            "-> have the administrator put you into its group (`usermod -aG render <you>`), then log in anew",
        ],
    },
    Row {
        name: "AMD: a job was given the second of two",
        change: |world| {
            world.amd = Some(Drm {
                kfd: Some(port("/dev/kfd", Access::Granted)),
                cards: vec![
                    card(Vendor::Amd, Access::Cgroup),
                    card(Vendor::Amd, Access::Granted),
                ],
                ..Drm::default()
            });
        },
        said: &[],
    },
    Row {
        name: "Intel: a job without GPU",
        change: |world| {
            world.intel = Some(Drm {
                cards: vec![
                    card(Vendor::Intel, Access::Cgroup),
                    card(Vendor::Amd, Access::Granted),
                ],
                ..Drm::default()
            });
        },
        said: &[
            "fatal: a control group denies `/dev/dri/renderD129`: this job was given no GPU (error 100)",
            "-> ask the scheduler for a GPU (Slurm: `--gres=gpu:1` or `--gpus=1`), or choose one that the job has",
        ],
    },
    Row {
        name: "Intel: nothing tells whose the card is",
        change: |world| {
            world.intel = Some(Drm {
                cards: vec![card(Vendor::Unknown, Access::Granted)],
                ..Drm::default()
            });
        },
        said: &[],
    },
    Row {
        name: "Intel: another maker's card only",
        change: |world| {
            world.intel = Some(Drm {
                cards: vec![card(Vendor::Amd, Access::Granted)],
                ..Drm::default()
            });
        },
        said: &[
            "fatal: there is no `/dev/dri/renderD*` of Intel on this host or in this job",
            RENDER,
        ],
    },
];
