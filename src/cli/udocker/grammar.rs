//! udocker's grammar: flags and verbs as rows of tables, and the reader of command lines made of them.
//!
//! Values stand behind `=` or in the next word, single letters may be joined, as with Docker. Every row says what becomes
//! of its flag, so that a help text and the page of differences are these tables, printed.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::cli::typed::Misuse;
use crate::cli::udocker::Here;

/// What becomes of a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It does what its note says.
    Honoured,
    /// It is taken, and things are so without it, too; the note says why.
    Moot,
    /// It ends the command with its note as the reason.
    Refused,
}

/// A flag of udocker's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag {
    /// Its spellings; the first is what [`Given`] is asked for.
    pub(crate) names: &'static [&'static str],
    /// What its value is; none for one that takes none.
    pub(crate) value: Option<&'static str>,
    /// What may stand behind `=`, and only there.
    pub(crate) choice: Option<&'static str>,
    /// What becomes of it.
    pub(crate) fate: Fate,
    /// What it does, or why not.
    pub(crate) note: &'static str,
    /// In what this departs from udocker, and why; empty where it does not.
    pub(crate) unlike: &'static str,
}

/// A flag without a value, honoured.
pub(crate) const fn flag(names: &'static [&'static str], note: &'static str) -> Flag {
    Flag {
        names,
        value: None,
        choice: None,
        fate: Fate::Honoured,
        note,
        unlike: "",
    }
}

/// A flag with a value, honoured.
pub(crate) const fn value(
    names: &'static [&'static str],
    shown: &'static str,
    note: &'static str,
) -> Flag {
    Flag {
        value: Some(shown),
        ..flag(names, note)
    }
}

impl Flag {
    /// The same, changing nothing.
    pub(crate) const fn moot(self) -> Flag {
        Flag {
            fate: Fate::Moot,
            ..self
        }
    }

    /// The same, with a value that may stand behind `=`.
    pub(crate) const fn or_with(self, choice: &'static str) -> Flag {
        Flag {
            choice: Some(choice),
            ..self
        }
    }

    /// The same, refused.
    pub(crate) const fn refused(self) -> Flag {
        Flag {
            fate: Fate::Refused,
            ..self
        }
    }

    /// The same, with a difference to udocker's.
    pub(crate) const fn unlike(self, unlike: &'static str) -> Flag {
        Flag { unlike, ..self }
    }
}

/// How many words a verb takes besides its flags.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Words {
    /// From so many to so many.
    Between(usize, usize),
    /// At least so many.
    From(usize),
    /// At least one; what follows the first is not ours, flags or not.
    Program,
}

impl Words {
    /// The fewest.
    pub(crate) fn fewest(self) -> usize {
        match self {
            Words::Between(fewest, _) | Words::From(fewest) => fewest,
            Words::Program => 1,
        }
    }
}

/// A verb of udocker's.
pub(crate) struct Verb {
    /// What is typed.
    pub(crate) name: &'static str,
    /// The words behind the flags, as the usage line shows them.
    pub(crate) arguments: &'static str,
    /// One line of what it does.
    pub(crate) about: &'static str,
    /// In what it departs from udocker, and why; empty where it does not.
    pub(crate) unlike: &'static str,
    /// Its flags.
    pub(crate) flags: &'static [Flag],
    /// How many words it takes.
    pub(crate) words: Words,
    /// Calls one operation and renders what it says.
    pub(crate) act: fn(&Given, &Here) -> Result<ExitCode, BoxFault>,
}

/// What was given to a verb.
#[derive(Debug)]
pub(crate) struct Given {
    flags: &'static [Flag],
    values: Vec<(&'static str, OsString)>,
    /// Whether help was asked for.
    pub(crate) help: bool,
    /// The words that are no flags.
    pub(crate) words: Vec<OsString>,
}

impl Given {
    /// Whether the flag was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.values_of(name).next().is_some()
    }

    /// All values of a flag, in their order.
    pub(crate) fn all(&self, name: &str) -> Vec<OsString> {
        self.values_of(name).cloned().collect()
    }

    /// The value of a flag; of several the last counts.
    pub(crate) fn last(&self, name: &str) -> Option<OsString> {
        self.values_of(name).last().cloned()
    }

