//! Verbs of udocker that only ask a registry: `search`, `manifest inspect`.

use std::process::ExitCode;

use serde_json::Value;

use super::grammar::{Given, Verb, Words, flag};
use super::image::{any_platform, names_of, reach};
use super::options::{HTTPPROXY, INDEX, PLATFORM, REGISTRY};
use super::{Here, settings};
use crate::base::fault::BoxFault;
use crate::cli::render;
use crate::cli::report::plain;
use crate::cli::typed::Misuse;
use crate::oci::source::Source;
use crate::ops::manifest;
use crate::ops::search::{self, Request};

/// As many images as a page of Docker Hub's search has at most.
const LIMIT: usize = 100;

pub(super) const SEARCH: Verb = Verb {
    name: "search",
    arguments: "[REGISTRY/]TERM",
    about: "Look for images in a registry, or for the tags of one",
    unlike: "there are no pages to wait for; of tags, all are listed",
    flags: &[
        flag(&["-a"], "nobody is asked before the next page").moot(),
        flag(&["--no-trunc"], "show whole names and descriptions"),
        flag(
            &["--list-tags"],
            "list the tags of the image of this name instead",
        ),
        INDEX,
        REGISTRY,
        HTTPPROXY,
    ],
    words: Words::Between(1, 1),
    act: look,
};

pub(super) const MANIFEST: Verb = Verb {
    name: "manifest",
    arguments: "inspect IMAGE",
    about: "Print the manifest of an image in a registry, or its index",
    unlike: "",
    flags: &[PLATFORM, REGISTRY, INDEX, HTTPPROXY],
    words: Words::Between(2, 2),
    act: |given, here| {
        if given.word(0)? != "inspect" {
            return Err(Misuse::of("`manifest` misses `inspect`".to_owned()).into());
        }
        let names = names_of(&given.word(1)?, given, here)?;
        let mut reach = reach(given, here)?;
        reach.insecure.extend(names.plain_host.clone());
        let bytes = manifest::inspect(&names.origin, &reach, &*here.meant.progress())?;
        match serde_json::from_slice::<Value>(&bytes) {
            Ok(document) => render::json(&document),
            Err(_) => render::bytes(&bytes),
        }
    },
};

fn look(given: &Given, here: &Here) -> Result<ExitCode, BoxFault> {
    let progress = here.meant.progress();
    let mut reach = any_platform(given, here)?;
    let term = given.word(0)?;
    if given.has("--list-tags") {
        let names = names_of(&term, given, here)?;
        reach.insecure.extend(names.plain_host);
        let Source::Registry(name) = names.origin else {
            return Err(Misuse::of(format!("`{term}` is in no registry")).into());
        };
        let tags = search::tags(&name.to_string(), &reach, &*progress)?;
        return render::lines(tags.into_iter());
    }
    let host = |flag: &str| -> Result<_, BoxFault> {
        let typed = given.text(flag)?;
        typed.map_or(Ok(None), |url| settings::mirror(&url))
    };
    let registry = host("--registry")?.or(here.settings.registry()?);
    let index = host("--index")?.or(here.settings.index()?);
    let plain_hosts = [&registry, &index].into_iter().flatten();
    reach.insecure.extend(
        plain_hosts
            .filter(|mirror| mirror.is_plain)
            .map(|mirror| mirror.host.clone()),
    );
    let request = Request {
        term: match registry {
            Some(mirror) => format!("{}/{term}", mirror.host),
            None => term,
        },
        index: index.map(|mirror| mirror.host),
        limit: LIMIT,
    };
    let found = search::search(&request, &reach, &*progress)?;
    let is_whole = given.has("--no-trunc");
    let line = |name: &str, official: &str, about: &str, stars: &str| {
        if is_whole {
            return format!("{name:<55} {official:>8} {about:<70} {stars:>5}");
        }
        format!("{name:<55.80} {official:>8.8} {about:<70.70} {stars:>5.5}")
    };
    let mut lines = vec![line("NAME", "OFFICIAL", "DESCRIPTION", "STARS")];
    lines.extend(found.iter().map(|image| {
        let official = if image.official { "[OK]" } else { "----" };
        let about = image.description.replace(['\n', '\r', '\t'], " ");
        line(&image.name, official, &about, &image.stars.to_string())
    }));
    render::lines(lines.iter().map(|line| plain(line)))
}
