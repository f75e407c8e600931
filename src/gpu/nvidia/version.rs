//! The driver's version: what the kernel says, and what names of files say.

use crate::base::fsx;
use crate::base::path::HostPath;
use crate::gpu::nvidia::DriverVersion;
use crate::gpu::vantage::Vantage;

/// Both files are a few lines.
const MAX_FILE: u64 = 16 << 10;
/// Longer than any version: `580.159.04` has ten.
const MAX_VERSION: usize = 24;

/// The version of the module in the running kernel.
pub(super) fn of_kernel(vantage: &Vantage) -> Option<DriverVersion> {
    // The attribute is the bare version; the other file a sentence about it. Kernels without `/sys/module`
    // (a sandbox that masks it) may have that one.
    let attribute = vantage.sys.join("module/nvidia/version");
    let sentence = vantage.proc.join("driver/nvidia/version");
    [attribute, sentence].into_iter().find_map(in_file)
}

fn in_file(source: HostPath) -> Option<DriverVersion> {
    let bytes = fsx::read_regular(&source, MAX_FILE).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let version = in_line(text.lines().next()?)?.to_owned();
    Some(DriverVersion {
        version,
        source,
        from_kernel: true,
    })
}

/// The first word that is a version. The closed module says
/// `NVRM version: NVIDIA UNIX x86_64 Kernel Module  V  date`, the open one
/// `NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  V  …`; only words tell where the version is.
pub(super) fn in_line(line: &str) -> Option<&str> {
    line.split_whitespace().find(|word| is_version(word))
}

/// The version at the end of a library's name, if it is one of a driver: those have at least three digits before the
/// first dot, which tells `libcuda.so.580.159.04` from `libnvidia-egl-wayland.so.1.1.13`.
pub(super) fn of_name(name: &str) -> Option<&str> {
    // By its dots: to search for the text costs several times as much, and this is asked of every name in `/usr/lib`.
    let mut dots = name.match_indices('.');
    let version = dots.find_map(|(at, _)| name[at..].strip_prefix(".so."))?;
    let (major, _) = version.split_once('.')?;
    (major.len() >= 3 && is_version(version)).then_some(version)
}

/// Digits and single dots between them, at least one of those.
fn is_version(word: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    word.len() <= MAX_VERSION && word.contains('.') && word.split('.').all(is_number)
}
