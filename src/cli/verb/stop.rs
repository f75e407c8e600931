//! `coracle stop`: ask what runs in containers to end, and see to it.

use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::verb::{Verb, each};
use crate::ops::life::stop::{self, Manner};

#[derive(clap::Args)]
pub(crate) struct Stop {
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
    /// What was started on another host has ended: that host is gone, or you have looked there
    #[arg(long)]
    lost: bool,
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Verb for Stop {
    const NAME: &'static str = "stop";
    const ABOUT: &'static str = "Stop what runs in containers";
    const ARGUMENTS: &'static str = "CONTAINER...";
    const MORE: &'static str = "\
The first process of the container gets the signal. When it has ended, all others of the container
are killed. The container and its files stay; `coracle start` starts it again.

Examples:
  coracle stop web
  coracle stop -t 60 db                      a database may need longer to end well";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let home = meant.home()?;
        let manner = Manner {
            signal: self.signal,
            patience: self.time,
            is_lost: self.lost,
        };
        each(&self.containers, meant, |container| {
            stop::stop(&home, container, &manner)?;
            render::text(&format!("{container}\n"))
        })
    }
}
