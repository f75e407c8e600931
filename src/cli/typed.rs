//! What was typed. This stage only validates; it looks at neither files nor environment.

use std::borrow::Cow;
use std::error::Error;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, Args, Command, FromArgMatches};

use crate::base::fault::{Fault, Kind};
use crate::base::near;
use crate::cli::groups;
use crate::cli::help;
use crate::cli::report::Format;
use crate::cli::verb::{self, Row};

pub(crate) const ABOUT: &str =
    "Pull, verify and run container images as a plain user, without a daemon";

pub(crate) const EXAMPLES: &str = "\
Examples:
  coracle run hello                        the image that is inside this program
  coracle run --rm -it debian bash         a shell in Debian; nothing is kept
  coracle run --rm -v $PWD:/work -w /work python:3.13 python train.py
  coracle run -d --name web nginx          a server that goes on running
  coracle run --rm --nvidia ubuntu nvidia-smi
  coracle doctor                           what this host allows

Docker's groups are understood as well: `coracle container ls`, `image pull`, `system prune`.";

/// Flags that every command takes.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Global flags")]
pub(crate) struct Globals {
    /// Print only the essence (ids, digests) and errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Say what is being done
    #[arg(long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// The form of messages
    #[arg(long, global = true, value_enum, value_name = "FORM")]
    pub(crate) log_format: Option<Format>,
    /// Talk to this registry without TLS or with any certificate (repeatable)
    #[arg(long, global = true, value_name = "HOST[:PORT]")]
    pub(crate) insecure: Vec<String>,
    /// Trust the certificate authorities in this PEM file as well
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// Keep images and containers here [default: $CORACLE_HOME, else ~/.coracle]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// Read this configuration file as well; it wins over those of the user and the system
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// A command line that makes sense so far.
pub(crate) enum Typed {
    /// Help or a version was asked for: this text, on stdout.
    Text(String),
    /// A verb and its flags.
    Verb {
        /// The flags of all verbs.
        globals: Globals,
        /// Which.
        verb: &'static Row,
        /// Its own flags, for [`Row::carry_out`].
        matches: ArgMatches,
    },
}

/// A command line that makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Misuse {
    message: String,
    hints: Vec<String>,
}

impl Fault for Misuse {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hints(&self) -> Vec<String> {
        self.hints.clone()
    }
}

/// The grammar of a command line with these verbs. The flags of a verb are built when it
/// is used.
fn command<'a>(verbs: impl IntoIterator<Item = &'a Row>) -> Command {
    let command = Command::new("coracle")
        .version(env!("CARGO_PKG_VERSION"))
        .term_width(help::width())
        .override_usage("coracle [GLOBAL FLAGS] COMMAND [FLAGS] [ARG...]")
        .disable_help_subcommand(true)
        .subcommand_value_name("COMMAND")
        .subcommand_help_heading("Commands")
        .subcommands(verbs.into_iter().map(Row::command));
    Globals::augment_args(command)
        .about(ABOUT)
        .help_template(verb::EXAMPLES_FIRST)
        .before_long_help(EXAMPLES)
        .after_help("See also `coracle help`, which has topics as well.")
}

/// The whole grammar.
pub(crate) fn whole() -> Command {
    command(verb::ALL)
}

/// Reads a command line, program name first.
pub(crate) fn parse(args: &[OsString]) -> Result<Typed, Misuse> {
    // Nearly every line begins with its verb, and then the others cannot matter: to leave
    // them out saves a quarter of what a start costs us (callgrind, `coracle version`).
    let first = args.get(1).and_then(|word| word.to_str());
    let mut command = match first.and_then(verb::named) {
        Some(only) => command([only]),
        None => {
            docker_only(args)?;
            command(verb::ALL)
        }
    };
    let mut words = Cow::Borrowed(args);
    let matches = loop {
        match command.try_get_matches_from_mut(&*words) {
            Ok(matches) => break matches,
            Err(error) if !error.use_stderr() => return Ok(Typed::Text(error.to_string())),
            Err(error) => match without_truth(&error, &words) {
                Some(fewer) => words = Cow::Owned(fewer),
                None => return Err(Misuse::from_clap(&error, &words)),
            },
        }
    };
    let globals = Globals::from_arg_matches(&matches);
    let globals = globals.map_err(|error| Misuse::from_clap(&error, args))?;
    match matches.subcommand() {
        Some((name, matches)) => Ok(Typed::Verb {
            globals,
            verb: verb::named(name).expect("clap knows the verbs from the same table"),
            matches: matches.clone(),
        }),
        // As Docker and udocker: asked nothing, say what could be asked.
        None => Ok(Typed::Text(command.render_help().to_string())),
    }
}

