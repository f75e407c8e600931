//! `coracle tag`: a further name for an image.

use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::verb::Verb;
use crate::ops::tag;

#[derive(clap::Args)]
pub(crate) struct Tag {
    /// An image that is here, by name or by the first digits of its id
    #[arg(value_name = "IMAGE")]
    image: String,
    /// What it is to be called as well
    #[arg(value_name = "NAME[:TAG]")]
    name: String,
}

impl Verb for Tag {
    const NAME: &'static str = "tag";
    const ABOUT: &'static str = "Give an image a further name";
    const ARGUMENTS: &'static str = "IMAGE NAME[:TAG]";
    const MORE: &'static str = "\
An image that had the name before loses it.

Examples:
  coracle tag debian:13 site/base:2026
  coracle tag 3f1a2b4c5d6e site/base";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        tag::tag(&meant.home()?, &self.image, &self.name)?;
        Ok(ExitCode::SUCCESS)
    }
}
