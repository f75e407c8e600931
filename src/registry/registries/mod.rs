//! Which endpoints serve a reference: its mirrors and its registry, as the host's files and the user's setting say.
//!
//! containers-registries.conf(5), version 2, as far as it speaks of names. Finding out asks no network.

mod error;
mod file;

use std::collections::BTreeMap;

use crate::base::env;
use crate::base::fsx;
use crate::base::path::HostPath;
use crate::oci::reference::Reference;
pub use error::RegistriesError;
pub use file::{File, Note};

/// Bytes of one file. Distributions ship some hundred aliases in 20 KiB.
const FILE_LIMIT: u64 = 1 << 20;
/// Files of one directory; nobody keeps more than a few.
const MAX_FILES: usize = 100;
/// Mirrors that the user's own setting may list: each that fails costs time.
const MAX_OWN: usize = 100;
/// What a short name means where nothing else is said.
const HUB: &str = "docker.io";

/// One place where a reference may be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// What the image is called there.
    pub reference: Reference,
    /// Whether it may be spoken to without TLS or with any certificate.
    pub insecure: bool,
    /// Whether another endpoint comes after it, should it fail.
    pub is_mirror: bool,
}

/// For which references a mirror is asked; `pull-from-mirror`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Asked {
    /// For all.
    #[default]
    Always,
    /// For those with a digest, whose content cannot be another one's.
    ByDigest,
    /// For those with a tag alone.
    ByTag,
}

impl Asked {
    fn fits(self, reference: &Reference) -> bool {
        match self {
            Asked::Always => true,
            Asked::ByDigest => reference.digest().is_some(),
            Asked::ByTag => reference.digest().is_none(),
        }
    }
}

/// `[[registry.mirror]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mirror {
    pub(crate) location: String,
    pub(crate) insecure: bool,
    pub(crate) asked: Asked,
}

/// `[[registry]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) prefix: String,
    /// What stands in the place of the prefix; none where the name stays.
    pub(crate) location: Option<String>,
    pub(crate) insecure: bool,
    pub(crate) blocked: bool,
    pub(crate) mirrors: Vec<Mirror>,
    /// File and line.
    pub(crate) by: String,
}

/// What files and settings say of names.
#[derive(Clone, Debug, Default)]
pub struct Registries {
    /// The user's own mirrors: a prefix, and what stands in its place.
    own: Vec<(String, String)>,
    rules: Vec<Rule>,
    aliases: BTreeMap<String, String>,
    notes: Vec<Note>,
}

/// Which files are read.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The first of them that is there counts.
    pub files: Vec<HostPath>,
    /// Directories of `*.conf`, whose files add to that, the last one winning.
    pub directories: Vec<HostPath>,
}

impl Places {
    /// Those of this host and user. A variable names a file that takes the place of both.
    pub fn of_host() -> Places {
        let system = HostPath::new("/etc/containers/registries.conf");
        let user = env::get(env::HOME).map(|home| {
            let dir = HostPath::new(home).join(".config/containers");
            (dir.join("registries.conf"), dir.join("registries.conf.d"))
        });
        let (user, of_user) = user.unzip();
        let named = env::get(env::CONTAINERS_REGISTRIES_CONF).map(HostPath::new);
        let own_replaces = named.is_none() && user.as_ref().is_some_and(|path| path.exists());
        let of_system = HostPath::new("/etc/containers/registries.conf.d");
        let of_system = (!own_replaces).then_some(of_system);
        Places {
            files: match named {
                Some(named) => vec![named],
                None => user.into_iter().chain([system]).collect(),
            },
            directories: of_system.into_iter().chain(of_user).collect(),
        }
    }
}

impl Registries {
    /// Reads the files of `places`, and the user's setting `mirror`, each entry as `HOST[/PATH]` for docker.io or as
    /// `PREFIX=HOST[/PATH]`.
    pub fn load(places: &Places, own: &[String]) -> Result<Registries, RegistriesError> {
        let mut all = Registries::default();
        for path in &places.files {
            if all.take(path)? {
                break;
            }
        }
        for dir in &places.directories {
            let entries = fsx::absent_as_none(fsx::read_dir(dir))?.unwrap_or_default();
            let paths = entries.iter().map(std::fs::DirEntry::path);
            let is_conf =
                |path: &std::path::PathBuf| path.extension().is_some_and(|it| it == "conf");
            let mut paths: Vec<_> = paths.filter(is_conf).collect();
            paths.sort();
            for path in paths.into_iter().take(MAX_FILES) {
                all.take(&HostPath::new(path))?;
            }
        }
        all.take_own(own)?;
        Ok(all)
    }

    /// Adds what the file at `path` says; whether it is there.
    fn take(&mut self, path: &HostPath) -> Result<bool, RegistriesError> {
        let Some(bytes) = fsx::read_if_there(path, FILE_LIMIT)? else {
            return Ok(false);
        };
        self.add(File::parse(&bytes, path)?);
        Ok(true)
    }

