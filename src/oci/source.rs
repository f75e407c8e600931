//! Where an image comes from: a registry, an archive, a directory, or this binary.
//!
//! The transports are those of containers-transports(5), as far as no daemon is needed.

use std::fmt;
use std::str::FromStr;

use crate::base::path::HostPath;
use crate::oci::reference::{
    EMBEDDED, Reason, Reference, ReferenceError, check_tag, parse_reference, printable,
};

/// Transports of other tools, refused by name instead of being read as `name:tag`.
const FOREIGN: [&str; 3] = ["docker-daemon", "containers-storage", "ostree"];

/// Where an image comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A registry; `docker://` or no transport at all.
    Registry(Reference),
    /// `oci:DIR[:TAG]`: an OCI image layout, image-layout.md.
    OciDir {
        /// The layout's directory.
        dir: HostPath,
        /// `org.opencontainers.image.ref.name` of the entry; the only one where absent.
        tag: Option<String>,
    },
    /// `oci-archive:FILE[:TAG]`: the same in a tar file.
    OciArchive {
        /// The tar file.
        file: HostPath,
        /// As for `oci:`.
        tag: Option<String>,
    },
    /// `docker-archive:FILE[:NAME]`: what `docker save` writes.
    DockerArchive {
        /// The tar file.
        file: HostPath,
        /// The name of one image of several, with its tag.
        name: Option<String>,
    },
    /// `embedded:NAME`: an image inside this binary.
    Embedded(String),
}

impl fmt::Display for Source {
    /// The full name with its transport; parsing it gives the same source.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (transport, path, tag) = match self {
            Source::Registry(reference) => return reference.fmt(f),
            Source::Embedded(name) => return write!(f, "embedded:{name}"),
            Source::OciDir { dir, tag } => ("oci", dir, tag),
            Source::OciArchive { file, tag } => ("oci-archive", file, tag),
            Source::DockerArchive { file, name } => ("docker-archive", file, name),
        };
        let tag = tag
            .as_ref()
            .map(|tag| format!(":{tag}"))
            .unwrap_or_default();
        write!(f, "{transport}:{path}{tag}")
    }
}

impl FromStr for Source {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Source, ReferenceError> {
        parse_source(text).map_err(|reason| ReferenceError::new(text, reason))
    }
}

fn parse_source(text: &str) -> Result<Source, Reason> {
    if let Some((scheme, rest)) = text.split_once("://") {
        return match scheme {
            "docker" => parse_reference(rest).map(Source::Registry),
            _ => Err(Reason::Transport(printable(scheme))),
        };
    }
    if EMBEDDED.contains(&text) {
        return Ok(Source::Embedded(text.to_owned()));
    }
    let (transport, rest) = text.split_once(':').unwrap_or((text, ""));
    match transport {
        "oci" => split_path("oci", rest).map(|(dir, tag)| Source::OciDir { dir, tag }),
        "oci-archive" => {
            split_path("oci-archive", rest).map(|(file, tag)| Source::OciArchive { file, tag })
        }
        "docker-archive" => docker_archive(rest),
        "embedded" if EMBEDDED.contains(&rest) => Ok(Source::Embedded(rest.to_owned())),
        "embedded" => Err(Reason::NotEmbedded),
        foreign if FOREIGN.contains(&foreign) && !rest.is_empty() => {
            Err(Reason::Transport(foreign.to_owned()))
        }
        _ => parse_reference(text).map(Source::Registry),
    }
}

/// `PATH[:TAG]`: what follows the last colon is a tag if it can be one.
fn split_path(transport: &'static str, text: &str) -> Result<(HostPath, Option<String>), Reason> {
    let (path, tag) = match text.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (text, None),
    };
    if path.is_empty() {
        return Err(Reason::NoPath(transport));
    }
    if let Some(tag) = tag {
        check_tag(tag)?;
    }
    Ok((HostPath::new(path), tag.map(str::to_owned)))
}

/// `FILE[:NAME[:TAG]]`; the name is a reference, whose own colon is not ours.
fn docker_archive(text: &str) -> Result<Source, Reason> {
    let (file, name) = match text.split_once(':') {
        Some((file, name)) => (file, Some(parse_reference(name)?)),
        None => (text, None),
    };
    if file.is_empty() {
        return Err(Reason::NoPath("docker-archive"));
    }
    Ok(Source::DockerArchive {
        file: HostPath::new(file),
        name: name.map(|name| name.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_parse_and_print() {
        for (text, printed) in [
            ("docker://alpine", "docker.io/library/alpine:latest"),
            ("hello", "embedded:hello"),
            ("hello:1", "docker.io/library/hello:1"),
            ("oci:/a/b:1", "oci:/a/b:1"),
            ("oci:/a:b/c", "oci:/a:b/c"),
            ("oci-archive:x.tar", "oci-archive:x.tar"),
            (
                "docker-archive:x.tar:a:1",
                "docker-archive:x.tar:docker.io/library/a:1",
            ),
        ] {
            let source: Source = text.parse().expect(text);
            assert_eq!(source.to_string(), printed);
            assert_eq!(printed.parse::<Source>().expect(printed), source);
        }
        for bad in [
            "oci:",
            "embedded:nothing",
            "https://h.example/a",
            "docker-daemon:a",
            "docker-archive:",
        ] {
            assert!(bad.parse::<Source>().is_err(), "{bad}");
        }
    }
}
