//! `coracle start`: run a container's program again, without a terminal.

use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::typed::Misuse;
use crate::cli::verb::{Verb, each};
use crate::ops::life::attach::Attach;
use crate::ops::life::start;
use crate::ops::run::{self, Request};

#[derive(clap::Args)]
pub(crate) struct Start {
    /// Stay: share our output with the guest, and exit with its status
    #[arg(short, long)]
    attach: bool,
    /// With --attach, share our input with it, too
    #[arg(short, long)]
    interactive: bool,
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Verb for Start {
    const NAME: &'static str = "start";
    const ABOUT: &'static str = "Start containers that were created or have ended";
    const ARGUMENTS: &'static str = "CONTAINER...";
    const MORE: &'static str = "\
The guest is what the container was created with, it finds the files as it left them, and it goes on
when you log out. One that runs already goes on as it is.

With --attach the exit status is the guest's, or 125, 126 or 127 as that of `coracle run`.

Examples:
  coracle start web && coracle logs -f web
  coracle start -ai tools                    with this terminal, as `coracle run tools`";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let reach = meant.reach()?;
        let progress = meant.progress();
        if !self.attach && !self.interactive {
            return each(&self.containers, meant, |container| {
                start::start(container, &reach, &*progress)?;
                render::text(&format!("{container}\n"))
            });
        }
        let [container] = self.containers.as_slice() else {
            return Err(Misuse::of("`--attach` takes one container".to_owned()).into());
        };
        let mut attach = vec![Attach::Stdout, Attach::Stderr];
        if self.interactive {
            attach.push(Attach::Stdin);
        }
        let attached = || {
            let request = Request {
                target: start::known(container, &reach)?,
                attach,
                ..Request::default()
            };
            run::run(&request, &reach, &*progress)
        };
        attached().or_else(|fault: BoxFault| {
            // Every status below 125 is the guest's, as with `run`; without `--attach` there is no guest's.
            meant.voice().error(&*fault);
            Ok(ExitCode::from(fault.kind().start_status()))
        })
    }
}
