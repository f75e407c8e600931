//! The guest's environment, by Docker's rules, and what a launcher of parallel jobs needs.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::base::env;
use crate::plan::fault::{PlanError, shown};
use crate::plan::surroundings;
use crate::plan::wish::{Facts, Text, Wish};

/// Where programs are looked up if the image does not say; moby, `DefaultPathEnv`.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The terminal's type where the host does not say; moby.
const DEFAULT_TERM: &str = "xterm";

/// Names and values, each name once, in the order in which they first appear.
pub(super) struct Environment(pub(super) Vec<(OsString, OsString)>);

impl Environment {
    pub(super) fn get(&self, name: &str) -> Option<&OsStr> {
        let mut found = self.0.iter().filter(|(known, _)| known == name);
        found.next().map(|(_, value)| value.as_os_str())
    }

    pub(super) fn set(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        let (name, value) = (name.into(), value.into());
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some(entry) => entry.1 = value,
            None => self.0.push((name, value)),
        }
    }

    pub(super) fn unset(&mut self, name: &OsStr) {
        self.0.retain(|(known, _)| known != name);
    }
}

/// The guest's whole environment. Later wins: defaults, the image, what a launcher of
/// parallel jobs has set, the wish. `home` is the user's in the guest.
pub(super) fn environment(
    wish: &Wish,
    facts: &Facts<'_>,
    home: &OsStr,
) -> Result<Environment, PlanError> {
    let host = |name: &OsStr| of_host(facts, name).cloned();
    let mut environment = Environment(Vec::new());
    if wish.host_environment {
        let names = facts.environment.iter();
        for (name, value) in names.filter(|(name, _)| !env::HOST_ONLY.iter().any(|it| name == it)) {
            environment.set(name, value);
        }
    }
    environment.set(env::PATH, DEFAULT_PATH);
    let hostname = wish.hostname.as_deref().unwrap_or(facts.hostname);
    environment.set(env::HOSTNAME, hostname);
    if wish.terminal {
        let term = host(OsStr::new(env::TERM)).filter(|term| !term.is_empty());
        environment.set(env::TERM, term.unwrap_or_else(|| DEFAULT_TERM.into()));
    }
    for (name, value) in surroundings::below(wish, facts) {
        environment.set(name, value);
    }
    for entry in &facts.image.env {
        // Images have been seen with entries that name nothing; no program could read them.
        if let Some((name, value)) = entry.split_once('=').filter(|(name, _)| !name.is_empty()) {
            environment.set(name, value);
        }
    }
    let in_job = facts.in_pmi_launch || host(OsStr::new(env::SLURM_JOB_ID)).is_some();
    for (name, value) in facts.environment {
        if in_job && is_launchers(name) {
            environment.set(name, value);
        }
    }
    for (name, value) in surroundings::above(wish, facts) {
        environment.set(name, value);
    }
    for Text(entry) in &wish.environment {
        match split(entry)? {
            (name, Some(value)) => environment.set(name, value),
            (name, None) => match host(name) {
                Some(value) => environment.set(name, value),
                // As Docker: a name that the host does not have is taken away.
                None => environment.unset(name),
            },
        }
    }
    if environment.get(env::HOME).is_none() {
        environment.set(env::HOME, home);
    }
    Ok(environment)
}

fn of_host<'a>(facts: &Facts<'a>, name: &OsStr) -> Option<&'a OsString> {
    let mut found = facts.environment.iter().filter(|(known, _)| known == name);
    found.next().map(|(_, value)| value)
}

/// What was typed for the variable `name`, if anything: its value, or `None` where it is taken away.
pub(super) fn typed<'a>(
    wish: &'a Wish,
    facts: &Facts<'a>,
    name: &str,
) -> Option<Option<&'a OsStr>> {
    let entries = wish.environment.iter().rev();
    let mut named = entries.filter_map(|Text(entry)| split(entry).ok());
    match named.find(|(known, _)| *known == name)? {
        (_, Some(value)) => Some(Some(value)),
        (name, None) => Some(of_host(facts, name).map(OsString::as_os_str)),
    }
}

/// Whether a launcher of parallel jobs, its scheduler or its fabric reads this variable.
fn is_launchers(name: &OsStr) -> bool {
    let name = name.as_bytes();
    let mut families = env::LAUNCHER_FAMILIES.iter();
    families.any(|family| name.starts_with(family.as_bytes()))
        || env::LAUNCHER_NAMES
            .iter()
            .any(|known| name == known.as_bytes())
}

/// `NAME=value` or `NAME`.
fn split(entry: &OsStr) -> Result<(&OsStr, Option<&OsStr>), PlanError> {
    let bytes = entry.as_bytes();
    let (name, value) = match bytes.iter().position(|byte| *byte == b'=') {
        Some(at) => (&bytes[..at], Some(OsStr::from_bytes(&bytes[at + 1..]))),
        None => (bytes, None),
    };
    if name.is_empty() {
        return Err(PlanError::EnvironmentName(shown(entry)));
    }
    Ok((OsStr::from_bytes(name), value))
}

/// The entries of an environment file, for [`Wish::environment`].
///
/// As Docker reads it (cli, `opts/file.go`): blanks before a name do not count, `#` starts
/// a comment line, a value goes to the end of the line with quotes and blanks as they
/// are, a name alone takes the host's value and is skipped where the host has none.
pub fn from_file(content: &[u8], host: &[(OsString, OsString)]) -> Result<Vec<Text>, PlanError> {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let mut entries = Vec::new();
    for (index, line) in content.split(|byte| *byte == b'\n').enumerate() {
        let fault = |what| PlanError::EnvironmentFile {
            line: index + 1,
            what,
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = std::str::from_utf8(line).map_err(|_| fault("is not UTF-8"))?;
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.contains('\0') {
            return Err(fault("has a NUL byte"));
        }
        let name = line.split('=').next().unwrap_or_default();
        if name.is_empty() {
            return Err(fault("names no variable"));
        }
        if name.contains(char::is_whitespace) {
            return Err(fault("has a blank in the name"));
        }
        if line.contains('=') || host.iter().any(|(known, _)| known == name) {
            entries.push(Text(OsString::from_vec(line.as_bytes().to_vec())));
        }
    }
    Ok(entries)
}
