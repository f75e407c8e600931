//! `coracle rm`: remove containers.

use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::verb::{Verb, each};
use crate::ops::containers;

#[derive(clap::Args)]
pub(crate) struct Rm {
    /// Also one in which something runs: it is killed first
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
            containers::remove(&home, container, self.force)?;
            render::text(&format!("{container}\n"))
        })
    }
}
