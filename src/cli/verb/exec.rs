//! `coracle exec`: run a further program in a container that runs.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::typed::Misuse;
use crate::cli::verb::Verb;
use crate::cli::verb::flags::target_and_args;
use crate::ops::exec::{self, Request, Waiting};
use crate::ops::options::{AccountOptions, Options};

#[derive(clap::Args)]
pub(crate) struct Exec {
    /// Do not wait for its end; it has no terminal, and its output goes nowhere
    #[arg(short, long)]
    detach: bool,
    /// Set a variable; without a value, take the host's (repeatable)
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<OsString>,
    /// Read variables from a file, one NAME=VALUE a line (repeatable)
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Keep standard input open; it always reaches the program, so this changes nothing
    #[arg(short, long)]
    interactive: bool,
    /// Insist on a terminal, and tell the program its type
    #[arg(short, long)]
    tty: bool,
    /// Be this user of the image, by name or number [default: the container's]
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// Start in this directory [default: the container's]
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<OsString>,
    /// Not possible: there are no rights to give
    #[arg(long, hide = true)]
    privileged: bool,
    /// Not possible: the terminal is the program's own
    #[arg(long, hide = true, value_name = "KEYS")]
    detach_keys: Option<OsString>,
    /// A container, then the command
    #[arg(required = true, num_args = 2.., trailing_var_arg = true, value_names = ["CONTAINER", "COMMAND"])]
    words: Vec<OsString>,
}

impl Verb for Exec {
    const NAME: &'static str = "exec";
    const ABOUT: &'static str = "Run a further program in a container that runs";
    const ARGUMENTS: &'static str = "CONTAINER COMMAND [ARG...]";
    const MORE: &'static str = "\
The program sees what the container's first one sees: its files, mounts, name and network; its
environment is the container's, with -e over it. Only containers of this host and of yours can be
entered; one that does not run is entered with `coracle run NAME COMMAND`.

The exit status is the program's, 128+n if signal n ended it; 125 if coracle failed, 126 if the
program cannot be executed, 127 if it does not exist.

Examples:
  coracle exec -it tools bash
  coracle exec -u postgres db psql -c 'select 1'
  coracle exec -d -e LEVEL=debug tools sh -c 'collect >/tmp/log 2>&1'";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        if self.privileged {
            let text =
                "`--privileged` is not possible: a plain user has no rights to give; leave it out";
            return Err(Misuse::of(text.to_owned()).into());
        }
        if self.detach_keys.is_some() {
            let text = "`--detach-keys` is not possible: nothing stands between the program and the terminal; use `--detach`";
            return Err(Misuse::of(text.to_owned()).into());
        }
        if self.detach && self.tty {
            let text = "`--tty` with `--detach` is not possible: a program without anybody before it has no terminal";
            return Err(Misuse::of(text.to_owned()).into());
        }
        let (container, args) = target_and_args(self.words)?;
        let request = Request {
            container,
            options: Options {
                args,
                env: self.env,
                env_file: self.env_file,
                workdir: self.workdir,
                tty: self.tty,
                account: AccountOptions {
                    user: self.user,
                    ..AccountOptions::default()
                },
                ..Options::default()
            },
            waiting: match self.detach {
                true => Waiting::Detached,
                false => Waiting::Attached,
            },
        };
        exec::exec(&request, &meant.home()?, &*meant.progress())
    }
}
