//! `coracle name`: give a container a further name.

use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::verb::Verb;
use crate::ops::containers;

#[derive(clap::Args)]
pub(crate) struct Name {
    /// The container, by a name or id
    container: String,
    /// The further name
    name: String,
}

impl Verb for Name {
    const NAME: &'static str = "name";
    const ABOUT: &'static str = "Give a container a further name";
    const ARGUMENTS: &'static str = "CONTAINER NAME";
    const MORE: &'static str = "";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        containers::add_name(&meant.home()?, &self.container, &self.name)?;
        Ok(ExitCode::SUCCESS)
    }
}
