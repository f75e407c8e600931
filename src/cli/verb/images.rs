//! `coracle images`: what is in the store.

use std::collections::BTreeSet;
use std::process::ExitCode;

use serde_json::json;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::verb::Verb;
use crate::ops::images::{self, Row};

#[derive(clap::Args)]
pub(crate) struct Images {
    /// Show whole digests
    #[arg(long)]
    no_trunc: bool,
    /// Show the digest that each name had where it came from
    #[arg(long)]
    digests: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    /// Only images of this name
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: Option<String>,
}

impl Verb for Images {
    const NAME: &'static str = "images";
    const ABOUT: &'static str = "List the images that are here";
    const ARGUMENTS: &'static str = "[REPOSITORY[:TAG]]";
    const MORE: &'static str = "\
SIZE is that of an image's blobs and tree; UNIQUE is what removing it frees. With --quiet only ids
are printed. STORE is the other user's store in which an image is; see `coracle help site`.";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let mut rows = images::list(&meant.home()?)?;
        if let Some(name) = &self.name {
            rows.retain(|row| is_called(row, name));
        }
        if self.json {
            return render::json(&rows.iter().map(as_json).collect());
        }
        let id = |row: &Row| {
            let digits = if self.no_trunc {
                row.id.hex()
            } else {
                row.id.short()
            };
            digits.to_owned()
        };
        if meant.quiet() {
            // An image of several names once, so that a list of ids is one of images.
            let mut seen = BTreeSet::new();
            let ids = rows.iter().filter(|row| seen.insert(row.id.clone()));
            return render::lines(ids.map(id).collect::<Vec<_>>().into_iter());
        }
        let mut heading = vec!["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "UNIQUE"];
        if self.digests {
            heading.insert(2, "DIGEST");
        }
        let has_sites = rows.iter().any(|row| row.site.is_some());
        if has_sites {
            heading.push("STORE");
        }
        let cells = rows.iter().map(|row| {
            let tag = row.tag.clone().unwrap_or_else(|| "<none>".to_owned());
            let created = row
                .created
                .as_deref()
                .map_or_else(String::new, render::since);
            let sizes = [row.size, row.unique].map(render::size);
            let mut cells = vec![row.repository.clone(), tag, id(row), created];
            cells.extend(sizes);
            if self.digests {
                cells.insert(2, row.digest.to_string());
            }
            if has_sites {
                let site = row.site.as_ref();
                cells.push(site.map_or_else(String::new, |site| site.display().to_string()));
            }
            cells
        });
        render::table(&heading, &cells.collect::<Vec<_>>())
    }
}

/// Whether `name` is the row's repository, alone or with its tag.
fn is_called(row: &Row, name: &str) -> bool {
    let tagged = |tag: &String| name == format!("{}:{tag}", row.repository);
    name == row.repository || row.tag.as_ref().is_some_and(tagged)
}

fn as_json(row: &Row) -> serde_json::Value {
    json!({
        "repository": row.repository,
        "tag": row.tag,
        "digest": row.digest,
        "id": row.id,
        "platform": row.platform.to_string(),
        "created": row.created,
        "pulled": row.pulled,
        "size": row.size,
        "unique": row.unique,
        "store": row.site.as_ref().map(|site| site.display().to_string()),
    })
}
