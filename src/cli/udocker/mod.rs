//! The other tongue: what users of udocker type, under the name `udocker` or behind `coracle udocker`.
//!
//! Its grammar is a table of its own; what it means is the same operations, with the same options. What it has no word
//! for (`exec`, `logs`, `doctor`) is passed on to coracle's own grammar.

mod account;
mod archive;
mod container;
mod grammar;
mod help;
mod hint;
mod image;
mod keys;
mod label;
mod options;
pub(super) mod page;
mod program;
mod remote;
mod run;
mod settings;
mod setup;
mod table;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::base::path::HostPath;
use crate::cli::meant::Meant;
use crate::cli::report::{self, Voice};
use crate::cli::typed::{self, Globals, Misuse, Typed};
use crate::cli::{render, verb};
use crate::ops::mkrepo;
use grammar::{Flag, Given, Words, flag, value};
use hint::Advised;
use settings::Settings;

/// The name that makes this the tongue.
const NAME: &[u8] = b"udocker";

/// The flags that stand before the verb.
const GENERAL: &[Flag] = &[
    flag(&["--version", "-V"], "print the version"),
    flag(&["--debug", "-D"], "say what is being done, on stderr"),
    flag(&["--quiet", "-q"], "say nothing but errors"),
    flag(
        &["--insecure"],
        "check no certificate, and speak http where there is no https",
    ),
    value(
        &["--repo"],
        "DIR",
        "keep images and containers in this directory, which `mkrepo` made",
    ),
    flag(&["--allow-root"], "root may run this without it").moot(),
    value(
        &["--config"],
        "FILE",
        "read this udocker.conf after the others",
    )
    .unlike("no file `u.conf` of the working directory is read: whoever can write there would decide what runs"),
];

/// What holds for every verb, once flags, files and environment are looked at.
pub(crate) struct Here {
    /// What the global flags of the other tongue would mean.
    pub(crate) meant: Meant,
    /// Those flags.
    globals: Globals,
    /// What udocker's configuration says.
    pub(crate) settings: Settings,
    /// Whether information is wanted besides what was asked for.
    pub(crate) talks: bool,
}

/// A command line of this tongue.
pub(crate) struct Line<'a> {
    /// What is typed before a verb.
    program: &'static str,
    words: &'a [OsString],
}

/// What is behind the tongue's name, if this command line begins with it.
pub(crate) fn line_of(args: &[OsString]) -> Option<Line<'_>> {
    let (program, words) = args.split_first()?;
    if Path::new(program).file_name().map(OsStrExt::as_bytes) == Some(NAME) {
        let program = "udocker";
        return Some(Line { program, words });
    }
    let program = "coracle udocker";
    match words.split_first() {
        Some((first, words)) if first.as_bytes() == NAME => Some(Line { program, words }),
        _ => None,
    }
}

/// Runs one command line of this tongue; everything is reported before it returns.
pub(crate) fn main(line: &Line) -> ExitCode {
    let mut verb = String::new();
    carry_out(line.words, &mut verb).unwrap_or_else(|fault| {
        let kind = fault.kind();
        Voice::before_parsing(&[]).error(&Advised::new(fault, line.program));
        // udocker knows one status of failure; `run` has Docker's, because the guest has all others.
        let status = match table::named(&verb) {
            Some(row) if row.name != "run" => 1,
            _ => report::status(Some(&verb), kind),
        };
        ExitCode::from(status)
    })
}

fn carry_out(words: &[OsString], verb: &mut String) -> Result<ExitCode, BoxFault> {
    let general = grammar::read(GENERAL, Words::Program, words)?;
    let Some((name, args)) = general.words.split_first() else {
        return match general.has("--version") {
            true => program::version(),
            false => render::text(&help::all()),
        };
    };
    if general.help {
        return render::text(&help::all());
    }
    let name = name.to_string_lossy();
    verb.clone_from(&name.clone().into_owned());
    let Some(row) = table::named(&name) else {
        return elsewhere(&general, &name);
    };
    if args.is_empty() && row.words.fewest() > 0 {
        report::aside(&help::of(row));
        return Err(Misuse::of(format!("`{}` misses {}", row.name, row.arguments)).into());
    }
    let given = grammar::read(row.flags, row.words, args)?;
    if given.help {
        return render::text(&help::of(row));
    }
    check_count(row, &given)?;
    (row.act)(&given, &Here::of(&general)?)
}

fn check_count(row: &grammar::Verb, given: &Given) -> Result<(), Misuse> {
    let count = given.words.len();
    if count < row.words.fewest() {
        return Err(Misuse::of(format!(
            "`{}` misses {}; see `udocker {0} --help`",
            row.name, row.arguments
        )));
    }
    match row.words {
        Words::Between(_, most) if count > most => Err(Misuse::of(format!(
            "one argument too many for `{}`: `{}`",
            row.name,
            given.words[most].to_string_lossy()
        ))),
        _ => Ok(()),
    }
}

/// A verb that udocker has not, in coracle's own grammar, with what stood before it.
fn elsewhere(general: &Given, name: &str) -> Result<ExitCode, BoxFault> {
    if verb::named(name).is_none() {
        let word: String = name.escape_debug().take(80).collect();
        let hints = vec!["see `udocker --help`".to_owned()];
        return Err(Misuse::with_hints(format!("unknown command `{word}`"), hints).into());
    }
    let words = std::iter::once(OsString::from("coracle")).chain(general.words.iter().cloned());
    match typed::parse(&words.collect::<Vec<_>>())? {
        Typed::Text(text) => render::text(&text),
        Typed::Verb {
            globals,
            verb,
            matches,
        } => {
            let own = Here::of(general)?.globals;
            let globals = Globals {
                quiet: globals.quiet || own.quiet,
                verbose: globals.verbose || own.verbose,
                insecure: [globals.insecure, own.insecure].concat(),
                home: globals.home.or(own.home),
                ..globals
            };
            let meant = match verb.needs_config {
                true => Meant::of(globals)?,
                false => Meant::without_config(globals),
            };
            (verb.carry_out)(&matches, &meant)
        }
    }
}

impl Here {
    fn of(general: &Given) -> Result<Here, BoxFault> {
        let config = general.last("--config").map(HostPath::new);
        let settings = Settings::gather(config)?;
        let level = match (general.has("--debug"), general.has("--quiet")) {
            (true, _) => 5,
            (false, true) => 1,
            (false, false) => settings.level()?,
        };
        let home = match general.last("--repo").map(HostPath::new) {
            Some(repo) => Some(mkrepo::existing(&repo)?),
            None => settings.topdir().as_ref().map(mkrepo::beside_udockers),
        };
        let is_insecure = general.has("--insecure") || settings.insecure()?;
        let globals = Globals {
            quiet: level < 3,
            verbose: level > 3,
            insecure: is_insecure.then(|| "*".to_owned()).into_iter().collect(),
            home: home.map(|home| home.to_path_buf()),
            ..Globals::default()
        };
        Ok(Here {
            meant: Meant::of(globals.clone())?,
            globals,
            settings,
            talks: level >= 3,
        })
    }
}
