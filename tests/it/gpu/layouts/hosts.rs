//! Hosts as distributions, clusters and careless hands make them.

use super::world::{CORE, Host, Maker, V, elf};
use crate::gpu::elf_file::Target;

/// Name and maker of each.
pub(super) const HOSTS: &[Maker] = &[
    ("debian-alternatives", debian),
    ("rhel", rhel),
    ("rpm-odd-names", rpm_odd_names),
    ("arch", arch),
    ("nixos", nixos),
    ("gke", gke),
    ("colab", colab),
    ("two-versions", two_versions),
    ("empty-file", empty_file),
    ("stubs", stubs),
    ("dangling", dangling),
    ("removed-file", removed_file),
    ("vdpau", vdpau),
    ("mixed-32", mixed_32),
    ("musl", musl),
    ("none", none),
];

const T: &str = "usr/lib/x86_64-linux-gnu";

/// All goes through absolute links in `/etc/alternatives`, and the driver is in three directories.
fn debian(host: &mut Host) {
    host.usual_kernel();
    host.link("lib", "usr/lib");
    let current = format!("{T}/nvidia/current");
    let in_current: &[_] = &[
        ("libcuda", Some("1")),
        ("libnvidia-ml", Some("1")),
        ("libGLX_nvidia", Some("0")),
    ];
    host.driver(&current, V, in_current);
    for (stem, end) in in_current {
        let soname = format!("{stem}.so.{}", end.expect("each has one"));
        let alternative = format!("etc/alternatives/nvidia--{soname}-x86_64-linux-gnu");
        host.link(&format!("{T}/{soname}"), &format!("/{alternative}"));
        host.link(&alternative, &format!("/{current}/{soname}"));
    }
    host.link(
        &format!("{T}/libcuda.so"),
        "/etc/alternatives/nvidia--libcuda.so-x86_64-linux-gnu",
    );
    host.link(
        "etc/alternatives/nvidia--libcuda.so-x86_64-linux-gnu",
        &format!("/{current}/libcuda.so.1"),
    );
    // A library that no table knows, behind a link that does not tell.
    host.library(
        &format!("{current}/libnvidia-novel.so.{V}"),
        "libnvidia-novel.so.1",
    );
    host.link(
        &format!("{T}/libnvidia-novel.so.1"),
        &format!("nvidia/current/libnvidia-novel.so.{V}"),
    );
    host.driver(
        T,
        V,
        &[
            ("libnvidia-glcore", None),
            ("libnvidia-ptxjitcompiler", Some("1")),
            ("libnvidia-nvvm", Some("4")),
        ],
    );
    host.driver(&format!("{T}/nvidia"), V, &[("libnvidia-cfg", Some("1"))]);
    host.programs("usr/lib/nvidia/current", &["nvidia-smi"]);
    host.link("usr/bin/nvidia-smi", "/etc/alternatives/nvidia--nvidia-smi");
    host.link(
        "etc/alternatives/nvidia--nvidia-smi",
        "/usr/lib/nvidia/current/nvidia-smi",
    );
    host.programs("usr/bin", &["nvidia-cuda-mps-control"]);
    host.programs("usr/sbin", &["nvidia-cuda-mps-server"]);
    host.link(
        "etc/vulkan/icd.d/nvidia_icd.json",
        "/etc/alternatives/nvidia--nvidia_icd.json",
    );
    host.file(
        "etc/alternatives/nvidia--nvidia_icd.json",
        icd("libGLX_nvidia.so.0"),
    );
    host.file("etc/OpenCL/vendors/nvidia.icd", "libnvidia-opencl.so.1\n");
    host.loader_conf(
        "compat",
        &["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu"],
    );
}

/// Texts with absolute paths, one file for each machine, and a second set of libraries for 32 bit.
fn rhel(host: &mut Host) {
    host.usual_kernel();
    host.driver("usr/lib64", V, CORE);
    for stem in CORE.iter().map(|(stem, _)| stem) {
        host.file(
            &format!("usr/lib/{stem}.so.{V}"),
            elf(Target::I386).soname(&format!("{stem}.so.1")).bytes(),
        );
    }
    host.link("usr/lib/libcuda.so.1", &format!("libcuda.so.{V}"));
    host.programs(
        "usr/bin",
        &["nvidia-smi", "nvidia-persistenced", "nvidia-xconfig"],
    );
    let vulkan = "usr/share/vulkan/icd.d";
    host.file(
        &format!("{vulkan}/nvidia_icd.x86_64.json"),
        icd("/usr/lib64/libGLX_nvidia.so.0"),
    );
    host.file(
        &format!("{vulkan}/nvidia_icd.i686.json"),
        icd("/usr/lib/libGLX_nvidia.so.0"),
    );
    let layer = r#"{"file_format_version": "1.0.0", "layers": [{"name": "VK_LAYER_NV_optimus", "library_path": "/usr/lib64/libGLX_nvidia.so.0"}]}"#;
    host.file(
        "usr/share/vulkan/implicit_layer.d/nvidia_layers.json",
        layer,
    );
    host.file(
        "usr/share/glvnd/egl_vendor.d/10_nvidia.json",
        icd("libEGL_nvidia.so.0"),
    );
    host.file(
        "etc/OpenCL/vendors/nvidia.icd",
        "/usr/lib64/libnvidia-opencl.so.1\n",
    );
    host.file("usr/share/nvidia/nvoptix.bin", "weights");
    host.file(
        "usr/share/egl/egl_external_platform.d/15_nvidia_gbm.json",
        "{ not JSON",
    );
    host.loader_conf("old", &["/usr/lib64", "/usr/lib"]);
}

