//! `coracle cp`: copy files between a container and the host.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::base::rooted::Last;
use crate::cli::meant::Meant;
use crate::cli::verb::Verb;
use crate::ops::cp::{self, Request, Side};

#[derive(clap::Args)]
pub(crate) struct Cp {
    /// Keep the owners, as far as the ids exist and are yours to give
    #[arg(short, long)]
    archive: bool,
    /// Copy what a link leads to, where the source is one
    #[arg(short = 'L', long)]
    follow_link: bool,
    /// From where: a path of the host, CONTAINER:PATH, or `-` for a tar archive on stdin
    #[arg(value_name = "SOURCE", allow_hyphen_values = true)]
    source: OsString,
    /// To where: the same, or `-` for a tar archive on stdout
    #[arg(value_name = "DESTINATION", allow_hyphen_values = true)]
    destination: OsString,
}

impl Verb for Cp {
    const NAME: &'static str = "cp";
    const ABOUT: &'static str = "Copy files between a container and the host";
    const ARGUMENTS: &'static str = "CONTAINER:PATH DESTINATION | SOURCE CONTAINER:PATH";
    const MORE: &'static str = "\
The container may run or not. Where the destination is a directory the source is put into it, and a
directory as the source becomes the destination where that is absent; `DIR/.` means what is in DIR.
Links of the container lead nowhere but into the container.

Examples:
  coracle cp tools:/etc/os-release .
  coracle cp data/. tools:/srv/data
  coracle cp tools:/var/log - | tar -t
  coracle cp - tools:/srv <archive.tar.gz";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let request = Request {
            from: Side::parse(&self.source),
            to: Side::parse(&self.destination),
            last: match self.follow_link {
                true => Last::Followed,
                false => Last::Itself,
            },
            keeps_owners: self.archive,
        };
        cp::copy(&request, &meant.home()?, &*meant.progress())?;
        Ok(ExitCode::SUCCESS)
    }
}
