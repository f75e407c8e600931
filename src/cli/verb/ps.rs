//! `coracle ps`: the containers that are here.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::typed::Misuse;
use crate::cli::verb::Verb;
use crate::ops::containers::{self, Row};
use crate::ops::life::Activity;

/// Characters of a command that a table shows; as Docker's.
const COMMAND_WIDTH: usize = 20;

#[derive(clap::Args)]
pub(crate) struct Ps {
    /// Also those in which nothing runs
    #[arg(short, long)]
    all: bool,
    /// Only those that fit: name=, id=, label=, status=, ancestor=, exited= (repeatable)
    #[arg(short, long, value_name = "WHAT=VALUE")]
    filter: Vec<String>,
    /// `table`, `json` (a document a line), or a template such as `{{.Names}} {{.Status}}`; with
    /// `table` and a space before it, under headings
    #[arg(long, value_name = "FORM")]
    format: Option<String>,
    /// Only the newest, running or not
    #[arg(short, long)]
    latest: bool,
    /// Only so many of the newest, running or not
    #[arg(short = 'n', long, value_name = "NUMBER")]
    last: Option<usize>,
    /// Show whole ids and commands
    #[arg(long)]
    no_trunc: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

impl Verb for Ps {
    const NAME: &'static str = "ps";
    const ABOUT: &'static str = "List containers: those that run, or all";
    const ARGUMENTS: &'static str = "";
    const MORE: &'static str = "\
As with Docker, only containers in which something runs are listed without --all; a container is here
until it is removed. What another host has said of its guests is shown with that host's name. With
--quiet only ids are printed.

Fields of a template: ID, Names, Image, Command, CreatedAt, RunningFor, Status, State, Ports, Labels.

Examples:
  coracle ps -a
  coracle ps -a --filter status=exited --format '{{.Names}}: {{.Status}}'
  coracle rm $(coracle ps -aq --filter label=batch=7)";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let filters = self.filter.iter().map(|text| Filter::parse(text));
        let filters: Vec<Filter> = filters.collect::<Result<_, _>>()?;
        let form = Form::parse(self.format.as_deref())?;
        let mut rows = containers::list(&meant.home()?)?;
        let is_about_state = |filter: &Filter| ["status", "exited"].contains(&filter.what);
        let last = self.last.or(self.latest.then_some(1));
        let all = self.all || last.is_some() || filters.iter().any(is_about_state);
        rows.retain(|row| all || is_up(row));
        rows.retain(|row| fits(row, &filters));
        // Docker's order; the store's is the oldest first.
        rows.reverse();
        rows.truncate(last.unwrap_or(usize::MAX));
        if self.json {
            return render::json(&rows.iter().map(as_json).collect());
        }
        if meant.quiet() && self.format.is_none() {
            return render::lines(rows.iter().map(|row| self.id(row)));
        }
        match form {
            Form::Json => render::lines(rows.iter().map(|row| self.document(row).to_string())),
            Form::Template(template) => {
                let lines = rows.iter().map(|row| fill(&template, &self.fields(row)));
                render::lines(lines.collect::<Result<Vec<_>, _>>()?.into_iter())
            }
            Form::Columns(template) => self.columns(&template, &rows),
            Form::Table => self.table(&rows),
        }
    }
}

impl Ps {
    fn table(&self, rows: &[Row]) -> Result<ExitCode, BoxFault> {
        let has_ports = rows.iter().any(|row| !row.ports.is_empty());
        let mut heading = vec!["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS"];
        heading.extend(has_ports.then_some("PORTS"));
        heading.push("NAMES");
        let cells = rows.iter().map(|row| {
            let mut cells = vec![
                self.id(row),
                row.image.clone(),
                self.command(row),
                render::since(&row.created),
                status(row),
            ];
            cells.extend(has_ports.then(|| row.ports.join(", ")));
            cells.push(row.names.join(", "));
            cells
        });
        render::table(&heading, &cells.collect::<Vec<_>>())
    }

    /// A table of chosen columns, under Docker's headings.
    fn columns(&self, template: &str, rows: &[Row]) -> Result<ExitCode, BoxFault> {
        let heading = fill(
            template,
            &HEADINGS.map(|(name, text)| (name, text.to_owned())),
        )?;
        let heading: Vec<&str> = heading.split('\t').collect();
        let cells = rows.iter().map(|row| {
            let filled = template
                .split('\t')
                .map(|cell| fill(cell, &self.fields(row)));
            filled.collect::<Result<Vec<String>, Misuse>>()
        });
        render::table(&heading, &cells.collect::<Result<Vec<_>, _>>()?)
    }

    fn id(&self, row: &Row) -> String {
        let digits = if self.no_trunc { row.id.len() } else { 12 };
        row.id.chars().take(digits).collect()
    }

    fn command(&self, row: &Row) -> String {
        let whole = row.command.join(" ");
        if self.no_trunc || whole.chars().count() <= COMMAND_WIDTH {
            return format!("\"{whole}\"");
        }
        let start: String = whole.chars().take(COMMAND_WIDTH - 1).collect();
        format!("\"{start}…\"")
    }