    /// The same as text.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, Misuse> {
        let last = self.last(name);
        last.map(|value| text_of(name, value)).transpose()
    }

    /// All values as texts.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<String>, Misuse> {
        let all = self.all(name).into_iter();
        all.map(|value| text_of(name, value)).collect()
    }

    /// The word at this place, as text; empty where there is none.
    pub(crate) fn word(&self, at: usize) -> Result<String, Misuse> {
        let word = self.words.get(at).cloned().unwrap_or_default();
        text_of("a name", word)
    }

    /// All words as texts.
    pub(crate) fn all_words(&self) -> Result<Vec<String>, Misuse> {
        (0..self.words.len()).map(|at| self.word(at)).collect()
    }

    fn values_of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a OsString> {
        debug_assert!(
            self.flags.iter().any(|flag| flag.names[0] == name),
            "no row for {name}"
        );
        let own = self.values.iter().filter(move |(known, _)| *known == name);
        own.map(|(_, value)| value)
    }
}

fn text_of(name: &str, value: OsString) -> Result<String, Misuse> {
    value.into_string().map_err(|value| {
        Misuse::of(format!(
            "got `{}` for `{name}`, expected UTF-8",
            value.to_string_lossy()
        ))
    })
}

/// Reads `args` by these rows. With [`Words::Program`] it stops at the first word.
pub(crate) fn read(
    flags: &'static [Flag],
    words: Words,
    args: &[OsString],
) -> Result<Given, Misuse> {
    let mut reader = Reader {
        given: Given {
            flags,
            values: Vec::new(),
            help: false,
            words: Vec::new(),
        },
        rest: args.iter(),
    };
    while let Some(arg) = reader.rest.next() {
        let bytes = arg.as_bytes();
        if bytes == b"--" {
            break;
        }
        if bytes.starts_with(b"--") {
            reader.long(arg)?;
        } else if bytes.len() > 1 && bytes[0] == b'-' {
            reader.short(bytes)?;
        } else {
            reader.given.words.push(arg.clone());
            if matches!(words, Words::Program) {
                break;
            }
        }
    }
    let Reader { mut given, rest } = reader;
    given.words.extend(rest.cloned());
    Ok(given)
}

struct Reader<'a> {
    given: Given,
    rest: std::slice::Iter<'a, OsString>,
}

impl Reader<'_> {
    /// `--name`, `--name=value`, `--name value`.
    fn long(&mut self, arg: &OsStr) -> Result<(), Misuse> {
        let (name, value) = split(arg.as_bytes());
        let Some(flag) = self.find(name)? else {
            return Ok(());
        };
        match (flag.value, value) {
            (None, Some(value)) if flag.choice.is_some() => self.take(flag, value),
            (None, Some(_)) => Err(Misuse::of(format!(
                "`{}` takes no value",
                OsStr::from_bytes(name).to_string_lossy()
            ))),
            (None, None) => self.take(flag, OsString::new()),
            (Some(_), Some(value)) => self.take(flag, value),
            (Some(_), None) => {
                let value = self.next_value(flag)?;
                self.take(flag, value)
            }
        }
    }

    /// `-x`, `-xy`, `-x=value`, `-x value`, `-xvalue`.
    fn short(&mut self, arg: &[u8]) -> Result<(), Misuse> {
        for (at, letter) in arg.iter().enumerate().skip(1) {
            let Some(flag) = self.find(&[b'-', *letter])? else {
                continue;
            };
            if flag.value.is_none() {
                if arg.get(at + 1) == Some(&b'=') {
                    if flag.choice.is_some() {
                        return self.take(flag, OsString::from_vec(arg[at + 2..].to_vec()));
                    }
                    let name = char::from(*letter);
                    return Err(Misuse::of(format!("`-{name}` takes no value")));
                }
                self.take(flag, OsString::new())?;
                continue;
            }
            let behind = &arg[at + 1..];
            let value = match behind.strip_prefix(b"=").unwrap_or(behind) {
                [] if behind.is_empty() => self.next_value(flag)?,
                value => OsString::from_vec(value.to_vec()),
            };
            return self.take(flag, value);
        }
        Ok(())
    }

    /// The row of a flag; none where help was asked for.
    fn find(&mut self, name: &[u8]) -> Result<Option<&'static Flag>, Misuse> {
        let is_it = |known: &str| known.as_bytes() == name;
        let found = self
            .given
            .flags
            .iter()
            .find(|flag| flag.names.iter().any(|known| is_it(known)));
        if found.is_none() && (name == b"--help" || name == b"-h") {
            self.given.help = true;
            return Ok(None);
        }
        found.map(Some).ok_or_else(|| {
            let name = OsStr::from_bytes(name).to_string_lossy();
            Misuse::of(format!("unknown flag `{name}`"))
        })
    }

    /// The next word as a value. One that looks like a flag was hardly meant to be one: behind `=` it may stand.
    fn next_value(&mut self, flag: &Flag) -> Result<OsString, Misuse> {
        let name = flag.names[0];
        let shown = flag.value.unwrap_or_default();
        match self.rest.clone().next() {
            Some(next) if next.len() < 2 || !next.as_bytes().starts_with(b"-") => {
                self.rest.next();
                Ok(next.clone())
            }
            Some(next) => Err(Misuse::of(format!(
                "`{name}` needs a value ({shown}), got `{0}`; if that is one, write `{name}={0}`",
                next.to_string_lossy()
            ))),
            None => Err(Misuse::of(format!("`{name}` needs a value ({shown})"))),
        }
    }

    fn take(&mut self, flag: &'static Flag, value: OsString) -> Result<(), Misuse> {
        let name = flag.names[0];
        if flag.fate == Fate::Refused {
            return Err(Misuse::of(format!(
                "`{name}` is not supported: {}",
                flag.note
            )));
        }
        self.given.values.push((name, value));
        Ok(())
    }
}

