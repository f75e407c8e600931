//! `coracle protect`: keep things from being removed.

use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::verb::{Verb, each};
use crate::ops::protect;

#[derive(clap::Args)]
pub(crate) struct Protect {
    /// Containers, by name or id, or images
    #[arg(required = true, value_name = "CONTAINER|IMAGE")]
    things: Vec<String>,
}

impl Verb for Protect {
    const NAME: &'static str = "protect";
    const ABOUT: &'static str = "Keep containers and images from being removed or changed";
    const ARGUMENTS: &'static str = "CONTAINER|IMAGE...";
    const MORE: &'static str = "\
`rm`, `rmi`, `tag`, `pull` and `setup` leave alone what is protected, until `coracle unprotect` says otherwise.

Example:
  coracle protect tools debian:13";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let home = meant.home()?;
        each(&self.things, meant, |thing| {
            protect::protect(&home, thing)?;
            Ok(ExitCode::SUCCESS)
        })
    }
}
