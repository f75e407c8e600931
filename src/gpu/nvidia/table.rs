//! What is known of the driver's libraries by name: what each is for, and which names lead to it.
//!
//! A library that is not in here is found all the same by its version. The table was put together from the packages of
//! the drivers 384 to 590 and from what nvidia-container-toolkit 1.20, Apptainer 1.5 and udocker 1.3 know.

use crate::gpu::nvidia::Group;

/// Whose version a library has at the end of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbering {
    /// The driver's; a library with another one does not fit the kernel module.
    Driver,
    /// Its own or none, because it is made elsewhere or fits every driver.
    Own,
    /// Of no concern: the library is the same with any driver, and images bring it.
    Neutral,
}

/// One library.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// What stands before `.so`.
    pub(super) stem: &'static str,
    /// What it is for.
    pub(super) group: Group,
    /// Whose version its name ends with.
    pub(super) numbering: Numbering,
    /// Names that programs ask for beside the SONAME.
    pub(super) links: &'static [&'static str],
}

/// Without these CUDA programs fail. `libnvidia-nvvm` came with 495; its absence from an older driver is no fault.
const REQUIRED: [&str; 4] = [
    "libcuda",
    "libnvidia-ml",
    "libnvidia-ptxjitcompiler",
    "libnvidia-nvvm",
];

/// What is not known by name is likelier a part of CUDA than anything else, as the latest ones were
/// (`libnvidia-gpucomp`, `libnvidia-tileiras`), and programs fail without those.
const UNKNOWN: Row = driver("", Group::Compute);

impl Row {
    /// Whether CUDA programs fail without it.
    pub(super) fn is_required(&self) -> bool {
        REQUIRED.contains(&self.stem)
    }
}

/// What is known of a library of that stem.
pub(super) fn row(stem: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.stem == stem)
}

/// Whether a file of that name is a library of the table. Nearly all names of a large directory are none, and are
/// refused by their first letters.
pub(super) fn knows(name: &str) -> bool {
    may_know(name.as_bytes()) && stem(name).and_then(row).is_some()
}

/// Whether a stem of the table begins like `name`.
const fn may_know(name: &[u8]) -> bool {
    match name {
        [b'l', b'i', b'b', rest @ ..] => matches!(
            rest,
            [b'n', b'v', ..]
                | [b'c', b'u', b'd', b'a', ..]
                | [b'G', b'L', ..]
                | [b'E', b'G', b'L', ..]
                | [b'O', b'p', b'e', b'n', ..]
                | [b'v', b'd', b'p', b'a', b'u', b'_', ..]
                | [b'd', b'x', ..]
                | [b'g', b'l', b'x', ..]
        ),
        [b'n', b'v', b'i', b'd', b'i', b'a', b'_', ..] => true,
        _ => false,
    }
}

// A row that its first letters refuse would never be found.
const _: () = {
    let mut idx = 0;
    while idx < ROWS.len() {
        assert!(may_know(ROWS[idx].stem.as_bytes()));
        idx += 1;
    }
};

/// What is known of a library of that stem, or what holds for all others.
pub(super) fn row_or_default(stem: &str) -> &'static Row {
    row(stem).unwrap_or(&UNKNOWN)
}

/// What stands before the first `.so` of a library's name; `None` for what is no library.
pub(super) fn stem(name: &str) -> Option<&str> {
    let (stem, rest) = name.split_once(".so")?;
    (rest.is_empty() || rest.starts_with('.')).then_some(stem)
}

const fn driver(stem: &'static str, group: Group) -> Row {
    linked(stem, group, &[])
}

