//! `coracle manifest inspect`: what a name stands for in its registry.

use std::process::ExitCode;

use serde_json::Value;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::verb::Verb;
use crate::cli::verb::flags::PlatformFlag;
use crate::ops::reach::Reach;
use crate::ops::{manifest, names};

#[derive(clap::Args)]
pub(crate) struct Manifest {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Print the manifest or index of an image as JSON, without bringing the image here
    #[command(override_usage = "coracle manifest inspect [FLAGS] IMAGE")]
    Inspect(Inspect),
}

#[derive(clap::Args)]
struct Inspect {
    #[command(flatten)]
    platform: PlatformFlag,
    /// A name in a registry, an archive or a directory
    #[arg(value_name = "IMAGE")]
    image: String,
}

impl Verb for Manifest {
    const NAME: &'static str = "manifest";
    const ABOUT: &'static str = "Look at an image's manifest where it comes from";
    const ARGUMENTS: &'static str = "inspect IMAGE";
    const MORE: &'static str = "\
An image for several platforms has an index of manifests, which is what is shown; with --platform it
is the manifest for that one. Digests are checked.

Examples:
  coracle manifest inspect debian:13
  coracle manifest inspect --platform linux/arm64 debian:13";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let What::Inspect(typed) = self.what;
        let reach = Reach {
            platform: typed.platform.read(meant)?,
            ..meant.reach()?
        };
        let source = names::meant(&reach.home, &typed.image)?;
        let bytes = manifest::inspect(&source, &reach, &*meant.progress())?;
        match serde_json::from_slice::<Value>(&bytes) {
            Ok(document) => render::json(&document),
            Err(_) => render::bytes(&bytes),
        }
    }
}
