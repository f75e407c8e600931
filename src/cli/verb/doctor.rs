//! `coracle doctor`: what this host allows, and which engine a run takes.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::base::env;
use crate::base::fault::BoxFault;
use crate::base::path::HostPath;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::report::plain;
use crate::cli::verb::Verb;
use crate::ops::doctor::{self, Processors, Report};

#[derive(clap::Args)]
pub(crate) struct Doctor {
    /// Print as JSON
    #[arg(long)]
    json: bool,
    /// Where the root is in which NVIDIA's driver was installed [default: $CORACLE_DRIVER_ROOT, else /]
    #[arg(long, value_name = "DIR")]
    driver_root: Option<PathBuf>,
}

impl Verb for Doctor {
    const NAME: &'static str = "doctor";
    const ABOUT: &'static str = "Try what this host allows, and say which engine a run takes";
    const ARGUMENTS: &'static str = "";
    const MORE: &'static str = "\
Everything is tried, nothing is guessed from versions; nothing is left behind.";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let driver_root = self.driver_root.map(HostPath::new);
        let report = doctor::doctor(meant.home()?, env::temporary_dir(), driver_root)?;
        if self.json {
            let value = serde_json::to_value(&report);
            return render::json(&value.expect("a report is strings, booleans and lists"));
        }
        render::text(&text(&report))
    }
}

fn text(report: &Report) -> String {
    let mut lines = Vec::new();
    for check in &report.checks {
        let mark = if check.ok { "yes" } else { "no" };
        lines.push(format!(
            "{mark:4} {}: {}",
            check.title,
            plain(&check.evidence)
        ));
        lines.extend(remedy(check.remedy.as_deref()));
    }
    lines.push(String::new());
    for verdict in &report.engines {
        let mark = if verdict.works { "yes" } else { "no" };
        let reason = verdict
            .reason
            .as_deref()
            .map(|why| format!(": {}", plain(why)));
        let reason = reason.unwrap_or_default();
        lines.push(format!("{mark:4} engine {}{reason}", verdict.engine));
        lines.extend(remedy(verdict.remedy.as_deref()));
    }
    lines.push(String::new());
    let nodes = match report.gpu_nodes.as_slice() {
        [] => "none".to_owned(),
        nodes => nodes.join(" "),
    };
    lines.push(format!("GPU nodes: {nodes}"));
    lines.extend(processors(&report.gpu));
    lines.push(String::new());
    let auto = report
        .auto
        .unwrap_or("none; see above what would have to change");
    lines.push(format!("a run takes: {auto}"));
    lines.join("\n") + "\n"
}

fn processors(found: &Processors) -> Vec<String> {
    let mut lines = vec![format!("NVIDIA driver: {}", plain(&found.driver()))];
    for processor in &found.nvidia {
        let index = processor.index.map(|index| index.to_string());
        let model = processor.model.as_deref().unwrap_or("of an unknown model");
        let closed = if index.is_none() {
            ", closed to this user"
        } else {
            ""
        };
        let number = index.as_deref().unwrap_or("-");
        let line = format!("GPU {number}: {model}, {}{closed}", processor.bus_id);
        lines.push(plain(&line));
    }
    for finding in &found.findings {
        let line = format!("GPU {}: {}", finding.severity, finding.message);
        lines.push(plain(&line));
        lines.extend(remedy(finding.remedy.as_deref()));
    }
    lines
}

fn remedy(remedy: Option<&str>) -> Option<String> {
    remedy.map(|remedy| format!("     to change that: {}", plain(remedy)))
}
