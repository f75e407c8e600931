//! What udocker's configuration files and variables say, each key honoured or refused by name.
//!
//! Later ones win: `/etc/udocker.conf`, `~/.udocker/udocker.conf`, `$UDOCKER_DIR/udocker.conf`, `--config`, the environment.

use std::collections::BTreeMap;

use crate::base::env;
use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::fsx;
use crate::base::path::HostPath;
use crate::cli::udocker::grammar::Fate;
use crate::cli::udocker::keys::{self, KEYS, Key};
use crate::oci::reference::parse_registry;

/// Bytes of a configuration file.
const FILE_LIMIT: u64 = 1 << 20;

/// What holds for every verb.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// Values by key, each with where it was said.
    values: BTreeMap<&'static str, (String, String)>,
}

/// A host, and whether it is asked without TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mirror {
    /// Host and port.
    pub(crate) host: String,
    /// Whether it was written as an `http://` address.
    pub(crate) is_plain: bool,
}

/// A setting that cannot be honoured.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {problem}")]
struct BadSetting {
    place: String,
    problem: String,
}

impl Fault for BadSetting {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec!["remove or correct it; `udocker showconf` lists the keys that count".to_owned()]
    }
}

impl Settings {
    /// Reads the files, then the environment. `named` is the file of `--config`, which must be there.
    pub(crate) fn gather(named: Option<HostPath>) -> Result<Settings, BoxFault> {
        let mut settings = Settings::default();
        let home = env::get(env::HOME).map(HostPath::new);
        let own = env::get(env::UDOCKER_DIR).map(HostPath::new);
        let candidates = [
            Some(HostPath::new("/etc/udocker.conf")),
            home.map(|home| home.join(".udocker/udocker.conf")),
            own.map(|dir| dir.join("udocker.conf")),
        ];
        for path in candidates.into_iter().flatten() {
            if let Some(bytes) = fsx::read_if_there(&path, FILE_LIMIT)? {
                settings.read(&bytes, &path)?;
            }
        }
        if let Some(path) = named {
            settings.read(&fsx::read(&path, FILE_LIMIT)?, &path)?;
        }
        for key in KEYS {
            for variable in key.variables {
                if let Some(value) = env::get(variable) {
                    let value = value.to_string_lossy().into_owned();
                    settings.set(key, value, format!("variable `{variable}`"))?;
                }
            }
        }
        settings.check()?;
        Ok(settings)
    }

