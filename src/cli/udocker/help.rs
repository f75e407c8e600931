//! What the tables say, as help texts and as the page of differences.

use super::grammar::{Fate, Flag, Verb};
use super::{GENERAL, table};

const INTRODUCTION: &str = "\
Usage: udocker [GENERAL FLAGS] VERB [FLAGS] [ARG...]

coracle, as users of udocker type it. Every verb and flag of udocker is understood; what cannot be
honoured is refused by name. Messages go to stderr, and `run` has the guest's exit status.
";

/// The help of the whole.
pub(super) fn all() -> String {
    let mut text = format!("{INTRODUCTION}\nVerbs:\n");
    for verb in table::VERBS {
        text += &format!("  {:10} {}\n", verb.name, verb.about);
    }
    text += "\nGeneral flags:\n";
    text += &flags(GENERAL);
    text += "\n`udocker VERB --help` tells more of one. Verbs of coracle that udocker has not (exec, logs, stop,\n\
             doctor, gpu, gc) are there as well; see `coracle --help`.\n";
    text
}

/// The help of one verb.
pub(super) fn of(verb: &Verb) -> String {
    let some = if verb.flags.is_empty() {
        ""
    } else {
        " [FLAGS]"
    };
    let blank = if verb.arguments.is_empty() { "" } else { " " };
    let mut text = format!(
        "Usage: udocker {}{some}{blank}{}\n\n{}\n",
        verb.name, verb.arguments, verb.about
    );
    if !verb.unlike.is_empty() {
        text += &format!("Unlike udocker: {}.\n", verb.unlike);
    }
    if !verb.flags.is_empty() {
        text += &format!("\nFlags:\n{}", flags(verb.flags));
    }
    text
}

fn flags(flags: &[Flag]) -> String {
    let lines = flags.iter().map(|flag| {
        let fate = match flag.fate {
            Fate::Honoured => "",
            Fate::Moot => "changes nothing: ",
            Fate::Refused => "refused: ",
        };
        let unlike = match flag.unlike {
            "" => String::new(),
            unlike => format!(" (unlike udocker: {unlike})"),
        };
        format!("  {:34} {fate}{}{unlike}\n", spelled(flag), flag.note)
    });
    lines.collect()
}

/// A flag with its spellings and its value.
pub(super) fn spelled(flag: &Flag) -> String {
    let names = flag.names.join(", ");
    match (flag.value, flag.choice) {
        (Some(value), _) => format!("{names} {value}"),
        (None, Some(choice)) => format!("{names} [={choice}]"),
        (None, None) => names,
    }
}
