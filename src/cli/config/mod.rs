//! What configuration files and variables say, and where each value came from.
//!
//! Flags win over variables, those over the file that was named, that over the user's, that over the system's. A list
//! in a stronger place takes the place of a weaker one; only what is typed adds to it.

pub(crate) mod file;
pub(crate) mod keys;
pub(crate) mod profile;
pub(crate) mod value;

use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use crate::base::env;
use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::path::HostPath;
use file::{Layer, Profile};
use keys::{KEYS, Name};
use value::{Value, expanded};

/// What the administrator says for everybody on this host.
const SYSTEM: &str = "/etc/coracle/config.toml";

/// All settings, with where they came from.
#[derive(Debug, Default)]
pub(crate) struct Config {
    settings: Vec<Option<Setting>>,
    profiles: Vec<(Profile, Origin)>,
    files: Vec<Looked>,
}

/// One setting that somebody made.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// What it is.
    pub(crate) value: Value,
    /// Who said so.
    pub(crate) origin: Origin,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A line of a file.
    File(HostPath, usize),
    /// A variable.
    Variable(&'static str),
    /// A flag.
    Flag(&'static str),
    /// This program.
    BuiltIn,
}

/// A file that was looked for.
#[derive(Clone, Debug)]
pub(crate) struct Looked {
    /// Whose it is: `system`, `user`, or what named it.
    pub(crate) whose: &'static str,
    /// Where it is looked for.
    pub(crate) path: HostPath,
    /// Whether it is there.
    pub(crate) there: bool,
}

/// A value that makes no sense, or does so no more.
#[derive(Debug, thiserror::Error)]
#[error("cannot use `{word}` of {origin}: {what}")]
pub(crate) struct BadSetting {
    word: &'static str,
    origin: Origin,
    what: String,
}

impl Fault for BadSetting {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec!["see `coracle help config`".to_owned()]
    }
}

/// A file that was asked for by name.
#[derive(Debug, thiserror::Error)]
#[error("there is no configuration file `{}`, which {whose} names", path.display())]
struct NoFile {
    path: HostPath,
    whose: &'static str,
}

impl Fault for NoFile {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec!["`coracle config path` says where files are looked for".to_owned()]
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File(path, line) => write!(f, "{}:{line}", path.display()),
            Origin::Variable(name) => f.write_str(name),
            Origin::Flag(flag) => f.write_str(flag),
            Origin::BuiltIn => f.write_str("built-in"),
        }
    }
}

impl Config {
    /// Reads what there is; `named` is the file that `--config` names.
    pub(crate) fn load(named: Option<&Path>) -> Result<Config, BoxFault> {
        let mut config = Config {
            settings: KEYS.iter().map(|_| None).collect(),
            ..Config::default()
        };
        config.take("system", HostPath::new(SYSTEM))?;
        if let Some(path) = env::user_config() {
            config.take("user", path)?;
        }
        let variable = || {
            Some((
                env::CORACLE_CONFIG,
                HostPath::new(env::real(env::CORACLE_CONFIG)?),
            ))
        };
        let typed = named.map(|path| ("--config", HostPath::new(path)));
        if let Some((whose, path)) = typed.or_else(variable)
            && !config.take(whose, path.clone())?
        {
            return Err(NoFile { path, whose }.into());
        }
        config.take_variables()?;
        Ok(config)
    }

    /// Lays the file at `path` over what is known; whether it is there.
    fn take(&mut self, whose: &'static str, path: HostPath) -> Result<bool, BoxFault> {
        let layer = file::read(&path)?;
        self.files.push(Looked {
            whose,
            path: path.clone(),
            there: layer.is_some(),
        });
        let there = layer.is_some();
        let Layer { settings, profiles } = layer.unwrap_or_default();
        for (name, value, line) in settings {
            let origin = Origin::File(path.clone(), line);
            self.settings[name as usize] = Some(Setting { value, origin });
        }
        for profile in profiles {
            let origin = Origin::File(path.clone(), profile.line);
            self.profiles
                .retain(|(known, _)| known.name != profile.name);
            self.profiles.push((profile, origin));
        }
        Ok(there)
    }

