//! `coracle install`: unpack the payload and copy the binary on purpose.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::base::path::HostPath;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::verb::Verb;
use crate::ops::install::{self, Existing};

#[derive(clap::Args)]
pub(crate) struct Install {
    /// Copy this program to DIR/bin as well
    #[arg(long, value_name = "DIR")]
    prefix: Option<PathBuf>,
    /// Let everybody read the images of this home, now and later: a site's store
    #[arg(long, conflicts_with = "purge")]
    shared: bool,
    /// Replace what is there
    #[arg(long)]
    force: bool,
    /// Remove what was unpacked and copied; images and containers stay
    #[arg(long, conflicts_with_all = ["prefix", "force"])]
    purge: bool,
}

impl Verb for Install {
    const NAME: &'static str = "install";
    const ABOUT: &'static str = "Unpack what is inside this program now rather than on first need";
    const ARGUMENTS: &'static str = "";
    const MORE: &'static str = "\
Nobody has to do this: what a run needs is unpacked when it is needed first. It helps where many
nodes start at once, or where a shared home becomes read-only.

Examples:
  coracle install --prefix ~/.local
  coracle --home /cluster/images install --shared
  coracle install --purge";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let home = meant.home()?;
        let (what, paths) = if self.purge {
            ("removed", install::purge(&home)?)
        } else {
            let existing = if self.force {
                Existing::Replace
            } else {
                Existing::Keep
            };
            if self.shared {
                install::share(&home)?;
            }
            let prefix = self.prefix.map(HostPath::new);
            (
                "installed",
                install::install(&home, prefix.as_ref(), existing)?,
            )
        };
        if meant.quiet() {
            return Ok(ExitCode::SUCCESS);
        }
        render::lines(paths.iter().map(|path| format!("{what} {path}")))
    }
}
