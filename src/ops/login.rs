//! `login` and `logout`: credentials checked with the registry, then kept as Docker does.
//!
//! containers-auth.json(5), and Docker's `config.json`, whose `auths` have the same form.
//! Whatever else stands in the file stays as it is.

use serde_json::{Map, Value, json};

use crate::base::env;
use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::fsx;
use crate::base::path::HostPath;
use crate::base::progress::Progress;
use crate::oci::reference::parse_registry;
use crate::ops::reach::Reach;
use crate::registry::credentials::{self, Credential};
use crate::registry::{Options, check_login};

/// Why credentials were not kept or forgotten.
#[derive(Debug, thiserror::Error)]
enum LoginError {
    #[error("there is no place for credentials: neither DOCKER_CONFIG nor HOME is set")]
    NoPlace,
    #[error("`{path}` is not a file of credentials")]
    Malformed {
        path: HostPath,
        source: serde_json::Error,
    },
    #[error("`{path}` is not a file of credentials: expected an object with `auths`")]
    OtherForm { path: HostPath },
    #[error("not logged in to `{0}`")]
    NotLoggedIn(String),
    #[error("a user name may not hold a colon, and neither part may be empty")]
    BadCredential,
}

impl Fault for LoginError {
    fn kind(&self) -> Kind {
        match self {
            LoginError::NotLoggedIn(_) => Kind::NotFound,
            _ => Kind::Usage,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            LoginError::NoPlace => vec!["set HOME, or name a file in REGISTRY_AUTH_FILE".into()],
            LoginError::Malformed { .. } | LoginError::OtherForm { .. } => {
                vec!["repair or remove it, or name another file in REGISTRY_AUTH_FILE".into()]
            }
            LoginError::NotLoggedIn(_) | LoginError::BadCredential => Vec::new(),
        }
    }
}

/// Shows `user` and `password` to `registry` (see [`parse_registry`]) and keeps them if they
/// are accepted. Returns the file that it is kept in.
pub fn login(
    registry: &str,
    user: &str,
    password: &str,
    reach: &Reach,
    progress: &dyn Progress,
) -> Result<HostPath, BoxFault> {
    let credential = Credential {
        user: user.to_owned(),
        password: password.to_owned(),
    };
    // RFC 7617, 2: the first colon ends the user's name.
    if credential.user.contains(':') || credential.user.is_empty() || credential.password.is_empty()
    {
        return Err(LoginError::BadCredential.into());
    }
    let registry = &parse_registry(registry)?;
    let options: Options = reach.registry_options();
    check_login(registry, &credential, &options, progress)?;
    let path = place(registry)?;
    let mut file = read(&path)?.unwrap_or_default();
    let auths = auths_of(&mut file, &path)?;
    auths.retain(|key, _| credentials::key_name(key) != *registry);
    auths.insert(key(registry), json!({ "auth": credential.encoded() }));
    write(&path, &file)?;
    Ok(path)
}

/// Forgets the credentials for `registry` in every file that has some, and returns those
/// files. An error if none had.
pub fn logout(registry: &str) -> Result<Vec<HostPath>, BoxFault> {
    // Not parsed: keys of Podman's may have a path, and whatever is there can be forgotten.
    let registry = &credentials::key_name(registry);
    let mut changed = Vec::new();
    for path in credentials::files() {
        let Some(mut file) = read(&path)? else {
            continue;
        };
        let auths = auths_of(&mut file, &path)?;
        let before = auths.len();
        auths.retain(|key, _| credentials::key_name(key) != *registry);
        if auths.len() < before {
            write(&path, &file)?;
            changed.push(path);
        }
    }
    if changed.is_empty() {
        return Err(LoginError::NotLoggedIn(registry.to_owned()).into());
    }
    Ok(changed)
}

/// Forgets the credentials for every registry, in every file that has some, and returns those files. There may be none.
pub fn logout_all() -> Result<Vec<HostPath>, BoxFault> {
    let mut changed = Vec::new();
    for path in credentials::files() {
        let Some(mut file) = read(&path)? else {
            continue;
        };
        let auths = auths_of(&mut file, &path)?;
        if !auths.is_empty() {
            auths.clear();
            write(&path, &file)?;
            changed.push(path);
        }
    }
    Ok(changed)
}

/// Docker knows its Hub by a URL, everybody else by the host.
fn key(registry: &str) -> String {
    match registry {
        "docker.io" => "https://index.docker.io/v1/".to_owned(),
        host => host.to_owned(),
    }
}

/// The file that has credentials for `registry` already, else the one that
/// REGISTRY_AUTH_FILE names, else Docker's.
fn place(registry: &str) -> Result<HostPath, BoxFault> {
    for path in credentials::files() {
        if let Some(mut file) = read(&path)? {
            let auths = auths_of(&mut file, &path)?;
            if auths
                .keys()
                .any(|key| credentials::key_name(key) == registry)
            {
                return Ok(path);
            }
        }
    }
    let named = env::get(env::REGISTRY_AUTH_FILE).map(HostPath::new);
    Ok(named
        .or_else(credentials::docker_file)
        .ok_or(LoginError::NoPlace)?)
}

fn read(path: &HostPath) -> Result<Option<Map<String, Value>>, BoxFault> {
    let Some(bytes) = fsx::read_if_there(path, credentials::MAX_FILE)? else {
        return Ok(None);
    };
    // An empty file is what `touch` leaves, and Docker takes it for `{}`.
    if bytes.trim_ascii().is_empty() {
        return Ok(Some(Map::new()));
    }
    let malformed = |source| LoginError::Malformed {
        path: path.clone(),
        source,
    };
    Ok(Some(serde_json::from_slice(&bytes).map_err(malformed)?))
}

fn auths_of<'a>(
    file: &'a mut Map<String, Value>,
    path: &HostPath,
) -> Result<&'a mut Map<String, Value>, LoginError> {
    let auths = file.entry("auths").or_insert_with(|| json!({}));
    if auths.is_null() {
        *auths = json!({});
    }
    auths
        .as_object_mut()
        .ok_or_else(|| LoginError::OtherForm { path: path.clone() })
}

/// Replaces the file at once, readable by its owner alone. A link, as dotfile managers
/// make it, stays a link.
fn write(path: &HostPath, file: &Map<String, Value>) -> Result<(), BoxFault> {
    let real = fsx::absent_as_none(fsx::canonicalize(path))?;
    let path = real.map_or_else(|| path.clone(), HostPath::new);
    if let Some(dir) = path.parent() {
        fsx::create_dir_all(dir)?;
    }
    let mut text = serde_json::to_vec_pretty(file)
        .expect("a map of JSON values has string keys and nothing that fails to serialise");
    text.push(b'\n');
    Ok(fsx::write_atomic(&path, &text, 0o600)?)
}
