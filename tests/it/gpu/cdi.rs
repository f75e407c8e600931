//! Specifications of the Container Device Interface: files and names of devices in, what changes in a container out.

mod documents;
mod generators;
mod guest;
mod hooks;
mod places;
mod round_trip;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use coracle::base::fault::Fault;
use coracle::base::path::HostPath;
use coracle::gpu::cdi::{self, CdiError, CdiSource, DeviceName, Edits};

use super::elf_file::ElfFile;
use coracle::gpu::vantage::Machine;

/// A small host: `low` and `high` hold specifications, `host` what they want of it. `@` stands for its root, in files and
/// in what is compared.
struct World {
    root: PathBuf,
}

impl World {
    fn new() -> World {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("coracle-cdi.{}.{count}", std::process::id()));
        let world = World { root };
        for folder in ["low", "high", "host", "sys/module/nvidia"] {
            std::fs::create_dir_all(world.root.join(folder))
                .expect("the temporary directory is writable");
        }
        world
    }

    /// Writes a file.
    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> &World {
        let path = self.root.join(name);
        std::fs::create_dir_all(path.parent().expect("it lies in the root")).expect("writable");
        std::fs::write(path, content).expect("writable");
        self
    }

    /// Writes a text in which `@` stands for the root.
    fn text(&self, name: &str, text: &str) -> &World {
        self.file(
            name,
            text.replace('@', self.root.to_str().expect("made of ASCII")),
        )
    }

    /// Puts a library with this SONAME on the host.
    fn library(&self, name: &str, soname: &str) -> &World {
        self.file(
            name,
            ElfFile::library(Machine::X86_64).soname(soname).bytes(),
        )
    }

    fn path(&self, name: impl AsRef<Path>) -> HostPath {
        HostPath::new(self.root.join(name))
    }

    fn resolve(&self, names: &str) -> Result<Edits, CdiError> {
        let names: Vec<DeviceName> = names
            .split_whitespace()
            .map(|name| name.parse().expect("tests ask for names that are right"))
            .collect();
        cdi::resolve(
            &names,
            &[self.path("low"), self.path("high")],
            &self.path("sys"),
        )
    }

    /// What the devices `names` change, or why they cannot be had.
    fn told(&self, names: &str) -> String {
        let told = match self.resolve(names) {
            Ok(edits) => shown(&edits),
            Err(error) => failure(&error),
        };
        told.replace(self.root.to_str().expect("made of ASCII"), "@")
    }

    #[track_caller]
    fn check(&self, names: &str, expected: &[&str]) {
        assert_eq!(
            self.told(names).lines().collect::<Vec<_>>(),
            expected,
            "devices {names}"
        );
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _left_for_a_look = std::fs::remove_dir_all(&self.root);
    }
}

fn shown(edits: &Edits) -> String {
    let mut lines = Vec::new();
    lines.extend(
        edits
            .environment
            .iter()
            .map(|(name, value)| format!("env {name}={value}")),
    );
    for mount in &edits.mounts {
        let access = if mount.read_only { "ro" } else { "rw" };
        lines.push(match &mount.source {
            CdiSource::Bind(host) => format!("{access} {host} at {}", mount.target),
            CdiSource::Tmpfs { size, mode } => {
                format!("{access} tmpfs {size:?} {mode:o} at {}", mount.target)
            }
        });
    }
    lines.extend(
        edits
            .nodes
            .iter()
            .map(|node| format!("node {} at {}", node.host, node.target)),
    );
    lines.extend(
        edits
            .links
            .iter()
            .map(|(place, target)| format!("link {place} -> {target}")),
    );
    lines.extend(
        edits
            .library_folders
            .iter()
            .map(|folder| format!("folder {folder}")),
    );
    lines.extend(edits.groups.iter().map(|group| format!("group {group}")));
    lines.extend(
        edits
            .cuda_compat
            .iter()
            .map(|version| format!("compat {version}")),
    );
    lines.extend(
        edits
            .warnings
            .iter()
            .map(|warning| format!("warning: {warning}")),
    );
    lines.extend(edits.notes.iter().map(|note| format!("note: {note}")));
    lines.join("\n")
}

fn failure(error: &CdiError) -> String {
    let mut lines = vec![format!("error: {error}")];
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        lines.push(format!("  caused by: {source}"));
        cause = source.source();
    }
    lines.extend(
        error
            .hints()
            .into_iter()
            .map(|hint| format!("hint: {hint}")),
    );
    lines.join("\n")
}

#[test]
fn names_have_three_parts() {
    let right = [
        "nvidia.com/gpu=0",
        "nvidia.com/gpu=all",
        "a/b=c",
        "v-1_2.x/c-1.d=1:0",
        "amd.com/gpu=GPU-1:2.3_4",
    ];
    for text in right {
        let name = text.parse::<DeviceName>().map(|name| name.to_string());
        assert_eq!(name.as_deref(), Ok(text));
    }
    let wrong = [
        (
            "",
            "`` names no device: expected `vendor/class=name`, such as `nvidia.com/gpu=0`",
        ),
        (
            "/dev/kfd",
            "`/dev/kfd` names no device: expected `vendor/class=name`, such as `nvidia.com/gpu=0`",
        ),
        (
            "gpu=0",
            "`gpu=0` names no device: expected `vendor/class=name`, such as `nvidia.com/gpu=0`",
        ),
        ("nvidia.com/gpu=", "device `` is empty"),
        ("/gpu=0", "vendor `` is empty"),
        ("nvidia.com/=0", "class `` is empty"),
        (
            "1nvidia.com/gpu=0",
            "vendor `1nvidia.com` does not begin with a letter",
        ),
        (
            "nvidia.com./gpu=0",
            "vendor `nvidia.com.` does not end with a letter or digit",
        ),
        ("nvidia.com/g pu=0", "class `g pu` contains ` `"),
        ("nvidia.com/a/b=0", "class `a/b` contains `/`"),
        (
            "nvidia.com/gpu=-0",
            "device `-0` does not begin with a letter or digit",
        ),
        (
            "nvidia.com/gpu=0:",
            "device `0:` does not end with a letter or digit",
        ),
        ("nvidia.com/gpu=0=1", "device `0=1` contains `=`"),
        ("nvidia.com/gpu=ä", "device `ä` contains `ä`"),
        ("nvidia.com/gpu=0\0", "device `0\\0` contains `\\0`"),
    ];
    for (text, message) in wrong {
        let error = text.parse::<DeviceName>().expect_err(text);
        assert_eq!(error.to_string(), message, "{text:?}");
    }
    let long = format!("a/{}=0", "c".repeat(64));
    let error = long.parse::<DeviceName>().expect_err("64 bytes");
    assert!(
        error.to_string().ends_with("is longer than 63 bytes"),
        "{error}"
    );
}