    /// What a template can name, in Docker's words.
    fn fields(&self, row: &Row) -> [(&'static str, String); 11] {
        let labels = row
            .labels
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        [
            ("ID", self.id(row)),
            ("Names", row.names.join(",")),
            ("Image", row.image.clone()),
            ("Command", self.command(row)),
            ("CreatedAt", row.created.clone()),
            ("CreatedSince", render::since(&row.created)),
            ("RunningFor", render::since(&row.created)),
            ("Status", status(row)),
            ("State", row.activity.word().to_owned()),
            ("Ports", row.ports.join(", ")),
            ("Labels", labels.collect::<Vec<_>>().join(",")),
        ]
    }

    fn document(&self, row: &Row) -> Value {
        let fields = self.fields(row).into_iter();
        Value::Object(
            fields
                .map(|(name, text)| (name.to_owned(), json!(text)))
                .collect(),
        )
    }
}

fn as_json(row: &Row) -> Value {
    json!({
        "id": row.id,
        "names": row.names,
        "image": row.image,
        "created": row.created,
        "running": row.running,
        "state": row.activity.word(),
        "status": status(row),
        "command": row.command,
        "labels": row.labels,
        "ports": row.ports,
    })
}

fn is_up(row: &Row) -> bool {
    matches!(row.activity, Activity::Up { .. })
}

/// What a container does, in Docker's words where it has some.
pub(super) fn status(row: &Row) -> String {
    let ago = |at: &Option<String>| at.as_deref().map(|at| format!(" {}", render::since(at)));
    match &row.activity {
        Activity::Created => "Created".to_owned(),
        Activity::Up { since, host } => {
            let since = since.as_deref().map(render::since).unwrap_or_default();
            let since = since.strip_suffix(" ago").unwrap_or(&since);
            let place = host.as_ref().map(|host| format!("on {host}"));
            let words = ["Up", since, place.as_deref().unwrap_or_default()];
            let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
            words.join(" ")
        }
        Activity::Unknown { since, host } => {
            format!("Started on {host} {}", render::since(since))
        }
        Activity::Exited { status, at } => {
            let status = status.map(|status| format!(" ({status})"));
            format!(
                "Exited{}{}",
                status.unwrap_or_default(),
                ago(at).unwrap_or_default()
            )
        }
    }
}

/// One `--filter`.
struct Filter {
    what: &'static str,
    value: String,
}

/// What can be filtered by.
const FILTERS: [&str; 6] = ["name", "id", "label", "status", "ancestor", "exited"];

impl Filter {
    fn parse(text: &str) -> Result<Filter, Misuse> {
        let wrong = || {
            let known = FILTERS.map(|name| format!("`{name}=…`")).join(", ");
            Misuse::of(format!(
                "got `{text}` for `--filter`, expected one of {known}"
            ))
        };
        let (name, value) = text.split_once('=').ok_or_else(wrong)?;
        let what = FILTERS.into_iter().find(|known| *known == name);
        let what = what.ok_or_else(wrong)?;
        let words = ["created", "running", "exited", "unknown"];
        if what == "status" && !words.contains(&value) {
            return Err(Misuse::of(format!(
                "got `{value}` for `--filter status=`, expected one of {}",
                words.map(|word| format!("`{word}`")).join(", ")
            )));
        }
        let value = value.to_owned();
        Ok(Filter { what, value })
    }

    fn fits(&self, row: &Row) -> bool {
        let value = self.value.as_str();
        match self.what {
            "name" => row.names.iter().any(|name| name.contains(value)),
            "id" => row.id.starts_with(value),
            "status" => row.activity.word() == value,
            "ancestor" => row.image == value || row.image.split(':').next() == Some(value),
            "exited" => match &row.activity {
                Activity::Exited { status, .. } => {
                    status.map(|it| it.to_string()).as_deref() == Some(value)
                }
                _ => false,
            },
            _ => match value.split_once('=') {
                Some((name, value)) => row.labels.get(name).is_some_and(|it| it == value),
                None => row.labels.contains_key(value),
            },
        }
    }
}

/// As Docker: of several values for one thing any will do, different things must all fit; labels must all fit, too.
fn fits(row: &Row, filters: &[Filter]) -> bool {
    FILTERS.iter().all(|what| {
        let mut of_this = filters
            .iter()
            .filter(|filter| filter.what == *what)
            .peekable();
        if *what == "label" {
            return of_this.all(|filter| filter.fits(row));
        }
        of_this.peek().is_none() || of_this.any(|filter| filter.fits(row))
    })
}

/// What Docker writes over each field in a table of chosen columns.
const HEADINGS: [(&str, &str); 11] = [
    ("ID", "CONTAINER ID"),
    ("Names", "NAMES"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedSince", "CREATED"),
    ("RunningFor", "CREATED"),
    ("Status", "STATUS"),
    ("State", "STATE"),
    ("Ports", "PORTS"),
    ("Labels", "LABELS"),
];

enum Form {
    Table,
    Json,
    Template(String),
    /// The columns of a table, with a tab between each two.
    Columns(String),
}

impl Form {
    fn parse(text: Option<&str>) -> Result<Form, Misuse> {
        match text {
            None | Some("table") => Ok(Form::Table),
            Some("json") => Ok(Form::Json),
            Some(text) if text.contains("{{") => {
                let text = text.replace("\\t", "\t").replace("\\n", "\n");
                Ok(match text.strip_prefix("table ") {
                    Some(columns) => Form::Columns(columns.to_owned()),
                    None => Form::Template(text),
                })
            }
            Some(text) => Err(Misuse::of(format!(
                "got `{text}` for `--format`, expected `table`, `json` or a template such as `{{{{.Names}}}}`"
            ))),
        }
    }
}

/// The template with its fields filled in.
fn fill(template: &str, fields: &[(&'static str, String)]) -> Result<String, Misuse> {
    render::fill(template, |name| {
        let wanted = name.strip_prefix('.').unwrap_or(name);
        let found = fields.iter().find(|(known, _)| *known == wanted);
        found.map(|(_, value)| value.clone()).ok_or_else(|| {
            let known = fields
                .iter()
                .map(|(known, _)| format!("`{{{{.{known}}}}}`"));
            let known = known.collect::<Vec<_>>().join(", ");
            Misuse::of(format!(
                "got `{{{{{name}}}}}` in `--format`, expected one of {known}"
            ))
        })
    })
}