/// Refuses what only Docker has, with what to do instead.
fn docker_only(args: &[OsString]) -> Result<(), Misuse> {
    if let Some((name, instead)) = groups::instead(args) {
        return Err(Misuse {
            message: format!("there is no `{name}` here"),
            hints: vec![instead.to_owned()],
        });
    }
    let Some((group, commands)) = groups::commands_of(args) else {
        return Ok(());
    };
    let commands: Vec<_> = commands.iter().map(|name| format!("`{name}`")).collect();
    Err(Misuse {
        message: format!(
            "`{group}` needs one of its commands: {}",
            commands.join(", ")
        ),
        hints: vec![format!(
            "each is also a command by itself, see `coracle --help`"
        )],
    })
}

/// `words` with `--switch=true` as `--switch`, and without `--switch=false`: a switch of Docker's takes a truth value.
/// Only a line that was refused for it is looked at. `None` where that was not the reason.
fn without_truth(error: &clap::Error, words: &[OsString]) -> Option<Vec<OsString>> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    let flag = text(ContextKind::InvalidArg);
    let is_refused = || verb::refused_in(words, flag).is_some_and(|row| row.is_switch);
    // Of `-it=true`, clap reads `=` as one more flag of the group.
    let in_group = match error.kind() {
        ErrorKind::TooManyValues => true,
        ErrorKind::UnknownArgument if flag == "-=" => true,
        ErrorKind::UnknownArgument if is_refused() => false,
        _ => return None,
    };
    let (at, name, value) = words.iter().enumerate().skip(1).find_map(|(at, word)| {
        let (name, value) = word.to_str()?.split_once('=')?;
        let is_group = in_group && name.starts_with('-') && !name.starts_with("--");
        (name == flag || is_group).then_some((at, name, value))
    })?;
    // pflag's bool: strconv.ParseBool.
    let is_on = match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
        "0" | "f" | "F" | "false" | "FALSE" | "False" => false,
        _ => return None,
    };
    let left = match (is_on, name.starts_with("--")) {
        // What is refused stays so.
        (true, _) if !in_group => return None,
        (true, _) => name,
        (false, true) => "",
        (false, false) => &name[..name.len() - 1],
    };
    let mut fewer = words.to_vec();
    match left {
        "" | "-" => drop(fewer.remove(at)),
        left => fewer[at] = left.into(),
    }
    Some(fewer)
}

impl Misuse {
    /// A misuse that the grammar cannot express.
    pub(crate) fn of(message: String) -> Misuse {
        Misuse {
            message,
            hints: Vec::new(),
        }
    }

    /// The same, with the way out.
    pub(crate) fn with_hints(message: String, hints: Vec<String>) -> Misuse {
        Misuse { message, hints }
    }

