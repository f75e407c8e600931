//! Whose name a signature must bear: which repository it says that it is for, against the image's.
//!
//! A simple signature names the repository that it was made for. A Sigstore bundle names none.

use crate::oci::reference::Reference;
use crate::oci::source::Source;

/// Which names count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Any name, or none.
    Any,
    /// The image's repository, or no name at all; `identity = "if-named"`.
    IfNamed(Option<SignedAs>),
    /// The image's repository; `identity = "repository"`, and `matchRepository` of containers-policy.json(5).
    Repository(Option<SignedAs>),
    /// The image's repository with its tag; only the repository where the image is named by digest.
    /// `matchRepoDigestOrExact`, and with a prefix `remapIdentity`.
    TagOrRepository(Option<SignedAs>),
    /// The image's whole name with tag or digest. `matchExact`
    Whole,
    /// This repository, whatever the image's name. `exactRepository`
    ThisRepository(Reference),
    /// This name with its tag or digest, whatever the image's. `exactReference`
    This(Reference),
}

/// Another name under which images were signed: that of the place that they were copied from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedAs {
    /// What images' names begin with: a host, or a host and parts of a path.
    pub prefix: String,
    /// What stands in its place in signatures.
    pub signed: String,
}

impl SignedAs {
    /// `name` (a host and a repository) as a signature has it; unchanged where the prefix is another.
    fn apply(&self, name: &str) -> String {
        match name.strip_prefix(&self.prefix) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => self.signed.clone() + rest,
            _ => name.to_owned(),
        }
    }
}

/// What a signature or an image is called, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Name {
    /// Host and repository.
    repository: String,
    /// What was written behind it: a tag, a digest, both or nothing.
    tag: Option<String>,
    digest: Option<String>,
}

impl Name {
    fn of(reference: &Reference) -> Name {
        Name {
            repository: format!("{}/{}", reference.registry(), reference.repository()),
            tag: reference.tag().map(str::to_owned),
            digest: reference.digest().map(ToString::to_string),
        }
    }

    /// A name as it stands in a signature: a tag counts only where one was written, while a reader of names that people
    /// type takes `latest` for granted.
    fn written(text: &str) -> Option<Name> {
        let reference: Reference = text.parse().ok()?;
        let bare = text.split('@').next().unwrap_or_default();
        let last = bare.rsplit('/').next().unwrap_or_default();
        let mut name = Name::of(&reference);
        name.tag = name.tag.filter(|_| last.contains(':'));
        Some(name)
    }
}

impl Identity {
    /// Whether a signature with the name `signed` (`docker-reference`, or nothing) may speak for `source`; else why not.
    pub fn check(&self, source: &Source, signed: Option<&str>) -> Result<(), String> {
        let Some(text) = signed else {
            return match self {
                Identity::Any | Identity::IfNamed(_) => Ok(()),
                _ => Err("it names no repository, and the policy wants one named".to_owned()),
            };
        };
        if *self == Identity::Any {
            return Ok(());
        }
        let signed = Name::written(text);
        let signed =
            signed.ok_or_else(|| format!("it is for `{text}`, which is no image's name"))?;
        let own = || match source {
            Source::Registry(reference) => Ok(Name::of(reference)),
            _ => Err(format!(
                "it is for `{text}`, and the name of what is not in a registry cannot be compared with that"
            )),
        };
        let wanted = match self {
            Identity::Any => return Ok(()),
            Identity::IfNamed(moved) | Identity::Repository(moved) => {
                let name = renamed(own()?, moved.as_ref());
                return same_repository(text, &signed, &name);
            }
            Identity::TagOrRepository(moved) => {
                let name = renamed(own()?, moved.as_ref());
                if name.tag.is_none() {
                    return same_repository(text, &signed, &name);
                }
                // The digest was checked against what came; what is left to compare is the tag.
                Name {
                    digest: None,
                    ..name
                }
            }
            Identity::Whole => own()?,
            Identity::ThisRepository(reference) => {
                return same_repository(text, &signed, &Name::of(reference));
            }
            Identity::This(reference) => Name::of(reference),
        };
        if signed == wanted {
            return Ok(());
        }
        let end = |mark: &str, part: &Option<String>| match part {
            Some(part) => format!("{mark}{part}"),
            None => String::new(),
        };
        let (tag, digest) = (end(":", &wanted.tag), end("@", &wanted.digest));
        let hint = match signed.repository == wanted.repository && signed.tag.is_none() {
            true => "; `matchRepository` accepts a signature without a tag",
            false => "",
        };
        Err(format!(
            "it is for `{text}`, expected `{}{tag}{digest}`{hint}",
            wanted.repository
        ))
    }
}

