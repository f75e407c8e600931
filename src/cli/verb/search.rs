//! `coracle search`: images in a registry, and the tags of one.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::typed::Misuse;
use crate::cli::verb::Verb;
use crate::ops::search::{self, Request};

/// Letters of a description that are shown.
const SHOWN: usize = 45;

#[derive(clap::Args)]
pub(crate) struct Search {
    /// Show at most so many
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u16).range(1..=100))]
    limit: u16,
    /// Show only some: is-official=true|false, stars=N (repeatable)
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Show whole descriptions
    #[arg(long)]
    no_trunc: bool,
    /// The form of the list
    #[arg(long, value_enum, value_name = "FORM", default_value = "table")]
    format: Form,
    /// List the tags of the image of this name instead
    #[arg(long, conflicts_with_all = ["limit", "filter", "no_trunc"])]
    list_tags: bool,
    /// Ask the search of this host instead of the registry's own
    #[arg(long, value_name = "HOST", conflicts_with = "list_tags")]
    index: Option<String>,
    /// What to look for; with a registry and a slash in front, there
    #[arg(value_name = "[REGISTRY/]TERM")]
    term: String,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// Columns
    Table,
    /// A list of objects
    Json,
}

/// Which of those that were found are shown.
#[derive(Default)]
struct Filter {
    official: Option<bool>,
    stars: u64,
}

impl Verb for Search {
    const NAME: &'static str = "search";
    const ABOUT: &'static str = "Look for images in a registry, or for the tags of one";
    const ARGUMENTS: &'static str = "[REGISTRY/]TERM";
    const MORE: &'static str = "\
Docker Hub is searched unless a registry is named. One without a search is asked for the list of
its repositories, which many refuse to give.

Examples:
  coracle search --filter is-official=true postgres
  coracle search registry.site.example:5000/gromacs
  coracle search --list-tags python";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let (reach, progress) = (meant.reach()?, meant.progress());
        if self.list_tags {
            let tags = search::tags(&self.term, &reach, &*progress)?;
            return match self.format {
                Form::Json => render::json(&json!(tags)),
                Form::Table => render::lines(tags.into_iter()),
            };
        }
        let filter = Filter::of(&self.filter)?;
        let request = Request {
            term: self.term,
            index: self.index,
            limit: self.limit.into(),
        };
        let mut found = search::search(&request, &reach, &*progress)?;
        found.retain(|image| {
            filter
                .official
                .is_none_or(|wanted| wanted == image.official)
                && image.stars >= filter.stars
        });
        if self.format == Form::Json {
            let all = found.iter().map(|image| {
                json!({
                    "Name": image.name,
                    "Description": image.description,
                    "StarCount": image.stars,
                    "IsOfficial": image.official,
                })
            });
            return render::json(&all.collect::<Value>());
        }
        if meant.quiet() {
            return render::lines(found.into_iter().map(|image| image.name));
        }
        let rows = found.iter().map(|image| {
            let description = image.description.replace(['\n', '\r', '\t'], " ");
            let official = if image.official { "[OK]" } else { "" };
            vec![
                image.name.clone(),
                if self.no_trunc {
                    description
                } else {
                    cut(&description)
                },
                image.stars.to_string(),
                official.to_owned(),
            ]
        });
        let heading = ["NAME", "DESCRIPTION", "STARS", "OFFICIAL"];
        render::table(&heading, &rows.collect::<Vec<_>>())
    }
}

impl Filter {
    fn of(words: &[String]) -> Result<Filter, Misuse> {
        let mut filter = Filter::default();
        for word in words {
            let wrong = || {
                Misuse::of(format!(
                    "`{word}` is no filter, expected `is-official=true`, `is-official=false` or `stars=NUMBER`"
                ))
            };
            match word.split_once('=') {
                Some(("is-official", "true" | "1")) => filter.official = Some(true),
                Some(("is-official", "false" | "0")) => filter.official = Some(false),
                Some(("stars", number)) => filter.stars = number.parse().map_err(|_| wrong())?,
                _ => return Err(wrong()),
            }
        }
        Ok(filter)
    }
}

/// The beginning of a long text.
fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