/// The version stands in the name of the link, and the file has that of its SONAME.
fn rpm_odd_names(host: &mut Host) {
    host.usual_kernel();
    host.driver(
        "usr/lib64",
        V,
        &[("libcuda", Some("1")), ("libnvidia-ml", Some("1"))],
    );
    for soname in [
        "libGLX_nvidia.so.0",
        "libnvidia-ptxjitcompiler.so.1",
        "libnvidia-novel.so.1",
    ] {
        host.library(&format!("usr/lib64/{soname}"), soname);
        let stem = soname.rsplit_once(".so").expect("it is a library").0;
        host.link(&format!("usr/lib64/{stem}.so.{V}"), soname);
    }
    host.library("usr/lib64/libnvidia-nvvm70.so.4", "libnvidia-nvvm70.so.4");
    host.library("usr/lib64/libnvidia-api.so.1", "libnvidia-api.so.1");
    host.loader_conf("new", &["/usr/lib64"]);
}

/// One directory for all, and platforms of EGL with versions of their own, of two packages.
fn arch(host: &mut Host) {
    host.usual_kernel();
    host.link("lib", "usr/lib");
    host.link("lib64", "usr/lib");
    host.link("usr/lib64", "lib");
    host.driver("usr/lib", V, CORE);
    host.driver(
        "usr/lib",
        V,
        &[("libEGL_nvidia", Some("0")), ("libnvidia-tls", None)],
    );
    host.link("usr/lib/libcuda.so", "libcuda.so.1");
    for version in ["1.1.13", "1.1.19"] {
        host.library(
            &format!("usr/lib/libnvidia-egl-wayland.so.{version}"),
            "libnvidia-egl-wayland.so.1",
        );
    }
    host.link(
        "usr/lib/libnvidia-egl-wayland.so.1",
        "libnvidia-egl-wayland.so.1.1.19",
    );
    host.link(
        "usr/lib/libnvidia-egl-wayland.so",
        "libnvidia-egl-wayland.so.1",
    );
    // Neighbours whose names begin alike.
    host.library("usr/lib/libnvme.so.1.9.0", "libnvme.so.1");
    host.library(
        "usr/lib/libnvidia-container.so.1.17.8",
        "libnvidia-container.so.1",
    );
    host.library("usr/lib/libnvrtc.so.12.8.61", "libnvrtc.so.12");
    host.library("usr/lib/libOpenCL.so.1.0.0", "libOpenCL.so.1");
    host.link("usr/lib/libOpenCL.so.1", "libOpenCL.so.1.0.0");
    host.programs("usr/bin", &["nvidia-smi"]);
    host.file(
        "usr/share/egl/egl_external_platform.d/10_nvidia_wayland.json",
        icd("libnvidia-egl-wayland.so.1"),
    );
    host.loader_conf("new", &["/usr/lib"]);
}

/// No cache; links into a store, where programs and libraries are apart.
fn nixos(host: &mut Host) {
    host.usual_kernel();
    let store = "nix/store/0c1nq9-nvidia-x11-580.159.04-6.12.40";
    host.driver(&format!("{store}/lib"), V, CORE);
    host.file(
        &format!("{store}/share/vulkan/icd.d/nvidia_icd.x86_64.json"),
        icd(&format!("/{store}/lib/libGLX_nvidia.so.0")),
    );
    let drivers = "nix/store/9xk2ls-graphics-drivers";
    host.link("run/opengl-driver", &format!("/{drivers}"));
    for (stem, end) in CORE {
        let versioned = format!("{stem}.so.{V}");
        host.link(
            &format!("{drivers}/lib/{versioned}"),
            &format!("/{store}/lib/{versioned}"),
        );
        if let Some(end) = end {
            let soname = format!("{stem}.so.{end}");
            host.link(
                &format!("{drivers}/lib/{soname}"),
                &format!("/{store}/lib/{soname}"),
            );
        }
    }
    host.link(&format!("{drivers}/share"), &format!("/{store}/share"));
    host.programs(
        "nix/store/7ab3-nvidia-x11-580.159.04-bin/bin",
        &["nvidia-smi"],
    );
    host.link(
        "run/current-system/sw/bin/nvidia-smi",
        "/nix/store/7ab3-nvidia-x11-580.159.04-bin/bin/nvidia-smi",
    );
}

