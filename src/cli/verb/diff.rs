//! `coracle diff`: what has changed in a container.

use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::verb::Verb;
use crate::ops::diff;

#[derive(clap::Args)]
pub(crate) struct Diff {
    /// A container
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Verb for Diff {
    const NAME: &'static str = "diff";
    const ABOUT: &'static str = "List what has changed in a container since its image";
    const ARGUMENTS: &'static str = "CONTAINER";
    const MORE: &'static str = "\
A line for each path, by name: A for what was added, C for what has changed, D for what was deleted.
A directory has changed when something in it has. What each run puts there by itself is left out:
places to mount on, and the line for the guest's user in /etc/passwd.

Examples:
  coracle diff tools
  coracle diff tools | grep ^D";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let changes = diff::diff(&meant.home()?, &self.container)?;
        let lines = changes.into_iter();
        render::lines(lines.map(|(change, path)| {
            let path = path.display().to_string();
            format!("{} {path}", change.letter())
        }))
    }
}