const fn linked(stem: &'static str, group: Group, links: &'static [&'static str]) -> Row {
    Row {
        stem,
        group,
        numbering: Numbering::Driver,
        links,
    }
}

const fn own(stem: &'static str, group: Group) -> Row {
    Row {
        stem,
        group,
        numbering: Numbering::Own,
        links: &[],
    }
}

const fn neutral(stem: &'static str, group: Group) -> Row {
    Row {
        stem,
        group,
        numbering: Numbering::Neutral,
        links: &[],
    }
}

const ROWS: [Row; 66] = [
    // The unversioned name is not in every package, and is what many programs open.
    linked("libcuda", Group::Compute, &["libcuda.so"]),
    linked("libnvidia-ml", Group::Utility, &["libnvidia-ml.so"]),
    driver("libnvidia-ptxjitcompiler", Group::Compute),
    driver("libnvidia-nvvm", Group::Compute),
    own("libnvidia-nvvm70", Group::Compute),
    driver("libcudadebugger", Group::Compute),
    driver("libnvidia-opencl", Group::Compute),
    driver("libnvidia-gpucomp", Group::Compute),
    driver("libnvidia-tileiras", Group::Compute),
    driver("libnvidia-allocator", Group::Compute),
    driver("libnvidia-pkcs11", Group::Compute),
    driver("libnvidia-pkcs11-openssl3", Group::Compute),
    driver("libnvidia-fatbinaryloader", Group::Compute),
    driver("libnvidia-compiler", Group::Compute),
    driver("libnvcuextend", Group::Compute),
    driver("libnvidia-cfg", Group::Utility),
    driver("libnvidia-nscq", Group::Utility),
    driver("libnvidia-sandboxutils", Group::Utility),
    driver("libvdpau_nvidia", Group::Video),
    driver("libnvidia-encode", Group::Video),
    linked(
        "libnvidia-opticalflow",
        Group::Video,
        &["libnvidia-opticalflow.so"],
    ),
    driver("libnvcuvid", Group::Video),
    driver("libnvidia-eglcore", Group::Graphics),
    driver("libnvidia-glcore", Group::Graphics),
    driver("libnvidia-glsi", Group::Graphics),
    driver("libnvidia-tls", Group::Graphics),
    // What GLVND asks for where no X server says whose screen it is.
    linked("libGLX_nvidia", Group::Graphics, &["libGLX_indirect.so.0"]),
    driver("libEGL_nvidia", Group::Graphics),
    driver("libGLESv2_nvidia", Group::Graphics),
    driver("libGLESv1_CM_nvidia", Group::Graphics),
    driver("libnvidia-glvkspirv", Group::Graphics),
    driver("libnvidia-rtcore", Group::Graphics),
    driver("libnvoptix", Group::Graphics),
    driver("libnvidia-fbc", Group::Graphics),
    driver("libnvidia-ifr", Group::Graphics),
    driver("libnvidia-cbl", Group::Graphics),
    own("libnvidia-egl-wayland", Group::Graphics),
    own("libnvidia-egl-wayland2", Group::Graphics),
    own("libnvidia-egl-gbm", Group::Graphics),
    own("libnvidia-egl-xcb", Group::Graphics),
    own("libnvidia-egl-xlib", Group::Graphics),
    driver("libnvidia-vulkan-producer", Group::Graphics),
    driver("libnvidia-vksc-core", Group::Graphics),
    own("libnvidia-api", Group::Graphics),
    driver("libnvidia-present", Group::Graphics),
    driver("libnvidia-wayland-client", Group::Graphics),
    driver("libnvidia-gtk2", Group::Graphics),
    driver("libnvidia-gtk3", Group::Graphics),
    driver("libnvidia-ngx", Group::Ngx),
    // Modules of an X server, where a package puts them among the libraries.
    driver("libnvidia-wfb", Group::Display),
    driver("libglxserver_nvidia", Group::Display),
    driver("libglx", Group::Display),
    own("nvidia_drv", Group::Display),
    neutral("libGL", Group::Graphics),
    neutral("libEGL", Group::Graphics),
    neutral("libGLX", Group::Graphics),
    neutral("libOpenGL", Group::Graphics),
    neutral("libGLdispatch", Group::Graphics),
    neutral("libGLESv1_CM", Group::Graphics),
    neutral("libGLESv2", Group::Graphics),
    neutral("libOpenCL", Group::Compute),
    // WSL, whose libraries have versions of their own.
    own("libdxcore", Group::Utility),
    own("libcuda_loader", Group::Compute),
    own("libnvidia-ml_loader", Group::Utility),
    own("libnvdxgdmal", Group::Compute),
    own("libnvwgf2umx", Group::Graphics),
];
