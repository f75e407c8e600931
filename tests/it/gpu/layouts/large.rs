//! Hosts with a whole driver or with many processors.

use super::hosts::icd;
use super::world::{CORE, Host, Maker, V, elf};

/// Name and maker of each.
pub(super) const HOSTS: &[Maker] = &[
    ("ubuntu", ubuntu),
    ("sbsa", sbsa),
    ("many-processors", many_processors),
    ("closed-module", closed_module),
];

const T: &str = "usr/lib/x86_64-linux-gnu";

/// What a package of the driver 580 and one of 590 have, by stem and end of the SONAME.
const WHOLE: &[(&str, Option<&str>)] = &[
    ("libnvidia-cfg", Some("1")),
    ("libnvidia-sandboxutils", Some("1")),
    ("libcudadebugger", Some("1")),
    ("libnvidia-opencl", Some("1")),
    ("libnvidia-tileiras", None),
    ("libnvidia-allocator", Some("1")),
    ("libnvidia-pkcs11", None),
    ("libnvidia-pkcs11-openssl3", None),
    ("libnvidia-opticalflow", Some("1")),
    ("libnvcuvid", Some("1")),
    ("libnvidia-eglcore", None),
    ("libnvidia-glcore", None),
    ("libnvidia-glsi", None),
    ("libnvidia-tls", None),
    ("libEGL_nvidia", Some("0")),
    ("libGLESv2_nvidia", Some("2")),
    ("libGLESv1_CM_nvidia", Some("1")),
    ("libnvidia-glvkspirv", None),
    ("libnvidia-rtcore", None),
    ("libnvoptix", Some("1")),
    ("libnvidia-fbc", Some("1")),
    ("libnvidia-vksc-core", Some("1")),
    ("libnvidia-present", None),
    ("libnvidia-gtk3", None),
    ("libnvidia-ngx", Some("1")),
    ("libnvidia-wfb", Some("1")),
];

/// Everything that a package has, in the directory of all other libraries.
fn ubuntu(host: &mut Host) {
    host.usual_kernel();
    host.nodes(&["nvidia-modeset", "dri/card1", "dri/renderD128", "dri/card0"]);
    for name in ["card1", "renderD128"] {
        host.folder(&format!("sys/bus/pci/devices/0000:1b:00.0/drm/{name}"));
    }
    host.link("lib", "usr/lib");
    host.driver(T, V, CORE);
    host.driver(T, V, WHOLE);
    host.link(&format!("{T}/libcuda.so"), "libcuda.so.1");
    host.file(
        &format!("{T}/libnvidia-vulkan-producer.so.{V}"),
        elf(host.machine).bytes(),
    );
    host.link(
        &format!("{T}/libnvidia-vulkan-producer.so"),
        &format!("libnvidia-vulkan-producer.so.{V}"),
    );
    host.driver(&format!("{T}/vdpau"), V, &[("libvdpau_nvidia", Some("1"))]);
    host.link(
        &format!("{T}/gbm/nvidia-drm_gbm.so"),
        "../libnvidia-allocator.so.1",
    );
    for (name, soname) in [
        ("libnvidia-egl-gbm.so.1.1.2", "libnvidia-egl-gbm.so.1"),
        ("libGL.so.1.7.0", "libGL.so.1"),
        ("libEGL.so.1.1.0", "libEGL.so.1"),
        ("libGLdispatch.so.0.0.0", "libGLdispatch.so.0"),
    ] {
        host.library(&format!("{T}/{name}"), soname);
        host.link(&format!("{T}/{soname}"), name);
    }
    host.library(
        &format!("{T}/nvidia/xorg/libglxserver_nvidia.so.{V}"),
        "libglxserver_nvidia.so",
    );
    host.programs(
        "usr/bin",
        &[
            "nvidia-smi",
            "nvidia-debugdump",
            "nvidia-cuda-mps-control",
            "nvidia-cuda-mps-server",
            "nvidia-modprobe",
            "nvidia-xconfig",
        ],
    );
    host.file(
        "usr/share/vulkan/icd.d/nvidia_icd.json",
        icd("libGLX_nvidia.so.0"),
    );
    host.file(
        "usr/share/glvnd/egl_vendor.d/10_nvidia.json",
        icd("libEGL_nvidia.so.0"),
    );
    host.file(
        "usr/share/glvnd/egl_vendor.d/50_mesa.json",
        icd("libEGL_mesa.so.0"),
    );
    host.file("etc/OpenCL/vendors/nvidia.icd", "libnvidia-opencl.so.1\n");
    host.file("usr/share/nvidia/nvoptix.bin", "weights");
    host.file(
        &format!("usr/lib/firmware/nvidia/{V}/gsp_ga10x.bin"),
        "firmware",
    );
    host.file("run/nvidia-persistenced/socket", "");
    host.file("run/nvidia-fabricmanager/socket", "");
    host.folder("tmp/nvidia-mps");
    host.loader_conf(
        "new",
        &["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu"],
    );
}

