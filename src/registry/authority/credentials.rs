//! Credentials, where Docker and Podman keep them. Read here; `ops` writes them.
//!
//! containers-auth.json(5). Keys of `auths` are hosts, hosts with a path (the most
//! specific wins), or URLs as Docker wrote them.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::fs::MetadataExt;

use base64::Engine as _;
use serde::Deserialize;

use crate::base::env;
use crate::base::fsx;
use crate::base::path::HostPath;
use crate::base::progress::Progress;
use crate::registry::authority::helper::{Helper, TOKEN_USER};
use crate::registry::error::RegistryError;
use crate::registry::patience::Patience;

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

    /// The value of `Authorization` that shows it. RFC 7617.
    pub(super) fn header(&self) -> String {
        format!("Basic {}", self.encoded())
    }

    /// The reverse of [`Credential::encoded`]; `None` for anything else. Docker of old padded the password with NULs.
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

/// What proves who we are. `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// Shown to a registry, or to its token service.
    Password(Credential),
    /// Exchanged for tokens by a token service.
    Identity {
        /// Whose it is, where that is known.
        user: Option<String>,
        /// The identity token.
        token: String,
    },
    /// Shown to the registry as it is, instead of a token from its service.
    Token(String),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    /// What `credential` is: a user name in brackets says that the password is an identity token.
    pub(super) fn of(credential: Credential) -> Secret {
        match credential.user == TOKEN_USER {
            true => Secret::Identity {
                user: None,
                token: credential.password,
            },
            false => Secret::Password(credential),
        }
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
    /// What stands in the file itself.
    fn written(&self, registry: &str, repository: &str) -> Option<Secret> {
        choose(self.auths.iter().flatten(), registry, repository)
    }

    /// The helper for `registry` by this file at `path`: its own wins over the one for all. Either wins over what stands
    /// in the file.
    fn helper(&self, path: &HostPath, registry: &str) -> Result<Option<Helper>, RegistryError> {
        let is_it = |key: &String| key_name(key) == registry;
        let mut helpers = self.cred_helpers.iter().flatten();
        let mut entries = self.auths.iter().flatten();
        let is_some = |name: &&String| !name.is_empty();
        let own = helpers.find(|(key, _)| is_it(key)).map(|(_, name)| name);
        if let Some(name) = own.filter(is_some) {
            return Helper::new(name, path, true).map(Some);
        }
        let Some(name) = self.creds_store.as_ref().filter(is_some) else {
            return Ok(None);
        };
        let is_sure = entries.any(|(key, _)| is_it(key));
        Helper::new(name, path, is_sure).map(Some)
    }
}

fn parse<T: serde::de::DeserializeOwned>(
    bytes: &[u8],
    path: &HostPath,
) -> Result<T, RegistryError> {
    // An empty file is what `touch` leaves, and Docker takes it for `{}`.
    let text = match bytes.trim_ascii() {
        [] => b"{}",
        text => text,
    };
    serde_json::from_slice(text).map_err(|error| RegistryError::Config {
        path: path.to_string(),
        // serde's own text could quote a secret; the position cannot.
        how: format!("malformed JSON in line {}", error.line()),
    })
}

/// The program that keeps the credentials for `registry` by the file of credentials at `path`, which holds `bytes`.
pub fn helper_of(
    bytes: &[u8],
    path: &HostPath,
    registry: &str,
) -> Result<Option<Helper>, RegistryError> {
    let file: File = parse(bytes, path)?;
    file.helper(path, registry)
}

/// What the file of credentials at `path`, which holds `bytes`, has itself for `repository` of `registry`.
pub fn written_in(
    bytes: &[u8],
    path: &HostPath,
    registry: &str,
    repository: &str,
) -> Result<Option<Secret>, RegistryError> {
    let file: File = parse(bytes, path)?;
    Ok(file.written(registry, repository))
}

#[derive(Deserialize)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

