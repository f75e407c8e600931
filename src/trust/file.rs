//! `trust.toml`, read strictly: what it does not know is an error, with the line and what was meant.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Demand;
use super::check::{Requirement, Rule};
use super::error::TrustError;
use super::identity::{Identity, SignedAs};
use super::key::{KeyError, MAX_KEY, TrustedKey};
use super::place::{Place, wrong};
use super::scope::{self, Covering};
use crate::base::fsx;
use crate::base::path::HostPath;
use crate::oci::source::Source;

/// Bytes of a file.
pub(super) const FILE_LIMIT: u64 = 1 << 20;
/// Scopes of one file.
const MAX_SCOPES: usize = 1024;
/// Keys of one scope; each is tried with each signature.
pub(super) const MAX_KEYS: usize = 32;

const TOP: [&str; 4] = ["default", "policy_json", "scope", "users"];
const ENTRY: [&str; 5] = ["identity", "keys", "mode", "signed_as", "threshold"];
/// Keys that only `mode = "signed"` has.
const SIGNED_ONLY: [&str; 4] = ["identity", "keys", "signed_as", "threshold"];

/// Whose file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The administrator's.
    System,
    /// The user's.
    User,
}

/// What a user's own files may do where the administrator has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Users {
    /// Demand more: what both say must hold.
    #[default]
    Stricter,
    /// Take the place of the administrator's, for images that they cover.
    Free,
    /// Nothing: they are not read.
    Ignored,
}

/// What one file says.
#[derive(Debug)]
pub struct TrustFile {
    path: HostPath,
    /// What users may do; says the administrator.
    pub(super) users: Users,
    /// Whether `policy.json` counts, too.
    pub(super) policy_json: bool,
    default: Option<Entry>,
    scopes: Vec<(String, Entry)>,
}

/// What holds for one scope.
#[derive(Debug)]
struct Entry {
    /// Its scope, or `default`.
    scope: String,
    mode: Mode,
    keys: Vec<Key>,
    threshold: usize,
    names: Names,
    signed_as: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Accept,
    Reject,
    Signed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    IfNamed,
    Repository,
    None,
}

#[derive(Debug)]
enum Key {
    File(HostPath),
    /// The line on which it stands, and the key.
    Inline(usize, String),
}

impl TrustFile {
    /// Reads the file at `path`; `None` where there is none.
    pub(super) fn read(path: &HostPath, whose: Whose) -> Result<Option<TrustFile>, TrustError> {
        let bytes = fsx::read_regular_if_there(path, FILE_LIMIT).map_err(TrustError::File)?;
        bytes
            .map(|bytes| TrustFile::parse(&bytes, path, whose))
            .transpose()
    }

    /// What `bytes` mean, which stand in the file at `path`. Keys are read when an image needs them, so that one that is
    /// missing stops nothing else.
    pub fn parse(bytes: &[u8], path: &HostPath, whose: Whose) -> Result<TrustFile, TrustError> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let text = &bytes[..error.valid_up_to()];
            Place { path, text }.wrong(text.len(), "not UTF-8", None)
        })?;
        let place = Place { path, text: bytes };
        let table = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            place.wrong(at, error.message(), None)
        })?;
        let mut file = TrustFile {
            path: path.clone(),
            users: Users::default(),
            policy_json: true,
            default: None,
            scopes: Vec::new(),
        };
        for (word, value) in table.get_ref() {
            let at = word.span().start;
            match &**word.get_ref() {
                "policy_json" => file.policy_json = place.truth("policy_json", value)?,
                "users" if whose == Whose::System => file.users = place.users(value)?,
                "users" => {
                    let what = "`users` stands in the system's file only";
                    return Err(place.wrong(at, what, None));
                }
                "default" => file.default = Some(place.entry("default", value)?),
                "scope" => file.scopes = place.scopes(value)?,
                other => return Err(place.unknown(at, other, &TOP)),
            }
        }
        Ok(file)
    }

    /// What it demands of `source`; `None` where it says nothing of it.
    pub(super) fn demand(&self, source: &Source) -> Result<Option<Demand>, TrustError> {
        for covering in scope::of_file(source) {
            let found = self
                .scopes
                .iter()
                .find(|(scope, _)| *scope == covering.scope);
            if let Some((_, entry)) = found {
                return entry.demand(&self.path, source, Some(&covering)).map(Some);
            }
        }
        let default = self.default.as_ref();
        default
            .map(|entry| entry.demand(&self.path, source, None))
            .transpose()
    }
}

impl Entry {
    fn demand(
        &self,
        by: &HostPath,
        source: &Source,
        covering: Option<&Covering>,
    ) -> Result<Demand, TrustError> {
        let (by, scope) = (by.clone(), self.scope.clone());
        match self.mode {
            Mode::Accept => return Ok(Demand::Accept { by: Some(by) }),
            Mode::Reject => return Ok(Demand::Reject { by, scope }),
            Mode::Signed => {}
        }
        let keys = self.keys(&by)?;
        if keys.len() < self.threshold {
            let what = format!(
                "`{scope}`: got {} different keys for the threshold {}",
                keys.len(),
                self.threshold
            );
            return Err(wrong(&by, what, None));
        }
        let rule = Rule {
            keys,
            threshold: self.threshold,
            identity: self.identity(source, covering),
            by,
            scope,
        };
        Ok(Demand::Signed(Requirement { rules: vec![rule] }))
    }

