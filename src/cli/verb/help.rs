//! `coracle help`: examples, commands, topics.

use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::cli::help;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::verb::Verb;

#[derive(clap::Args)]
pub(crate) struct Help {
    /// A topic or a command; without one, what there is
    #[arg(value_name = "TOPIC|COMMAND")]
    words: Vec<String>,
}

impl Verb for Help {
    const NAME: &'static str = "help";
    const ABOUT: &'static str = "Say more about a command or a topic";
    const ARGUMENTS: &'static str = "[TOPIC|COMMAND]";
    const NEEDS_CONFIG: bool = false;
    const MORE: &'static str = "\
Examples:
  coracle help
  coracle help volumes
  coracle help run";

    fn carry_out(self, _meant: &Meant) -> Result<ExitCode, BoxFault> {
        render::text(&help::about(&self.words)?)
    }
}
