//! The definition of the command line as data: what manuals and completions are made of.

use clap::{Arg, Command};

use crate::cli::typed;

/// A command and all of its flags and arguments.
pub(crate) struct Page {
    /// Its words, such as `gpu list`; empty for the program itself.
    pub(crate) words: String,
    /// One line, without a full stop.
    pub(crate) about: String,
    /// How it is typed.
    pub(crate) usage: String,
    /// Flags, in the order of the help.
    pub(crate) flags: Vec<Flag>,
    /// What stands after the flags.
    pub(crate) arguments: Vec<Argument>,
    /// More about it.
    pub(crate) prose: String,
    /// Lines that can be typed.
    pub(crate) examples: String,
    /// The names of commands below it, with a line about each.
    pub(crate) commands: Vec<(String, String)>,
}

/// One flag.
pub(crate) struct Flag {
    /// Under which heading it stands.
    pub(crate) heading: String,
    /// One letter.
    pub(crate) short: Option<char>,
    /// Its names, the first one first.
    pub(crate) longs: Vec<String>,
    /// What its value is called, where it takes one.
    pub(crate) value: Option<String>,
    /// Whether the value must stand behind `=`, or can be left out.
    pub(crate) optional: bool,
    /// The values that it takes, where they are few.
    pub(crate) words: Vec<String>,
    /// What it does.
    pub(crate) help: String,
}

/// One argument.
pub(crate) struct Argument {
    /// What it is called.
    pub(crate) name: String,
    /// The words that it takes, where they are few.
    pub(crate) words: Vec<String>,
    /// What it is.
    pub(crate) help: String,
}

/// The program itself first, then each command, then each command below a command.
pub(crate) fn pages() -> Vec<Page> {
    let mut command = typed::whole();
    command.build();
    let mut pages = Vec::new();
    collect(&mut command, "", &mut pages);
    pages
}

fn collect(command: &mut Command, words: &str, pages: &mut Vec<Page>) {
    pages.push(page(command, words));
    let below = command
        .get_subcommands_mut()
        .filter(|below| !below.is_hide_set());
    for below in below {
        let words = format!("{words} {}", below.get_name());
        collect(below, words.trim_start(), pages);
    }
}

fn page(command: &mut Command, words: &str) -> Page {
    let usage = command.render_usage().to_string();
    let text = |styled: Option<&clap::builder::StyledStr>| {
        styled.map(ToString::to_string).unwrap_or_default()
    };
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let (positional, flags): (Vec<&Arg>, Vec<&Arg>) = shown.partition(|arg| arg.is_positional());
    let below = command
        .get_subcommands()
        .filter(|below| !below.is_hide_set());
    Page {
        words: words.to_owned(),
        about: text(command.get_about()),
        usage: usage.trim_start_matches("Usage: ").trim().to_owned(),
        flags: flags.into_iter().map(flag).collect(),
        arguments: positional.into_iter().map(argument).collect(),
        prose: text(command.get_after_long_help()),
        examples: text(command.get_before_long_help()),
        commands: below
            .map(|below| (below.get_name().to_owned(), text(below.get_about())))
            .collect(),
    }
}

fn flag(arg: &Arg) -> Flag {
    let longs = arg.get_long().into_iter().map(str::to_owned);
    let aliases = arg.get_visible_aliases().unwrap_or_default();
    let longs = longs.chain(aliases.into_iter().map(str::to_owned));
    let takes = arg.get_action().takes_values();
    let bounds = arg.get_num_args();
    Flag {
        heading: arg.get_help_heading().unwrap_or("Options").to_owned(),
        short: arg.get_short(),
        longs: longs.collect(),
        value: takes.then(|| value_name(arg)),
        optional: bounds.is_some_and(|range| range.min_values() == 0),
        words: if takes { words(arg) } else { Vec::new() },
        help: arg.get_help().map(ToString::to_string).unwrap_or_default(),
    }
}

fn argument(arg: &Arg) -> Argument {
    Argument {
        name: value_name(arg),
        words: words(arg),
        help: arg.get_help().map(ToString::to_string).unwrap_or_default(),
    }
}

fn words(arg: &Arg) -> Vec<String> {
    let words = arg.get_possible_values().into_iter();
    let words = words.filter(|word| !word.is_hide_set());
    words.map(|word| word.get_name().to_owned()).collect()
}

fn value_name(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    match names.first() {
        Some(name) => name.to_string(),
        None => arg.get_id().as_str().to_uppercase(),
    }
}
