//! `coracle wait`: wait for the end of containers.

use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::verb::{Verb, each};
use crate::ops::life::stop;

#[derive(clap::Args)]
pub(crate) struct Wait {
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Verb for Wait {
    const NAME: &'static str = "wait";
    const ABOUT: &'static str = "Wait until containers have ended, and print their exit statuses";
    const ARGUMENTS: &'static str = "CONTAINER...";
    const MORE: &'static str = "\
One line for each, in the order of the arguments; 0 for one that has never run.

Example:
  id=$(coracle run -d debian sh -c 'sleep 1; exit 3'); coracle wait $id";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let home = meant.home()?;
        each(&self.containers, meant, |container| {
            let status = stop::wait(&home, container)?;
            render::text(&format!("{status}\n"))
        })
    }
}
