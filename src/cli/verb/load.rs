//! `coracle load`: the images of an archive.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::base::path::HostPath;
use crate::cli::meant::Meant;
use crate::cli::verb::flags::PlatformFlag;
use crate::cli::verb::{Verb, input};
use crate::cli::{render, report};
use crate::ops::load::{self, Loaded};
use crate::ops::reach::Reach;
use crate::ops::udocker;

#[derive(clap::Args)]
pub(crate) struct Load {
    /// Read this file, or the OCI layout in this directory, instead of standard input
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Bring the images of this repository of udocker here, such as ~/.udocker
    #[arg(long, value_name = "DIR", conflicts_with_all = ["input", "name"])]
    from_udocker: Option<PathBuf>,
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

With --from-udocker it is a directory in which udocker keeps its images: all of them come here under
their names, verified, but for those that are broken there, which are named.

Examples:
  coracle load -i images.tar
  coracle load --from-udocker ~/.udocker
  ssh laptop docker save pytorch/pytorch | coracle load";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let reach = Reach {
            platform: self.platform.read(meant)?,
            ..meant.reach()?
        };
        if let Some(dir) = self.from_udocker {
            return from_udocker(&HostPath::new(dir), &reach, meant);
        }
        let archive = input(&self.input.unwrap_or_else(|| "-".into()))?;
        let loaded = load::load(archive, self.name.as_deref(), &reach, &*meant.progress())?;
        tell(loaded, meant)
    }
}

/// A line for each name, as Docker writes it.
fn tell(loaded: Vec<Loaded>, meant: &Meant) -> Result<ExitCode, BoxFault> {
    let quiet = meant.quiet();
    render::lines(loaded.into_iter().map(|image| match (quiet, image.name) {
        (true, _) => image.id.to_string(),
        (false, Some(name)) => format!("Loaded image: {name}"),
        (false, None) => format!("Loaded image ID: {}", image.id),
    }))
}

fn from_udocker(dir: &HostPath, reach: &Reach, meant: &Meant) -> Result<ExitCode, BoxFault> {
    let progress = meant.progress();
    let outcome = udocker::load(dir, reach, &*progress)?;
    for container in &outcome.containers {
        progress.warn(&format!(
            "container `{container}` stays with udocker: `udocker export --clone -o FILE {container}` packs it, \
             `coracle import --clone FILE` makes it here"
        ));
    }
    drop(progress);
    let told = tell(outcome.loaded, meant)?;
    let mut first = None;
    for fault in outcome.failed {
        meant.voice().error(&*fault);
        first.get_or_insert(report::status(None, fault.kind()));
    }
    Ok(first.map_or(told, ExitCode::from))
}
