//! `coracle top`: the processes of a container.

use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::verb::Verb;
use crate::ops::top;

#[derive(clap::Args)]
pub(crate) struct Top {
    /// A container that runs
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Verb for Top {
    const NAME: &'static str = "top";
    const ABOUT: &'static str = "List the processes of a container that runs on this host";
    const ARGUMENTS: &'static str = "CONTAINER";
    const MORE: &'static str = "\
The numbers are the host's, as the processes are: kill(1) and top(1) take them. The users are those
of the container.";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let processes = top::processes(&meant.home()?, &self.container)?;
        let rows = processes.into_iter().map(|process| {
            let seconds = process.time.as_secs();
            let time = format!(
                "{:02}:{:02}:{:02}",
                seconds / 3600,
                seconds / 60 % 60,
                seconds % 60
            );
            vec![process.pid.to_string(), process.user, time, process.command]
        });
        render::table(
            &["PID", "UID", "TIME", "COMMAND"],
            &rows.collect::<Vec<_>>(),
        )
    }
}
