//! `coracle rename`: call a container otherwise.

use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::verb::Verb;
use crate::ops::containers;

#[derive(clap::Args)]
pub(crate) struct Rename {
    /// The name that it has
    #[arg(value_name = "OLD")]
    old: String,
    /// The name that it gets
    #[arg(value_name = "NEW")]
    new: String,
}

impl Verb for Rename {
    const NAME: &'static str = "rename";
    const ABOUT: &'static str = "Give a container another name in place of one that it has";
    const ARGUMENTS: &'static str = "OLD NEW";
    const MORE: &'static str = "";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        containers::rename(&meant.home()?, &self.old, &self.new)?;
        Ok(ExitCode::SUCCESS)
    }
}