    /// Adds what a file says: its tables take the place of earlier ones of the same prefix.
    pub fn add(&mut self, file: File) {
        let is_replaced = |rule: &Rule| file.rules.iter().any(|new| new.prefix == rule.prefix);
        self.rules.retain(|rule| !is_replaced(rule));
        self.rules.extend(file.rules);
        self.aliases.extend(file.aliases);
        self.notes.extend(file.notes);
    }

    fn take_own(&mut self, own: &[String]) -> Result<(), RegistriesError> {
        for text in own.iter().take(MAX_OWN) {
            let (prefix, location) = text.split_once('=').unwrap_or((HUB, text));
            let (prefix, location) = (prefix.trim(), location.trim());
            let wrong = |what| RegistriesError::Setting {
                // Who writes credentials there has them in no message.
                text: match text.rsplit_once('@') {
                    Some((_, rest)) => format!("…@{}", rest.escape_debug()),
                    None => text.escape_debug().take(255).collect(),
                },
                what,
            };
            let location = file::location(location).map_err(wrong)?;
            let prefix = file::prefix(prefix).map_err(wrong)?;
            self.own.push((prefix, location));
        }
        Ok(())
    }

    /// What was found in the files and is not obeyed.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// What the short name `name`, without tag and digest, means by an alias.
    pub fn alias(&self, name: &str) -> Option<&str> {
        self.aliases.get(name).map(String::as_str)
    }

    /// Where `reference` may be had, in the order in which to ask: the user's own mirrors, those of the files, and
    /// last its registry, under the name that the files give it.
    pub fn endpoints(&self, reference: &Reference) -> Result<Vec<Endpoint>, RegistriesError> {
        let name = reference.to_string();
        let rule = self.rules.iter();
        let rule = rule.filter_map(|rule| Some((covered(&rule.prefix, &name)?, rule)));
        let longest = rule.max_by_key(|(covered, rule)| (*covered, !rule.prefix.starts_with('*')));
        if let Some((_, rule)) = longest.filter(|(_, rule)| rule.blocked) {
            let by = rule.by.clone();
            return Err(RegistriesError::Blocked { name, by });
        }
        let mut all = Vec::new();
        let own = self.own.iter();
        let own = own.filter_map(|(prefix, location)| Some((covered(prefix, &name)?, location)));
        let most = own.clone().map(|(covered, _)| covered).max();
        for (covered, location) in own.filter(|(covered, _)| Some(*covered) == most) {
            all.push(Endpoint {
                reference: rewritten(&name, covered, location, "the setting `mirror`")?,
                insecure: false,
                is_mirror: true,
            });
        }
        let Some((covered, rule)) = longest else {
            all.push(Endpoint::primary(reference.clone(), false));
            return Ok(distinct(all));
        };
        for mirror in rule.mirrors.iter().filter(|it| it.asked.fits(reference)) {
            all.push(Endpoint {
                reference: rewritten(&name, covered, &mirror.location, &rule.by)?,
                insecure: mirror.insecure,
                is_mirror: true,
            });
        }
        let primary = match &rule.location {
            Some(location) => rewritten(&name, covered, location, &rule.by)?,
            None => reference.clone(),
        };
        all.push(Endpoint::primary(primary, rule.insecure));
        Ok(distinct(all))
    }
}

impl Endpoint {
    fn primary(reference: Reference, insecure: bool) -> Endpoint {
        Endpoint {
            reference,
            insecure,
            is_mirror: false,
        }
    }
}

/// Each endpoint once: the registry itself as such, a mirror at its first place.
fn distinct(all: Vec<Endpoint>) -> Vec<Endpoint> {
    let mut kept: Vec<Endpoint> = Vec::new();
    for (place, endpoint) in all.iter().enumerate() {
        let is_same = |other: &Endpoint| other.reference == endpoint.reference;
        let is_primary_later = endpoint.is_mirror
            && all[place..]
                .iter()
                .any(|other| is_same(other) && !other.is_mirror);
        if !is_primary_later && !kept.iter().any(is_same) {
            kept.push(endpoint.clone());
        }
    }
    kept
}

/// How many bytes of `name`, a full reference, `prefix` stands for; `None` where it does not fit. A prefix ends where
/// a component, a tag or a digest begins; `*.` is one or more labels of a host.
fn covered(prefix: &str, name: &str) -> Option<usize> {
    let end = match prefix.strip_prefix('*') {
        None => name.starts_with(prefix).then_some(prefix.len())?,
        Some(rest) => {
            let at = name.find(rest)?;
            (at > 0 && !name[..at].contains('/')).then_some(at + rest.len())?
        }
    };
    let next = name.as_bytes().get(end);
    next.is_none_or(|next| b"/:@".contains(next)).then_some(end)
}

