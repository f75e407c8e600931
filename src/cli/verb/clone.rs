//! `coracle clone`: a further container like one that is there.

use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::verb::Verb;
use crate::ops::clone;

#[derive(clap::Args)]
pub(crate) struct Clone {
    /// Call the copy so
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The container to copy, by name or id
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Verb for Clone {
    const NAME: &'static str = "clone";
    const ABOUT: &'static str =
        "Copy a container with all that was written in it; print the copy's id";
    const ARGUMENTS: &'static str = "CONTAINER";
    const MORE: &'static str = "\
The copy remembers the same options. Nothing may run in the original meanwhile.

Examples:
  coracle clone --name tools-2 tools
  coracle run tools-2 apt-get install -y gdb";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let copy = clone::clone(&meant.home()?, &self.container, self.name.as_deref())?;
        render::text(&format!("{}\n", copy.record.id))
    }
}
