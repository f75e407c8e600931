//! The page of differences to udocker, printed from the tables.

use super::grammar::{Fate, Flag};
use super::help::spelled;
use super::keys::KEYS;
use super::{GENERAL, table};

/// The page that lists every verb, flag and key of udocker, and what becomes of each.
pub fn page() -> String {
    let mut text = String::from(PAGE_HEAD);
    text += &section("Before the verb", "", "", GENERAL);
    for verb in table::VERBS {
        let title = format!("`{} {}`", verb.name, verb.arguments).replace(" `", "`");
        text += &section(&title, verb.about, verb.unlike, verb.flags);
    }
    text += "\n## Configuration\n\nKeys of `udocker.conf`, and the variables that set the same.\n\n\
             | key | variable | here | what it does, or why not |\n|---|---|---|---|\n";
    for key in KEYS {
        let variables: Vec<String> = key
            .variables
            .iter()
            .map(|name| format!("`{name}`"))
            .collect();
        text += &format!(
            "| `{}` | {} | {} | {} |\n",
            key.name,
            variables.join(" "),
            word(key.fate),
            escaped(key.note)
        );
    }
    text
}

const PAGE_HEAD: &str = "\
# udocker's verbs and flags

What becomes here of every verb, flag, variable and key of udocker. *Honoured*: it does what stands beside it.
*No effect*: it is taken, and things are so without it. *Refused*: the command ends with the reason, before anything
is done.

Everywhere: messages go to stderr, stdout is for what was asked; values may stand behind `=` or in the next word, single
letters may be joined (`-it`); empty arguments reach the guest; `run` has the guest's status, 128+n for a signal, 125, 126
and 127 as Docker's, every other failure is 1.
";

fn section(title: &str, about: &str, unlike: &str, flags: &[Flag]) -> String {
    let mut text = format!("\n## {title}\n");
    if !about.is_empty() {
        text += &format!("\n{about}.\n");
    }
    if !unlike.is_empty() {
        text += &format!("\nUnlike udocker: {unlike}.\n");
    }
    if flags.is_empty() {
        return text;
    }
    text += "\n| flag | here | what it does, or why not |\n|---|---|---|\n";
    for flag in flags {
        let unlike = match flag.unlike {
            "" => String::new(),
            unlike => format!("; unlike udocker: {}", escaped(unlike)),
        };
        text += &format!(
            "| `{}` | {} | {}{unlike} |\n",
            escaped(&spelled(flag)),
            word(flag.fate),
            escaped(flag.note),
        );
    }
    text
}

fn word(fate: Fate) -> &'static str {
    match fate {
        Fate::Honoured => "honoured",
        Fate::Moot => "no effect",
        Fate::Refused => "refused",
    }
}

/// Text in a cell of a table.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
}
