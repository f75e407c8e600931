//! `coracle save`: images as one archive.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::base::path::HostPath;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::verb::Verb;
use crate::ops::save;

#[derive(clap::Args)]
pub(crate) struct Save {
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Images that are here, by names or the first digits of their ids
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

impl Verb for Save {
    const NAME: &'static str = "save";
    const ABOUT: &'static str = "Write images with their names as one archive";
    const ARGUMENTS: &'static str = "IMAGE...";
    const MORE: &'static str = "\
`docker load`, `podman load`, `skopeo` and `coracle load` read the archive; unpacked it is an OCI
layout. What is in it was verified once more. The same images make the same bytes.

Examples:
  coracle save -o images.tar debian:13 python:3.13
  coracle save debian:13 | ssh cluster coracle load";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let home = meant.home()?;
        match self.output.filter(|path| path.as_os_str() != "-") {
            Some(path) => {
                save::save_to(&home, &self.images, &HostPath::new(path))?;
                Ok(ExitCode::SUCCESS)
            }
            None => render::stream("an archive", |out| save::save(&home, &self.images, out)),
        }
    }
}
