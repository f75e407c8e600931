//! The verbs: one file each with its flags, its help and its call into `ops`.

mod attach;
mod clone;
mod commit;
mod completions;
mod config;
mod cp;
mod create;
mod df;
mod diff;
mod doctor;
mod exec;
mod export;
mod flags;
mod gc;
mod gpu;
mod help;
mod history;
mod images;
mod import;
mod inspect;
mod install;
mod kill;
mod licenses;
mod load;
pub(crate) mod login;
mod logout;
mod logs;
mod man;
mod manifest;
mod name;
mod port;
mod protect;
mod prune;
mod ps;
mod pull;
mod rename;
mod restart;
mod rm;
mod rmi;
mod rmname;
mod run;
mod save;
mod search;
mod setup;
mod start;
mod stop;
mod tag;
mod top;
mod unprotect;
mod verify;
mod version;
mod volume;
mod wait;

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;

use clap::{ArgMatches, Command};

use crate::base::fault::BoxFault;
use crate::base::fsx::Context;
use crate::base::path::HostPath;
use crate::cli::meant::Meant;
use crate::cli::report;
use crate::cli::typed::Misuse;
use crate::ops::pull::Input;
use flags::refused::{self, Refused};

/// One verb: its flags, as fields, and what it does.
pub(crate) trait Verb: clap::Args {
    /// What is typed.
    const NAME: &'static str;
    /// One line for the list of commands, without a full stop.
    const ABOUT: &'static str;
    /// What follows `--help`: more about it, and examples.
    const MORE: &'static str;
    /// The arguments after the flags, as the usage line shows them.
    const ARGUMENTS: &'static str;
    /// Whether a broken configuration file keeps it from being done.
    const NEEDS_CONFIG: bool = true;

    /// Calls one operation and renders what it says.
    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault>;
}

/// A verb as a row of the table of verbs.
pub(crate) struct Row {
    /// What is typed.
    pub(crate) name: &'static str,
    about: &'static str,
    flags: fn(Command) -> Command,
    /// Whether a broken configuration file keeps it from being done.
    pub(crate) needs_config: bool,
    /// Does what was typed.
    pub(crate) carry_out: fn(&ArgMatches, &Meant) -> Result<ExitCode, BoxFault>,
}

/// All verbs, in the order of the help.
pub(crate) const ALL: &[Row] = &[
    row::<run::Run>(),
    row::<create::Create>(),
    row::<exec::Exec>(),
    row::<start::Start>(),
    row::<stop::Stop>(),
    row::<restart::Restart>(),
    row::<kill::Kill>(),
    row::<wait::Wait>(),
    row::<logs::Logs>(),
    row::<attach::Attach>(),
    row::<cp::Cp>(),
    row::<diff::Diff>(),
    row::<top::Top>(),
    row::<port::Port>(),
    row::<prune::Prune>(),
    row::<df::Df>(),
    row::<pull::Pull>(),
    row::<ps::Ps>(),
    row::<images::Images>(),
    row::<rm::Rm>(),
    row::<rmi::Rmi>(),
    row::<inspect::Inspect>(),
    row::<clone::Clone>(),
    row::<commit::Commit>(),
    row::<export::Export>(),
    row::<import::Import>(),
    row::<load::Load>(),
    row::<save::Save>(),
    row::<tag::Tag>(),
    row::<search::Search>(),
    row::<manifest::Manifest>(),
    row::<history::History>(),
    row::<protect::Protect>(),
    row::<unprotect::Unprotect>(),
    row::<name::Name>(),
    row::<rename::Rename>(),
    row::<rmname::Rmname>(),
    row::<setup::Setup>(),
    row::<volume::Volume>(),
    row::<verify::Verify>(),
    row::<gc::Gc>(),
    row::<login::Login>(),
    row::<logout::Logout>(),
    row::<install::Install>(),
    row::<config::Config>(),
    row::<doctor::Doctor>(),
    row::<gpu::Gpu>(),
    row::<licenses::Licenses>(),
    row::<man::Man>(),
    row::<completions::Completions>(),
    row::<help::Help>(),
    row::<version::Version>(),
];