/// A node of Google's: the driver is on the writable partition, which no cache knows.
fn gke(host: &mut Host) {
    host.usual_kernel();
    let nvidia = "home/kubernetes/bin/nvidia";
    host.driver(&format!("{nvidia}/lib64"), V, CORE);
    host.driver(
        &format!("{nvidia}/lib64"),
        V,
        &[("libvdpau_nvidia", Some("1"))],
    );
    host.programs(
        &format!("{nvidia}/bin"),
        &["nvidia-smi", "nvidia-debugdump"],
    );
    host.file(
        &format!("{nvidia}/vulkan/icd.d/nvidia_icd.json"),
        icd("libGLX_nvidia.so.0"),
    );
    // Not for programs of the driver: a C library of its own, and firmware.
    host.library(&format!("{nvidia}/glibc/libc.so.6"), "libc.so.6");
    host.file(
        &format!("{nvidia}/firmware/nvidia/{V}/gsp_ga10x.bin"),
        "firmware",
    );
    host.library("usr/lib64/libz.so.1.3", "libz.so.1");
    host.loader_conf("new", &["/usr/lib64"]);
}

/// The loader's cache knows nothing of the driver; the search path does.
fn colab(host: &mut Host) {
    host.usual_kernel();
    host.driver("usr/lib64-nvidia", V, CORE);
    host.library(&format!("{T}/libz.so.1.3"), "libz.so.1");
    host.programs("opt/bin", &["nvidia-smi"]);
    host.library_path = vec!["/usr/lib64-nvidia", "relative", "/absent"];
    host.program_path = vec!["/opt/bin", "/usr/bin"];
    host.loader_conf("new", &["/usr/lib/x86_64-linux-gnu"]);
}

/// Links lead to the driver that was installed later and is not loaded yet.
fn two_versions(host: &mut Host) {
    host.usual_kernel();
    host.driver(T, "590.44.01", CORE);
    host.driver(T, V, CORE);
    host.driver("usr/lib/nvidia-535", "535.261.03", CORE);
    host.library_path = vec!["/usr/lib/nvidia-535"];
    host.loader_conf("new", &["/usr/lib/x86_64-linux-gnu"]);
}

/// What another tool left behind where it had mounted a file.
fn empty_file(host: &mut Host) {
    host.usual_kernel();
    host.file(&format!("{T}/libcuda.so.{V}"), "");
    host.link(&format!("{T}/libcuda.so.1"), &format!("libcuda.so.{V}"));
    host.driver(T, V, &[("libnvidia-ml", Some("1"))]);
    host.driver("usr/local/nvidia/lib64", V, CORE);
    host.file("usr/bin/nvidia-smi", "");
    host.programs("usr/local/nvidia/bin", &["nvidia-smi"]);
    host.loader_conf("new", &["/usr/lib/x86_64-linux-gnu"]);
}

/// A module of the CUDA toolkit on a cluster.
fn stubs(host: &mut Host) {
    host.usual_kernel();
    host.driver("usr/lib64", V, CORE);
    let stubs = "opt/cuda/13.0/lib64/stubs";
    host.library(&format!("{stubs}/libcuda.so"), "libcuda.so.1");
    host.link(&format!("{stubs}/libcuda.so.1"), "libcuda.so");
    host.library(&format!("{stubs}/libnvidia-ml.so"), "libnvidia-ml.so.1");
    host.driver("opt/cuda/13.0/compat", "590.44.01", &CORE[..1]);
    host.library(
        "opt/cuda/13.0/lib64/libcudart.so.13.0.48",
        "libcudart.so.13",
    );
    host.library_path = vec![
        "/opt/cuda/13.0/lib64/stubs",
        "/opt/cuda/13.0/lib64",
        "/opt/cuda/13.0/compat",
    ];
    host.loader_conf("new", &["/usr/lib64"]);
}