    fn take_variables(&mut self) -> Result<(), BadSetting> {
        for key in &KEYS {
            // In a guest this names the engine that runs it, which is no wish for what it runs in turn.
            let is_fact = key.name == Name::Engine && env::real(env::CORACLE_VERSION).is_some();
            let Some(text) = env::real(key.variable).filter(|_| !is_fact) else {
                continue;
            };
            let origin = Origin::Variable(key.variable);
            let value = key.form.of_variable(&text).map_err(|what| BadSetting {
                word: key.word,
                origin: origin.clone(),
                what,
            })?;
            self.settings[key.name as usize] = Some(Setting { value, origin });
        }
        Ok(())
    }

    /// Takes over what a flag says; a list adds to what is known.
    pub(crate) fn typed(&mut self, name: Name, flag: &'static str, mut value: Value) {
        let place = &mut self.settings[name as usize];
        if let (
            Value::List(items),
            Some(Setting {
                value: Value::List(known),
                ..
            }),
        ) = (&mut value, &place)
        {
            items.splice(0..0, known.iter().cloned());
        }
        *place = Some(Setting {
            value,
            origin: Origin::Flag(flag),
        });
    }

    /// What somebody said of a setting.
    pub(crate) fn setting(&self, name: Name) -> Option<&Setting> {
        self.settings.get(name as usize)?.as_ref()
    }

    /// A text or a word.
    pub(crate) fn text(&self, name: Name) -> Option<&str> {
        match &self.setting(name)?.value {
            Value::Text(text) => text.to_str(),
            _ => None,
        }
    }

    /// A path.
    pub(crate) fn path(&self, name: Name) -> Option<HostPath> {
        match &self.setting(name)?.value {
            Value::Text(text) => Some(HostPath::new(text)),
            _ => None,
        }
    }

    /// A switch; off where nobody says anything.
    pub(crate) fn switch(&self, name: Name) -> bool {
        matches!(
            self.setting(name),
            Some(Setting {
                value: Value::Switch(true),
                ..
            })
        )
    }

    /// A number.
    pub(crate) fn number(&self, name: Name) -> Option<i64> {
        match self.setting(name)?.value {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    /// A list; empty where nobody says anything.
    pub(crate) fn list(&self, name: Name) -> Vec<OsString> {
        match self.setting(name) {
            Some(Setting {
                value: Value::List(items),
                ..
            }) => items.clone(),
            _ => Vec::new(),
        }
    }

    /// A list of a setting with variables and `~/` expanded, where a file says it: in a variable, the shell did that.
    pub(crate) fn expanded(&self, name: Name) -> Result<Vec<OsString>, BadSetting> {
        let items = self.list(name);
        let Some(Setting {
            origin: origin @ Origin::File(..),
            ..
        }) = self.setting(name)
        else {
            return Ok(items);
        };
        let items = items
            .iter()
            .map(|item| expanded(item).map_err(|missing| unset(&missing)));
        items.collect::<Result<_, _>>().map_err(|what| BadSetting {
            word: keys::key(name).word,
            origin: origin.clone(),
            what,
        })
    }

    /// Has the parts below the terminal find what files say in the place of their variables.
    pub(crate) fn lend(&self) {
        let mut lent = Vec::new();
        for name in [
            Name::Tmpdir,
            Name::Engine,
            Name::DriverRoot,
            Name::CdiDirs,
            Name::Stores,
        ] {
            let Some(Setting {
                value,
                origin: Origin::File(..),
            }) = self.setting(name)
            else {
                continue;
            };
            let text = match value {
                Value::List(items) => {
                    let items = self.expanded(name).unwrap_or_else(|_| items.clone());
                    items.join(":".as_ref())
                }
                Value::Text(text) => text.clone(),
                _ => continue,
            };
            lent.push((keys::key(name).variable, text));
        }
        if !lent.is_empty() {
            env::suppose(lent);
        }
    }

    /// The files that were looked for, the weakest first.
    pub(crate) fn files(&self) -> &[Looked] {
        &self.files
    }
}

fn unset(name: &str) -> String {
    format!("the variable {name} is not set")
}
