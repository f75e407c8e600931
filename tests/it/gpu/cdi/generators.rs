//! Specifications as the tools of three vendors write them.

use super::World;

/// As nvidia-ctk 1.17 writes them: links by SONAME are left to `ldconfig`, and one processor has three names.
const NVIDIA_1_17: &str = "\
---
cdiVersion: 0.5.0
containerEdits:
  deviceNodes:
  - path: /dev/nvidiactl
    hostPath: /dev/null
  - path: /dev/nvidia-uvm
    hostPath: /dev/zero
  env:
  - NVIDIA_VISIBLE_DEVICES=void
  hooks:
  - args:
    - nvidia-cdi-hook
    - create-symlinks
    - --link
    - libcuda.so.1::/usr/lib/x86_64-linux-gnu/libcuda.so
    hookName: createContainer
    path: /usr/bin/nvidia-cdi-hook
  - args:
    - nvidia-cdi-hook
    - update-ldcache
    - --folder
    - /usr/lib/x86_64-linux-gnu
    - --folder
    - /usr/lib/x86_64-linux-gnu/vdpau
    hookName: createContainer
    path: /usr/bin/nvidia-cdi-hook
  mounts:
  - containerPath: /usr/lib/x86_64-linux-gnu/libcuda.so.550.54
    hostPath: '@/host/libcuda.so.550.54'
    options:
    - ro
    - nosuid
    - nodev
    - bind
  - containerPath: /usr/lib/x86_64-linux-gnu/vdpau/libvdpau_nvidia.so.550.54
    hostPath: '@/host/libvdpau_nvidia.so.550.54'
    options:
    - ro
    - nosuid
    - nodev
    - bind
  - containerPath: /usr/bin/nvidia-smi
    hostPath: '@/host/nvidia-smi'
    options: [ro, nosuid, nodev, bind]
  - containerPath: /run/nvidia-persistenced/socket
    hostPath: '@/host/socket'
    options: [ro, nosuid, nodev, bind, noexec]
devices:
- containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
      hostPath: /dev/full
    hooks:
    - args:
      - nvidia-cdi-hook
      - chmod
      - --mode
      - \"755\"
      - --path
      - /dev/dri
      hookName: createContainer
      path: /usr/bin/nvidia-cdi-hook
  name: \"0\"
- containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
      hostPath: /dev/full
  name: GPU-4cf8db2d-06c0-7d70-1a51-e59b25b2c16c
- containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
      hostPath: /dev/full
    - path: /dev/nvidia1
      hostPath: /dev/random
  name: all
kind: nvidia.com/gpu
";

fn nvidia_host(world: &World) -> &World {
    world
        .library("host/libcuda.so.550.54", "libcuda.so.1")
        .library("host/libvdpau_nvidia.so.550.54", "libvdpau_nvidia.so.1")
        .file("host/nvidia-smi", "#!/bin/true")
        .file("host/socket", "")
        .file("sys/module/nvidia/version", "550.54\n")
}

const COMMON_1_17: [&str; 5] = [
    "env NVIDIA_VISIBLE_DEVICES=void",
    "ro @/host/libcuda.so.550.54 at /usr/lib/x86_64-linux-gnu/libcuda.so.550.54",
    "ro @/host/libvdpau_nvidia.so.550.54 at /usr/lib/x86_64-linux-gnu/vdpau/libvdpau_nvidia.so.550.54",
    "ro @/host/nvidia-smi at /usr/bin/nvidia-smi",
    "ro @/host/socket at /run/nvidia-persistenced/socket",
];

const LINKS_1_17: [&str; 5] = [
    "link /usr/lib/x86_64-linux-gnu/libcuda.so -> libcuda.so.1",
    "link /usr/lib/x86_64-linux-gnu/libcuda.so.1 -> libcuda.so.550.54",
    "link /usr/lib/x86_64-linux-gnu/vdpau/libvdpau_nvidia.so.1 -> libvdpau_nvidia.so.550.54",
    "folder /usr/lib/x86_64-linux-gnu",
    "folder /usr/lib/x86_64-linux-gnu/vdpau",
];