    fn keys(&self, by: &HostPath) -> Result<Vec<TrustedKey>, TrustError> {
        let mut keys: Vec<TrustedKey> = Vec::new();
        for key in &self.keys {
            let read = match key {
                Key::File(path) => read_key(path)?,
                Key::Inline(line, text) => TrustedKey::from_pem(text.as_bytes())
                    .map_err(|error| bad_key(by, &format!("line {line}: "), &error))?,
            };
            if !keys.contains(&read) {
                keys.push(read);
            }
        }
        Ok(keys)
    }

    fn identity(&self, source: &Source, covering: Option<&Covering>) -> Identity {
        let moved = || {
            Some(SignedAs {
                prefix: covering?.prefix.clone(),
                signed: self.signed_as.clone()?,
            })
        };
        // What is not in a registry has no name of its own, so the one that is given is the whole.
        let given = self.signed_as.as_deref().and_then(|name| name.parse().ok());
        match (self.names, given) {
            (Names::None, _) => Identity::Any,
            (_, Some(name)) if !matches!(source, Source::Registry(_)) => {
                Identity::ThisRepository(name)
            }
            (Names::IfNamed, _) => Identity::IfNamed(moved()),
            (Names::Repository, _) => Identity::Repository(moved()),
        }
    }
}

/// Reads a key that a policy names.
pub(super) fn read_key(path: &HostPath) -> Result<TrustedKey, TrustError> {
    let bytes = fsx::read_regular(path, MAX_KEY as u64).map_err(TrustError::File)?;
    TrustedKey::from_pem(&bytes).map_err(|error| bad_key(path, "", &error))
}

/// The error of a key that is none.
pub(super) fn bad_key(path: &HostPath, place: &str, error: &KeyError) -> TrustError {
    let hint = match error {
        KeyError::Label(label) if label.contains("PRIVATE") => {
            "that is a private key: keep it away from here, and write the public key that belongs to it"
        }
        KeyError::Label(label) if label == "CERTIFICATE" => {
            "`openssl x509 -pubkey -noout -in FILE` writes the public key of a certificate"
        }
        KeyError::Label(label) if label == "RSA PUBLIC KEY" => {
            "`openssl rsa -RSAPublicKey_in -in FILE -pubout` writes it in the form that is read"
        }
        _ => "`cosign generate-key-pair` and `openssl pkey -pubout` write keys that can be read",
    };
    wrong(path, format!("{place}{error}"), Some(hint.to_owned()))
}

