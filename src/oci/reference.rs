//! References: the names of images in registries.
//!
//! The grammar is that of distribution's reference package; Docker Hub's short
//! names (`alpine`) are completed as Docker does, and nobody else's.

use std::fmt;
use std::str::FromStr;

use crate::base::digest::{Digest, DigestError};
use crate::base::fault::{Fault, Kind};

const HUB: &str = "docker.io";
const HUB_API: &str = "registry-1.docker.io";
const DEFAULT_TAG: &str = "latest";
/// Registry and repository together; distribution's `NameTotalLengthMax`.
const MAX_NAME: usize = 255;
const MAX_TAG: usize = 128;
/// Images inside this binary, which need no transport in front: `coracle run hello`.
pub(super) const EMBEDDED: [&str; 1] = ["hello"];

/// An image in a registry: where, what, and which one of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// A text that does not name an image.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` does not name an image: {reason}")]
pub struct ReferenceError {
    text: String,
    reason: Reason,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Reason {
    #[error("it is empty")]
    Empty,
    #[error("got a name of {0} characters, expected at most {MAX_NAME}")]
    TooLong(usize),
    #[error("`{0}` is not a host name with an optional port")]
    Host(String),
    #[error("a repository is written in lower case, expected `{0}`")]
    UpperCase(String),
    #[error(
        "`{0}` is not part of a repository's name, expected lower-case letters and digits, joined by `.`, `_`, `__` or `-`"
    )]
    Component(String),
    #[error(
        "`{0}` is not a tag, expected up to {MAX_TAG} letters, digits, `_`, `.` and `-`, not starting with the last two"
    )]
    Tag(String),
    #[error("{0}")]
    Digest(DigestError),
    #[error("the transport `{0}` is not supported")]
    Transport(String),
    #[error("expected a path after `{0}:`")]
    NoPath(&'static str),
    #[error("this binary holds no such image")]
    NotEmbedded,
}

impl Fault for ReferenceError {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hints(&self) -> Vec<String> {
        match &self.reason {
            Reason::Transport(_) => vec![
                "use `docker://`, `oci:DIR[:TAG]`, `oci-archive:FILE`, `docker-archive:FILE` or `embedded:hello`".into(),
            ],
            Reason::NotEmbedded => vec![format!("inside are: {}", EMBEDDED.join(", "))],
            _ => vec!["write it as `[registry[:port]/]name[:tag][@sha256:…]`".into()],
        }
    }
}

impl Reference {
    /// The registry as it is named: host and optional port; `docker.io` for Docker Hub.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Where the registry's interface is: the same, but for Docker Hub.
    pub fn api_host(&self) -> &str {
        api_host(&self.registry)
    }

    /// The repository, such as `library/alpine`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag; `latest` where neither tag nor digest was given, none where only a digest was.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, which wins over the tag.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// What stands behind `/manifests/` in a request: the digest if there is one, else the tag.
    pub fn selector(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => DEFAULT_TAG.to_owned(),
        }
    }

    /// The same repository at `digest`, without a tag.
    pub fn at(&self, digest: &Digest) -> Reference {
        Reference {
            tag: None,
            digest: Some(digest.clone()),
            ..self.clone()
        }
    }

    /// The shortest text that means the same: `alpine` for `docker.io/library/alpine:latest`.
    pub fn familiar(&self) -> String {
        let name = match self.registry.as_str() {
            HUB => match self.repository.strip_prefix("library/") {
                Some(short) if !EMBEDDED.contains(&short) => short.to_owned(),
                _ => self.repository.clone(),
            },
            registry => format!("{registry}/{}", self.repository),
        };
        let shown_tag = self
            .tag
            .as_deref()
            .filter(|tag| self.digest.is_some() || *tag != DEFAULT_TAG);
        name + &suffix(shown_tag, self.digest.as_ref())
    }
}

/// Where the interface of a registry is: the host it is named by, but for Docker Hub.
pub fn api_host(registry: &str) -> &str {
    match registry {
        HUB => HUB_API,
        other => other,
    }
}