#[test]
fn nvidia_of_1_17() {
    let world = World::new();
    nvidia_host(&world).text("low/nvidia.yaml", NVIDIA_1_17);
    let expected = |nodes: &[&'static str], notes: &[&'static str]| -> Vec<&'static str> {
        let common = [
            "node /dev/null at /dev/nvidiactl",
            "node /dev/zero at /dev/nvidia-uvm",
        ];
        [&COMMON_1_17[..], &common, nodes, &LINKS_1_17, notes].concat()
    };
    let first = "node /dev/full at /dev/nvidia0";
    let second = "node /dev/random at /dev/nvidia1";
    let note = "note: the hook `chmod` is not needed: directories have that mode";
    world.check("nvidia.com/gpu=0", &expected(&[first], &[note]));
    world.check(
        "nvidia.com/gpu=GPU-4cf8db2d-06c0-7d70-1a51-e59b25b2c16c",
        &expected(&[first], &[]),
    );
    world.check("nvidia.com/gpu=all", &expected(&[first, second], &[]));
    // What is common comes once, and a node that two devices want comes once.
    world.check(
        "nvidia.com/gpu=all nvidia.com/gpu=0 nvidia.com/gpu=0",
        &expected(&[second, first], &[note]),
    );
}

/// As nvidia-ctk 1.20 writes them, here as JSON: it makes all links itself.
const NVIDIA_1_20: &str = r#"{"cdiVersion":"0.5.0","kind":"nvidia.com/gpu","devices":[
 {"name":"0","containerEdits":{"deviceNodes":[{"path":"/dev/nvidia0","hostPath":"/dev/null"}],"hooks":[
  {"hookName":"createContainer","path":"/usr/bin/nvidia-cdi-hook","env":["NVIDIA_CTK_DEBUG=false"],"args":["nvidia-cdi-hook",
   "create-symlinks","--link","../card1::/dev/dri/by-path/pci-0000:1b:00.0-card"]}]}},
 {"name":"1:0","containerEdits":{"deviceNodes":[{"path":"/dev/nvidia-caps/nvidia-cap3","hostPath":"/dev/zero"}]}}],
"containerEdits":{"env":["NVIDIA_VISIBLE_DEVICES=void","NVIDIA_CTK_LIBCUDA_DIR=/lib64"],"hooks":[
  {"hookName":"createContainer","path":"/usr/bin/nvidia-cdi-hook","args":["nvidia-cdi-hook","create-symlinks",
   "--link","libcuda.so.580.159.04::/lib64/libcuda.so.1","--link","libcuda.so.1::/lib64/libcuda.so"]},
  {"hookName":"createContainer","path":"/usr/bin/nvidia-cdi-hook","args":["nvidia-cdi-hook","enable-cuda-compat",
   "--host-driver-version=580.159.04","--host-cuda-version=13.0"]},
  {"hookName":"createContainer","path":"/usr/bin/nvidia-cdi-hook","args":["nvidia-cdi-hook","update-ldcache","--folder","/lib64"]},
  {"hookName":"createContainer","path":"/usr/bin/nvidia-cdi-hook","args":["nvidia-cdi-hook","disable-device-node-modification"]}],
 "mounts":[{"hostPath":"@/host/libcuda.so.580.159.04","containerPath":"/lib64/libcuda.so.580.159.04",
  "options":["ro","nosuid","nodev","rbind","rprivate"]}]}}"#;

#[test]
fn nvidia_of_1_20() {
    let world = World::new();
    world
        .library("host/libcuda.so.580.159.04", "libcuda.so.1")
        .text("high/nvidia.json", NVIDIA_1_20);
    let common = [
        "env NVIDIA_VISIBLE_DEVICES=void",
        "env NVIDIA_CTK_LIBCUDA_DIR=/lib64",
        "ro @/host/libcuda.so.580.159.04 at /lib64/libcuda.so.580.159.04",
    ];
    let links = [
        "link /lib64/libcuda.so.1 -> libcuda.so.580.159.04",
        "link /lib64/libcuda.so -> libcuda.so.1",
    ];
    let rest = [
        "folder /lib64",
        "compat 580.159.04",
        "note: the hook `disable-device-node-modification` is not needed: no guest can make device nodes",
    ];
    let whole = [
        &common[..],
        &["node /dev/null at /dev/nvidia0"],
        &links,
        &["link /dev/dri/by-path/pci-0000:1b:00.0-card -> ../card1"],
        &rest,
    ]
    .concat();
    world.check("nvidia.com/gpu=0", &whole);
    let part = [
        &common[..],
        &["node /dev/zero at /dev/nvidia-caps/nvidia-cap3"],
        &links,
        &rest,
    ]
    .concat();
    world.check("nvidia.com/gpu=1:0", &part);
}

