//! One configuration file, read strictly: what it does not know is an error, with the line and what was meant.

use std::ffi::OsString;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::fsx;
use crate::base::near;
use crate::base::path::HostPath;
use crate::cli::config::keys::{FIELDS, KEYS, Name};
use crate::cli::config::value::{Form, Value, expanded};

/// Bytes of a configuration file.
const FILE_LIMIT: u64 = 256 << 10;
/// Profiles of one file.
const MAX_PROFILES: usize = 64;

/// What one file says.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    /// Settings, each with its line.
    pub(crate) settings: Vec<(Name, Value, usize)>,
    /// Profiles.
    pub(crate) profiles: Vec<Profile>,
}

/// What one `[profile.NAME]` says, unexpanded.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    /// What it is called.
    pub(crate) name: String,
    /// Where it begins.
    pub(crate) line: usize,
    /// Its keys, by their index in [`FIELDS`].
    pub(crate) fields: Vec<(usize, Value)>,
}

/// A file that says what nobody understands.
#[derive(Debug, thiserror::Error)]
#[error("cannot use `{}`: line {line}: {what}", path.display())]
pub(crate) struct Wrong {
    path: HostPath,
    line: usize,
    what: String,
    hint: String,
}

impl Fault for Wrong {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec![self.hint.clone()]
    }
}

/// The layer of the file at `path`; `None` where there is no such file.
pub(crate) fn read(path: &HostPath) -> Result<Option<Layer>, BoxFault> {
    let Some(bytes) = fsx::read_if_there(path, FILE_LIMIT)? else {
        return Ok(None);
    };
    let place = Place { path, text: "" };
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        place.wrong_in(line, "not UTF-8".to_owned(), None)
    })?;
    Ok(Some(parse(text, path)?))
}

/// The layer that `text` means, which stands in the file at `path`.
pub(crate) fn parse(text: &str, path: &HostPath) -> Result<Layer, Wrong> {
    let place = Place { path, text };
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let both = text.contains("[profile.") && error.message().contains("extend");
        let hint =
            both.then(|| "write `profile.default = \"NAME\"` in a file with profiles".to_owned());
        place.wrong(at, error.message().to_owned(), hint)
    })?;
    let mut layer = Layer::default();
    for (word, value) in table.get_ref() {
        if word.get_ref() == "profile" && value.get_ref().is_table() {
            place.profiles(value, &mut layer)?;
            continue;
        }
        let at = word.span().start;
        let key = KEYS.iter().find(|key| key.word == word.get_ref());
        let key = key.ok_or_else(|| place.unknown(at, word.get_ref(), &known_words()))?;
        let read = place.setting(key.form, value);
        let read = read.map_err(|what| place.wrong(at, format!("`{}`: {what}", key.word), None))?;
        layer.settings.push((key.name, read, place.line(at)));
    }
    Ok(layer)
}

fn known_words() -> Vec<&'static str> {
    KEYS.iter().map(|key| key.word).collect()
}

/// A file while it is read.
struct Place<'a> {
    path: &'a HostPath,
    text: &'a str,
}

