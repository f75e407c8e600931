//! `login` and `logout`: credentials checked with the registry, then kept as Docker does.
//!
//! containers-auth.json(5), and Docker's `config.json`, whose `auths` have the same form.
//! Whatever else stands in the file stays as it is.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::base::env;
use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::fsx;
use crate::base::path::HostPath;
use crate::base::progress::Progress;
use crate::oci::reference::parse_registry;
use crate::ops::reach::Reach;
use crate::registry::credentials::{self, Credential};
use crate::registry::{Helper, Options, Patience, check_login};

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

/// Who keeps credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// This file.
    File(HostPath),
    /// The program of this name.
    Helper(String),
}

impl std::fmt::Display for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Keeper::File(path) => write!(f, "in `{path}`"),
            Keeper::Helper(program) => write!(f, "by `{program}`"),
        }
    }
}

/// Shows `user` and `password` to `registry` (see [`parse_registry`]) and lets them be kept if they
/// are accepted: by the program that the file of credentials names for that, else in the file.
pub fn login(
    registry: &str,
    user: &str,
    password: &str,
    reach: &Reach,
    progress: &dyn Progress,
) -> Result<Keeper, BoxFault> {
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
    let (entry, keeper) = match helper(&path, registry)? {
        Some(helper) => {
            helper.store(registry, &credential, options.patience)?;
            // As Docker has it: the entry says that the helper has some.
            (json!({}), Keeper::Helper(helper.program()))
        }
        None => {
            let entry = json!({ "auth": credential.encoded() });
            (entry, Keeper::File(path.clone()))
        }
    };
    auths.insert(credentials::server_name(registry), entry);
    write(&path, &file)?;
    Ok(keeper)
}

/// Forgets the credentials for `registry` in every file that has some, and lets programs that keep some forget them.
/// Returns who had some. An error if none had.
pub fn logout(registry: &str) -> Result<Vec<Keeper>, BoxFault> {
    // Not parsed: keys of Podman's may have a path, and whatever is there can be forgotten.
    let registry = &credentials::key_name(registry);
    let mut changed = Vec::new();
    for path in credentials::files() {
        let Some(mut file) = read(&path)? else {
            continue;
        };
        changed.extend(erase(&path, registry)?);
        let auths = auths_of(&mut file, &path)?;
        let before = auths.len();
        auths.retain(|key, _| credentials::key_name(key) != *registry);
        if auths.len() < before {
            write(&path, &file)?;
            changed.push(Keeper::File(path));
        }
    }
    if changed.is_empty() {
        return Err(LoginError::NotLoggedIn(registry.to_owned()).into());
    }
    Ok(changed)
}

/// Forgets the credentials for every registry that a file of credentials has or names, and returns who had some. There
/// may be none.
pub fn logout_all() -> Result<Vec<Keeper>, BoxFault> {
    let mut changed = Vec::new();
    for path in credentials::files() {
        let Some(mut file) = read(&path)? else {
            continue;
        };
        for registry in named(&file) {
            changed.extend(erase(&path, &registry)?);
        }
        let auths = auths_of(&mut file, &path)?;
        if !auths.is_empty() {
            auths.clear();
            write(&path, &file)?;
            changed.push(Keeper::File(path));
        }
    }
    Ok(changed)
}

/// The registries that a file of credentials has an entry or a helper for.
fn named(file: &Map<String, Value>) -> BTreeSet<String> {
    let keys = ["auths", "credHelpers"].into_iter();
    let objects = keys.filter_map(|key| file.get(key)?.as_object());
    let names = objects.flat_map(|object| object.keys());
    names.map(|key| credentials::key_name(key)).collect()
}

/// The program that keeps the credentials for `registry` by the file at `path`.
fn helper(path: &HostPath, registry: &str) -> Result<Option<Helper>, BoxFault> {
    let bytes = fsx::read_if_there(path, credentials::MAX_FILE)?.unwrap_or_default();
    Ok(credentials::helper_of(&bytes, path, registry)?)
}

/// Lets that program forget them; who it was, where it had some. One that does not work is no matter where nothing says
/// that it has any.
fn erase(path: &HostPath, registry: &str) -> Result<Option<Keeper>, BoxFault> {
    let Some(helper) = helper(path, registry)? else {
        return Ok(None);
    };
    let had_some = match helper.erase(registry, Patience::default()) {
        Err(_) if !helper.is_sure() => false,
        erased => erased?,
    };
    Ok(had_some.then(|| Keeper::Helper(helper.program())))
}

/// The file that has credentials or a helper for `registry` already, else the one that
/// REGISTRY_AUTH_FILE names, else Docker's.
fn place(registry: &str) -> Result<HostPath, BoxFault> {
    for path in credentials::files() {
        let file = read(&path)?;
        if file.is_some_and(|file| named(&file).contains(registry)) {
            return Ok(path);
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
