//! `coracle volume`: directories with a name, which outlive containers.

use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::typed::Misuse;
use crate::cli::verb::{Verb, each};
use crate::ops::volume::{self, Row, VolumeError};

#[derive(clap::Args)]
pub(crate) struct Volume {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// List volumes
    #[command(alias = "list", override_usage = "coracle volume ls [FLAGS]")]
    Ls {
        /// Print as a table or as JSON
        #[arg(long, value_enum, value_name = "FORM", default_value = "table")]
        format: Form,
    },
    /// Make a volume and print its name; one that exists stays as it is
    #[command(override_usage = "coracle volume create [FLAGS] [NAME]")]
    Create {
        /// Attach data for people (repeatable)
        #[arg(long, value_name = "NAME=VALUE")]
        label: Vec<String>,
        /// How it is kept; there is one way
        #[arg(short, long, value_name = "local", value_parser = ["local"])]
        driver: Option<String>,
        /// What it is called; 64 random digits if nothing is given
        name: Option<String>,
    },
    /// Show volumes in the words of `docker volume inspect`
    #[command(override_usage = "coracle volume inspect NAME...")]
    Inspect {
        /// The volumes
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// Remove volumes with all that is in them
    #[command(alias = "remove", override_usage = "coracle volume rm [FLAGS] NAME...")]
    Rm {
        /// Do not mind those that do not exist
        #[arg(short, long)]
        force: bool,
        /// The volumes
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// Remove the volumes that no container uses
    #[command(override_usage = "coracle volume prune --all [FLAGS]")]
    Prune {
        /// Also those that were given a name, which all were
        #[arg(short, long)]
        all: bool,
        /// Remove them, not only name them
        #[arg(short, long)]
        force: bool,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Lines for people
    Table,
    /// One JSON document
    Json,
}

impl Verb for Volume {
    const NAME: &'static str = "volume";
    const ABOUT: &'static str = "List, make, show and remove volumes";
    const ARGUMENTS: &'static str = "ls|create|inspect|rm|prune";
    const MORE: &'static str = "\
`run -v NAME:/path` makes the volume NAME if there is none, with what the image has at /path in it.
It is kept under the store's home until it is removed here.

Examples:
  coracle run -d --name db -v pgdata:/var/lib/postgresql/data postgres
  coracle volume ls
  coracle volume rm pgdata";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let home = meant.home()?;
        match self.what {
            What::Ls { format } => list(&volume::list(&home)?, format, meant),
            What::Create {
                label,
                driver: _always_local,
                name,
            } => {
                let labels = label.iter().map(|text| {
                    let (name, value) = text.split_once('=').unwrap_or((text, ""));
                    match name.is_empty() {
                        true => Err(Misuse::of(format!("label `{text}` has no name"))),
                        false => Ok((name.to_owned(), value.to_owned())),
                    }
                });
                let name = volume::create(&home, name, labels.collect::<Result<_, _>>()?)?;
                render::lines([name].into_iter())
            }
            What::Inspect { names } => {
                let shown = names.iter().map(|name| volume::inspect(&home, name));
                render::json(&Value::Array(shown.collect::<Result<_, _>>()?))
            }
            What::Rm { force, names } => each(&names, meant, |name| {
                if force && !volume::list(&home)?.iter().any(|it| it.name == name) {
                    return Ok(ExitCode::SUCCESS);
                }
                volume::remove(&home, name)?;
                render::lines([name.to_owned()].into_iter())
            }),
            What::Prune { all, force } => {
                let names = match all {
                    true => volume::unused(&home)?,
                    // As Docker: only those that were made without a name, of which there are none.
                    false => Vec::new(),
                };
                if !force && !names.is_empty() {
                    return Err(VolumeError::Unconfirmed(names.join(", ")).into());
                }
                each(&names, meant, |name| {
                    volume::remove(&home, name)?;
                    render::lines([name.to_owned()].into_iter())
                })
            }
        }
    }
}

fn list(volumes: &[Row], format: Form, meant: &Meant) -> Result<ExitCode, BoxFault> {
    let name = |volume: &Row| volume.name.clone();
    if format == Form::Json {
        let one = |volume: &Row| {
            json!({
                "driver": "local",
                "name": volume.name,
                "created": volume.created,
                "labels": volume.labels,
                "mountpoint": volume.mountpoint.to_string(),
            })
        };
        return render::json(&volumes.iter().map(one).collect());
    }
    if meant.quiet() {
        return render::lines(volumes.iter().map(name));
    }
    let rows: Vec<Vec<String>> = volumes
        .iter()
        .map(|volume| vec!["local".to_owned(), name(volume)])
        .collect();
    render::table(&["DRIVER", "VOLUME NAME"], &rows)
}
