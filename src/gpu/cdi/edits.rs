//! From names of devices to what changes in a container.

use std::collections::BTreeSet;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use nix::sys::stat::{major, minor};

use crate::base::fsx;
use crate::base::path::{GuestPath, HostPath};
use crate::gpu::cdi::CdiError;
use crate::gpu::cdi::find::{Catalogue, Found};
use crate::gpu::cdi::hooks;
use crate::gpu::cdi::name::{DeviceName, shown};
use crate::gpu::cdi::spec::{ContainerEdits, DeviceNode, Mount};
use crate::gpu::cdi::write::LIBRARY_FOLDERS;
use crate::gpu::elf;

/// Permission bits of a tmpfs that says nothing else. mount(8), "tmpfs".
const TMPFS_MODE: u32 = 0o1777;
/// Bytes of `/sys/module/nvidia/version`.
const MAX_VERSION: u64 = 256;

/// What changes in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    /// Variables, each name once.
    pub environment: Vec<(String, String)>,
    /// Files and directories, each target once, in the order of the specifications.
    pub mounts: Vec<CdiMount>,
    /// Device nodes, each target once.
    pub nodes: Vec<CdiNode>,
    /// Symbolic links, each place once, and what they say.
    pub links: Vec<(GuestPath, String)>,
    /// Directories of the guest that its dynamic loader must search; their libraries are among the mounts.
    pub library_folders: Vec<GuestPath>,
    /// Supplementary groups that the guest should have. Nobody can give them to it; whoever carries this out tells of
    /// those that the caller lacks.
    pub groups: Vec<u32>,
    /// The version of the host's driver, where the image's package for CUDA's forward compatibility may come before it.
    pub cuda_compat: Option<String>,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// What was passed over because it makes no difference here.
    pub notes: Vec<String>,
}

/// A mount.
///
/// `nosuid`, `nodev` and `noexec` are not kept: they protect a host from a root user in the container, and here the
/// guest has no right that its caller lacks. Neither is `bind` told from `rbind`: a user namespace may not leave out
/// mounts below the one it binds. mount_namespaces(7), "Restrictions on mount namespaces".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CdiMount {
    /// What is mounted.
    pub source: CdiSource,
    /// Where.
    pub target: GuestPath,
    /// Whether writes fail.
    pub read_only: bool,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CdiSource {
    /// A file or directory of the host, which exists.
    Bind(HostPath),
    /// An empty directory in memory.
    Tmpfs {
        /// The limit in bytes.
        size: Option<u64>,
        /// Permission bits of its root.
        mode: u32,
    },
}

/// A device node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CdiNode {
    /// On the host, where it exists.
    pub host: HostPath,
    /// In the guest.
    pub target: GuestPath,
}

/// Gathers what the devices `names` change.
pub(super) fn gather(
    names: &[DeviceName],
    catalogue: &Catalogue,
    sys: &HostPath,
) -> Result<Edits, CdiError> {
    let mut edits = Edits::default();
    let mut seen_files: BTreeSet<&HostPath> = BTreeSet::new();
    let mut seen_names: BTreeSet<&DeviceName> = BTreeSet::new();
    for name in names {
        let (found, device) = catalogue.device(name)?;
        if !seen_names.insert(name) {
            continue;
        }
        if seen_files.insert(&found.path) {
            let told = found
                .checked
                .warnings
                .iter()
                .map(|warning| format!("`{}`: {warning}", found.path));
            edits.warnings.extend(told);
            edits
                .warnings
                .extend(catalogue.doubts(name, found).map(|broken| broken.told()));
            edits.apply(found, &found.checked.spec.container_edits)?;
            edits.take_folders(found);
            edits.warn_of_other_driver(found, sys);
        }
        edits.apply(found, &device.container_edits)?;
    }
    edits.link_sonames();
    let mut told = BTreeSet::new();
    edits
        .warnings
        .retain(|warning| told.insert(warning.clone()));
    edits.notes.retain(|note| told.insert(note.clone()));
    Ok(edits)
}

/// How the specification `found` is made anew.
fn refresh(found: &Found) -> String {
    let path = &found.path;
    match found.checked.kind.vendor() {
        "nvidia.com" => format!(
            "the driver may have changed since: `sudo nvidia-ctk cdi generate --output={path}` makes it anew; \
             `--nvidia` needs no specification"
        ),
        "amd.com" => {
            format!(
                "the driver may have changed since: `sudo amd-ctk cdi generate --output={path}` makes it anew"
            )
        }
        vendor => {
            format!("the driver may have changed since: make it anew with the tool of `{vendor}`")
        }
    }
}