    /// Says what clap found in the words of this program.
    fn from_clap(error: &clap::Error, args: &[OsString]) -> Misuse {
        let text = |kind| error.get(kind).map(quoted).unwrap_or_default();
        if error.kind() == ErrorKind::UnknownArgument
            && let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg)
            && let Some(row) = verb::refused_in(args, flag)
        {
            return Misuse {
                message: format!("`{}` cannot be honoured: {}", row.name, row.reason),
                hints: vec![row.instead.to_owned()],
            };
        }
        let message = match error.kind() {
            ErrorKind::UnknownArgument if text(ContextKind::InvalidArg).starts_with("`-") => {
                format!("unknown flag {}", text(ContextKind::InvalidArg))
            }
            ErrorKind::UnknownArgument => {
                format!("one argument too many: {}", text(ContextKind::InvalidArg))
            }
            ErrorKind::InvalidSubcommand => {
                format!("unknown command {}", text(ContextKind::InvalidSubcommand))
            }
            ErrorKind::MissingSubcommand => {
                format!("missing one of {}", text(ContextKind::ValidSubcommand))
            }
            ErrorKind::MissingRequiredArgument => {
                format!("missing {}", text(ContextKind::InvalidArg))
            }
            ErrorKind::TooFewValues => format!("missing `{}`", next_value(error)),
            ErrorKind::ValueValidation => format!(
                "got {} for {}: {}",
                text(ContextKind::InvalidValue),
                text(ContextKind::InvalidArg),
                error.source().map(ToString::to_string).unwrap_or_default(),
            ),
            ErrorKind::InvalidValue if text(ContextKind::InvalidValue) == "``" => {
                format!("{} needs a value", text(ContextKind::InvalidArg))
            }
            ErrorKind::InvalidValue => format!(
                "got {} for {}, expected one of {}",
                text(ContextKind::InvalidValue),
                text(ContextKind::InvalidArg),
                text(ContextKind::ValidValue),
            ),
            ErrorKind::ArgumentConflict => format!(
                "{} cannot be used with {}",
                text(ContextKind::InvalidArg),
                text(ContextKind::PriorArg),
            ),
            _ => first_line(error),
        };
        let suggested = [
            ContextKind::SuggestedArg,
            ContextKind::SuggestedSubcommand,
            ContextKind::SuggestedValue,
        ];
        let mut hints: Vec<String> = suggested
            .into_iter()
            .filter_map(|kind| error.get(kind))
            .map(|near| format!("did you mean {}?", nearest(near, typed_word(error))))
            .collect();
        if error.kind() == ErrorKind::InvalidSubcommand && hints.is_empty() {
            let verbs = verb::ALL.iter().map(|row| row.name);
            hints.extend(near::question(typed_word(error), verbs));
        }
        hints.push(match verb::named_in(args) {
            Some(verb) => format!("see `coracle {verb} --help`"),
            None => "see `coracle --help`".to_owned(),
        });
        Misuse { message, hints }
    }
}

/// The name of the first value that is not there, of several that belong together.
fn next_value(error: &clap::Error) -> String {
    let names = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(names)) => names.as_str(),
        _ => "",
    };
    let given = match error.get(ContextKind::ActualNumValues) {
        Some(ContextValue::Number(given)) => usize::try_from(*given).unwrap_or(0),
        _ => 0,
    };
    let names: Vec<&str> = names.split_whitespace().collect();
    let name = names.get(given).or(names.last()).copied();
    name.unwrap_or("VALUE").trim_end_matches("...").to_owned()
}

/// The word that clap did not know.
fn typed_word(error: &clap::Error) -> &str {
    let unknown = [
        ContextKind::InvalidSubcommand,
        ContextKind::InvalidValue,
        ContextKind::InvalidArg,
    ];
    let texts = unknown.into_iter().find_map(|kind| match error.get(kind)? {
        ContextValue::String(text) => Some(text.as_str()),
        _ => None,
    });
    texts.unwrap_or_default()
}

/// Of several words that clap finds alike, the one that was meant most likely, in backticks; else all.
fn nearest(alike: &ContextValue, typed: &str) -> String {
    let found = match alike {
        ContextValue::Strings(words) => near::nearest(typed, words.iter().map(String::as_str)),
        _ => None,
    };
    found.map_or_else(|| quoted(alike), |word| format!("`{word}`"))
}

/// The values of a clap context in backticks.
fn quoted(value: &ContextValue) -> String {
    match value {
        ContextValue::Strings(values) => {
            let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
            values.join(", ")
        }
        value => format!("`{value}`"),
    }
}

/// The sentence in which clap says what is wrong.
fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_grammar_of_every_verb_is_sound() {
        let mut command = super::command(crate::cli::verb::ALL);
        command.build();
        command.debug_assert();
    }
}
