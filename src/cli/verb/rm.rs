//! `coracle rm`: remove containers.

use std::process::ExitCode;

use crate::base::fault::{BoxFault, Kind};
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::verb::{Verb, each};
use crate::ops::containers;

#[derive(clap::Args)]
pub(crate) struct Rm {
    /// Also one in which something runs: it is killed first; one that is not there is no failure
    #[arg(short, long)]
    force: bool,
    /// Anonymous volumes, too; they are part of the container and always go with it
    #[arg(short, long)]
    volumes: bool,
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Verb for Rm {
    const NAME: &'static str = "rm";
    const ABOUT: &'static str = "Remove containers with all that was written in them";
    const ARGUMENTS: &'static str = "CONTAINER...";
    const MORE: &'static str = "\
Examples:
  coracle rm tools
  coracle rm -f $(coracle ps -aq)";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let home = meant.home()?;
        each(&self.containers, meant, |container| {
            match containers::remove(&home, container, self.force) {
                Ok(_id) => render::text(&format!("{container}\n")),
                // As with Docker, so that a script can say `rm -f` before it makes one anew.
                Err(fault) if self.force && fault.kind() == Kind::NotFound => {
                    meant.voice().error(&*fault);
                    Ok(ExitCode::SUCCESS)
                }
                Err(fault) => Err(fault),
            }
        })
    }
}
