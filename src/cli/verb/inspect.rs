//! `coracle inspect`: a container or an image as JSON.

use std::process::ExitCode;

use serde_json::Value;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::typed::Misuse;
use crate::cli::verb::Verb;
use crate::ops::inspect;

#[derive(clap::Args)]
pub(crate) struct Inspect {
    /// `json`, or a template such as `{{.State.Running}}` or `{{json .Config}}`, one line for each name
    #[arg(short, long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Containers or images, by name, id or digest
    #[arg(required = true, value_name = "CONTAINER|IMAGE")]
    names: Vec<String>,
}

impl Verb for Inspect {
    const NAME: &'static str = "inspect";
    const ABOUT: &'static str = "Print what is known of containers or images, as JSON";
    const ARGUMENTS: &'static str = "CONTAINER|IMAGE...";
    const MORE: &'static str = "\
The words are those of `docker inspect`; what Docker has no word for is under `Coracle`.

Examples:
  coracle inspect -f '{{.State.Status}} {{.State.ExitCode}}' tools
  coracle inspect debian | jq -r '.[0].Coracle.Rootfs'";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let home = meant.home()?;
        let mut all = Vec::new();
        for name in &self.names {
            match inspect::inspect(&home, name)? {
                Value::Array(found) => all.extend(found),
                other => all.push(other),
            }
        }
        match self.format.as_deref() {
            None | Some("json") => render::json(&Value::Array(all)),
            Some(template) => {
                let template = template.replace("\\t", "\t").replace("\\n", "\n");
                let filled = all
                    .iter()
                    .map(|one| render::fill(&template, |name| at(one, name)));
                render::lines(filled.collect::<Result<Vec<_>, _>>()?.into_iter())
            }
        }
    }
}

/// What a template's `.A.B` or `json .A.B` means, written as Go's templates write it.
fn at(document: &Value, name: &str) -> Result<String, Misuse> {
    let wrong = || {
        let is = "names nothing here, expected a path such as `.State.Status` or `json .Config`";
        Misuse::of(format!("`{{{{{name}}}}}` of `--format` {is}"))
    };
    let (is_json, path) = match name.strip_prefix("json ") {
        Some(path) => (true, path.trim()),
        None => (false, name),
    };
    let path = path.strip_prefix('.').ok_or_else(wrong)?;
    let mut steps = path.split('.').filter(|_| !path.is_empty());
    let found = steps.try_fold(document, |value, step| value.get(step).ok_or_else(wrong))?;
    Ok(match found {
        value if is_json => value.to_string(),
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let plain = |item: &Value| item.as_str().map_or(item.to_string(), str::to_owned);
            format!(
                "[{}]",
                items.iter().map(plain).collect::<Vec<_>>().join(" ")
            )
        }
        value => value.to_string(),
    })
}
