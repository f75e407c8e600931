//! Which scopes cover an image, the most specific first. containers-policy.json(5), "Supported transports and their
//! scopes".

use std::path::Path;

use crate::base::fsx;
use crate::base::path::HostPath;
use crate::oci::reference::{self, Reference};
use crate::oci::source::Source;

/// Transports that `trust.toml` writes in front of a scope; a registry's scope has none, and `docker:` covers them all.
pub(super) const TRANSPORTS: [&str; 4] = ["docker", "oci", "oci-archive", "docker-archive"];

/// A scope that covers an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Covering {
    /// The scope as it is written.
    pub(super) scope: String,
    /// The beginning of the image's name that it covers; of an image in a registry only.
    pub(super) prefix: String,
}

/// The transport of `source` and the scopes below it, as `policy.json` has them; `None` for what is in this binary,
/// which nobody can trust less than the binary.
pub(super) fn of_containers(source: &Source) -> Option<(&'static str, Vec<String>)> {
    Some(match source {
        Source::Registry(reference) => {
            let names = steps(reference).into_iter().map(|step| step.scope);
            ("docker", names.chain(wildcards(reference)).collect())
        }
        Source::OciDir { dir, tag } => ("oci", paths(dir, tag.as_deref())),
        Source::OciArchive { file, .. } => ("oci-archive", paths(file, None)),
        // containers-transports(5): images there have no identity, and no scope but that of the transport.
        Source::DockerArchive { .. } => ("docker-archive", Vec::new()),
        Source::Embedded(_) => return None,
    })
}

/// The scopes that cover `source`, as `trust.toml` has them. Unlike in `policy.json`, a host without a port stands for
/// all its ports: `h.example:443` is the same registry as `h.example`.
pub(super) fn of_file(source: &Source) -> Vec<Covering> {
    let local = |transport: &str, names: Vec<String>| {
        let names = names.into_iter().chain([String::new()]);
        let scopes = names.map(|name| Covering {
            scope: format!("{transport}:{name}"),
            prefix: String::new(),
        });
        scopes.collect()
    };
    match source {
        Source::Registry(reference) => {
            let host = reference.registry();
            let bare = without_port(host);
            let mut scopes = Vec::new();
            for step in steps(reference) {
                let rest = step.scope.strip_prefix(host).unwrap_or_default();
                let any_port = Covering {
                    scope: format!("{bare}{rest}"),
                    prefix: step.prefix.clone(),
                };
                scopes.push(step);
                if bare != host {
                    scopes.push(any_port);
                }
            }
            let all = wildcards(reference)
                .into_iter()
                .chain(["docker:".to_owned()]);
            scopes.extend(all.map(|scope| Covering {
                scope,
                prefix: host.to_owned(),
            }));
            scopes
        }
        Source::OciDir { dir, tag } => local("oci", paths(dir, tag.as_deref())),
        Source::OciArchive { file, .. } => local("oci-archive", paths(file, None)),
        Source::DockerArchive { file, .. } => local("docker-archive", paths(file, None)),
        Source::Embedded(_) => Vec::new(),
    }
}

/// The image by its name, its repository, each part of a path above that, and the host.
fn steps(reference: &Reference) -> Vec<Covering> {
    let repository = format!("{}/{}", reference.registry(), reference.repository());
    // Of a name with both, the digest is what comes; the tag is only typed.
    let whole = match (reference.digest(), reference.tag()) {
        (Some(digest), _) => format!("{repository}@{digest}"),
        (None, tag) => format!("{repository}:{}", tag.unwrap_or_default()),
    };
    let mut found = vec![Covering {
        scope: whole,
        prefix: repository.clone(),
    }];
    let mut name = repository.as_str();
    loop {
        found.push(Covering {
            scope: name.to_owned(),
            prefix: name.to_owned(),
        });
        match name.rsplit_once('/') {
            Some((above, _)) => name = above,
            None => return found,
        }
    }
}

/// `*.b.c` and `*.c` for the host `a.b.c`, whatever its port.
fn wildcards(reference: &Reference) -> Vec<String> {
    let host = without_port(reference.registry());
    let dots = host.match_indices('.');
    dots.map(|(at, _)| format!("*{}", &host[at..])).collect()
}

/// A host without its port; of an IPv6 address with its brackets.
fn without_port(host: &str) -> &str {
    let end = host.rfind(']').map_or(0, |at| at + 1);
    match host[end..].find(':') {
        Some(at) => &host[..end + at],
        None => host,
    }
}

/// A path with a tag, the path, and those above it, but for the root.
fn paths(path: &HostPath, tag: Option<&str>) -> Vec<String> {
    let whole = fsx::canonicalize(path).or_else(|_| std::path::absolute(path));
    let whole = whole.unwrap_or_else(|_| path.to_path_buf());
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let tagged = tag.map(|tag| format!("{}:{tag}", text(&whole)));
    let above = whole.ancestors().filter(|path| path.parent().is_some());
    tagged.into_iter().chain(above.map(text)).collect()
}

/// Whether `trust.toml` may have `scope`; else what to write. One that covers nothing would be a demand that nobody
/// makes, so it is an error.
pub(super) fn check(scope: &str) -> Result<(), String> {
    if let Some((transport, path)) = scope.split_once(':')
        && TRANSPORTS.contains(&transport)
    {
        return check_path(transport, path);
    }
    if let Some(host) = scope.strip_prefix("*.") {
        return match reference::parse_registry(host) {
            Ok(known) if known == host && host == without_port(host) => Ok(()),
            _ => Err("expected `*.` and a domain, such as `*.example.org`".to_owned()),
        };
    }
    check_name(scope)
}