/// `name` with `location` in the place of its first `covered` bytes.
fn rewritten(
    name: &str,
    covered: usize,
    location: &str,
    by: &str,
) -> Result<Reference, RegistriesError> {
    let text = format!("{location}{}", &name[covered..]);
    text.parse().map_err(|source| RegistriesError::Rewritten {
        name: name.to_owned(),
        by: by.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::fault::{Fault, Kind};

    fn read(text: &str) -> Registries {
        let mut all = Registries::default();
        all.add(File::parse(text.as_bytes(), &HostPath::new("/r.conf")).expect("well-formed"));
        all
    }

    /// The endpoints in one line: mirrors with `m:` before them, insecure ones with `!` behind.
    fn endpoints(all: &Registries, name: &str) -> String {
        let reference = name.parse().expect("a literal of this test");
        let list = all.endpoints(&reference).expect("not blocked");
        let shown = list.iter().map(|it| {
            let (mark, end) = (
                if it.is_mirror { "m:" } else { "" },
                if it.insecure { "!" } else { "" },
            );
            format!("{mark}{}{end}", it.reference)
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_longest_prefix_wins_and_ends_at_a_boundary() {
        let all = read(
            r#"
            [[registry]]
            prefix = "a.example"
            location = "b.example:5000/x"
            [[registry]]
            prefix = "a.example/team"
            location = "c.example"
            insecure = true
            [[registry]]
            prefix = "*.wild.example"
            [[registry.mirror]]
            location = "m.example/wild"
            [[registry]]
            location = "one.wild.example"
            blocked = true
            "#,
        );
        for (name, expected) in [
            ("a.example/r:1", "b.example:5000/x/r:1"),
            ("a.example/team/r:1", "c.example/r:1!"),
            ("a.example/teams/r:1", "b.example:5000/x/teams/r:1"),
            ("a.example:443/r:1", "b.example:5000/x:443/r:1"),
            (
                "two.wild.example/r:1",
                "m:m.example/wild/r:1 two.wild.example/r:1",
            ),
            ("wild.example/r:1", "wild.example/r:1"),
            (
                "other.example/x.wild.example:1",
                "other.example/x.wild.example:1",
            ),
        ] {
            let all = all.clone();
            if name.starts_with("a.example:443") {
                // What stands for a host with a port needs a port of its own.
                let reference = name.parse().expect("a literal of this test");
                assert!(all.endpoints(&reference).is_err());
                continue;
            }
            assert_eq!(endpoints(&all, name), expected, "{name}");
        }
        let blocked = "one.wild.example/r"
            .parse()
            .expect("a literal of this test");
        let error = all.endpoints(&blocked).expect_err("it is blocked");
        assert_eq!(error.kind(), Kind::Refused);
        assert!(error.to_string().contains("/r.conf line 13"), "{error}");
    }

    #[test]
    fn mirrors_may_want_a_digest_or_a_tag() {
        let all = read(
            r#"
            [[registry]]
            location = "docker.io"
            [[registry.mirror]]
            location = "d.example/hub"
            pull-from-mirror = "digest-only"
            [[registry.mirror]]
            location = "t.example/hub"
            pull-from-mirror = "tag-only"
            insecure = true
            [[registry]]
            location = "q.example"
            mirror-by-digest-only = true
            [[registry.mirror]]
            location = "m.example"
            "#,
        );
        let digest = format!("sha256:{}", "0".repeat(64));
        assert_eq!(
            endpoints(&all, "debian"),
            "m:t.example/hub/library/debian:latest! docker.io/library/debian:latest"
        );
        assert_eq!(
            endpoints(&all, &format!("debian@{digest}")),
            format!("m:d.example/hub/library/debian@{digest} docker.io/library/debian@{digest}")
        );
        assert_eq!(endpoints(&all, "q.example/r:1"), "q.example/r:1");
        assert!(endpoints(&all, &format!("q.example/r@{digest}")).starts_with("m:m.example/r@"));
    }

    #[test]
    fn the_users_own_mirrors_come_first() {
        let mut all =
            read("[[registry]]\nlocation='docker.io'\n[[registry.mirror]]\nlocation='m.example'\n");
        let own = [
            "h.example:5000/hub",
            "q.example = m.example/q",
            "docker.io=docker.io",
        ];
        let own: Vec<String> = own.map(str::to_owned).into();
        all.take_own(&own).expect("well-formed");
        assert_eq!(
            endpoints(&all, "debian:13"),
            "m:h.example:5000/hub/library/debian:13 m:m.example/library/debian:13 docker.io/library/debian:13"
        );
        assert_eq!(
            endpoints(&all, "q.example/r:1"),
            "m:m.example/q/r:1 q.example/r:1"
        );
        for bad in [
            "",
            "https://h.example",
            "host",
            "a=b=c",
            "x=",
            "h.example/UPPER",
        ] {
            assert!(
                Registries::default().take_own(&[bad.to_owned()]).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_later_file_replaces_tables_and_adds_aliases() {
        let mut all =
            read("[[registry]]\nlocation='a.example'\nblocked=true\n[aliases]\nx='a.example/x'\n");
        let more = b"[[registry]]\nlocation='a.example'\n[aliases]\ny='b.example/y'\n";
        all.add(File::parse(more, &HostPath::new("/s.conf")).expect("well-formed"));
        assert_eq!(endpoints(&all, "a.example/r:1"), "a.example/r:1");
        assert_eq!(
            (all.alias("x"), all.alias("y")),
            (Some("a.example/x"), Some("b.example/y"))
        );
    }
}
