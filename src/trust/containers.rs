//! `policy.json`, as far as accepting, rejecting and Sigstore signatures with keys go. containers-policy.json(5)
//!
//! The file is read strictly, as containers/image reads it. What a requirement demands that cannot be checked here stops
//! only the images that it covers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Demand;
use super::check::{Requirement, Rule};
use super::error::{TrustError, shown};
use super::file::{MAX_KEYS, bad_key, read_key};
use super::identity::{Identity, SignedAs};
use super::json::{self, Json};
use super::key::TrustedKey;
use super::place::wrong;
use super::scope;
use crate::base::fsx;
use crate::base::path::HostPath;
use crate::oci::reference::Reference;
use crate::oci::source::Source;

/// Bytes of a file.
const FILE_LIMIT: u64 = 1 << 20;

/// Members of `sigstoreSigned` that say whose signatures count; a requirement has one of them.
const KEYS: [&str; 6] = [
    "keyPath", "keyPaths", "keyData", "keyDatas", "fulcio", "pki",
];

/// What one file says.
#[derive(Debug)]
pub struct Containers {
    path: HostPath,
    default: Vec<Wish>,
    /// By transport and scope.
    scopes: Vec<(String, String, Vec<Wish>)>,
}

/// One requirement.
#[derive(Clone, Debug)]
enum Wish {
    Accept,
    Reject,
    Signed(Vec<Key>, Identity),
    /// One that cannot be checked, in words.
    Unknown(String),
}

#[derive(Clone, Debug)]
enum Key {
    File(HostPath),
    /// Its text, encoded once more as base64.
    Inline(String),
}

impl Containers {
    /// Reads the file at `path`; `None` where there is none.
    pub(super) fn read(path: &HostPath) -> Result<Option<Containers>, TrustError> {
        let bytes = fsx::read_regular_if_there(path, FILE_LIMIT).map_err(TrustError::File)?;
        bytes
            .map(|bytes| Containers::parse(&bytes, path))
            .transpose()
    }

    /// What `bytes` mean, which stand in the file at `path`.
    pub fn parse(bytes: &[u8], path: &HostPath) -> Result<Containers, TrustError> {
        parse(bytes, path).map_err(|what| {
            let hint = "`containers-policy.json(5)` describes it; `policy_json = false` in `trust.toml` leaves it out";
            wrong(path, shown(&what), Some(hint.to_owned()))
        })
    }

    /// What it demands of `source`. Only the most specific scope counts, and all of its requirements.
    pub(super) fn demand(&self, source: &Source) -> Result<Demand, TrustError> {
        let by = || self.path.clone();
        let Some((transport, names)) = scope::of_containers(source) else {
            return Ok(Demand::Accept { by: None });
        };
        let find = |name: &String| {
            let is_it =
                |entry: &&(String, String, Vec<Wish>)| entry.0 == transport && entry.1 == *name;
            self.scopes.iter().find(is_it)
        };
        let found = names.iter().chain([&String::new()]).find_map(find);
        let (scope, wishes) = match found {
            Some((transport, scope, wishes)) => (format!("{transport}:{scope}"), wishes),
            None => ("default".to_owned(), &self.default),
        };
        let mut rules = Vec::new();
        for wish in wishes {
            match wish {
                Wish::Accept => {}
                Wish::Reject => return Ok(Demand::Reject { by: by(), scope }),
                Wish::Unknown(what) => {
                    let what = shown(what);
                    return Err(TrustError::Unknown {
                        by: by(),
                        scope,
                        what,
                    });
                }
                Wish::Signed(keys, identity) => rules.push(Rule {
                    keys: self.keys(keys)?,
                    threshold: 1,
                    identity: identity.clone(),
                    by: by(),
                    scope: scope.clone(),
                }),
            }
        }
        if rules.is_empty() {
            return Ok(Demand::Accept { by: Some(by()) });
        }
        Ok(Demand::Signed(Requirement { rules }))
    }

