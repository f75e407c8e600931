//! What an operation that both tongues share advises, in the words of this one.

use std::error::Error;
use std::fmt;

use super::grammar::{Verb, Words};
use super::table;
use crate::base::fault::{BoxFault, Fault, Kind};

/// How operations name a command: in backticks, as Docker's tongue has it.
const OTHERS: &str = "`coracle ";

/// A fault whose hints name this tongue's commands.
#[derive(Debug)]
pub(super) struct Advised {
    fault: BoxFault,
    program: &'static str,
}

impl Advised {
    /// `fault`, for whoever types `program` before a verb.
    pub(super) fn new(fault: BoxFault, program: &'static str) -> Advised {
        Advised { fault, program }
    }
}

impl fmt::Display for Advised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(f)
    }
}

impl Error for Advised {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.fault.source()
    }
}

impl Fault for Advised {
    fn kind(&self) -> Kind {
        self.fault.kind()
    }

    fn hints(&self) -> Vec<String> {
        let hints = self.fault.hints();
        hints.iter().map(|hint| said(hint, self.program)).collect()
    }
}

/// `hint` with each command that this tongue has as `program` and its words. One that it has not, or not with these flags
/// and so many words, stays as it is: coracle's own name is good, too.
fn said(hint: &str, program: &str) -> String {
    // This tongue's list has all containers without a flag.
    let hint = hint.replace("`coracle ps -a`", "`coracle ps`");
    let mut parts = hint.split(OTHERS);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let command = part.split('`').next().unwrap_or_default();
        match is_known(command) {
            true => text += &format!("`{program} "),
            false => text += OTHERS,
        }
        text += part;
    }
    text
}

fn is_known(command: &str) -> bool {
    let mut words = command.split_whitespace();
    let Some(verb) = words.next().and_then(table::named) else {
        return false;
    };
    let (flags, words): (Vec<&str>, Vec<&str>) = words.partition(|word| word.starts_with('-'));
    flags.iter().all(|flag| has(verb, flag))
        && match verb.words {
            Words::Between(_, most) => words.len() <= most,
            Words::From(_) | Words::Program => true,
        }
}

fn has(verb: &Verb, flag: &str) -> bool {
    let name = flag.split('=').next().unwrap_or_default();
    verb.flags.iter().any(|known| known.names.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::said;

    #[test]
    fn what_this_tongue_has_is_named_in_it() {
        for (hint, in_ours) in [
            (
                "`coracle pull x` brings it here",
                "`udocker pull x` brings it here",
            ),
            (
                "remove the containers with `coracle rm`, or use `--force`: they go on working",
                "remove the containers with `udocker rm`, or use `--force`: they go on working",
            ),
            (
                "`coracle ps -a` lists the containers, `coracle images` the images",
                "`udocker ps` lists the containers, `udocker images` the images",
            ),
            ("`coracle login h` does", "`coracle login h` does"),
            ("`coracle doctor` tells", "`coracle doctor` tells"),
            ("", ""),
        ] {
            assert_eq!(said(hint, "udocker"), in_ours);
        }
    }
}