impl Place<'_> {
    fn scopes(&self, written: &Spanned<DeValue<'_>>) -> Result<Vec<(String, Entry)>, TrustError> {
        let at = written.span().start;
        let table = written.get_ref().as_table();
        let table = table.ok_or_else(|| {
            let what = "got `scope` with a value, expected `[scope.\"registry.example/team\"]` and keys below it";
            self.wrong(at, what, None)
        })?;
        if table.len() > MAX_SCOPES {
            let what = format!("got {} scopes, expected at most {MAX_SCOPES}", table.len());
            return Err(self.wrong(at, &what, None));
        }
        let mut scopes = Vec::new();
        for (name, value) in table {
            let at = name.span().start;
            let name = name.get_ref().to_string();
            scope::check(&name).map_err(|what| {
                let shown: String = name.escape_debug().take(80).collect();
                let quotes = "write a scope in quotes, since it has dots".to_owned();
                // `[scope.registry.example]` is a table in a table.
                let is_bare = value.get_ref().is_table() && !name.contains(['.', ':']);
                self.wrong(
                    at,
                    &format!("scope `{shown}`: {what}"),
                    is_bare.then_some(quotes),
                )
            })?;
            let entry = self.entry(&name, value)?;
            scopes.push((name, entry));
        }
        Ok(scopes)
    }

    fn entry(&self, scope: &str, written: &Spanned<DeValue<'_>>) -> Result<Entry, TrustError> {
        let at = written.span().start;
        let table = written.get_ref().as_table();
        let table = table.ok_or_else(|| {
            let what = format!("got `{scope}` with a value, expected a table with the key `mode`");
            self.wrong(at, &what, None)
        })?;
        let mut mode = None;
        let mut entry = Entry {
            scope: scope.to_owned(),
            mode: Mode::Reject,
            keys: Vec::new(),
            threshold: 1,
            names: Names::IfNamed,
            signed_as: None,
        };
        for (word, value) in table {
            match &**word.get_ref() {
                "mode" => mode = Some(self.mode(value)?),
                "keys" => entry.keys = self.keys(value)?,
                "threshold" => entry.threshold = self.count("threshold", value)?,
                "identity" => entry.names = self.names(value)?,
                "signed_as" => entry.signed_as = Some(self.signed_as(value)?),
                other => return Err(self.unknown(word.span().start, other, &ENTRY)),
            }
        }
        let Some(mode) = mode else {
            let what = format!("`{scope}` lacks `mode`: expected `accept`, `reject` or `signed`");
            return Err(self.wrong(at, &what, None));
        };
        entry.mode = mode;
        let needless = SIGNED_ONLY.iter().find(|word| table.contains_key(**word));
        if let Some(word) = needless.filter(|_| mode != Mode::Signed) {
            let what = format!("`{scope}`: `{word}` has no meaning without `mode = \"signed\"`");
            return Err(self.wrong(at, &what, None));
        }
        let sense = if mode == Mode::Signed {
            entry.sense()
        } else {
            Ok(())
        };
        sense.map_err(|what| self.wrong(at, &format!("`{scope}`: {what}"), None))?;
        Ok(entry)
    }

    fn keys(&self, written: &Spanned<DeValue<'_>>) -> Result<Vec<Key>, TrustError> {
        let at = written.span().start;
        let list = written.get_ref().as_array();
        let list = list.ok_or_else(|| self.wrong(at, "`keys`: expected a list", None))?;
        if list.len() > MAX_KEYS {
            let what = format!("`keys`: got {}, expected at most {MAX_KEYS}", list.len());
            return Err(self.wrong(at, &what, None));
        }
        let path = std::path::absolute(self.path);
        let dir = path
            .ok()
            .and_then(|path| Some(HostPath::new(path.parent()?)));
        let dir = dir.unwrap_or_else(|| HostPath::new("/"));
        let mut keys = Vec::new();
        for item in list {
            let text = self.text("keys", item)?;
            let line = self.line(item.span().start);
            keys.push(match text.contains("-----BEGIN ") {
                true => Key::Inline(line, text.to_owned()),
                false if text.is_empty() || text.contains('\0') => {
                    let what = "`keys`: expected files, or keys as PEM";
                    return Err(self.wrong(item.span().start, what, None));
                }
                false => Key::File(dir.join(Path::new(text))),
            });
        }
        Ok(keys)
    }

    fn signed_as(&self, written: &Spanned<DeValue<'_>>) -> Result<String, TrustError> {
        let text = self.text("signed_as", written)?;
        let at = written.span().start;
        let checked = scope::check_name(text).map_err(|what| format!("`signed_as`: {what}"));
        checked.map_err(|what| self.wrong(at, &what, None))?;
        let last = text.rsplit('/').next().unwrap_or_default();
        if text.contains('/') && last.contains([':', '@']) {
            let what = "`signed_as`: expected a host, or the beginning of repositories' names, without a tag";
            return Err(self.wrong(at, what, None));
        }
        Ok(text.to_owned())
    }

    fn mode(&self, written: &Spanned<DeValue<'_>>) -> Result<Mode, TrustError> {
        let modes = [
            ("accept", Mode::Accept),
            ("reject", Mode::Reject),
            ("signed", Mode::Signed),
        ];
        self.word("mode", written, &modes)
    }

    fn names(&self, written: &Spanned<DeValue<'_>>) -> Result<Names, TrustError> {
        let names = [
            ("if-named", Names::IfNamed),
            ("repository", Names::Repository),
            ("none", Names::None),
        ];
        self.word("identity", written, &names)
    }

    fn users(&self, written: &Spanned<DeValue<'_>>) -> Result<Users, TrustError> {
        let users = [
            ("stricter", Users::Stricter),
            ("free", Users::Free),
            ("ignored", Users::Ignored),
        ];
        self.word("users", written, &users)
    }
}

impl Entry {
    /// Whether what it demands can be met at all.
    fn sense(&self) -> Result<(), String> {
        if self.keys.is_empty() {
            return Err("`mode = \"signed\"` needs `keys`".to_owned());
        }
        if self.threshold > self.keys.len() {
            let n = self.keys.len();
            return Err(format!("got {n} keys for the threshold {}", self.threshold));
        }
        if self.signed_as.is_some() && self.names == Names::None {
            return Err("`signed_as` has no meaning with `identity = \"none\"`".to_owned());
        }
        if self.signed_as.is_some() && ["default", "docker:"].contains(&self.scope.as_str()) {
            return Err("`signed_as` needs a scope with a host or a path".to_owned());
        }
        let transport = self.scope.split_once(':').map(|(transport, _)| transport);
        let is_local =
            transport.is_some_and(|it| it != "docker" && scope::TRANSPORTS.contains(&it));
        if !is_local {
            return Ok(());
        }
        match &self.signed_as {
            None if self.names == Names::Repository => Err(
                "what is not in a registry has no repository of its own: `signed_as` says which one counts"
                    .to_owned(),
            ),
            Some(name) if !name.contains('/') => {
                Err("`signed_as`: expected a whole repository".to_owned())
            }
            _ => Ok(()),
        }
    }
}
