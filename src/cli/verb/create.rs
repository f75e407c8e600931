//! `coracle create`: make a container without running it.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::verb::Verb;
use crate::cli::verb::flags::{ContainerFlags, ImageFlags, target_and_args};
use crate::ops::create::{self, Request};
use crate::ops::reach::Reach;

#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Create {
    /// Call the container so
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    image: ImageFlags,
    #[command(flatten)]
    container: ContainerFlags,
    /// An image (pulled if it is not here), then the command that `run` runs in the container
    #[arg(required = true, num_args = 1.., trailing_var_arg = true, value_name = "IMAGE")]
    words: Vec<OsString>,
}

impl Verb for Create {
    const NAME: &'static str = "create";
    const ABOUT: &'static str = "Make a container of an image without running it; print its id";
    const ARGUMENTS: &'static str = "IMAGE [COMMAND [ARG...]]";
    const MORE: &'static str = "\
Examples:
  coracle create --name tools -v /data:/data debian
  coracle run tools ls /data
  coracle create --name trainer --nvidia pytorch/pytorch";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let (image, args) = target_and_args(self.words)?;
        let request = Request {
            image,
            options: self.container.into_options(args, meant)?,
            name: self.name,
        };
        let reach = Reach {
            pull: self.image.pull(meant),
            platform: self.image.platform(meant)?,
            locked: self.image.locked(),
            ..meant.reach()?
        };
        let container = create::create(request, &reach, &*meant.progress())?;
        render::text(&format!("{}\n", container.record.id))
    }
}