/// Reads the name of a registry alone, as `coracle login` takes it; of one that was pasted
/// as a URL the host counts, and an empty one is Docker Hub.
pub fn parse_registry(text: &str) -> Result<String, ReferenceError> {
    let url = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let host = match url {
        Some(rest) => rest.split('/').next().unwrap_or_default(),
        None => text,
    };
    let host = host.to_ascii_lowercase();
    if ["", "index.docker.io", HUB_API].contains(&host.as_str()) {
        return Ok(HUB.to_owned());
    }
    check_host(&host).map_err(|reason| ReferenceError::new(text, reason))?;
    Ok(host)
}

fn suffix(tag: Option<&str>, digest: Option<&Digest>) -> String {
    let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
    let digest = digest
        .map(|digest| format!("@{digest}"))
        .unwrap_or_default();
    tag + &digest
}

impl fmt::Display for Reference {
    /// The full name; parsing it gives the same reference.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = suffix(self.tag.as_deref(), self.digest.as_ref());
        write!(f, "{}/{}{end}", self.registry, self.repository)
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Reference, ReferenceError> {
        parse_reference(text).map_err(|reason| ReferenceError::new(text, reason))
    }
}

impl ReferenceError {
    pub(super) fn new(text: &str, reason: Reason) -> ReferenceError {
        ReferenceError {
            text: printable(text),
            reason,
        }
    }
}

pub(super) fn printable(text: &str) -> String {
    text.escape_debug().take(MAX_NAME).collect()
}

pub(super) fn parse_reference(text: &str) -> Result<Reference, Reason> {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest.parse().map_err(Reason::Digest)?)),
        None => (text, None),
    };
    let (name, tag) = match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (rest, None),
    };
    let (registry, repository) = split_host(name);
    if repository.is_empty() {
        return Err(Reason::Empty);
    }
    check_host(registry)?;
    repository.split('/').try_for_each(check_component)?;
    if let Some(tag) = tag {
        check_tag(tag)?;
    }
    let registry = registry.to_ascii_lowercase();
    let is_hub = matches!(registry.as_str(), HUB | "index.docker.io" | HUB_API);
    let registry = if is_hub { HUB.to_owned() } else { registry };
    let is_short = is_hub && !repository.contains('/');
    let repository = format!("{}{repository}", if is_short { "library/" } else { "" });
    let length = registry.len() + 1 + repository.len();
    if length > MAX_NAME {
        return Err(Reason::TooLong(length));
    }
    let implied = digest.is_none().then_some(DEFAULT_TAG);
    Ok(Reference {
        registry,
        repository,
        tag: tag.or(implied).map(str::to_owned),
        digest,
    })
}

/// Splits off the registry. The first part is one only if it cannot be a repository's:
/// it has a `.` or a `:`, or is `localhost`; distribution, `splitDockerDomain`.
fn split_host(name: &str) -> (&str, &str) {
    let is_host = |part: &str| part.contains(['.', ':']) || part == "localhost";
    match name.split_once('/') {
        Some((host, rest)) if is_host(host) => (host, rest),
        _ => (HUB, name),
    }
}

/// A DNS name, an IPv4 address or an IPv6 address in brackets, and an optional port.
fn check_host(host: &str) -> Result<(), Reason> {
    let bad = || Reason::Host(printable(host));
    let after_brackets = host
        .strip_prefix('[')
        .map(|rest| rest.split_once(']').ok_or_else(bad));
    let port = if let Some(split) = after_brackets {
        let (address, rest) = split?;
        address.parse::<std::net::Ipv6Addr>().map_err(|_| bad())?;
        rest
    } else {
        let (name, port) = host.split_at(host.find(':').unwrap_or(host.len()));
        let is_label = |label: &str| {
            let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            !label.is_empty()
                && label.bytes().all(inner)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if !name.split('.').all(is_label) {
            return Err(bad());
        }
        port
    };
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok(()),
        Some(digits)
            if digits.bytes().all(|byte| byte.is_ascii_digit())
                && digits.parse::<u16>().is_ok() =>
        {
            Ok(())
        }
        _ => Err(bad()),
    }
}

