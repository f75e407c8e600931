//! Hosts that are none of the usual ones: old drivers, containers, Windows, and what means harm.

use super::hosts::icd;
use super::world::{CORE, Host, Maker, V, elf};

/// Name and maker of each.
pub(super) const HOSTS: &[Maker] = &[
    ("before-glvnd", before_glvnd),
    ("nested", nested),
    ("nested-apptainer", nested_apptainer),
    ("silent-kernel", silent_kernel),
    ("wsl", wsl),
    ("hostile", hostile),
];

/// A driver from when `libGL` was the driver, and its thread-local storage came twice.
fn before_glvnd(host: &mut Host) {
    let version = "384.183";
    host.kernel(version);
    host.processor("0000:01:00.0", 0);
    let folder = "usr/lib/nvidia-384";
    host.driver(
        folder,
        version,
        &[
            ("libcuda", Some("1")),
            ("libnvidia-ml", Some("1")),
            ("libnvidia-ptxjitcompiler", Some("1")),
        ],
    );
    host.driver(
        folder,
        version,
        &[
            ("libnvidia-fatbinaryloader", None),
            ("libnvidia-compiler", None),
            ("libnvidia-tls", None),
        ],
    );
    host.driver(
        &format!("{folder}/tls"),
        version,
        &[("libnvidia-tls", None)],
    );
    let whole = |soname: &str, core: &str| {
        elf(host.machine)
            .soname(soname)
            .needed(&format!("{core}.so.{version}"))
            .bytes()
    };
    host.file(
        &format!("{folder}/libGL.so.{version}"),
        whole("libGL.so.1", "libnvidia-glcore"),
    );
    host.link(
        &format!("{folder}/libGL.so.1"),
        &format!("libGL.so.{version}"),
    );
    host.file(
        &format!("{folder}/libEGL.so.{version}"),
        whole("libEGL.so.1", "libnvidia-eglcore"),
    );
    // That of GLVND, with the driver's version in its name: neutral all the same.
    host.file(
        &format!("{folder}/libGLESv2.so.{version}"),
        elf(host.machine)
            .soname("libGLESv2.so.2")
            .needed("libGLdispatch.so.0")
            .bytes(),
    );
    host.loader_conf("compat", &["/usr/lib/nvidia-384"]);
}

/// In a container of ours: each file a mount, links beside them.
fn nested(host: &mut Host) {
    host.usual_kernel();
    host.driver("usr/local/nvidia/lib64", V, CORE);
    host.link("usr/local/nvidia/lib64/libcuda.so", "libcuda.so.1");
    host.link(
        "usr/local/nvidia/lib64/libGLX_indirect.so.0",
        &format!("libGLX_nvidia.so.{V}"),
    );
    host.programs("usr/local/nvidia/bin", &["nvidia-smi"]);
    host.file(
        "usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json",
        icd("libGLX_nvidia.so.0"),
    );
    host.file(
        "usr/local/nvidia/share/OpenCL/vendors/nvidia.icd",
        "libnvidia-opencl.so.1\n",
    );
    host.library_path = vec!["/usr/local/nvidia/lib64"];
    host.program_path = vec!["/usr/bin", "/usr/local/nvidia/bin"];
    host.loader_conf("new", &["/usr/local/nvidia/lib64"]);
}

/// In a container of Apptainer: the names have no version, and there are no links.
fn nested_apptainer(host: &mut Host) {
    host.usual_kernel();
    for (stem, end) in CORE {
        let soname = end.map_or(format!("{stem}.so.{V}"), |end| format!("{stem}.so.{end}"));
        host.library(&format!(".singularity.d/libs/{soname}"), &soname);
    }
    host.library(".singularity.d/libs/libcuda.so", "libcuda.so.1");
    host.library(".singularity.d/libs/libGL.so.1", "libGL.so.1");
    host.library_path = vec!["/.singularity.d/libs"];
}

/// A sandbox that masks what the module says: the library tells its version.
fn silent_kernel(host: &mut Host) {
    host.nodes(&["nvidiactl", "nvidia0"]);
    host.library("usr/lib64/libcuda.so.1.1", "libcuda.so.1");
    host.file("usr/lib64/libcuda.so.999.1", "");
    host.driver("usr/lib64/nvidia", V, CORE);
    host.library(
        &format!("usr/lib64/nvidia/libnvidia-novel.so.{V}"),
        "libnvidia-novel.so.1",
    );
    host.library("usr/lib64/nvidia/libother.so.123.4", "libother.so.123");
    host.driver(
        "usr/lib64/nvidia",
        "470.256.02",
        &[("libnvcuvid", Some("1"))],
    );
    host.loader_conf("new", &["/usr/lib64/nvidia"]);
}

