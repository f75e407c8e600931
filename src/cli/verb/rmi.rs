//! `coracle rmi`: remove images.

use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::verb::{Verb, each};
use crate::ops::rmi;

#[derive(clap::Args)]
pub(crate) struct Rmi {
    /// Also one that containers are made of, and all names of one given by digits
    #[arg(short, long)]
    force: bool,
    /// Names, or the first digits of digests
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

impl Verb for Rmi {
    const NAME: &'static str = "rmi";
    const ABOUT: &'static str = "Remove images, and free what nothing else needs";
    const ARGUMENTS: &'static str = "IMAGE...";
    const MORE: &'static str = "\
Examples:
  coracle rmi debian:12
  coracle rmi $(coracle images -q)";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let home = meant.home()?;
        each(&self.images, meant, |image| {
            let removal = rmi::remove(&home, image, self.force)?;
            if let Some(by) = &removal.kept_by {
                let names = removal.names.join("`, `");
                meant.progress().warn(&format!(
                    "the files of `{names}` stay for now, as {by} runs from them; `coracle gc` frees them afterwards"
                ));
            }
            let mut lines: Vec<String> = Vec::new();
            lines.extend(removal.names.iter().map(|name| format!("removed {name}")));
            if !meant.quiet() {
                lines.push(format!("freed {}", render::size(removal.freed)));
            }
            render::lines(lines.into_iter())
        })
    }
}