/// A server with an Arm processor; its cache also has entries for another machine.
fn sbsa(host: &mut Host) {
    host.machine = coracle::gpu::vantage::Machine::Aarch64;
    host.usual_kernel();
    let folder = "usr/lib/aarch64-linux-gnu";
    host.driver(folder, V, CORE);
    host.driver(folder, V, &[("libnvcuextend", Some("1"))]);
    host.programs("usr/bin", &["nvidia-smi"]);
    host.file(
        "usr/share/vulkan/icd.d/nvidia_icd.aarch64.json",
        icd("/usr/lib64/libGLX_nvidia.so.0"),
    );
    host.file(
        "usr/share/vulkan/icd.d/nvidia_icd.x86_64.json",
        icd("/usr/lib64/libGLX_nvidia.so.0"),
    );
    let path = |name: &str| format!("/{folder}/{name}");
    host.cache_by_hand(&[
        ("libcuda.so.1", &path("libcuda.so.1")),
        ("libnvidia-ml.so.1", &path("libnvidia-ml.so.1")),
    ]);
}

/// Twelve processors whose minors are in another order than their buses, of which the text of some sorts wrongly, one
/// is switched off, one has no node here; two are partitioned.
fn many_processors(host: &mut Host) {
    host.kernel(V);
    let buses = [
        "0000:0a:00.0",
        "0000:1b:00.0",
        "0000:9c:00.0",
        "0000:a1:00.0",
        "0001:01:00.0",
        "0002:03:00.1",
        "0002:03:00.0",
        "000a:00:00.0",
        "2000:00:00.0",
        "10000:00:00.0",
    ];
    for (idx, bus_id) in buses.iter().enumerate() {
        host.processor(bus_id, 11 - idx as u32);
    }
    host.nodes(&["nvidia1"]);
    host.information("10001:00:00.0", 1, "GPU Excluded:\t Yes\n");
    host.information("10002:00:00.0", 0, "GPU Excluded:\t No\n");
    host.folder("proc/driver/nvidia/gpus/not a bus");
    let capabilities = "proc/driver/nvidia/capabilities";
    for instance in [
        "gpu11/mig/gi1/ci0",
        "gpu11/mig/gi2/ci0",
        "gpu11/mig/gi2/ci1",
        "gpu11/mig/gi10/ci0",
        "gpu3/mig/gi0/ci0",
    ] {
        host.file(
            &format!("{capabilities}/{instance}/access"),
            "DeviceFileMinor: 12\nDeviceFileMode: 292\n",
        );
    }
    let minors = "config 1\nmonitor 2\ngpu3/gi0/access 30\ngpu3/gi0/ci0/access 31\ngpu11/gi1/access 3\ngpu11/gi1/ci0/access 4\n\
                  gpu11/gi2/access 12\ngpu11/gi2/ci0/access 13\ngpu11/gi2/ci1/access 14\ngpu11/gi10/access 102\ngpu11/gi10/ci0/access 103\n";
    host.file("proc/driver/nvidia-caps/mig-minors", minors);
    for cap in [1, 2, 3, 4, 12, 13, 14, 30, 31, 102, 103] {
        host.nodes(&[&format!("nvidia-caps/nvidia-cap{cap}")]);
    }
    host.nodes(&[
        "nvidia-caps-imex-channels/channel0",
        "nvidia-nvswitchctl",
        "nvidia-nvswitch0",
        "nvidia-nvlink",
        "nvidia-fs0",
        "gdrdrv",
    ]);
    host.nodes(&[
        "nvidia-modeset",
        "nvidiactl.old",
        "nvidia+5",
        "nvidia-caps/other",
    ]);
    host.driver("usr/lib64", V, CORE);
    host.loader_conf("new", &["/usr/lib64"]);
}

/// The closed module's words in the file that is left where `/sys/module` is masked, which says nothing of UVM.
fn closed_module(host: &mut Host) {
    let line = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.256.02  Thu May  2 14:37:44 UTC 2024\n";
    host.file(
        "proc/driver/nvidia/version",
        format!("{line}GCC version:  gcc version 11.4.0 (Ubuntu 11.4.0-1ubuntu1)\n"),
    );
    host.nodes(&["nvidiactl"]);
    host.processor("0000:01:00.0", 0);
    host.driver("usr/lib64", "470.256.02", &CORE[..3]);
    host.loader_conf("new", &["/usr/lib64"]);
}

/// Three processors and nothing else.
pub(super) fn three_processors(host: &mut Host) {
    host.kernel(V);
    host.processor("0000:01:00.0", 0);
    host.processor("0000:02:00.0", 1);
    host.processor("0000:03:00.0", 2);
}