/// A host, or a host and parts of a path, or a whole name.
pub(super) fn check_name(scope: &str) -> Result<(), String> {
    let expected = || {
        "expected a host and what stands behind it, such as `registry.example/team`, `docker.io/library/alpine` or `*.example.org`"
            .to_owned()
    };
    let instead = |known: String| match known == scope {
        true => Ok(()),
        false => Err(format!("write `{known}`")),
    };
    let Some((host, rest)) = scope.split_once('/') else {
        let known = reference::parse_registry(scope).map_err(|_| expected())?;
        let is_host = scope.contains(['.', ':']) || scope == "localhost";
        return if is_host {
            instead(known)
        } else {
            Err(expected())
        };
    };
    let is_whole = rest.contains([':', '@']);
    // One more part, so that what precedes it stays as it is: Docker Hub's `alpine` means `library/alpine`.
    let text = match is_whole {
        true => scope.to_owned(),
        false => format!("{scope}/x"),
    };
    let parsed: Reference = text.parse().map_err(|_| expected())?;
    if host != parsed.registry()
        && !host.eq_ignore_ascii_case(parsed.registry())
        && !host.contains(['.', ':'])
    {
        return Err(expected());
    }
    let known = parsed.to_string();
    let known = match is_whole {
        true => known,
        false => known.strip_suffix("/x:latest").unwrap_or(&known).to_owned(),
    };
    instead(known)
}

fn check_path(transport: &str, path: &str) -> Result<(), String> {
    if path.is_empty() {
        return Ok(());
    }
    if transport == "docker" {
        return Err(
            "expected a registry without `docker:`, which stands for all of them".to_owned(),
        );
    }
    let clean = HostPath::new(path);
    let parts: std::path::PathBuf = clean.components().collect();
    let is_clean = parts.as_os_str() == clean.as_os_str();
    if clean.is_absolute() && is_clean && path != "/" && !path.split('/').any(|part| part == "..") {
        return Ok(());
    }
    Err(format!(
        "expected `{transport}:` alone, or an absolute path without `.` and `..` behind it"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_comes_first() {
        let of = |text: &str| {
            let source: Source = text.parse().expect(text);
            let names: Vec<String> = of_file(&source).into_iter().map(|it| it.scope).collect();
            let (transport, json) = of_containers(&source).expect("has scopes");
            (names.join(" "), format!("{transport} {}", json.join(" ")))
        };
        let (file, json) = of("a.b.example:5000/t/x:1");
        assert_eq!(
            file,
            "a.b.example:5000/t/x:1 a.b.example/t/x:1 a.b.example:5000/t/x a.b.example/t/x a.b.example:5000/t \
             a.b.example/t a.b.example:5000 a.b.example *.b.example *.example docker:"
        );
        assert_eq!(
            json,
            "docker a.b.example:5000/t/x:1 a.b.example:5000/t/x a.b.example:5000/t a.b.example:5000 *.b.example \
             *.example"
        );
        let digest = format!("sha256:{}", "a".repeat(64));
        let (file, _) = of(&format!("alpine:3@{digest}"));
        let whole = format!("docker.io/library/alpine@{digest}");
        assert_eq!(
            file,
            format!("{whole} docker.io/library/alpine docker.io/library docker.io *.io docker:")
        );
        let (file, _) = of("[::1]:5000/a:1");
        assert_eq!(
            file,
            "[::1]:5000/a:1 [::1]/a:1 [::1]:5000/a [::1]/a [::1]:5000 [::1] docker:"
        );
        let (file, json) = of("oci:/no/such:1");
        assert_eq!(file, "oci:/no/such:1 oci:/no/such oci:/no oci:");
        assert_eq!(json, "oci /no/such:1 /no/such /no");
        assert_eq!(of("docker-archive:/no/such").1, "docker-archive ");
        assert!(of_file(&Source::Embedded("hello".into())).is_empty());
    }

    #[test]
    fn a_scope_that_covers_nothing_is_an_error() {
        for good in [
            "docker.io",
            "docker.io/library",
            "docker.io/library/alpine",
            "docker.io/library/alpine:3",
            "localhost",
            "localhost/a",
            "h.example:5000",
            "h.example:5000/a/b",
            "[::1]:5000/a",
            "*.example",
            "*.b.example",
            "oci:",
            "oci:/srv/images",
            "oci:/srv/images:1",
            "docker:",
            "docker-archive:",
            "oci-archive:/a.tar",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("alpine", "expected a host"),
            ("team/app", "expected a host"),
            ("", "expected a host"),
            ("h.example/", "expected a host"),
            ("h.example//a", "expected a host"),
            ("https://h.example", "expected a host"),
            ("H.example", "write `h.example`"),
            ("H.example/a", "write `h.example/a`"),
            ("index.docker.io/library", "write `docker.io/library`"),
            ("docker.io/alpine:3", "write `docker.io/library/alpine:3`"),
            ("*.example/team", "expected `*.` and a domain"),
            ("*.example:5000", "expected `*.` and a domain"),
            ("*", "expected a host"),
            ("h.*.example", "expected a host"),
            ("oci:images", "an absolute path"),
            ("oci:/srv/../images", "an absolute path"),
            ("oci:/srv/", "an absolute path"),
            ("docker://h.example/a", "without `docker:`"),
        ] {
            let error = check(bad).expect_err(bad);
            assert!(error.contains(why), "{bad}: {error}");
        }
    }
}
