//! Programs that keep credentials: `docker-credential-NAME`.
//!
//! docker-credential-helpers, README.md, "Development": what is asked stands in the one argument, of whom on stdin, and
//! the answer is JSON. That something is not there is said on stdout, in fixed words, with a status that is not 0.

use std::io;

use serde::Deserialize;
use serde_json::json;

use crate::base::inquiry::{self, Answer};
use crate::base::path::HostPath;
use crate::registry::authority::credentials::{Credential, Secret, server_name};
use crate::registry::error::RegistryError;
use crate::registry::patience::Patience;
use crate::registry::reply::one_line;

/// The longest name, in bytes; real ones have a dozen.
const MAX_NAME: usize = 64;
/// The longest answer, in bytes; tokens of clouds have some thousands.
const MAX_ANSWER: usize = 64 << 10;
/// What a helper says on stdout where it has nothing.
const NOT_FOUND: &str = "credentials not found in native keychain";
/// The user name that says that the secret is an identity token.
pub(super) const TOKEN_USER: &str = "<token>";

/// A program that keeps credentials, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Helper {
    /// What follows `docker-credential-` in its name.
    name: String,
    /// The file of credentials that names it.
    file: HostPath,
    /// Whether that file says that it has credentials for the registry in question.
    is_sure: bool,
}

/// What `get` answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Got {
    username: Option<String>,
    secret: Option<String>,
}

impl Helper {
    /// The helper `name` of `file`; an error for a name that could lead to another program. `is_sure` says whether the
    /// file says that it has what it will be asked for.
    pub(super) fn new(name: &str, file: &HostPath, is_sure: bool) -> Result<Helper, RegistryError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(is_plain) {
            return Err(RegistryError::Config {
                path: file.to_string(),
                how: format!("`{}` names no credential helper", one_line(name)),
            });
        }
        Ok(Helper {
            name: name.to_owned(),
            file: file.clone(),
            is_sure,
        })
    }

    /// Whether the file that names it says that it has credentials for the registry in question: it is for that alone,
    /// or there is an entry in `auths`, empty as Docker writes it beside a helper.
    pub fn is_sure(&self) -> bool {
        self.is_sure
    }

    /// The program's name.
    pub fn program(&self) -> String {
        format!("docker-credential-{}", self.name)
    }

    /// What it has for `registry` (`docker.io` for Docker Hub), if anything.
    pub(super) fn get(
        &self,
        registry: &str,
        patience: Patience,
    ) -> Result<Option<Secret>, RegistryError> {
        let error = |how: String| self.error("give", registry, how);
        let answer = self.ask("get", "give", registry, server_name(registry), patience)?;
        if !answer.status.success() {
            return match says_nothing_is_there(&answer) {
                true => Ok(None),
                false => Err(error(complaint(&answer))),
            };
        }
        Helper::secret_in(&answer.stdout).map_err(|how| error(how.into()))
    }

    /// What a helper that has something answers; else what is wrong with that. Neither the answer nor serde's words
    /// about it, which could quote it, are ever shown.
    pub fn secret_in(answer: &[u8]) -> Result<Option<Secret>, &'static str> {
        let got: Got = serde_json::from_slice(answer)
            .map_err(|_| "its answer is not the JSON that was expected")?;
        match (got.username, got.secret.filter(|secret| !secret.is_empty())) {
            (_, None) => Ok(None),
            (Some(user), Some(password)) => Ok(Some(Secret::of(Credential { user, password }))),
            (None, Some(_)) => Err("its answer has no user name"),
        }
    }

    /// Lets it keep `credential`.
    pub fn store(
        &self,
        registry: &str,
        credential: &Credential,
        patience: Patience,
    ) -> Result<(), RegistryError> {
        let input = json!({
            "ServerURL": server_name(registry),
            "Username": credential.user,
            "Secret": credential.password,
        });
        let answer = self.ask("store", "keep", registry, input.to_string(), patience)?;
        match answer.status.success() {
            true => Ok(()),
            false => Err(self.error("keep", registry, complaint(&answer))),
        }
    }

    /// Lets it forget what it has for `registry`; whether it had anything.
    pub fn erase(&self, registry: &str, patience: Patience) -> Result<bool, RegistryError> {
        if self.get(registry, patience)?.is_none() {
            return Ok(false);
        }
        let answer = self.ask("erase", "forget", registry, server_name(registry), patience)?;
        match answer.status.success() || says_nothing_is_there(&answer) {
            true => Ok(true),
            false => Err(self.error("forget", registry, complaint(&answer))),
        }
    }

    fn ask(
        &self,
        action: &str,
        doing: &'static str,
        registry: &str,
        input: String,
        patience: Patience,
    ) -> Result<Answer, RegistryError> {
        let limit = patience.inquiry();
        let answer = inquiry::ask(
            self.program(),
            &[action],
            input.as_bytes(),
            limit,
            MAX_ANSWER,
        );
        answer.map_err(|error| {
            let how = match error.kind() {
                io::ErrorKind::NotFound => "there is no such program in PATH".to_owned(),
                _ => error.to_string(),
            };
            self.error(doing, registry, how)
        })
    }

    fn error(&self, doing: &'static str, registry: &str, how: String) -> RegistryError {
        RegistryError::Helper {
            program: self.program(),
            file: self.file.to_string(),
            doing,
            registry: registry.to_owned(),
            how,
        }
    }
}

fn says_nothing_is_there(answer: &Answer) -> bool {
    String::from_utf8_lossy(&answer.stdout).trim() == NOT_FOUND
}

/// Why it failed, in its own words: by the protocol on stdout, by habit on stderr. What looks like an answer is none.
fn complaint(answer: &Answer) -> String {
    let said = |bytes: &[u8]| one_line(&String::from_utf8_lossy(bytes));
    let (stdout, stderr) = (said(&answer.stdout), said(&answer.stderr));
    let is_said = |text: &String| !text.is_empty() && !text.contains('{');
    let words = Some(stdout).filter(is_said).or(Some(stderr));
    let words = words.filter(is_said);
    words.unwrap_or_else(|| match answer.status.code() {
        Some(code) => format!("it ended with status {code} and no word"),
        None => "a signal ended it".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_lead_elsewhere() {
        let file = HostPath::new("/f");
        for name in ["", "a/b", "../x", "a b", "a\0b", "ä", &"x".repeat(65)] {
            assert!(Helper::new(name, &file, true).is_err(), "{name:?}");
        }
        let helper = Helper::new("osx-keychain.2", &file, true).expect("a name");
        assert_eq!(helper.program(), "docker-credential-osx-keychain.2");
    }
}
