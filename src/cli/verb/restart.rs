//! `coracle restart`: stop containers, and start them again.

use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::verb::{Verb, each};
use crate::ops::life::start;
use crate::ops::life::stop::Manner;

#[derive(clap::Args)]
pub(crate) struct Restart {
    /// Kill it after so many seconds [default: --stop-timeout, else 10]; -1 never
    #[arg(
        short,
        long,
        visible_alias = "timeout",
        value_name = "SECONDS",
        allow_negative_numbers = true
    )]
    time: Option<i64>,
    /// Ask with this signal [default: --stop-signal, else the image's, else TERM]
    #[arg(short, long, value_name = "SIGNAL")]
    signal: Option<String>,
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Verb for Restart {
    const NAME: &'static str = "restart";
    const ABOUT: &'static str = "Stop containers, should they run, and start them";
    const ARGUMENTS: &'static str = "CONTAINER...";
    const MORE: &'static str = "\
Example:
  coracle restart web";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let reach = meant.reach()?;
        let progress = meant.progress();
        let manner = Manner {
            signal: self.signal,
            patience: self.time,
            is_lost: false,
        };
        each(&self.containers, meant, |container| {
            start::restart(container, &manner, &reach, &*progress)?;
            render::text(&format!("{container}\n"))
        })
    }
}
