//! Values of settings: how they are written in files and variables, and what they may be.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use toml::de::DeValue;

use crate::base::env;
use crate::base::near;
use crate::oci::platform::Platform;
use crate::ops::setup;

/// Bytes of one text.
const MAX_TEXT: usize = 4096;
/// Entries of one list.
const MAX_ITEMS: usize = 256;

/// What the values of a setting look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Any text but the empty one.
    Text,
    /// What `--engine` takes.
    Engine,
    /// A platform of images, `OS/ARCH[/VARIANT]`.
    Platform,
    /// One of these.
    Word(&'static [&'static str]),
    /// An absolute path; `~/` and `$NAME` are expanded in files.
    Path,
    /// True or false.
    Switch,
    /// A whole number.
    Number,
    /// Volumes; in a variable they have a line feed between them, in a file `./` is the file's directory.
    Volumes,
    /// Texts; in a variable they have this between them.
    List(char),
}

/// A value of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// A text, a word or a path.
    Text(OsString),
    /// True or false.
    Switch(bool),
    /// A whole number.
    Number(i64),
    /// Texts.
    List(Vec<OsString>),
}

impl Form {
    /// What is expected, for messages.
    fn expected(self) -> String {
        match self {
            Form::Text => "a text".to_owned(),
            Form::Engine => "the name of an engine".to_owned(),
            Form::Platform => "a platform, OS/ARCH[/VARIANT]".to_owned(),
            Form::Word(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
                format!("one of {}", words.join(", "))
            }
            Form::Path => "an absolute path".to_owned(),
            Form::Switch => "`true` or `false`".to_owned(),
            Form::Number => "a whole number".to_owned(),
            Form::List(_) | Form::Volumes => "a list of texts".to_owned(),
        }
    }

    /// Reads a value of a file.
    pub(super) fn of_toml(self, written: &DeValue<'_>) -> Result<Value, String> {
        let wrong = || {
            let got = shown(written);
            format!("got {got}, expected {}", self.expected())
        };
        match (self, written) {
            (Form::Switch, DeValue::Boolean(value)) => Ok(Value::Switch(*value)),
            (Form::Number, DeValue::Integer(number)) => {
                let value = i64::from_str_radix(number.as_str(), number.radix());
                Ok(Value::Number(value.map_err(|_| wrong())?))
            }
            (Form::List(_) | Form::Volumes, DeValue::Array(items)) => {
                let texts = items.iter().map(|item| match item.get_ref() {
                    DeValue::String(text) => Ok(OsString::from(&**text)),
                    other => Err(format!("got {} in a list of texts", shown(other))),
                });
                self.bounded(texts.collect::<Result<_, _>>()?)
            }
            (
                Form::Text | Form::Word(_) | Form::Path | Form::Engine | Form::Platform,
                DeValue::String(text),
            ) => self.of_text(OsStr::new(&**text)),
            _ => Err(wrong()),
        }
    }

    /// Reads the value of a variable.
    pub(super) fn of_variable(self, text: &OsStr) -> Result<Value, String> {
        let wrong = || format!("got `{}`, expected {}", brief(text), self.expected());
        match self {
            // As in most programs' variables: 1 and 0 are switches, too.
            Form::Switch => match text.as_bytes() {
                b"true" | b"1" => Ok(Value::Switch(true)),
                b"false" | b"0" => Ok(Value::Switch(false)),
                _ => Err(wrong()),
            },
            Form::Number => {
                let number = text.to_str().and_then(|text| text.parse().ok());
                number.map(Value::Number).ok_or_else(wrong)
            }
            Form::List(_) | Form::Volumes => {
                let separator = if let Form::List(separator) = self {
                    separator
                } else {
                    '\n'
                };
                let items = text.as_bytes().split(|byte| char::from(*byte) == separator);
                let items = items.filter(|item| !item.is_empty());
                self.bounded(
                    items
                        .map(|item| OsStr::from_bytes(item).to_owned())
                        .collect(),
                )
            }
            // As for CORACLE_HOME and other programs, a relative path is taken from the working directory.
            Form::Path => Ok(Value::Text(text.to_owned())),
            Form::Text | Form::Word(_) | Form::Engine | Form::Platform => self.of_text(text),
        }
    }