/// The form of help: who looks for a flag wants to see it used first.
pub(crate) const EXAMPLES_FIRST: &str =
    "{about-with-newline}\n{usage-heading} {usage}\n\n{before-help}{all-args}{after-help}";

/// Takes the text behind a verb's help apart: what is said of it, and the examples, which are its last paragraph.
fn parts(more: &'static str) -> (&'static str, &'static str) {
    match more.find("Example:\n").or_else(|| more.find("Examples:\n")) {
        Some(at) => (more[..at].trim_end(), &more[at..]),
        None => (more, ""),
    }
}

/// `prose` with each paragraph in one line, for whoever wraps it: the source's own line ends would be breaks.
fn flowing(prose: &str) -> String {
    let mut text = String::with_capacity(prose.len());
    let mut lines = prose.lines().peekable();
    while let Some(line) = lines.next() {
        text += line;
        let is_whole = |line: &str| line.is_empty() || line.starts_with(' ');
        match lines.peek() {
            Some(next) if is_whole(line) || is_whole(next) => text.push('\n'),
            Some(_) => text.push(' '),
            None => {}
        }
    }
    text
}

impl Row {
    /// The grammar of this verb; its flags are built only if it is the one that was typed.
    pub(crate) fn command(&self) -> Command {
        Command::new(self.name).about(self.about).defer(self.flags)
    }
}

const fn row<V: Verb>() -> Row {
    Row {
        name: V::NAME,
        about: V::ABOUT,
        needs_config: V::NEEDS_CONFIG,
        flags: |command| {
            let arguments = if V::ARGUMENTS.is_empty() { "" } else { " " };
            let (prose, examples) = parts(V::MORE);
            let command = V::augment_args(command);
            let command = match examples.is_empty() {
                true => command,
                false => command.before_long_help(examples),
            };
            command
                // As Docker: of a flag that takes one value, the last one counts.
                .args_override_self(true)
                .about(V::ABOUT)
                .long_about(None)
                .help_template(EXAMPLES_FIRST)
                .after_long_help(flowing(prose))
                .override_usage(format!(
                    "coracle {} [FLAGS]{arguments}{}",
                    V::NAME,
                    V::ARGUMENTS
                ))
        },
        carry_out: |matches, meant| {
            let typed = V::from_arg_matches(matches);
            typed
                .expect("clap validated by this grammar")
                .carry_out(meant)
        },
    }
}

/// The row of a verb.
pub(crate) fn named(name: &str) -> Option<&'static Row> {
    ALL.iter().find(|row| row.name == name)
}

/// The verb in a raw command line, for faults that come before or out of parsing:
/// the first argument that is a verb's name.
pub(crate) fn named_in(args: &[OsString]) -> Option<&'static str> {
    let mut names = args.iter().skip(1).filter_map(|arg| arg.to_str());
    names.find_map(named).map(|row| row.name)
}

/// The row of a flag that Docker has and this command line cannot have: none where the verb takes no flags of Docker's
/// for containers.
pub(crate) fn refused_in(args: &[OsString], flag: &str) -> Option<&'static Refused> {
    let verb = named_in(args)?;
    matches!(verb, "run" | "create" | "exec").then(|| refused::find(flag))?
}

/// The file at `path`, or standard input for `-`.
pub(crate) fn input(path: &Path) -> Result<Input, BoxFault> {
    if path.as_os_str() != "-" {
        return Ok(Input::at(&HostPath::new(path))?);
    }
    let name = HostPath::new("standard input");
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return Err(
            Misuse::of("standard input is a terminal, expected an archive".to_owned()).into(),
        );
    }
    let file = stdin.as_fd().try_clone_to_owned().context("read", &name)?;
    let file = file.into();
    Ok(Input { file, name })
}

/// Does the same to each of several things: a failure is reported and the rest goes on,
/// as with Docker. The status is that of the first failure.
fn each(
    things: &[String],
    meant: &Meant,
    act: impl Fn(&str) -> Result<ExitCode, BoxFault>,
) -> Result<ExitCode, BoxFault> {
    let mut first = None;
    for thing in things {
        if let Err(fault) = act(thing) {
            meant.voice().error(&*fault);
            first.get_or_insert(report::status(None, fault.kind()));
        }
    }
    Ok(first.map_or(ExitCode::SUCCESS, ExitCode::from))
}
