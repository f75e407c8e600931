//! Images for other processors than this host's: whether something here runs their programs.

use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::fsx;
use crate::oci::platform::Platform;
use crate::store::ImageRecord;

/// Where the kernel tells which programs it hands to an interpreter. binfmt_misc.rst of the kernel.
const BINFMT: &str = "/proc/sys/fs/binfmt_misc";
/// Bytes of one entry there; the kernel writes a page at most.
const ENTRY_LIMIT: u64 = 64 << 10;

/// An image whose programs this host does not run.
#[derive(Debug, thiserror::Error)]
#[error("image `{image}` is for `{got}`, expected `{host}`")]
pub(super) struct Foreign {
    image: String,
    got: Platform,
    host: Platform,
}

impl Fault for Foreign {
    fn kind(&self) -> Kind {
        Kind::Refused
    }

    fn hints(&self) -> Vec<String> {
        vec![
            format!(
                "pull one for this host: `coracle pull --platform {}`",
                self.host
            ),
            format!(
                "qemu-user-static with binfmt_misc would run it; if the image is wrong about itself, add `--platform {}`",
                self.got
            ),
        ]
    }
}

/// Refuses an image for another platform than the host's that nobody asked for, unless the kernel knows an interpreter
/// for its programs. An image that says nothing of its platform is for any.
pub(super) fn check(image: &ImageRecord, wanted: Option<&Platform>) -> Result<(), BoxFault> {
    let (got, host) = (&image.platform, Platform::host());
    let is_known = !got.os.is_empty() && !got.architecture.is_empty();
    if wanted.is_some() || !is_known || host.is_kin_of(got) || is_run_by_kernel(got, &host) {
        return Ok(());
    }
    Err(Foreign {
        image: image.name.clone(),
        got: got.clone(),
        host,
    }
    .into())
}

fn is_run_by_kernel(got: &Platform, host: &Platform) -> bool {
    let architectures = (host.architecture.as_str(), got.architecture.as_str());
    let is_smaller_kin = matches!(architectures, ("amd64", "386") | ("arm64", "arm"));
    got.os == "linux" && (is_smaller_kin || has_interpreter(&got.architecture))
}

/// Whether an enabled entry of binfmt_misc is for this processor, by the names that qemu's packages give them.
fn has_interpreter(architecture: &str) -> bool {
    let name = match architecture {
        "arm64" => "aarch64",
        "amd64" => "x86_64",
        "386" => "i386",
        "loong64" => "loongarch64",
        "mips64le" => "mips64el",
        "mipsle" => "mipsel",
        other => other,
    };
    fsx::names(BINFMT).iter().any(|entry| {
        let is_for_it = entry.rsplit('-').next() == Some(name);
        let text = || fsx::read(format!("{BINFMT}/{entry}"), ENTRY_LIMIT).unwrap_or_default();
        is_for_it && text().starts_with(b"enabled")
    })
}