    fn of_text(self, text: &OsStr) -> Result<Value, String> {
        let wrong = || format!("got `{}`, expected {}", brief(text), self.expected());
        if let Form::Word(words) = self
            && !words.iter().any(|word| text == *word)
        {
            let typed = text.to_string_lossy();
            let near = near::question(&typed, words.iter().copied());
            return Err(match near {
                Some(question) => format!("{}; {question}", wrong()),
                None => wrong(),
            });
        }
        let parsed = |result: Result<(), String>| match text.is_empty() {
            true => Err(wrong()),
            false => result,
        };
        let typed = text.to_string_lossy();
        match self {
            Form::Engine => parsed(engine(&typed))?,
            Form::Platform => parsed(platform(&typed))?,
            _ => {}
        }
        match text.is_empty() || text.len() > MAX_TEXT || text.as_bytes().contains(&0) {
            true => Err(wrong()),
            false => Ok(Value::Text(text.to_owned())),
        }
    }

    fn bounded(self, items: Vec<OsString>) -> Result<Value, String> {
        if items.len() > MAX_ITEMS {
            return Err(format!(
                "got {} entries, expected at most {MAX_ITEMS}",
                items.len()
            ));
        }
        let odd = |item: &&OsString| {
            item.is_empty() || item.len() > MAX_TEXT || item.as_bytes().contains(&0)
        };
        match items.iter().find(odd) {
            Some(item) => Err(format!("got `{}` in a list of texts", brief(item))),
            None => Ok(Value::List(items)),
        }
    }
}

/// Whether `--engine` would take `name`.
fn engine(name: &str) -> Result<(), String> {
    setup::known_engine(name).map_err(|error| match error.hints().first() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    })
}

fn platform(text: &str) -> Result<(), String> {
    let platform = text.parse::<Platform>().map(drop);
    platform.map_err(|error| error.to_string())
}

impl Value {
    /// In one line, for people.
    pub(crate) fn shown(&self) -> String {
        match self {
            Value::Text(text) => text.to_string_lossy().into_owned(),
            Value::Switch(value) => value.to_string(),
            Value::Number(number) => number.to_string(),
            Value::List(items) => {
                let items: Vec<_> = items.iter().map(|item| item.to_string_lossy()).collect();
                items.join(", ")
            }
        }
    }

    /// For programs.
    pub(crate) fn json(&self) -> serde_json::Value {
        match self {
            Value::Text(text) => text.to_string_lossy().into(),
            Value::Switch(value) => (*value).into(),
            Value::Number(number) => (*number).into(),
            Value::List(items) => items.iter().map(|item| item.to_string_lossy()).collect(),
        }
    }

    /// As it stands in a file.
    pub(crate) fn toml(&self) -> String {
        let quoted = |text: &OsStr| serde_json::Value::from(text.to_string_lossy()).to_string();
        match self {
            Value::Text(text) => quoted(text),
            Value::List(items) => {
                let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
                format!("[{}]", items.join(", "))
            }
            plain => plain.shown(),
        }
    }
}

/// `text` with `~/` and `$NAME` replaced, and `$$` by a dollar; the name of a variable that is not set is the error.
pub(super) fn expanded(text: &OsStr) -> Result<OsString, String> {
    let Some(text) = text.to_str() else {
        return Ok(text.to_owned());
    };
    let mut done = OsString::new();
    let mut rest = text;
    let home = text.strip_prefix('~');
    if home.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ':'])) {
        done.push(env::get(env::HOME).ok_or(env::HOME)?);
        rest = &text[1..];
    }
    while let Some((before, after)) = rest.split_once('$') {
        done.push(before);
        if let Some(after) = after.strip_prefix('$') {
            done.push("$");
            rest = after;
            continue;
        }
        let (name, more) = variable_at(after);
        done.push(env::get(name).ok_or(name)?);
        rest = more;
    }
    done.push(rest);
    Ok(done)
}

/// The variable that begins `text`, `NAME` or `{NAME}`, and what follows.
fn variable_at(text: &str) -> (&str, &str) {
    if let Some((name, rest)) = text.strip_prefix('{').and_then(|text| text.split_once('}')) {
        return (name, rest);
    }
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    text.split_at(end.unwrap_or(text.len()))
}

/// What stands in a file, for messages.
fn shown(written: &DeValue<'_>) -> String {
    match written {
        DeValue::String(text) => format!("`{}`", brief(OsStr::new(&**text))),
        DeValue::Integer(number) => format!("the number {}", number.as_str()),
        DeValue::Boolean(value) => format!("`{value}`"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
        other => format!("a {}", other.type_str()),
    }
}

/// The beginning of a text, for messages.
fn brief(text: &OsStr) -> String {
    text.to_string_lossy().escape_debug().take(80).collect()
}
