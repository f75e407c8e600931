//! `coracle gpu`: what of graphics processors is found here.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::base::path::HostPath;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::report::plain;
use crate::cli::verb::Verb;
use crate::ops::gpu::{self, Obstacle, Report};

#[derive(clap::Args)]
#[command(arg_required_else_help = false)]
pub(crate) struct Gpu {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Show every GPU, driver file and device node that was found, and why it is taken or not
    #[command(
        override_usage = "coracle gpu list [FLAGS]",
        after_long_help = LIST,
    )]
    List(List),
    /// Print a specification of the Container Device Interface for NVIDIA's GPUs here
    #[command(
        override_usage = "coracle gpu cdi [FLAGS]",
        after_long_help = CDI,
    )]
    Cdi(RootFlag),
}

#[derive(clap::Args)]
struct List {
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    root: RootFlag,
}

#[derive(clap::Args)]
struct RootFlag {
    /// Where the root is in which NVIDIA's driver was installed [default: $CORACLE_DRIVER_ROOT, else /]
    #[arg(long, value_name = "DIR")]
    driver_root: Option<PathBuf>,
}

const LIST: &str = "\
The first column is the position by which `run --gpus` chooses; a GPU that you cannot open has none.
Files are shown by their names in the guest, those that are left out with the reason. Nothing is
opened that could wake a device.

With --json, one object, `schema` 1, to which later versions only add:
  driver       version, source (a file), from_kernel; null where there is none
  platform     native, or wsl
  uvm_loaded   whether the kernel module is there that CUDA needs; null where that cannot be told
  gpus         index, bus_id, uuid, minor, model, access, mig (gi, ci, caps), dri
  files        taken, reason, group, kind, path, host, guest, links, required
  trees        host, path: directories that are shown whole
  nodes        path, host, role, access (granted, denied, cgroup, failed), owners
  sockets      daemon, host, path
  searched     path, because, holds_driver, other_versions
  cards        vendor, driver, device, display, render, by_path, topology_node: of every maker
  findings     cause, severity (fatal, warning, detail), message, remedy

Examples:
  coracle gpu list
  coracle gpu list --json | jq -r '.files[] | select(.taken | not) | .path + \": \" + .reason'";

const CDI: &str = "\
It has the form of what `nvidia-ctk cdi generate` writes, as JSON, which is YAML too, and needs none
of its hooks. Where you may not write to /etc/cdi, Podman takes another directory with --cdi-spec-dir.
It describes this host as it is now: make it anew when the driver changes.

Example:
  coracle gpu cdi > /etc/cdi/nvidia.json";

impl Verb for Gpu {
    const NAME: &'static str = "gpu";
    const ABOUT: &'static str = "Show the GPUs of this host and what of their drivers a guest gets";
    const ARGUMENTS: &'static str = "list|cdi";
    const MORE: &'static str = "\
Examples:
  coracle gpu list
  coracle gpu cdi > /etc/cdi/nvidia.json";

    fn carry_out(self, _meant: &Meant) -> Result<ExitCode, BoxFault> {
        match self.what {
            What::List(list) => list.carry_out(),
            What::Cdi(root) => render::text(&gpu::specification(root.path())?),
        }
    }
}

impl RootFlag {
    fn path(self) -> Option<HostPath> {
        self.driver_root.map(HostPath::new)
    }
}

impl List {
    fn carry_out(self) -> Result<ExitCode, BoxFault> {
        let report = gpu::list(self.root.path())?;
        if self.json {
            let value = serde_json::to_value(&report);
            return render::json(&value.expect("a report is text, numbers, booleans and lists"));
        }
        render::text(&text(&report))
    }
}

/// A section for each kind of thing that there is, and what stands in the way at the end.
fn text(report: &Report) -> String {
    let mut sections = vec![driver(report) + "\n"];
    let tables = [
        gpus(report),
        cards(report),
        taken(report),
        left(report),
        nodes(report),
        sockets(report),
        searched(report),
    ];
    let filled = tables.into_iter().filter(|(_, rows)| !rows.is_empty());
    sections.extend(filled.map(|(heading, rows)| render::columns(&heading, &rows)));
    let findings: Vec<String> = report.findings.iter().map(finding).collect();
    sections.extend((!findings.is_empty()).then(|| findings.concat()));
    sections.join("\n")
}