impl Place<'_> {
    /// The value of a setting, with paths made absolute.
    fn setting(&self, form: Form, written: &Spanned<DeValue<'_>>) -> Result<Value, String> {
        let value = form.of_toml(written.get_ref())?;
        let full = |text: &std::ffi::OsString| {
            expanded(text).map_err(|name| {
                format!(
                    "`{}` needs the variable {name}, which is not set",
                    text.to_string_lossy()
                )
            })
        };
        Ok(match (form, value) {
            (Form::Path, Value::Text(text)) => {
                let path = HostPath::new(full(&text)?);
                if !path.is_absolute() {
                    return Err(format!(
                        "got `{}`, expected an absolute path",
                        path.display()
                    ));
                }
                Value::Text(path.as_os_str().to_owned())
            }
            (Form::Volumes, value) => self.beside(value)?,
            (_, value) => value,
        })
    }

    /// Volumes with each source that begins with `./` or `../` taken from the directory of this file: the same line
    /// means the same wherever the command is typed.
    fn beside(&self, volumes: Value) -> Result<Value, String> {
        let Value::List(items) = volumes else {
            return Ok(volumes);
        };
        let path = std::path::absolute(self.path);
        let path = path.map_err(|error| format!("cannot find the file's directory: {error}"))?;
        let dir = path.parent().unwrap_or(Path::new("/")).as_os_str();
        // The text is expanded later, when a container is made.
        let dir = dir.to_string_lossy().replace('$', "$$");
        let full = |item: OsString| {
            let text = item.to_string_lossy();
            let source = text.split(':').next().unwrap_or_default();
            let is_here = source
                .split('/')
                .next()
                .is_some_and(|it| it == "." || it == "..");
            match (is_here, text.strip_prefix("./")) {
                (false, _) => item,
                (true, Some(rest)) => format!("{dir}/{rest}").into(),
                (true, None) => format!("{dir}/{text}").into(),
            }
        };
        Ok(Value::List(items.into_iter().map(full).collect()))
    }

    /// The profiles of `[profile.NAME]`, and the one that `profile.default` names: in one file, TOML does not let
    /// `profile` be a text and a table.
    fn profiles(&self, written: &Spanned<DeValue<'_>>, layer: &mut Layer) -> Result<(), Wrong> {
        let table = written.get_ref().as_table();
        let table = table.expect("the caller saw a table");
        if table.len() > MAX_PROFILES {
            let what = format!(
                "got {} profiles, expected at most {MAX_PROFILES}",
                table.len()
            );
            return Err(self.wrong(written.span().start, what, None));
        }
        for (name, value) in table {
            let at = name.span().start;
            let line = self.line(at);
            let name = name.get_ref().to_string();
            match value.get_ref() {
                DeValue::Table(keys) => {
                    let fields = self.fields(keys)?;
                    layer.profiles.push(Profile { name, line, fields });
                }
                DeValue::String(text) if name == "default" => {
                    let value = Value::Text((&**text).into());
                    layer.settings.push((Name::Profile, value, line));
                }
                _ => {
                    let what = format!(
                        "got `profile.{name}` with a value, expected `[profile.{name}]` and keys below it"
                    );
                    return Err(self.wrong(at, what, None));
                }
            }
        }
        Ok(())
    }

    fn fields(&self, keys: &DeTable<'_>) -> Result<Vec<(usize, Value)>, Wrong> {
        let mut fields = Vec::new();
        for (word, value) in keys {
            let at = word.span().start;
            let index = FIELDS.iter().position(|field| field.word == word.get_ref());
            let words: Vec<&str> = FIELDS.iter().map(|field| field.word).collect();
            let index = index.ok_or_else(|| self.unknown(at, word.get_ref(), &words))?;
            let read = self.setting(FIELDS[index].form, value);
            let read = read.and_then(|value| checked(FIELDS[index].word, value));
            let read =
                read.map_err(|what| self.wrong(at, format!("`{}`: {what}", word.get_ref()), None))?;
            fields.push((index, read));
        }
        fields.sort_by_key(|(index, _)| *index);
        Ok(fields)
    }

    fn unknown(&self, at: usize, word: &str, known: &[&str]) -> Wrong {
        let shown: String = word.escape_debug().take(80).collect();
        let question = near::question(word, known.iter().copied());
        self.wrong(at, format!("unknown key `{shown}`"), question)
    }

    fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().iter().take(at);
        before.filter(|byte| **byte == b'\n').count() + 1
    }

    fn wrong(&self, at: usize, what: String, hint: Option<String>) -> Wrong {
        self.wrong_in(self.line(at), what, hint)
    }

    fn wrong_in(&self, line: usize, what: String, hint: Option<String>) -> Wrong {
        let hint = hint.unwrap_or_else(|| "see `coracle help config`".to_owned());
        Wrong {
            path: self.path.clone(),
            line,
            what,
            hint,
        }
    }
}

/// What of a profile's values is more than a text.
fn checked(word: &str, value: Value) -> Result<Value, String> {
    let Value::List(items) = &value else {
        return Ok(value);
    };
    for item in items {
        let text = item.to_string_lossy();
        match word {
            "env" | "drop_env" if !is_family(&text) => {
                return Err(format!(
                    "got `{text}`, expected a name, or the beginning of names with `*` behind it"
                ));
            }
            "devices" if text != "fabric" => {
                return Err(format!("got `{text}`, expected `fabric`"));
            }
            _ => {}
        }
    }
    Ok(value)
}

/// Whether a word is a variable's name, or the beginning of names with a star behind it.
fn is_family(word: &str) -> bool {
    let name = word.strip_suffix('*').unwrap_or(word);
    !name.is_empty() && !name.contains(['*', '=']) && !name.contains(char::is_whitespace)
}