/// One part of a repository's name: `[a-z0-9]+` joined by `.`, `_`, `__` or any number of `-`.
fn check_component(part: &str) -> Result<(), Reason> {
    if part.contains(|c: char| c.is_ascii_uppercase()) {
        return Err(Reason::UpperCase(printable(&part.to_ascii_lowercase())));
    }
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = part.as_bytes();
    let edges_are_words = bytes.first().is_some_and(|byte| is_word(*byte))
        && bytes.last().is_some_and(|byte| is_word(*byte));
    let mut separators = bytes
        .split(|byte| is_word(*byte))
        .filter(|run| !run.is_empty());
    let joined_well = separators
        .all(|run| matches!(run, b"." | b"_" | b"__") || run.iter().all(|byte| *byte == b'-'));
    if edges_are_words && joined_well {
        return Ok(());
    }
    Err(Reason::Component(printable(part)))
}

pub(super) fn check_tag(tag: &str) -> Result<(), Reason> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let starts_well = tag.bytes().next().is_some_and(is_word);
    let goes_well = tag
        .bytes()
        .all(|byte| is_word(byte) || byte == b'.' || byte == b'-');
    if starts_well && goes_well && tag.len() <= MAX_TAG {
        return Ok(());
    }
    Err(Reason::Tag(printable(tag)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_may_be_pasted_as_a_url() {
        for (text, host) in [
            ("Registry.example:5000", "registry.example:5000"),
            ("https://registry.example/v2/", "registry.example"),
            ("https://index.docker.io/v1/", "docker.io"),
            ("", "docker.io"),
        ] {
            assert_eq!(parse_registry(text).expect(text), host);
        }
        for bad in [
            "registry.example/name",
            "a b",
            "https://user:word@h.example/",
        ] {
            assert!(parse_registry(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn short_names_are_completed_and_shortened_again() {
        let hex = "a".repeat(64);
        for (text, full, short) in [
            ("alpine", "docker.io/library/alpine:latest", "alpine"),
            ("alpine:3", "docker.io/library/alpine:3", "alpine:3"),
            ("a/b", "docker.io/a/b:latest", "a/b"),
            ("index.docker.io/a:1", "docker.io/library/a:1", "a:1"),
            ("localhost/a", "localhost/a:latest", "localhost/a"),
            ("H.example/a", "h.example/a:latest", "h.example/a"),
            (
                "h.example:5000/a/b__c-d:T.1",
                "h.example:5000/a/b__c-d:T.1",
                "h.example:5000/a/b__c-d:T.1",
            ),
            ("[::1]:5000/a", "[::1]:5000/a:latest", "[::1]:5000/a"),
            (
                &format!("a@sha256:{hex}"),
                &format!("docker.io/library/a@sha256:{hex}"),
                &format!("a@sha256:{hex}"),
            ),
            (
                &format!("a:1@sha256:{hex}"),
                &format!("docker.io/library/a:1@sha256:{hex}"),
                &format!("a:1@sha256:{hex}"),
            ),
        ] {
            let reference: Reference = text.parse().expect(text);
            assert_eq!(reference.to_string(), full);
            assert_eq!(reference.familiar(), short);
            assert_eq!(full.parse::<Reference>().expect(full), reference);
        }
    }

    #[test]
    fn malformed_names_are_explained() {
        for bad in [
            "",
            ":1",
            "a:",
            "a/",
            "/a",
            "a//b",
            "a..b",
            "a___b",
            "-a",
            "a-",
            "a:b:c",
            "A",
            "a/B",
            "Host/a",
            "a:-x",
            "a@sha256:12",
            "h.example:99999/a",
            "h.example:/a",
            "-h.example/a",
            "a b",
            "a\n",
            "[::1/a",
            "../../etc",
            "docker.io/",
        ] {
            assert!(bad.parse::<Reference>().is_err(), "{bad}");
        }
        assert!("a".repeat(300).parse::<Reference>().is_err());
        let error = "Alpine".parse::<Reference>().expect_err("a capital");
        assert!(error.to_string().contains("expected `alpine`"), "{error}");
    }
}
