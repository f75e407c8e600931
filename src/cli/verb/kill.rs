//! `coracle kill`: send a signal to what runs in containers.

use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::verb::{Verb, each};
use crate::ops::life::stop;

#[derive(clap::Args)]
pub(crate) struct Kill {
    /// Which
    #[arg(short, long, value_name = "SIGNAL", default_value = "KILL")]
    signal: String,
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Verb for Kill {
    const NAME: &'static str = "kill";
    const ABOUT: &'static str = "Send a signal to the first process of containers";
    const ARGUMENTS: &'static str = "CONTAINER...";
    const MORE: &'static str = "\
Examples:
  coracle kill db
  coracle kill -s HUP web                    read the configuration again";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let home = meant.home()?;
        each(&self.containers, meant, |container| {
            stop::kill(&home, container, Some(&self.signal))?;
            render::text(&format!("{container}\n"))
        })
    }
}
