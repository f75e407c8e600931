//! `coracle commit`: an image of a container.

use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::verb::Verb;
use crate::ops::commit::{self, Request};

#[derive(clap::Args)]
pub(crate) struct Commit {
    /// Write this into the image's history
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// Who made the image, such as "Ada Lovelace <ada@site.example>"
    #[arg(short, long, value_name = "TEXT")]
    author: Option<String>,
    /// Change the image's config as this line of a Dockerfile would (repeatable)
    #[arg(short, long, value_name = "LINE")]
    change: Vec<String>,
    /// The container, by name or id
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// The name of the image
    #[arg(value_name = "NAME[:TAG]")]
    name: Option<String>,
}

impl Verb for Commit {
    const NAME: &'static str = "commit";
    const ABOUT: &'static str = "Make an image of a container; print its id";
    const ARGUMENTS: &'static str = "CONTAINER [NAME[:TAG]]";
    const MORE: &'static str = "\
The image has the layers of the container's image and one more, with what `coracle diff` lists: files with
their owners, modes, times and attributes, and marks for what was deleted. The command, the variables (-e),
the user, the working directory and the labels with which the container was created are the image's from
then on, as with Docker. A container in which something runs is not halted meanwhile.

Examples:
  coracle commit tools site/tools:2026
  coracle commit -m 'with numpy' -c 'CMD [\"python3\"]' tools site/tools
  coracle save site/tools | ssh cluster coracle load";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let request = Request {
            name: self.name,
            changes: self.change,
            message: self.message,
            author: self.author,
        };
        let (home, progress) = (meant.home()?, meant.progress());
        let image = commit::commit(&home, &self.container, &request, &*progress)?;
        render::text(&format!("{}\n", image.config))
    }
}