impl Entry {
    /// What it holds; the more specific wins, as for Docker.
    fn secret(&self) -> Option<Secret> {
        let full = |text: &Option<String>| {
            let text = text.as_deref().unwrap_or_default().trim();
            (!text.is_empty()).then(|| text.to_owned())
        };
        if let Some(token) = full(&self.registrytoken) {
            return Some(Secret::Token(token));
        }
        let decoded = self.auth.as_deref().and_then(Credential::decode);
        if let Some(token) = full(&self.identitytoken) {
            let user = decoded.map(|found| found.user).or(self.username.clone());
            let user = full(&user).filter(|user| user != TOKEN_USER);
            return Some(Secret::Identity { user, token });
        }
        let plain = || {
            Some(Credential {
                user: self.username.clone()?,
                password: self.password.clone()?,
            })
        };
        decoded.or_else(plain).map(Secret::of)
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

/// What proves who we are to `registry` (`docker.io` for Docker Hub) where `repository` is concerned, from the first of
/// [`files`] that has something. A malformed file is an error: silence would turn a private image into "not found".
pub(super) fn find(
    registry: &str,
    repository: &str,
    patience: Patience,
    progress: &dyn Progress,
) -> Result<Option<Secret>, RegistryError> {
    for path in files() {
        let Some(bytes) = fsx::read_if_there(&path, MAX_FILE)? else {
            continue;
        };
        let file: File = parse(&bytes, &path)?;
        let written = || {
            let found = file.written(registry, repository);
            found.inspect(|_| warn_of_readers(&path, progress))
        };
        let found = match file.helper(&path, registry)? {
            None => written(),
            Some(helper) => match helper.get(registry, patience) {
                Ok(found) => found.or_else(written),
                // Who moves his files to a host without the helper is to reach what is open to all.
                Err(error) => {
                    let written = written();
                    if helper.is_sure() && written.is_none() {
                        return Err(error);
                    }
                    progress.warn(&error.to_string());
                    written
                }
            },
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    in_keystore(registry, repository)
}

/// Homes on clusters are often open to all. What is somebody else's is as open as he wants it.
fn warn_of_readers(path: &HostPath, progress: &dyn Progress) {
    let Ok(file) = fsx::metadata(path) else {
        return;
    };
    let is_own = file.uid() == nix::unistd::geteuid().as_raw();
    if is_own && file.mode() & 0o044 != 0 {
        progress.warn(&format!(
            "`{path}` holds credentials and can be read by other users: `chmod 600 {path}`"
        ));
    }
}

/// What udocker's own file says, whose keys are URLs of registries, at its top.
fn in_keystore(registry: &str, repository: &str) -> Result<Option<Secret>, RegistryError> {
    let default = || Some(HostPath::new(env::get(env::HOME)?).join(".udocker/keystore"));
    let named = env::get(env::UDOCKER_KEYSTORE).map(HostPath::new);
    let Some(path) = named.or_else(default) else {
        return Ok(None);
    };
    let bytes = fsx::read_if_there(&path, MAX_FILE)?.unwrap_or_default();
    let entries: BTreeMap<String, Entry> = parse(&bytes, &path)?;
    Ok(choose(&entries, registry, repository))
}

fn choose<'a>(
    entries: impl IntoIterator<Item = (&'a String, &'a Entry)>,
    registry: &str,
    repository: &str,
) -> Option<Secret> {
    let name = format!("{registry}/{repository}");
    let fits = |key: &str| {
        name.strip_prefix(key)
            .is_some_and(|rest| rest.starts_with('/') || rest.is_empty())
    };
    let normal = entries
        .into_iter()
        .map(|(key, entry)| (key_name(key), entry));
    let mut fitting: Vec<_> = normal.filter(|(key, _)| fits(key)).collect();
    fitting.sort_by_key(|(key, _)| std::cmp::Reverse(key.len()));
    fitting.into_iter().find_map(|(_, entry)| entry.secret())
}

/// How Docker calls a registry in `auths` and to helpers: its Hub by a URL, everybody else by the host.
pub fn server_name(registry: &str) -> String {
    match registry {
        "docker.io" => "https://index.docker.io/v1/".to_owned(),
        host => host.to_owned(),
    }
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
        match choose(&file.auths?, registry, repository)? {
            Secret::Password(found) => Some(found.user),
            _ => None,
        }
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
        let path = HostPath::new("/f");
        for (registry, name, is_sure) in [
            ("h.example", "desktop", true),
            ("own.example", "own", true),
            ("public.example", "desktop", false),
        ] {
            let expected = Helper::new(name, &path, is_sure).ok();
            assert_eq!(file.helper(&path, registry).ok().flatten(), expected);
        }
    }

    #[test]
    fn tokens_win_over_passwords_and_a_user_in_brackets_is_one() {
        let auth = |user: &str| {
            let password = String::from("p");
            Credential {
                user: user.into(),
                password,
            }
            .encoded()
        };
        let secret = |fields: String| {
            let entry: Entry = serde_json::from_str(&fields).expect("a literal of this test");
            entry.secret()
        };
        let identity = |user: Option<&str>, token: &str| {
            Some(Secret::Identity {
                user: user.map(str::to_owned),
                token: token.to_owned(),
            })
        };
        let (ada, bracket) = (auth("ada"), auth(TOKEN_USER));
        for (fields, expected) in [
            (
                format!(r#"{{"auth":"{ada}","identitytoken":"i","registrytoken":"r"}}"#),
                Some(Secret::Token("r".into())),
            ),
            (
                format!(r#"{{"auth":"{ada}","identitytoken":"i","registrytoken":" "}}"#),
                identity(Some("ada"), "i"),
            ),
            (format!(r#"{{"auth":"{bracket}"}}"#), identity(None, "p")),
            (
                r#"{"auth":"","username":"<token>","identitytoken":"i"}"#.into(),
                identity(None, "i"),
            ),
            ("{}".into(), None),
        ] {
            let found = secret(fields.clone());
            assert!(found == expected, "{fields}");
            assert!(!format!("{found:?}").contains('"'));
        }
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