impl Edits {
    /// Adds what `wanted`, a part of `found`, asks for. What comes later takes the place of what came before.
    fn apply(&mut self, found: &Found, wanted: &ContainerEdits) -> Result<(), CdiError> {
        for entry in &wanted.env {
            let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
            self.environment.retain(|(known, _)| known != name);
            self.environment.push((name.to_owned(), value.to_owned()));
        }
        for node in &wanted.device_nodes {
            self.add_node(found, node)?;
        }
        for mount in &wanted.mounts {
            self.add_mount(found, mount)?;
        }
        for hook in &wanted.hooks {
            hooks::imitate(hook, self).map_err(|error| CdiError::Wrong {
                file: found.path.clone(),
                what: "the hook's argument",
                text: error.argument,
                reason: error.reason,
            })?;
        }
        for group in wanted.additional_gids.iter().filter(|group| **group != 0) {
            if !self.groups.contains(group) {
                self.groups.push(*group);
            }
        }
        if wanted.intel_rdt.is_some() {
            self.warn(found, "`intelRdt` is left out: only an administrator can reserve cache and memory bandwidth");
        }
        if !wanted.net_devices.is_empty() {
            self.warn(
                found,
                "`netDevices` are left out: the guest has the host's network",
            );
        }
        Ok(())
    }

    fn warn(&mut self, found: &Found, text: &str) {
        self.warnings.push(format!("`{}`: {text}", found.path));
    }

    fn add_node(&mut self, found: &Found, node: &DeviceNode) -> Result<(), CdiError> {
        let target = guest(found, "the device node", &node.path)?;
        let host = node.host_path.as_ref().filter(|path| !path.is_empty());
        let host = HostPath::new(host.unwrap_or(&node.path));
        let facts = fsx::metadata(&host).map_err(|source| CdiError::Missing {
            file: found.path.clone(),
            what: "device node",
            path: host.clone(),
            source: Box::new(source),
            refresh: refresh(found),
        })?;
        let kind = facts.file_type();
        if !(kind.is_char_device() || kind.is_block_device() || kind.is_fifo()) {
            return Err(CdiError::NotDevice {
                file: found.path.clone(),
                path: host,
                refresh: refresh(found),
            });
        }
        let numbers = (major(facts.rdev()), minor(facts.rdev()));
        let said = (node.major.unwrap_or(0), node.minor.unwrap_or(0));
        // A major number of 0 stands for "not said": Go leaves it out.
        if said.0 > 0
            && (u64::try_from(said.0), u64::try_from(said.1)) != (Ok(numbers.0), Ok(numbers.1))
        {
            let text = format!(
                "`{host}` should be the device {}:{} and is {}:{}; {}",
                said.0,
                said.1,
                numbers.0,
                numbers.1,
                refresh(found)
            );
            self.warn(found, &text);
        }
        self.nodes.retain(|known| known.target != target);
        self.nodes.push(CdiNode { host, target });
        Ok(())
    }

    fn add_mount(&mut self, found: &Found, mount: &Mount) -> Result<(), CdiError> {
        let target = guest(found, "containerPath", &mount.container_path)?;
        let options = Options::read(mount);
        for option in &options.unknown {
            let text = format!(
                "the option `{}` of the mount at `{target}` is left out",
                shown(option)
            );
            self.warn(found, &text);
        }
        let source = match mount.mount_type.as_deref() {
            Some("tmpfs") if !options.is_bind => CdiSource::Tmpfs {
                size: options.size,
                mode: options.mode.unwrap_or(TMPFS_MODE),
            },
            None | Some("" | "none" | "bind") => self.bound(found, mount)?,
            Some(_) if options.is_bind => self.bound(found, mount)?,
            Some(other) => {
                let text = format!(
                    "the mount at `{target}` is left out: its type is `{}`",
                    shown(other)
                );
                self.warn(found, &text);
                return Ok(());
            }
        };
        self.mounts.retain(|known| known.target != target);
        self.mounts.push(CdiMount {
            source,
            target,
            read_only: options.read_only,
        });
        Ok(())
    }

    /// What of the host `mount` shows, which must be there.
    fn bound(&self, found: &Found, mount: &Mount) -> Result<CdiSource, CdiError> {
        if !mount.host_path.starts_with('/') {
            return Err(CdiError::Wrong {
                file: found.path.clone(),
                what: "the path",
                text: shown(&mount.host_path),
                reason: "to be mounted is not absolute",
            });
        }
        let host = HostPath::new(&mount.host_path);
        match fsx::metadata(&host) {
            Ok(_) => Ok(CdiSource::Bind(host)),
            Err(source) => Err(CdiError::Missing {
                file: found.path.clone(),
                what: "file",
                path: host,
                source: Box::new(source),
                refresh: refresh(found),
            }),
        }
    }

    /// Takes the folders that our own specifications name. See `write`.
    fn take_folders(&mut self, found: &Found) {
        let named = found.checked.spec.annotations.get(LIBRARY_FOLDERS);
        for folder in named.into_iter().flat_map(|folders| folders.split(':')) {
            if let Some(folder) = GuestPath::new(folder) {
                self.add_folder(folder);
            }
        }
    }

