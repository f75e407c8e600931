//! `coracle port`: what is published of a container.

use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::typed::Misuse;
use crate::cli::verb::Verb;
use crate::ops::top;

#[derive(clap::Args)]
pub(crate) struct Port {
    /// A container
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// Only where this port of the container is on the host
    #[arg(value_name = "PORT[/PROTOCOL]")]
    port: Option<String>,
}

impl Verb for Port {
    const NAME: &'static str = "port";
    const ABOUT: &'static str = "List the published ports of a container";
    const ARGUMENTS: &'static str = "CONTAINER [PORT[/PROTOCOL]]";
    const MORE: &'static str = "\
A container that shares the host's network needs none published: each of its ports is the host's.";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let found = top::ports(&meant.home()?, &self.container)?;
        if found.is_host {
            let name = &self.container;
            let note =
                format!("container `{name}` shares the host's network: its ports are the host's");
            meant.progress().warn(&note);
        }
        let Some(port) = self.port else {
            let lines = found.ports.into_iter();
            return render::lines(lines.map(|(guest, host)| format!("{guest} -> {host}")));
        };
        let wanted = match port.contains('/') {
            true => port,
            false => format!("{port}/tcp"),
        };
        match found.ports.into_iter().find(|(guest, _)| *guest == wanted) {
            Some((_, host)) => render::lines(std::iter::once(host)),
            None => {
                let text = format!(
                    "container `{}` publishes no port `{wanted}`",
                    self.container
                );
                Err(Misuse::of(text).into())
            }
        }
    }
}
