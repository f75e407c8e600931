//! `coracle export`: the tree of a container as a tar archive.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::base::path::HostPath;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::verb::Verb;
use crate::ops::export::{self, Form};

#[derive(clap::Args)]
pub(crate) struct Export {
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Also pack the image's config and the options, for `import --clone`
    #[arg(long)]
    clone: bool,
    /// The container, by name or id
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Verb for Export {
    const NAME: &'static str = "export";
    const ABOUT: &'static str = "Write the files of a container as a tar archive";
    const ARGUMENTS: &'static str = "CONTAINER";
    const MORE: &'static str = "\
The archive holds the files as the guest sees them, with the owners, modes and attributes that the
image gave them; what is mounted in a run is not in it. The same files make the same bytes.

Examples:
  coracle export -o tools.tar tools
  coracle export tools | gzip > tools.tar.gz
  coracle export --clone tools | ssh cluster coracle import --clone --name tools -";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let home = meant.home()?;
        let form = match self.clone {
            true => Form::Clone,
            false => Form::Tree,
        };
        // `-` is standard output, as in udocker's manual.
        match self.output.filter(|path| path.as_os_str() != "-") {
            Some(path) => {
                export::export_to(&home, &self.container, form, &HostPath::new(path))?;
                Ok(ExitCode::SUCCESS)
            }
            None => render::stream("an archive", |out| {
                export::export(&home, &self.container, form, out)
            }),
        }
    }
}
