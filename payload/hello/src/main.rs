//! Says what it sees of its container: engine, kernel, user, root file system, mounts, GPU nodes.
//!
//! It assumes nothing: no `/proc`, no `/dev`, no files but itself. What it cannot see, it says so.

mod kernel;
mod mounts;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::process::ExitCode;

/// Widest list of mounts or devices that is shown; the rest is counted.
const SHOWN: usize = 16;

fn main() -> ExitCode {
    let mut rows = vec![("engine", vec![engine()]), ("kernel", vec![kernel()])];
    rows.push(("user", vec![user()]));
    rows.push(("rootfs", vec![rootfs()]));
    rows.push(("mounts", bounded(mounts::seen(), "not visible: no /proc")));
    rows.push(("GPU nodes", bounded(gpu_nodes(), "none")));
    let text = format!("Hello from inside a coracle.\n\n{}", table(&rows));
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Names in the left column, values in the right one, further values of a row below the first.
fn table(rows: &[(&str, Vec<String>)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, values) in rows {
        let mut name = *name;
        for value in values {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {name:width$}  {value}");
            name = "";
        }
    }
    text
}

/// At most [`SHOWN`] of `all`, with a count of what was left out; `absent` where there are none.
fn bounded(mut all: Vec<String>, absent: &str) -> Vec<String> {
    if all.is_empty() {
        return vec![absent.to_owned()];
    }
    if all.len() > SHOWN {
        let left_out = all.len() - (SHOWN - 1);
        all.truncate(SHOWN - 1);
        all.push(format!("and {left_out} more"));
    }
    all
}

/// Who runs us, as coracle tells it in the environment.
fn engine() -> String {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    match (variable("CORACLE_ENGINE"), variable("CORACLE_VERSION")) {
        (Some(engine), Some(version)) => format!("{engine} (coracle {version})"),
        (Some(engine), None) => engine,
        (None, _) => "none that introduced itself".to_owned(),
    }
}

fn kernel() -> String {
    kernel::name().map_or_else(
        || "unknown".to_owned(),
        |name| format!("{} {} {}", name.system, name.release, name.machine),
    )
}

/// Ids, with names where the guest's own files have them.
fn user() -> String {
    let (uid, gid) = kernel::ids();
    let part = |what: &str, id: u32, file: &str| match name_of(id, file) {
        Some(name) => format!("{what} {id} ({name})"),
        None => format!("{what} {id}"),
    };
    format!(
        "{}, {}",
        part("uid", uid, "/etc/passwd"),
        part("gid", gid, "/etc/group")
    )
}

/// The name of an id in a file of `name:password:id` lines.
fn name_of(id: u32, file: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text
        .lines()
        .find(|line| line.split(':').nth(2) == Some(&id.to_string()))?;
    line.split(':').next().map(str::to_owned)
}

/// What the root claims to be, and whether it can be written.
fn rootfs() -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map_or("unnamed", |name| name.trim_matches('"'));
    let writable = if kernel::root_is_writable() {
        "writable"
    } else {
        "read-only"
    };
    format!("{name}, {writable}")
}

/// Device nodes of GPUs and of the fabrics between them.
fn gpu_nodes() -> Vec<String> {
    let mut found = Vec::new();
    for (folder, prefixes) in [
        ("/dev", &["nvidia", "kfd", "dxg"][..]),
        ("/dev/dri", &["card", "renderD"][..]),
    ] {
        let Ok(entries) = fs::read_dir(folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if prefixes.iter().any(|prefix| name.starts_with(prefix)) {
                found.push(format!("{folder}/{name}"));
            }
        }
    }
    found.sort();
    found
}