/// As amd-ctk writes them: nodes and nothing else.
const AMD: &str = r#"{
  "cdiVersion": "0.6.0",
  "kind": "amd.com/gpu",
  "devices": [
    {"name": "0", "containerEdits": {"deviceNodes": [
      {"path": "/dev/kfd", "hostPath": "/dev/null", "permissions": "rw"},
      {"path": "/dev/dri/card1", "hostPath": "/dev/zero", "permissions": "rw"},
      {"path": "/dev/dri/renderD128", "hostPath": "/dev/full", "permissions": "rw"}]}},
    {"name": "all", "containerEdits": {"deviceNodes": [
      {"path": "/dev/kfd", "hostPath": "/dev/null", "type": "c", "fileMode": 432, "uid": 0, "gid": 109}]}}
  ],
  "containerEdits": {"additionalGids": null, "env": null}
}"#;

/// As Intel documents them: directories with links, and a type that says nothing.
const INTEL: &str = "\
---
cdiVersion: 0.5.0
kind: intel.com/gpu
devices:
    - name: gpu0
      containerEdits:
        deviceNodes:
            - path: /dev/dri/card0
              hostPath: /dev/zero
              type: c
            - {path: /dev/dri/renderD128, hostPath: /dev/full, type: c}
        mounts:
            - hostPath: '@/host/by-path'
              containerPath: /dev/dri/by-path
              options: [rw, rbind]
              type: bind
";

#[test]
fn amd_and_intel() {
    let world = World::new();
    world
        .text("low/amd.json", AMD)
        .text("high/intel.yaml", INTEL)
        .file("host/by-path/pci", "");
    let amd = [
        "node /dev/null at /dev/kfd",
        "node /dev/zero at /dev/dri/card1",
        "node /dev/full at /dev/dri/renderD128",
    ];
    world.check("amd.com/gpu=0", &amd);
    world.check("amd.com/gpu=all", &["node /dev/null at /dev/kfd"]);
    let intel = [
        "rw @/host/by-path at /dev/dri/by-path",
        "node /dev/zero at /dev/dri/card0",
        "node /dev/full at /dev/dri/renderD128",
    ];
    world.check("intel.com/gpu=gpu0", &intel);
    world.check(
        "intel.com/gpu=gpu0 amd.com/gpu=all",
        &[&intel[..], &["node /dev/null at /dev/kfd"]].concat(),
    );
}

#[test]
fn a_stale_specification_says_how_to_make_it_anew() {
    let world = World::new();
    nvidia_host(&world)
        .text("low/nvidia.yaml", NVIDIA_1_17)
        .file("sys/module/nvidia/version", "580.159.04\n");
    let told = world.told("nvidia.com/gpu=0");
    let expected = "warning: `@/low/nvidia.yaml`: it is for the driver 550.54, and the kernel has 580.159.04; the driver may \
                    have changed since: `sudo nvidia-ctk cdi generate --output=@/low/nvidia.yaml` makes it anew; \
                    `--nvidia` needs no specification";
    assert!(told.lines().any(|line| line == expected), "{told}");

    std::fs::remove_file(world.path("host/libcuda.so.550.54")).expect("it is there");
    world.check(
        "nvidia.com/gpu=0",
        &[
            "error: `@/low/nvidia.yaml` wants the file `@/host/libcuda.so.550.54` of this host",
            "  caused by: cannot stat `@/host/libcuda.so.550.54`",
            "  caused by: No such file or directory (os error 2)",
            "hint: the driver may have changed since: `sudo nvidia-ctk cdi generate --output=@/low/nvidia.yaml` makes it \
             anew; `--nvidia` needs no specification",
        ],
    );
}
