//! `coracle unprotect`: take that back.

use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::verb::{Verb, each};
use crate::ops::protect;

#[derive(clap::Args)]
pub(crate) struct Unprotect {
    /// Containers, by name or id, or images
    #[arg(required = true, value_name = "CONTAINER|IMAGE")]
    things: Vec<String>,
}

impl Verb for Unprotect {
    const NAME: &'static str = "unprotect";
    const ABOUT: &'static str = "Allow what `protect` forbade";
    const ARGUMENTS: &'static str = "CONTAINER|IMAGE...";
    const MORE: &'static str = "\
Example:
  coracle unprotect tools";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let home = meant.home()?;
        each(&self.things, meant, |thing| {
            protect::unprotect(&home, thing)?;
            Ok(ExitCode::SUCCESS)
        })
    }
}