fn renamed(name: Name, moved: Option<&SignedAs>) -> Name {
    let repository = moved.map(|moved| moved.apply(&name.repository));
    Name {
        repository: repository.unwrap_or_else(|| name.repository.clone()),
        ..name
    }
}

fn same_repository(text: &str, signed: &Name, wanted: &Name) -> Result<(), String> {
    if signed.repository == wanted.repository {
        return Ok(());
    }
    Err(format!(
        "it is for `{text}`, expected the repository `{}`",
        wanted.repository
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule, image, name in the signature (`-` for none), whether it counts; `D` is a digest.
    const TABLE: &str = "
        any h.example/a/b:1 no,name! yes
        any oci:/a - yes
        if-named h.example/a/b:1 - yes
        if-named h.example/a/b:1 h.example/a/b yes
        if-named h.example/a/b:1 h.example/a/c no
        if-named h.example/a/b:1 no,name! no
        if-named oci:/a h.example/a/b no
        repository h.example/a/b:1 - no
        repository h.example/a/b:1 h.example/a/b:2 yes
        repository alpine alpine yes
        repository-moved h.example/a/b:1 o.example/x/y/b yes
        repository-moved h.example/a/b:1 h.example/a/b no
        repository-moved h.example/ab:1 h.example/ab yes
        tag h.example/a/b:1 h.example/a/b:1 yes
        tag h.example/a/b:1 h.example/a/b:2 no
        tag h.example/a/b:1 h.example/a/b no
        tag h.example/a/b h.example/a/b no
        tag h.example/a/b h.example/a/b:latest yes
        tag h.example/a/b@D h.example/a/b:7 yes
        tag h.example/a/b@D h.example/a/c:7 no
        tag h.example/a/b:1@D h.example/a/b:7 no
        tag-moved h.example/a/b:1 o.example/x/y/b:1 yes
        whole h.example/a/b@D h.example/a/b:7 no
        whole h.example/a/b@D h.example/a/b@D yes
        whole h.example/a/b:1 h.example/a/b:1 yes
        this-repository oci:/a o.example/a:3 yes
        this-repository oci:/a - no
        this oci:/a o.example/a:3 yes
        this oci:/a o.example/a no";

    fn rule(name: &str) -> Identity {
        let moved = Some(SignedAs {
            prefix: "h.example/a".into(),
            signed: "o.example/x/y".into(),
        });
        let other = || "o.example/a:3".parse().expect("a name");
        match name {
            "any" => Identity::Any,
            "if-named" => Identity::IfNamed(None),
            "repository" => Identity::Repository(None),
            "repository-moved" => Identity::Repository(moved),
            "tag" => Identity::TagOrRepository(None),
            "tag-moved" => Identity::TagOrRepository(moved),
            "whole" => Identity::Whole,
            "this-repository" => Identity::ThisRepository(other()),
            "this" => Identity::This(other()),
            other => panic!("no rule `{other}`"),
        }
    }

    #[test]
    fn each_rule_wants_its_name() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for line in TABLE.lines().filter(|line| !line.trim().is_empty()) {
            let text = line.replace("@D", &format!("@{digest}"));
            let words: Vec<&str> = text.split_whitespace().collect();
            let source: Source = words[1].parse().expect(line);
            let signed = Some(words[2]).filter(|name| *name != "-");
            let counts = rule(words[0]).check(&source, signed).is_ok();
            assert_eq!(counts, words[3] == "yes", "{line}");
        }
    }
}