/// A heading and the rows below it.
type Table = (Vec<&'static str>, Vec<Vec<String>>);

fn driver(report: &Report) -> String {
    match &report.driver {
        Some(driver) if driver.from_kernel => {
            let source = plain(&driver.source.to_string());
            format!("NVIDIA driver {}, from {source}", driver.version)
        }
        Some(driver) => format!(
            "NVIDIA driver {}, by the name of {}; the kernel does not say",
            driver.version,
            plain(&driver.source.to_string())
        ),
        None if report.platform == "wsl" => "NVIDIA driver of WSL, without a version".to_owned(),
        None => "no NVIDIA driver".to_owned(),
    }
}

fn gpus(report: &Report) -> Table {
    let rows = report.gpus.iter().map(|gpu| {
        let one = &gpu.processor;
        let number = |number: Option<u32>| number.map_or_else(dash, |number| number.to_string());
        let instances = one
            .mig
            .iter()
            .map(|instance| format!("{}.{}", instance.gi, instance.ci));
        vec![
            one.index.map_or_else(dash, |index| index.to_string()),
            one.bus_id.clone(),
            one.uuid.clone().unwrap_or_else(dash),
            number(one.minor),
            one.model.clone().unwrap_or_else(dash),
            gpu.access.clone(),
            Some(instances.collect::<Vec<_>>().join(" "))
                .filter(|all| !all.is_empty())
                .unwrap_or_else(dash),
        ]
    });
    let heading = vec!["GPU", "BUS ID", "UUID", "MINOR", "MODEL", "ACCESS", "MIG"];
    (heading, rows.collect())
}

fn cards(report: &Report) -> Table {
    let rows = report.cards.iter().map(|card| {
        let nodes = card.display.iter().chain(&card.render);
        let nodes: Vec<String> = nodes.map(ToString::to_string).collect();
        vec![
            card.vendor.clone(),
            card.driver.clone().unwrap_or_else(dash),
            card.device.clone().unwrap_or_else(dash),
            nodes.join(" "),
        ]
    });
    (vec!["CARD", "DRIVER", "DEVICE", "NODES"], rows.collect())
}

fn taken(report: &Report) -> Table {
    let rows = report.files.iter().filter_map(|file| {
        let guest = file.guest.as_ref()?.to_string();
        let links = file.links.join(" ");
        Some(vec![
            guest,
            file.group.clone(),
            file.host.to_string(),
            links,
        ])
    });
    let whole = report.trees.iter().map(|tree| {
        let path = tree.path.to_string();
        vec![path, "all".to_owned(), tree.host.to_string(), String::new()]
    });
    let heading = vec!["FILE IN THE GUEST", "FOR", "ON THIS HOST", "ALSO CALLED"];
    (heading, rows.chain(whole).collect())
}

fn left(report: &Report) -> Table {
    let rows = report.files.iter().filter_map(|file| {
        let reason = file.reason.clone()?;
        Some(vec![file.path.to_string(), file.group.clone(), reason])
    });
    (vec!["FILE LEFT OUT", "FOR", "BECAUSE"], rows.collect())
}

fn nodes(report: &Report) -> Table {
    let rows = report.nodes.iter().map(|node| {
        vec![
            node.path.to_string(),
            node.role.clone(),
            node.access.clone(),
            node.owners.clone(),
        ]
    });
    (vec!["NODE", "FOR", "ACCESS", "OWNERS"], rows.collect())
}

fn sockets(report: &Report) -> Table {
    let rows = report.sockets.iter();
    let rows = rows.map(|socket| vec![socket.host.to_string(), socket.daemon.to_owned()]);
    (vec!["SOCKET", "OF"], rows.collect())
}

fn searched(report: &Report) -> Table {
    let rows = report.searched.iter().map(|place| {
        let mut holds = Vec::new();
        if place.holds_driver {
            holds.push("the driver".to_owned());
        }
        holds.extend(place.other_versions.iter().cloned());
        let holds = match holds.is_empty() {
            true => "nothing of a driver".to_owned(),
            false => holds.join(", "),
        };
        vec![place.path.to_string(), place.because.to_owned(), holds]
    });
    (vec!["SEARCHED", "BECAUSE OF", "HOLDS"], rows.collect())
}

fn finding(finding: &Obstacle) -> String {
    let label = match finding.severity.as_str() {
        "fatal" => "a run would be refused",
        "warning" => "warning",
        _ => "note",
    };
    let remedy = finding.remedy.iter();
    let remedy = remedy.map(|remedy| format!("  to change that: {}\n", plain(remedy)));
    format!(
        "{label}: {}\n{}",
        plain(&finding.message),
        remedy.collect::<String>()
    )
}

fn dash() -> String {
    "-".to_owned()
}