    fn keys(&self, named: &[Key]) -> Result<Vec<TrustedKey>, TrustError> {
        let mut keys = Vec::new();
        for key in named {
            let key = match key {
                Key::File(path) => read_key(path)?,
                Key::Inline(text) => {
                    let pem = STANDARD.decode(text).unwrap_or_default();
                    TrustedKey::from_pem(&pem)
                        .map_err(|error| bad_key(&self.path, "`keyData`: ", &error))?
                }
            };
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        Ok(keys)
    }
}

fn parse(bytes: &[u8], path: &HostPath) -> Result<Containers, String> {
    let policy = json::parse(bytes)?;
    known(&policy, &["default", "transports"])?;
    let default = policy.get("default").ok_or("`default` is missing")?;
    let mut containers = Containers {
        path: path.clone(),
        default: wishes(default, "default")?,
        scopes: Vec::new(),
    };
    let Some(transports) = policy.get("transports") else {
        return Ok(containers);
    };
    for (transport, scopes) in members(transports, "transports")? {
        for (scope, listed) in members(scopes, transport)? {
            let wishes = wishes(listed, &format!("{transport}:{scope}"))?;
            containers
                .scopes
                .push((transport.clone(), scope.clone(), wishes));
        }
    }
    Ok(containers)
}

/// The requirements of one scope.
fn wishes(listed: &Json, scope: &str) -> Result<Vec<Wish>, String> {
    let listed = listed.list().filter(|listed| !listed.is_empty());
    let listed = listed.ok_or_else(|| format!("`{scope}`: expected a list of requirements"))?;
    let read = listed
        .iter()
        .map(|one| wish(one).map_err(|what| format!("`{scope}`: {what}")));
    read.collect()
}

fn wish(one: &Json) -> Result<Wish, String> {
    let kind = one
        .text_of("type")
        .ok_or("a requirement lacks its `type`")?;
    let more: &[&str] = match kind {
        "insecureAcceptAnything" | "reject" => &[],
        "signedBy" => &[
            "keyType",
            "keyPath",
            "keyPaths",
            "keyData",
            "signedIdentity",
        ],
        "sigstoreSigned" => &[
            "keyPath",
            "keyPaths",
            "keyData",
            "keyDatas",
            "fulcio",
            "pki",
            "signedIdentity",
            "rekorPublicKeyPath",
            "rekorPublicKeyPaths",
            "rekorPublicKeyData",
            "rekorPublicKeyDatas",
        ],
        other => return Ok(Wish::Unknown(format!("requirements of the type `{other}`"))),
    };
    let members = members(one, kind)?;
    let is_strange = |name: &&(String, Json)| name.0 != "type" && !more.contains(&name.0.as_str());
    if let Some((name, _)) = members.iter().find(is_strange) {
        return Ok(Wish::Unknown(format!("`{name}` in `{kind}`")));
    }
    match kind {
        "insecureAcceptAnything" => Ok(Wish::Accept),
        "reject" => Ok(Wish::Reject),
        "signedBy" => Ok(Wish::Unknown(
            "`signedBy`, which is signatures of GPG".to_owned(),
        )),
        _ => sigstore(one),
    }
}

/// `sigstoreSigned`.
fn sigstore(one: &Json) -> Result<Wish, String> {
    let named: Vec<&str> = KEYS
        .into_iter()
        .filter(|name| one.get(name).is_some())
        .collect();
    let [name] = named[..] else {
        let n = named.len();
        return Err(format!(
            "`sigstoreSigned` has {n} of {}, expected one",
            KEYS.join(", ")
        ));
    };
    let is_rekor = |member: &&(String, Json)| member.0.starts_with("rekor");
    let rekor = members(one, "sigstoreSigned")?.iter().find(is_rekor);
    if let Some(name) = rekor.map(|(name, _)| name.as_str()).or(match name {
        "fulcio" | "pki" => Some(name),
        _ => None,
    }) {
        return Ok(Wish::Unknown(format!("`{name}` in `sigstoreSigned`")));
    }
    let value = one.get(name).ok_or("a key is missing")?;
    let values = match name {
        "keyPaths" | "keyDatas" => value.list(),
        _ => Some(std::slice::from_ref(value)),
    };
    let values = values.filter(|values| (1..=MAX_KEYS).contains(&values.len()));
    let values = values.ok_or_else(|| format!("`{name}`: expected a list of 1 to {MAX_KEYS}"))?;
    let key = |value: &Json| {
        let text = value
            .text()
            .ok_or_else(|| format!("`{name}`: expected text"))?;
        if name.starts_with("keyData") {
            return Ok(Key::Inline(text.to_owned()));
        }
        let path = HostPath::new(text);
        match path.is_absolute() && !text.contains('\0') {
            true => Ok(Key::File(path)),
            false => Err(format!("`{name}`: got `{text}`, expected an absolute path")),
        }
    };
    let keys: Result<Vec<Key>, String> = values.iter().map(key).collect();
    let keys = keys?;
    Ok(match one.get("signedIdentity") {
        None => Wish::Signed(keys, Identity::TagOrRepository(None)),
        Some(rule) => match identity(rule)? {
            Ok(identity) => Wish::Signed(keys, identity),
            Err(what) => Wish::Unknown(what),
        },
    })
}

/// `signedIdentity`; the inner error is of a rule that cannot be checked.
fn identity(rule: &Json) -> Result<Result<Identity, String>, String> {
    let kind = rule
        .text_of("type")
        .ok_or("`signedIdentity` lacks its `type`")?;
    let more: &[&str] = match kind {
        "matchExact" | "matchRepoDigestOrExact" | "matchRepository" => &[],
        "exactReference" => &["dockerReference"],
        "exactRepository" => &["dockerRepository"],
        "remapIdentity" => &["prefix", "signedPrefix"],
        other => return Ok(Err(format!("`signedIdentity` of the type `{other}`"))),
    };
    let is_known = |name: &str| name == "type" || more.contains(&name);
    if let Some((name, _)) = members(rule, kind)?
        .iter()
        .find(|(name, _)| !is_known(name))
    {
        return Ok(Err(format!("`{name}` in `{kind}`")));
    }
    let text = |name: &str| {
        let text = rule.text_of(name);
        text.ok_or_else(|| format!("`{kind}` lacks `{name}`"))
    };
    let name = |member: &str, is_whole: bool| {
        let text = text(member)?;
        let last = text.rsplit('/').next().unwrap_or_default();
        if last.contains([':', '@']) != is_whole {
            let expected = if is_whole {
                "a name with a tag or digest"
            } else {
                "a name without a tag"
            };
            return Err(format!("`{member}`: got `{text}`, expected {expected}"));
        }
        let parsed = text.parse::<Reference>();
        parsed.map_err(|error| format!("`{member}`: {error}"))
    };
    Ok(Ok(match kind {
        "matchExact" => Identity::Whole,
        "matchRepository" => Identity::Repository(None),
        "exactReference" => Identity::This(name("dockerReference", true)?),
        "exactRepository" => Identity::ThisRepository(name("dockerRepository", false)?),
        "remapIdentity" => {
            let prefix = |member: &str| {
                let text = text(member)?;
                let checked = scope::check_name(text);
                checked.map_err(|what| format!("`{member}`: got `{text}`: {what}"))?;
                Ok::<String, String>(text.to_owned())
            };
            Identity::TagOrRepository(Some(SignedAs {
                prefix: prefix("prefix")?,
                signed: prefix("signedPrefix")?,
            }))
        }
        _ => Identity::TagOrRepository(None),
    }))
}

fn members<'a>(value: &'a Json, name: &str) -> Result<&'a [(String, Json)], String> {
    value
        .members()
        .ok_or_else(|| format!("`{name}`: expected an object"))
}

fn known(value: &Json, names: &[&str]) -> Result<(), String> {
    if value.members().is_none() {
        return Err("expected an object".to_owned());
    }
    match value.stranger(names) {
        Some(name) => Err(format!("unknown member `{name}`")),
        None => Ok(()),
    }
}
