//! What was found on a host as text, for people to review.

use std::fmt::Write;
use std::path::Path;

use coracle::base::path::HostPath;
use coracle::gpu::nvidia::{Access, DriverFile, Node, Nvidia, Processor, Searched, Verdict};

/// The text; paths of the host are below `root`.
pub(super) fn of(found: &Nvidia, root: &Path) -> String {
    let inside = |path: &HostPath| {
        path.display()
            .to_string()
            .replace(&root.display().to_string(), "")
    };
    let mut text = String::new();
    let driver = match &found.driver {
        Some(driver) => format!(
            "{} by {}{}",
            driver.version,
            inside(&driver.source),
            if driver.from_kernel {
                ""
            } else {
                ", not the kernel"
            }
        ),
        None => "none".to_owned(),
    };
    let uvm = match found.uvm_loaded {
        Some(true) => "loaded",
        Some(false) => "not loaded",
        None => "unknown",
    };
    section(
        &mut text,
        "driver",
        [format!("{driver}; {:?}; uvm {uvm}", found.flavour)],
    );
    section(&mut text, "searched", found.searched.iter().map(searched));
    let (taken, left): (Vec<_>, Vec<_>) = found
        .files
        .iter()
        .partition(|file| file.verdict == Verdict::Taken);
    section(
        &mut text,
        "taken",
        taken
            .iter()
            .map(|file| taken_file(file, &inside(&file.host))),
    );
    section(&mut text, "left", left.iter().map(|file| left_file(file)));
    section(
        &mut text,
        "processors",
        found
            .processors
            .iter()
            .map(|processor| one_processor(processor, &inside)),
    );
    section(&mut text, "nodes", found.nodes.iter().map(node));
    section(
        &mut text,
        "sockets",
        found
            .sockets
            .iter()
            .map(|socket| format!("{} {}", socket.daemon, socket.path)),
    );
    section(
        &mut text,
        "trees",
        found.trees.iter().map(|tree| format!("{}", tree.path)),
    );
    text
}

fn section(text: &mut String, title: &str, lines: impl IntoIterator<Item = String>) {
    let lines: Vec<String> = lines.into_iter().collect();
    if !lines.is_empty() {
        writeln!(text, "{title}").expect("a string takes all");
    }
    for line in lines {
        writeln!(text, "  {line}").expect("a string takes all");
    }
}

fn searched(place: &Searched) -> String {
    let holds = if place.holds_driver {
        ""
    } else {
        ", without the driver"
    };
    let others = match place.other_versions.join(" ") {
        none if none.is_empty() => none,
        versions => format!(", other versions {versions}"),
    };
    format!("{} ({}){holds}{others}", place.path, place.because)
}

fn taken_file(file: &DriverFile, host: &str) -> String {
    let required = if file.required { ", required" } else { "" };
    let mut line = format!(
        "{} <- {} [{:?}{required}]",
        file.name, file.path, file.group
    );
    if host != file.path.to_string() {
        line += &format!("\n      is {host}");
    }
    if !file.links.is_empty() {
        line += &format!("\n      links {}", file.links.join(" "));
    }
    if let Some(text) = &file.text {
        let text = String::from_utf8_lossy(text);
        line += &format!(
            "\n      text {}",
            text.split_whitespace().collect::<String>()
        );
    }
    line
}

fn left_file(file: &DriverFile) -> String {
    let Verdict::Left(reason) = &file.verdict else {
        return String::new();
    };
    let required = if file.required { ", required" } else { "" };
    format!("{} [{:?}{required}]: {reason}", file.path, file.group)
}

fn one_processor(processor: &Processor, inside: &dyn Fn(&HostPath) -> String) -> String {
    let index = processor
        .index
        .map_or("-".to_owned(), |index| index.to_string());
    let minor = processor
        .minor
        .map_or("?".to_owned(), |minor| minor.to_string());
    let mut line = format!("{index} at {} minor {minor}", processor.bus_id);
    for field in [&processor.uuid, &processor.model].into_iter().flatten() {
        line += &format!(", {field}");
    }
    for path in &processor.dri {
        line += &format!(", {}", inside(path));
    }
    for mig in &processor.mig {
        line += &format!("\n      instance {}/{} caps {:?}", mig.gi, mig.ci, mig.caps);
    }
    line
}

fn node(node: &Node) -> String {
    // The owner is whoever runs the tests.
    let access = match &node.access {
        Access::Granted => "granted".to_owned(),
        Access::Denied(mode) => format!("denied: {}", mode.split(' ').next().unwrap_or_default()),
        Access::Cgroup => "control group".to_owned(),
        Access::Failed(why) => why.clone(),
    };
    format!("{} [{:?}] {access}", node.path, node.role)
}