/// Windows: one node, no version, each name a file, and the driver in a store beside those of other makers.
fn wsl(host: &mut Host) {
    host.folder("sys/module");
    host.nodes(&["dxg"]);
    let library = "usr/lib/wsl/lib";
    for (name, soname) in [
        ("libcuda.so", "libcuda.so.1"),
        ("libcuda.so.1", "libcuda.so.1"),
        ("libcuda.so.1.1", "libcuda.so.1"),
        ("libd3d12.so", "libd3d12.so"),
        ("libdxcore.so", "libdxcore.so"),
        ("libnvidia-ml.so.1", "libnvidia-ml.so.1"),
        ("libnvidia-encode.so.1", "libnvidia-encode.so.1"),
        ("libnvoptix.so.1", "libnvoptix.so.1"),
    ] {
        host.library(&format!("{library}/{name}"), soname);
    }
    host.programs(library, &["nvidia-smi"]);
    let store = "usr/lib/wsl/drivers/nv_dispi.inf_amd64_7e5fd280efaa5445";
    for (name, soname) in [
        ("libcuda.so.1.1", "libcuda.so.1"),
        ("libcuda_loader.so", "libcuda_loader.so"),
        ("libnvidia-ml.so.1", "libnvidia-ml.so.1"),
        ("libnvidia-ml_loader.so", "libnvidia-ml_loader.so"),
        (
            "libnvidia-ptxjitcompiler.so.1",
            "libnvidia-ptxjitcompiler.so.1",
        ),
        ("libnvdxgdmal.so.1", "libnvdxgdmal.so.1"),
    ] {
        host.library(&format!("{store}/{name}"), soname);
    }
    host.programs(store, &["nvidia-smi"]);
    host.file(&format!("{store}/nvcubins.bin"), "code");
    host.file(&format!("{store}/nvcuda64.dll"), "MZ");
    host.library(
        "usr/lib/wsl/drivers/iigd_dch.inf_amd64_1/libigc.so",
        "libigc.so",
    );
    host.library(
        "usr/lib/wsl/drivers/nvhda.inf_amd64_2/libother.so",
        "libother.so",
    );
    host.link("usr/bin/nvidia-smi", "/usr/lib/wsl/lib/nvidia-smi");
    host.loader_conf("new", &["/usr/lib/wsl/lib"]);
}

/// Names that would leave the farm, loops, and kernel files that lie.
fn hostile(host: &mut Host) {
    host.kernel(V);
    host.file("sys/module/nvidia/version", "../../../etc\n");
    host.driver("usr/lib64", V, &CORE[..2]);
    for (idx, soname) in [
        "../../../etc/passwd",
        "",
        "..",
        "libnvidia-ml.so.1",
        "two words.so",
    ]
    .iter()
    .enumerate()
    {
        host.library(&format!("usr/lib64/libnvidia-evil{idx}.so.{V}"), soname);
    }
    host.link(
        &format!("usr/lib64/libnvidia-loop.so.{V}"),
        &format!("libnvidia-loop.so.{V}"),
    );
    host.link(
        &format!("usr/lib64/libnvidia-out.so.{V}"),
        "../../../../../../../../../etc/hostname",
    );
    host.link("usr/lib64/vdpau", "/usr/lib64");
    // Whoever opens a pipe waits for its other end.
    for name in [
        &format!("usr/lib64/libnvidia-pipe.so.{V}"),
        "etc/ld-musl-x86_64.path",
    ] {
        let pipe = host.root.join(name);
        std::fs::create_dir_all(pipe.parent().expect("a folder")).expect("a new folder");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    }
    let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    host.file("usr/share/vulkan/icd.d/nvidia_icd.json", deep);
    host.file(
        "usr/share/glvnd/egl_vendor.d/10_nvidia.json",
        r#"{"ICD": {"library_path": "/"}, "library_path": [1, {"library_path": "a/../.."}]}"#,
    );
    host.file(
        "proc/driver/nvidia/gpus/0000:01:00.0/information",
        "Device Minor: 99999999999\nModel:\nno colon\n",
    );
    host.file(
        "proc/driver/nvidia/gpus/0000:02:00.0/information",
        [0xff; 20_000],
    );
    host.file("etc/ld.so.cache", "glibc-ld.so.cache1.1 and nonsense");
}