    pub(super) fn add_folder(&mut self, folder: GuestPath) {
        if !self.library_folders.contains(&folder) {
            self.library_folders.push(folder);
        }
    }

    pub(super) fn add_link(&mut self, place: GuestPath, target: &str) {
        self.links.retain(|(known, _)| *known != place);
        self.links.push((place, target.to_owned()));
    }

    /// Makes the links by SONAME that ldconfig(8) makes in the folders that it searches, which older specifications of
    /// NVIDIA's rely on: they name `libcuda.so.580.159.04` only, and programs ask for `libcuda.so.1`.
    fn link_sonames(&mut self) {
        let mut links = Vec::new();
        for mount in &self.mounts {
            let CdiSource::Bind(host) = &mount.source else {
                continue;
            };
            let path = mount.target.as_path();
            let (Some(folder), Some(name)) =
                (path.parent().and_then(GuestPath::new), path.file_name())
            else {
                continue;
            };
            let Some(name) = name.to_str().filter(|name| name.contains(".so")) else {
                continue;
            };
            if !self.library_folders.contains(&folder) {
                continue;
            }
            // What is no library that can be read gets no link: ldconfig passes over it too.
            let soname = fsx::open(host)
                .ok()
                .and_then(|file| elf::read(&file).ok()?.soname);
            let Some(soname) = soname
                .filter(|soname| soname != name && !soname.contains('/') && !soname.is_empty())
            else {
                continue;
            };
            links.push((folder.join(soname), name.to_owned()));
        }
        for (place, target) in links {
            let is_taken = self.mounts.iter().any(|mount| mount.target == place)
                || self.links.iter().any(|(known, _)| *known == place);
            if !is_taken {
                self.add_link(place, &target);
            }
        }
    }

    /// Tells of libraries of another driver than the kernel's: every call of theirs fails, and says little of why.
    fn warn_of_other_driver(&mut self, found: &Found, sys: &HostPath) {
        let paths = found
            .checked
            .spec
            .all_edits()
            .flat_map(|edits| &edits.mounts);
        let names = paths.filter_map(|mount| mount.host_path.rsplit('/').next());
        let versions = names.filter_map(|name| {
            name.strip_prefix("libcuda.so.")
                .or_else(|| name.strip_prefix("libnvidia-ml.so."))
        });
        // `libcuda.so.1` says nothing.
        let Some(version) = versions.into_iter().find(|version| version.contains('.')) else {
            return;
        };
        let kernel = fsx::read(sys.join("module/nvidia/version"), MAX_VERSION).unwrap_or_default();
        let kernel = String::from_utf8_lossy(&kernel).trim().to_owned();
        if !kernel.is_empty() && kernel != version {
            let text = format!(
                "it is for the driver {}, and the kernel has {kernel}; {}",
                shown(version),
                refresh(found)
            );
            self.warn(found, &text);
        }
    }
}

fn guest(found: &Found, what: &'static str, path: &str) -> Result<GuestPath, CdiError> {
    let place = GuestPath::new(path).filter(|place| *place != GuestPath::root());
    place.ok_or_else(|| CdiError::Wrong {
        file: found.path.clone(),
        what,
        text: shown(path),
        reason: "is no place in a container",
    })
}

/// The options of a mount.
#[derive(Default)]
struct Options {
    read_only: bool,
    is_bind: bool,
    size: Option<u64>,
    mode: Option<u32>,
    unknown: Vec<String>,
}

impl Options {
    fn read(mount: &Mount) -> Options {
        let mut options = Options::default();
        for option in &mount.options {
            match option.as_str() {
                "ro" => options.read_only = true,
                "rw" => options.read_only = false,
                "bind" | "rbind" => options.is_bind = true,
                // See `CdiMount`.
                "nosuid" | "suid" | "nodev" | "dev" | "noexec" | "exec" | "defaults" | "" => {}
                // Mounts of a guest reach no other namespace.
                "private" | "rprivate" | "slave" | "rslave" | "unbindable" | "runbindable" => {}
                // Only an administrator sees a difference.
                "atime" | "noatime" | "relatime" | "norelatime" | "strictatime" | "nodiratime"
                | "diratime" => {}
                other => match other.split_once('=') {
                    Some(("size", text)) if bytes(text).is_some() => options.size = bytes(text),
                    Some(("mode", text)) if mode(text).is_some() => options.mode = mode(text),
                    _ => options.unknown.push(other.to_owned()),
                },
            }
        }
        options
    }
}

/// Reads `64m`. mount(8), "tmpfs".
fn bytes(text: &str) -> Option<u64> {
    let unit = match text.bytes().last()?.to_ascii_lowercase() {
        b'k' => 1 << 10,
        b'm' => 1 << 20,
        b'g' => 1 << 30,
        _ => return text.parse().ok(),
    };
    text[..text.len() - 1]
        .parse::<u64>()
        .ok()?
        .checked_mul(unit)
}

/// Reads permission bits in octal.
fn mode(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o7777)
}
