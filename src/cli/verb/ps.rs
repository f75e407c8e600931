//! `coracle ps`: the containers that are here.

use std::process::ExitCode;

use serde_json::json;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::verb::Verb;
use crate::ops::containers::{self, Row};

#[derive(clap::Args)]
pub(crate) struct Ps {
    /// List all; so it is without this, too
    #[arg(short, long)]
    all: bool,
    /// Show whole ids
    #[arg(long)]
    no_trunc: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

impl Verb for Ps {
    const NAME: &'static str = "ps";
    const ABOUT: &'static str = "List the containers that are here";
    const ARGUMENTS: &'static str = "";
    const MORE: &'static str = "\
A container is listed until it is removed, whether something runs in it or not; what runs on other
hosts cannot be seen. With --quiet only ids are printed.";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let rows = containers::list(&meant.home()?)?;
        if self.json {
            return render::json(&rows.iter().map(as_json).collect());
        }
        let id = |row: &Row| {
            let digits = if self.no_trunc { row.id.len() } else { 12 };
            row.id.chars().take(digits).collect::<String>()
        };
        if meant.quiet() {
            return render::lines(rows.iter().map(id));
        }
        let cells = rows.iter().map(|row| {
            let state = if row.running { "running" } else { "" };
            vec![
                id(row),
                row.image.clone(),
                render::since(&row.created),
                state.to_owned(),
                row.names.join(", "),
            ]
        });
        let heading = ["CONTAINER ID", "IMAGE", "CREATED", "STATUS", "NAMES"];
        render::table(&heading, &cells.collect::<Vec<_>>())
    }
}

fn as_json(row: &Row) -> serde_json::Value {
    json!({
        "id": row.id,
        "names": row.names,
        "image": row.image,
        "created": row.created,
        "running": row.running,
    })
}
