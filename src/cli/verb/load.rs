//! `coracle load`: the images of an archive.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::verb::flags::PlatformFlag;
use crate::cli::verb::{Verb, input};
use crate::ops::load;
use crate::ops::reach::Reach;

#[derive(clap::Args)]
pub(crate) struct Load {
    /// Read this file instead of standard input
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
    #[command(flatten)]
    platform: PlatformFlag,
    /// Call the only image of the archive so
    #[arg(value_name = "IMAGE")]
    name: Option<String>,
}

impl Verb for Load {
    const NAME: &'static str = "load";
    const ABOUT: &'static str = "Bring the images of an archive here, under their names";
    const ARGUMENTS: &'static str = "[IMAGE]";
    const MORE: &'static str = "\
The archive is one of `docker save` of any version, of `podman save` or `skopeo`, or an OCI layout
in a tar file, compressed or not. Its images are verified before any of them gets its name.

Examples:
  coracle load -i images.tar
  ssh laptop docker save pytorch/pytorch | coracle load";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let reach = Reach {
            platform: self.platform.read(meant)?,
            ..meant.reach()?
        };
        let archive = input(&self.input.unwrap_or_else(|| "-".into()))?;
        let loaded = load::load(archive, self.name.as_deref(), &reach, &*meant.progress())?;
        let quiet = meant.quiet();
        render::lines(loaded.into_iter().map(|image| match (quiet, image.name) {
            (true, _) => image.id.to_string(),
            (false, Some(name)) => format!("Loaded image: {name}"),
            (false, None) => format!("Loaded image ID: {}", image.id),
        }))
    }
}