fn split(arg: &[u8]) -> (&[u8], Option<OsString>) {
    match arg.iter().position(|byte| *byte == b'=') {
        Some(at) => (&arg[..at], Some(OsString::from_vec(arg[at + 1..].to_vec()))),
        None => (arg, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: &[Flag] = &[
        value(&["--volume", "-v"], "HOST[:GUEST]", "a mount"),
        value(&["--name"], "NAME", "a name"),
        flag(&["--interactive", "-i"], "keep stdin"),
        flag(&["--tty", "-t"], "a terminal"),
        flag(&["--warp"], "there is no such drive").refused(),
    ];

    fn given(line: &[&str]) -> Result<Given, Misuse> {
        let args: Vec<OsString> = line.iter().map(OsString::from).collect();
        read(FLAGS, Words::Program, &args)
    }

    #[test]
    fn every_spelling_means_the_same() {
        for line in [
            ["-v", "/a", "-it", "--name", "n", "img"].as_slice(),
            &["-v=/a", "-t", "-i", "--name=n", "img"],
            &["--volume=/a", "-i", "-t", "--name", "n", "img"],
            &["--volume", "/a", "-ti", "--name=n", "img"],
            &["-itv/a", "--name=n", "img"],
            &["-itv=/a", "--name=n", "--", "img"],
        ] {
            let given = given(line).expect("a sound line");
            assert_eq!(given.all("--volume"), ["/a"], "{line:?}");
            assert_eq!(given.last("--name").expect("given"), "n");
            assert!(given.has("--interactive") && given.has("--tty"));
            assert_eq!(given.words, ["img"]);
        }
    }

    #[test]
    fn what_follows_the_first_word_is_verbatim() {
        let given = given(&["-v=", "img", "sh", "-c", "", "--", "--name"]).expect("sound");
        assert_eq!(given.words, ["img", "sh", "-c", "", "--", "--name"]);
        assert_eq!(given.all("--volume"), [""]);
    }

    #[test]
    fn nothing_is_dropped() {
        for (line, complaint) in [
            (["--nam", "x"], "unknown flag `--nam`"),
            (["-x", "x"], "unknown flag `-x`"),
            (["--tty=1", "x"], "`--tty` takes no value"),
            (["-t=1", "x"], "`-t` takes no value"),
            (["--name", "-i"], "`--name` needs a value (NAME), got `-i`"),
            (["-i", "--name"], "`--name` needs a value (NAME)"),
            (
                ["--warp", "x"],
                "`--warp` is not supported: there is no such drive",
            ),
        ] {
            let complained = given(&line).expect_err("a line that makes no sense");
            assert!(
                complained.to_string().starts_with(complaint),
                "{complained}"
            );
        }
    }
}
