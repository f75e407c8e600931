//! Credentials, where Docker and Podman keep them. Read here; `ops` writes them.
//!
//! containers-auth.json(5). Keys of `auths` are hosts, hosts with a path (the most
//! specific wins), or URLs as Docker wrote them.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use serde::Deserialize;

use crate::base::env;
use crate::base::fsx;
use crate::base::path::HostPath;
use crate::registry::error::RegistryError;

/// The largest file of credentials, in bytes.
pub const MAX_FILE: u64 = 4 << 20;

/// A user and a password. `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// The user's name.
    pub user: String,
    /// The password or personal token.
    pub password: String,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(..)")
    }
}

impl Credential {
    /// `base64(user:password)`, as the `auth` field and the header of RFC 7617 have it.
    pub fn encoded(&self) -> String {
        let plain = format!("{}:{}", self.user, self.password);
        base64::engine::general_purpose::STANDARD.encode(plain)
    }

    /// The reverse; `None` for anything else. Docker of old padded the password with NULs.
    fn decode(text: &str) -> Option<Credential> {
        let plain = base64::engine::general_purpose::STANDARD
            .decode(text.trim())
            .ok()?;
        let plain = String::from_utf8(plain).ok()?;
        let (user, password) = plain.split_once(':')?;
        Some(Credential {
            user: user.to_owned(),
            password: password.trim_end_matches('\0').to_owned(),
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    auths: Option<BTreeMap<String, Entry>>,
    creds_store: Option<String>,
    cred_helpers: Option<BTreeMap<String, String>>,
}

impl File {
    /// The helper that has the credentials for `registry`. One for all registries counts
    /// only where an entry, empty as Docker then writes it, says that there are some.
    fn helper(&self, registry: &str) -> Option<&str> {
        let is_it = |key: &String| key_name(key) == registry;
        let mut helpers = self.cred_helpers.iter().flatten();
        let mut entries = self.auths.iter().flatten();
        let own = helpers.find(|(key, _)| is_it(key)).map(|(_, name)| name);
        let common = self.creds_store.as_ref();
        let common = common.filter(|_| entries.any(|(key, _)| is_it(key)));
        own.or(common).map(String::as_str)
    }
}

#[derive(Deserialize)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

impl Entry {
    fn credential(self) -> Option<Credential> {
        if let Some(found) = self.auth.as_deref().and_then(Credential::decode) {
            return Some(found);
        }
        Some(Credential {
            user: self.username?,
            password: self.password?,
        })
    }
}

/// The files that may hold credentials, the first that knows the registry wins:
/// `$REGISTRY_AUTH_FILE` alone if it is set, else Podman's, else Docker's.
pub fn files() -> Vec<HostPath> {
    if let Some(path) = env::get(env::REGISTRY_AUTH_FILE) {
        return vec![HostPath::new(path)];
    }
    let home = env::get(env::HOME).map(HostPath::new);
    let below_home = |path: &str| home.as_ref().map(|home| home.join(path));
    let podman = |dir: HostPath| dir.join("containers/auth.json");
    let config_home = env::get(env::XDG_CONFIG_HOME).map(HostPath::new);
    let candidates = [
        env::get(env::XDG_RUNTIME_DIR)
            .map(HostPath::new)
            .map(podman),
        config_home.or_else(|| below_home(".config")).map(podman),
        docker_file(),
    ];
    candidates.into_iter().flatten().collect()
}

/// Docker's own file: `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`.
pub fn docker_file() -> Option<HostPath> {
    let default = || Some(HostPath::new(env::get(env::HOME)?).join(".docker"));
    let dir = env::get(env::DOCKER_CONFIG)
        .map(HostPath::new)
        .or_else(default)?;
    Some(dir.join("config.json"))
}

/// What the files of credentials say of a registry.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// These.
    Known(Credential),
    /// A program called `docker-credential-` and this has them; it is not asked.
    WithHelper {
        /// The file that says so.
        path: HostPath,
        /// The helper's name.
        name: String,
    },
    /// Nothing.
    Nothing,
}

/// The credentials for `repository` of `registry` (`docker.io` for Docker Hub), from the
/// first of [`files`] that has some. A malformed file is an error: silence would turn a
/// private image into "not found".
pub(super) fn find(registry: &str, repository: &str) -> Result<Stored, RegistryError> {
    let mut stored = Stored::Nothing;
    for path in files() {
        let bytes = fsx::read_if_there(&path, MAX_FILE)?.unwrap_or_default();
        // An empty file is what `touch` leaves, and Docker takes it for `{}`.
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        let file: File = serde_json::from_slice(&bytes).map_err(|error| RegistryError::Config {
            path: path.to_string(),
            // serde's own text could quote a secret; the position cannot.
            how: format!("malformed JSON in line {}", error.line()),
        })?;
        let helper = file.helper(registry).map(str::to_owned);
        let entries = file.auths.unwrap_or_default();
        if let Some(found) = choose(entries, registry, repository) {
            return Ok(Stored::Known(found));
        }
        if let (Some(name), Stored::Nothing) = (helper, &stored) {
            stored = Stored::WithHelper { path, name };
        }
    }
    match in_keystore(registry, repository)? {
        Some(found) => Ok(Stored::Known(found)),
        None => Ok(stored),
    }
}

/// What udocker's own file says, whose keys are URLs of registries, at its top.
fn in_keystore(registry: &str, repository: &str) -> Result<Option<Credential>, RegistryError> {
    let default = || Some(HostPath::new(env::get(env::HOME)?).join(".udocker/keystore"));
    let named = env::get(env::UDOCKER_KEYSTORE).map(HostPath::new);
    let Some(path) = named.or_else(default) else {
        return Ok(None);
    };
    let bytes = fsx::read_if_there(&path, MAX_FILE)?.unwrap_or_default();
    if bytes.trim_ascii().is_empty() {
        return Ok(None);
    }
    let entries = serde_json::from_slice(&bytes).map_err(|error| RegistryError::Config {
        path: path.to_string(),
        how: format!("malformed JSON in line {}", error.line()),
    })?;
    Ok(choose(entries, registry, repository))
}

fn choose(
    entries: BTreeMap<String, Entry>,
    registry: &str,
    repository: &str,
) -> Option<Credential> {
    let name = format!("{registry}/{repository}");
    let fits = |key: &str| {
        name.strip_prefix(key)
            .is_some_and(|rest| rest.starts_with('/') || rest.is_empty())
    };
    let normal = entries
        .into_iter()
        .map(|(key, entry)| (key_name(&key), entry));
    let mut fitting: Vec<_> = normal.filter(|(key, _)| fits(key)).collect();
    fitting.sort_by_key(|(key, _)| std::cmp::Reverse(key.len()));
    fitting
        .into_iter()
        .find_map(|(_, entry)| entry.credential())
}

/// The key of `auths` without what Docker put around a host: `https://index.docker.io/v1/`
/// and `docker.io` are the same.
pub fn key_name(key: &str) -> String {
    let bare = key
        .trim_start_matches("https://")
        .trim_start_matches("http://");
    let is_url = bare.len() != key.len();
    let bare = bare.trim_end_matches('/');
    let path_of_api = bare
        .strip_suffix("/v1")
        .or_else(|| bare.strip_suffix("/v2"));
    let bare = path_of_api.filter(|_| is_url).unwrap_or(bare);
    match bare {
        "index.docker.io" | "registry-1.docker.io" | "index.docker.io/v1" => "docker.io".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user_for(json: &str, registry: &str, repository: &str) -> Option<String> {
        let file: File = serde_json::from_str(json).expect("a literal of this test");
        choose(file.auths?, registry, repository).map(|found| found.user)
    }

    #[test]
    fn the_most_specific_key_wins_and_urls_are_hosts() {
        let auth = |user: &str| {
            let password = String::from("p:q");
            Credential {
                user: user.into(),
                password,
            }
            .encoded()
        };
        let json = format!(
            r#"{{"auths":{{"h.example":{{"auth":"{}"}},"h.example/a/b":{{"auth":"{}"}},"h.example:5000":{{}},
                "https://index.docker.io/v1/":{{"username":"hub","password":"p"}}}},"credsStore":"x"}}"#,
            auth("host"),
            auth("path"),
        );
        let user = |registry, repository| user_for(&json, registry, repository);
        assert_eq!(user("h.example", "a/b").as_deref(), Some("path"));
        assert_eq!(user("h.example", "a/b/c").as_deref(), Some("path"));
        assert_eq!(user("h.example", "a/bc").as_deref(), Some("host"));
        assert_eq!(user("h.example:5000", "a/b"), None);
        assert_eq!(user("docker.io", "library/x").as_deref(), Some("hub"));
        assert_eq!(user("evil.example", "h.example"), None);
    }

    #[test]
    fn a_helper_is_known_where_it_has_the_credentials() {
        let json = r#"{"auths":{"h.example":{}},"credsStore":"desktop",
            "credHelpers":{"https://own.example":"own"}}"#;
        let file: File = serde_json::from_str(json).expect("a literal of this test");
        assert_eq!(file.helper("h.example"), Some("desktop"));
        assert_eq!(file.helper("own.example"), Some("own"));
        assert_eq!(file.helper("public.example"), None);
    }

    #[test]
    fn passwords_may_hold_colons_and_are_never_shown() {
        let credential = Credential {
            user: "u".into(),
            password: "a:b".into(),
        };
        assert_eq!(
            Credential::decode(&credential.encoded()),
            Some(credential.clone())
        );
        assert!(!format!("{credential:?}").contains("a:b"));
    }
}