    /// Takes in a file: `key = value` or `key: value`; a heading may stand above, and only that of defaults counts.
    fn read(&mut self, bytes: &[u8], path: &HostPath) -> Result<(), BoxFault> {
        let text = String::from_utf8_lossy(bytes);
        let mut counts = true;
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(heading) = line.strip_prefix('[') {
                counts = heading.trim_end_matches(']') == "DEFAULT";
                continue;
            }
            if !counts {
                continue;
            }
            let place = format!("`{path}`, line {}", number + 1);
            let pair = line.split_once(['=', ':']);
            let (name, value) = pair.ok_or_else(|| BadSetting {
                place: place.clone(),
                problem: "expected `key = value`".to_owned(),
            })?;
            let name = name.trim().to_ascii_lowercase();
            let key = keys::named(&name).ok_or_else(|| BadSetting {
                place: place.clone(),
                problem: format!("there is no key `{}`", name.escape_debug()),
            })?;
            self.set(key, unquoted(value.trim()).to_owned(), place)?;
        }
        Ok(())
    }

    fn set(&mut self, key: &'static Key, value: String, place: String) -> Result<(), BadSetting> {
        // A value made of others says where parts of one place are, as in the file that udocker ships: as by default.
        if value.contains("%(") || value == key.default {
            return Ok(());
        }
        if key.fate == Fate::Refused && !value.is_empty() {
            let problem = format!("`{}` is not supported: {}", key.name, key.note);
            return Err(BadSetting { place, problem });
        }
        self.values.insert(key.name, (value, place));
        Ok(())
    }

    /// Whether every value can be understood.
    fn check(&self) -> Result<(), BoxFault> {
        self.level()?;
        self.insecure()?;
        self.registry()?;
        self.index()?;
        Ok(())
    }

    fn value(&self, key: &str) -> Option<&str> {
        debug_assert!(keys::named(key).is_some(), "no row for {key}");
        let value = self.values.get(key).map(|(value, _)| value.as_str());
        value.filter(|value| !value.is_empty())
    }

    fn bad(&self, key: &str, expected: &str) -> BadSetting {
        let (value, place) = self.values.get(key).cloned().unwrap_or_default();
        let value: String = value.escape_debug().take(80).collect();
        BadSetting {
            place,
            problem: format!("got `{value}` for `{key}`, expected {expected}"),
        }
    }

    /// How much is said: 0 to 5, 3 by default.
    pub(crate) fn level(&self) -> Result<u8, BoxFault> {
        let Some(value) = self.value("verbose_level") else {
            return Ok(3);
        };
        let level = value.parse().ok().filter(|level| *level <= 5);
        Ok(level.ok_or_else(|| self.bad("verbose_level", "a number from 0 to 5"))?)
    }

    /// Whether no certificate is checked.
    pub(crate) fn insecure(&self) -> Result<bool, BoxFault> {
        match self
            .value("http_insecure")
            .map(str::to_ascii_lowercase)
            .as_deref()
        {
            None | Some("false" | "no" | "off" | "0") => Ok(false),
            Some("true" | "yes" | "on" | "1") => Ok(true),
            Some(_) => Err(self.bad("http_insecure", "`true` or `false`").into()),
        }
    }

    /// The registry of names without a host, where that is not Docker Hub.
    pub(crate) fn registry(&self) -> Result<Option<Mirror>, BoxFault> {
        self.value("dockerio_registry_url").map_or(Ok(None), mirror)
    }

    /// Where is searched, where that is not Docker Hub.
    pub(crate) fn index(&self) -> Result<Option<Mirror>, BoxFault> {
        self.value("dockerio_index_url").map_or(Ok(None), mirror)
    }

    /// The mode in which containers run that remember none.
    pub(crate) fn mode(&self) -> Option<&str> {
        self.value("override_default_execution_mode")
    }

    /// The directory of images and containers.
    pub(crate) fn topdir(&self) -> Option<HostPath> {
        self.value("topdir").map(HostPath::new)
    }

    /// The proxy that is asked for every registry.
    pub(crate) fn proxy(&self) -> Option<&str> {
        self.value("http_proxy")
    }

    /// What a guest runs where neither the image nor the command line says it.
    pub(crate) fn command(&self) -> &str {
        self.value("cmd").unwrap_or("bash -i")
    }

    /// Every key with its value and where that was said.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static Key, &str, &str)> {
        KEYS.iter().map(|key| match self.values.get(key.name) {
            Some((value, place)) => (key, value.as_str(), place.as_str()),
            None => (key, key.default, "default"),
        })
    }
}

/// A registry as udocker takes it: a URL, or a host. Docker Hub is no mirror of itself.
pub(crate) fn mirror(text: &str) -> Result<Option<Mirror>, BoxFault> {
    let text = text.trim_end_matches('/');
    let is_plain = text.starts_with("http://");
    if text.strip_prefix("https://").unwrap_or(text) == keys::HUB_INDEX {
        return Ok(None);
    }
    let host = parse_registry(text)?;
    Ok((host != "docker.io").then_some(Mirror { host, is_plain }))
}

fn unquoted(value: &str) -> &str {
    let inner = |mark: char| value.strip_prefix(mark)?.strip_suffix(mark);
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, BoxFault> {
        let mut settings = Settings::default();
        settings.read(text.as_bytes(), &HostPath::new("/u.conf"))?;
        settings.check()?;
        Ok(settings)
    }

    #[test]
    fn files_are_read_as_people_write_them() {
        let settings = read(
            "verbose_level = 5\n[DEFAULT]\n# a comment\nhttp_insecure: False\ntopdir = %(topdir)s/\nbindir = %(topdir)s/bin\n\
             dockerio_registry_url = \"http://h.example:5000/\"\n[other]\nnonsense = 1\n",
        )
        .expect("a sound file");
        assert_eq!(settings.level().expect("checked"), 5);
        assert!(!settings.insecure().expect("checked"), "`False` is false");
        assert_eq!(settings.topdir(), None);
        let host = "h.example:5000".to_owned();
        let mirror = Mirror {
            host,
            is_plain: true,
        };
        assert_eq!(settings.registry().expect("checked"), Some(mirror));
    }

    #[test]
    fn what_cannot_be_honoured_is_named() {
        for (text, problem) in [
            (
                "nonsense = 1",
                "`/u.conf`, line 1: there is no key `nonsense`",
            ),
            ("\nverbose_level = loud", "`/u.conf`, line 2: got `loud`"),
            ("http_insecure = maybe", "expected `true` or `false`"),
            ("sysdirs_list = /dev", "`sysdirs_list` is not supported: "),
            ("a line", "expected `key = value`"),
        ] {
            let fault = read(text).expect_err("a file that makes no sense");
            assert!(fault.to_string().contains(problem), "{fault}");
        }
    }
}
