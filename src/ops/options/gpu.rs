//! What was typed of graphics processors and other devices, and the wish that it amounts to.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;

use super::BadValue;
use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::fsx;
use crate::base::path::HostPath;
use crate::gpu::cdi::DeviceName;
use crate::gpu::choice::Choice;
use crate::gpu::compat::CudaCompat;
use crate::plan::wish::{GpuWish, Text, Via};

/// The names of CDI devices that stand for `--gpus`, whose processors we find ourselves.
const NVIDIA_KIND: &[u8] = b"nvidia.com/gpu=";

const DEVICE_FORMS: &str = "`/dev/NODE[:/dev/NODE]` or a CDI name such as `vendor.com/class=name`";

/// What was typed, as it was typed.
#[derive(Clone, Debug, Default)]
pub struct GpuOptions {
    /// `--nvidia`, with the word behind it.
    pub nvidia: Option<String>,
    /// `--gpus`.
    pub gpus: Option<String>,
    /// `--device`.
    pub device: Vec<OsString>,
    /// `--rocm`.
    pub rocm: bool,
    /// `--intel`.
    pub intel: bool,
    /// `--dri`.
    pub dri: bool,
    /// `--driver-root`.
    pub driver_root: Option<PathBuf>,
    /// `--cuda-compat`.
    pub cuda_compat: Option<String>,
}

/// Two flags of which only one can be meant.
#[derive(Debug, thiserror::Error)]
#[error("`{one}` and `{other}` contradict each other: {reason}")]
struct Contradiction {
    one: &'static str,
    other: &'static str,
    reason: &'static str,
}

impl Fault for Contradiction {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec!["leave one of them away".to_owned()]
    }
}

/// One value of `--device`.
enum Device {
    /// A processor of NVIDIA, as `--gpus` names it.
    Gpu(String),
    /// A name of the Container Device Interface.
    Cdi(DeviceName),
    /// A node, as `-v` takes it: whoever shows one file shows another.
    Node(OsString),
}

impl GpuOptions {
    /// The wish, and mounts in the words of `-v` for single nodes. Relative paths are taken from `cwd`.
    pub(super) fn into_wish(self, cwd: &HostPath) -> Result<(GpuWish, Vec<Text>), BoxFault> {
        let nvidia = self.nvidia.as_deref().map(via).transpose()?;
        let cuda_compat = self.cuda_compat.as_deref().map(cuda_compat).transpose()?;
        let (mut named, mut devices, mut nodes) = (Vec::new(), Vec::new(), Vec::new());
        for typed in &self.device {
            match device(typed)? {
                Device::Gpu(name) => named.push(name),
                Device::Cdi(name) => devices.push(Text::from(name.to_string())),
                Device::Node(volume) => nodes.push(Text(volume)),
            }
        }
        let gpus = match (self.gpus, named.as_slice()) {
            (gpus, []) => gpus,
            (None, named) => Some(named.join(",")),
            (Some(_), _) => {
                return Err(Contradiction {
                    one: "--gpus",
                    other: "--device nvidia.com/gpu=…",
                    reason: "each says which GPUs",
                }
                .into());
            }
        };
        if let Some(text) = &gpus
            && Choice::parse(text)?.is_unset()
        {
            return Err(BadValue {
                flag: "--gpus",
                got: text.clone(),
                expected: "`all`, `none`, `mig`, or a list such as `0,1`",
            }
            .into());
        }
        if nvidia == Some(Via::Cdi) && self.driver_root.is_some() {
            return Err(Contradiction {
                one: "--nvidia=cdi",
                other: "--driver-root",
                reason: "a CDI specification names its files itself",
            }
            .into());
        }
        let driver_root = self.driver_root.map(|dir| cwd.join(dir));
        let wish = GpuWish {
            nvidia,
            gpus,
            devices,
            rocm: self.rocm,
            intel: self.intel,
            dri: self.dri,
            driver_root: driver_root.map(|dir| Text::from(dir.as_os_str())),
            cuda_compat: cuda_compat.unwrap_or_default(),
        };
        Ok((wish, nodes))
    }
}

fn via(word: &str) -> Result<Via, BadValue> {
    match word {
        "host" => Ok(Via::Discovery),
        "cdi" => Ok(Via::Cdi),
        other => Err(BadValue::of("--nvidia", other, "`host` or `cdi`")),
    }
}

fn cuda_compat(word: &str) -> Result<CudaCompat, BadValue> {
    match word {
        "auto" => Ok(CudaCompat::Auto),
        "on" => Ok(CudaCompat::On),
        "off" => Ok(CudaCompat::Off),
        other => Err(BadValue::of(
            "--cuda-compat",
            other,
            "`auto`, `on` or `off`",
        )),
    }
}

/// Takes a value of `--device` for what it is. docker-run(1), "--device"; podman-run(1), likewise, for CDI names.
fn device(typed: &OsStr) -> Result<Device, BoxFault> {
    let bytes = typed.as_bytes();
    let shown = typed.to_string_lossy();
    let bad = |expected| BadValue::of("--device", &shown, expected);
    if let Some(name) = bytes.strip_prefix(NVIDIA_KIND) {
        let name = std::str::from_utf8(name).map_err(|_| bad(DEVICE_FORMS))?;
        return match name.contains(',') {
            true => Err(bad("one device; `--device` can be repeated").into()),
            false => Ok(Device::Gpu(format!("nvidia.com/gpu={name}"))),
        };
    }
    let mut parts = bytes.split(|byte| *byte == b':');
    let (source, target, rights) = (parts.next(), parts.next(), parts.next());
    let source = OsStr::from_bytes(source.unwrap_or_default());
    if !source.as_bytes().starts_with(b"/") {
        let kind = bytes.split(|byte| *byte == b'=').next().unwrap_or_default();
        return match bytes.contains(&b'=') && kind.contains(&b'/') {
            true => Ok(Device::Cdi(shown.parse::<DeviceName>()?)),
            false => Err(bad(DEVICE_FORMS).into()),
        };
    }
    if parts.next().is_some() || target == Some(b"") {
        return Err(bad(DEVICE_FORMS).into());
    }
    // `/dev/x:r`: the rights may follow at once.
    let (target, rights) = match (target, rights) {
        (Some(word), None) if !word.starts_with(b"/") => (None, Some(word)),
        both => both,
    };
    // A node's own permissions decide; less of them would be a promise that nobody keeps.
    if rights.is_some_and(|rights| !matches!(rights, b"rwm" | b"rw")) {
        return Err(bad(
            "`rwm` or nothing behind the node: its own permissions decide what the guest may do",
        )
        .into());
    }
    let meta = fsx::metadata(source).ok().map(|meta| meta.file_type());
    if meta.is_some_and(|kind| !(kind.is_char_device() || kind.is_block_device() || kind.is_dir()))
    {
        return Err(bad("a device node, or a directory of them; `-v` takes other files").into());
    }
    let target = target.map_or(source, OsStr::from_bytes);
    // The host's own /dev is what every guest sees: a new name there would be one on the host.
    if target.as_bytes().starts_with(b"/dev/")
        && fsx::symlink_metadata(target).is_err()
        && meta.is_some()
    {
        return Err(
            bad("a name that is in /dev, or a place outside of it, behind the colon").into(),
        );
    }
    let mut volume = source.to_owned();
    volume.push(":");
    volume.push(target);
    Ok(Device::Node(volume))
}
