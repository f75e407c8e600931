//! `coracle rmname`: take names away from containers.

use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::verb::{Verb, each};
use crate::ops::containers;

#[derive(clap::Args)]
pub(crate) struct Rmname {
    /// The names
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

impl Verb for Rmname {
    const NAME: &'static str = "rmname";
    const ABOUT: &'static str = "Take names away from containers, which stay";
    const ARGUMENTS: &'static str = "NAME...";
    const MORE: &'static str = "";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let home = meant.home()?;
        each(&self.names, meant, |name| {
            containers::remove_name(&home, name)?;
            Ok(ExitCode::SUCCESS)
        })
    }
}
