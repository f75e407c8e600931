//! `coracle history`: how an image came about.

use std::process::ExitCode;

use serde_json::json;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::verb::Verb;
use crate::ops::history::{self, Step};

/// Letters of a command that are shown.
const SHOWN: usize = 45;

#[derive(clap::Args)]
pub(crate) struct History {
    /// Show whole commands and ids
    #[arg(long)]
    no_trunc: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    /// An image that is here, by name or by the first digits of its id
    #[arg(value_name = "IMAGE")]
    image: String,
}

impl Verb for History {
    const NAME: &'static str = "history";
    const ABOUT: &'static str = "Show how an image came about, as its maker tells it";
    const ARGUMENTS: &'static str = "IMAGE";
    const MORE: &'static str = "\
The newest step comes first. SIZE is that of the step's layer as it was transferred, usually
compressed.

Example:
  coracle history --no-trunc python:3.13";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let steps = history::history(&meant.home()?, &self.image)?;
        if self.json {
            return render::json(&steps.iter().map(as_json).collect());
        }
        let id = |step: &Step| match &step.id {
            Some(id) if self.no_trunc => id.to_string(),
            Some(id) => id.short().to_owned(),
            None => "<missing>".to_owned(),
        };
        if meant.quiet() {
            return render::lines(steps.iter().map(id));
        }
        let rows = steps.iter().map(|step| {
            let created = step
                .created
                .as_deref()
                .map_or_else(String::new, render::since);
            let command = match self.no_trunc {
                true => step.created_by.clone(),
                false => cut(&step.created_by),
            };
            let size = render::size(step.size.unwrap_or(0));
            vec![id(step), created, command, size, step.comment.clone()]
        });
        let heading = ["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"];
        render::table(&heading, &rows.collect::<Vec<_>>())
    }
}

/// The beginning of a long command.
fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn as_json(step: &Step) -> serde_json::Value {
    json!({
        "id": step.id,
        "created": step.created,
        "created_by": step.created_by,
        "comment": step.comment,
        "size": step.size,
    })
}