/// A driver that was half removed, and one that is a text.
fn dangling(host: &mut Host) {
    host.usual_kernel();
    host.driver(T, V, CORE);
    host.gone = vec![concat!(
        "usr/lib/x86_64-linux-gnu/libnvidia-encode.so.",
        "580.159.04"
    )];
    host.link(&format!("{T}/libnvcuvid.so.1"), "libnvcuvid.so.570.133.20");
    host.link(&format!("{T}/libnvoptix.so.1"), "libnvoptix.so.1");
    host.file(
        &format!("{T}/libnvidia-fbc.so.{V}"),
        "INPUT(libnvidia-fbc.so.1)",
    );
    host.folder(&format!("{T}/libnvidia-cfg.so.{V}"));
    host.file(
        &format!("{T}/libnvidia-rtcore.so.{V}"),
        &elf(Target::X86_64).bytes()[..90],
    );
    host.loader_conf("new", &["/usr/lib/x86_64-linux-gnu"]);
}

/// A cache from before the driver went elsewhere.
fn removed_file(host: &mut Host) {
    host.usual_kernel();
    host.library("usr/lib64/libcuda.so.1", "libcuda.so.1");
    host.gone = vec!["usr/lib64/libcuda.so.1"];
    host.driver("usr/lib64/nvidia", V, CORE);
    host.loader_conf("new", &["/usr/lib64"]);
}

/// Plug-ins in the directory of their own, and once more among the libraries.
fn vdpau(host: &mut Host) {
    host.usual_kernel();
    host.driver(T, V, CORE);
    host.driver(&format!("{T}/vdpau"), V, &[("libvdpau_nvidia", Some("1"))]);
    host.link(
        &format!("{T}/libvdpau_nvidia.so"),
        "vdpau/libvdpau_nvidia.so.1",
    );
    host.library(
        &format!("{T}/vdpau/libvdpau_radeonsi.so.1.0.0"),
        "libvdpau_radeonsi.so.1",
    );
    host.driver(T, V, &[("libnvidia-allocator", Some("1"))]);
    host.link(
        &format!("{T}/gbm/nvidia-drm_gbm.so"),
        "../libnvidia-allocator.so.1",
    );
    host.loader_conf("new", &["/usr/lib/x86_64-linux-gnu"]);
}

/// Libraries of several machines, also in one directory.
fn mixed_32(host: &mut Host) {
    host.usual_kernel();
    host.driver(T, V, CORE);
    let other = |target: Target, soname: &str| elf(target).soname(soname).bytes();
    for (folder, target) in [
        ("usr/lib/i386-linux-gnu", Target::I386),
        ("opt/arm", Target::Aarch64),
        ("opt/power", Target::Ppc64le),
    ] {
        host.file(
            &format!("{folder}/libcuda.so.{V}"),
            other(target, "libcuda.so.1"),
        );
        host.link(
            &format!("{folder}/libcuda.so.1"),
            &format!("libcuda.so.{V}"),
        );
    }
    host.file(
        &format!("{T}/libnvidia-opencl.so.{V}"),
        other(Target::I386, "libnvidia-opencl.so.1"),
    );
    host.file("usr/bin/nvidia-smi", "#!/bin/sh\nexec ssh gpu nvidia-smi\n");
    host.file("usr/sbin/nvidia-smi", other(Target::Aarch64, "none"));
    host.programs("usr/local/bin", &["nvidia-smi"]);
    host.library_path = vec!["/opt/arm", "/opt/power", "/usr/lib/i386-linux-gnu"];
    host.loader_conf(
        "compat",
        &["/usr/lib/i386-linux-gnu", "/usr/lib/x86_64-linux-gnu"],
    );
}

/// musl's loader has no cache, and a file with directories instead.
fn musl(host: &mut Host) {
    host.usual_kernel();
    host.driver("opt/driver/lib", V, CORE);
    host.file(
        "etc/ld-musl-x86_64.path",
        "/lib:/usr/local/lib:/usr/lib\n/opt/driver/lib\n",
    );
    host.file("lib/ld-musl-x86_64.so.1", elf(Target::X86_64).bytes());
}

/// A host with everything but.
fn none(host: &mut Host) {
    host.folder("sys/module");
    host.library(&format!("{T}/libGL.so.1.7.0"), "libGL.so.1");
    host.library(&format!("{T}/libcudart.so.13.0.48"), "libcudart.so.13");
    host.nodes(&["null", "dri/card0", "dri/renderD128", "kfd"]);
    host.folder("usr/lib/wsl");
    host.loader_conf("new", &["/usr/lib/x86_64-linux-gnu"]);
}

/// A text as Vulkan's and EGL's loaders read it.
pub(super) fn icd(library: &str) -> String {
    format!(
        "{{\"file_format_version\": \"1.0.1\", \"ICD\": {{\"library_path\": \"{library}\", \"api_version\": \"1.4.312\"}}}}\n"
    )
}
