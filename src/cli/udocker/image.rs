//! Verbs of udocker about images: `pull`, `images`, `rmi`, `verify`.

use std::ffi::OsString;
use std::process::ExitCode;

use serde_json::Value;

use super::Here;
use super::grammar::{Given, Verb, Words, flag};
use super::options::{HTTPPROXY, INDEX, PLATFORM, REGISTRY};
use super::settings::{Mirror, mirror};
use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::progress::Progress;
use crate::cli::render;
use crate::cli::report::plain;
use crate::oci::source::Source;
use crate::ops::images::{self, Row};
use crate::ops::pull;
use crate::ops::reach::{Pull, Reach};
use crate::ops::verify::{self, Untrusted};
use crate::ops::{inspect, protect, rmi};

pub(super) const PULL: Verb = Verb {
    name: "pull",
    arguments: "IMAGE",
    about: "Bring an image here, and verify every byte of it",
    unlike: "names may have a registry's port and any digest; several layers come at once; what was interrupted goes on \
             where it stopped; Docker's and Podman's credentials count",
    flags: &[PLATFORM, REGISTRY, INDEX, HTTPPROXY],
    words: Words::Between(1, 1),
    act: |given, here| {
        let names = names_of(&given.word(0)?, given, here)?;
        let mut reach = reach(given, here)?;
        reach.pull = Pull::Always;
        ensure(&names, &mut reach, &*here.meant.progress())?;
        Ok(ExitCode::SUCCESS)
    },
};

pub(super) const IMAGES: Verb = Verb {
    name: "images",
    arguments: "",
    about: "List the images that are here",
    unlike: "the list is sorted; with `-l`, layers are files of one directory for all images",
    flags: &[
        flag(&["-l"], "with the files of each image, and their sizes"),
        flag(&["-p"], "with the platform of each image"),
        flag(&["--no-trunc"], "nothing is cut off").moot(),
        flag(&["--all"], "all are listed").moot(),
    ],
    words: Words::Between(0, 0),
    act: list,
};

pub(super) const RMI: Verb = Verb {
    name: "rmi",
    arguments: "IMAGE",
    about: "Remove an image, and free what nothing else needs",
    unlike: "an image that containers are made of goes only with `-f`",
    flags: &[flag(
        &["-f", "--force"],
        "also one that containers are made of",
    )],
    words: Words::Between(1, 1),
    act: |given, here| {
        let removal = rmi::remove(&here.meant.home()?, &given.word(0)?, given.has("-f"))?;
        let progress = here.meant.progress();
        for name in removal.names {
            progress.note(&format!("removed {name}"));
        }
        Ok(ExitCode::SUCCESS)
    },
};

pub(super) const VERIFY: Verb = Verb {
    name: "verify",
    arguments: "IMAGE",
    about: "Read an image again and compare every byte with its digests",
    unlike: "documents, inflated layers and the extracted tree are compared as well",
    flags: &[],
    words: Words::Between(1, 1),
    act: examine,
};

/// An image by the name that is typed, and from where it comes.
pub(super) struct Names {
    /// As which it is known here.
    pub(super) known: Source,
    /// What a registry is asked for.
    pub(super) origin: Source,
    /// That registry, where it is spoken to without TLS.
    pub(super) plain_host: Option<String>,
}

/// What a typed name means: `--registry`, `--index` and udocker's settings give names without a host another registry.
pub(super) fn names_of(typed: &str, given: &Given, here: &Here) -> Result<Names, BoxFault> {
    let known: Source = typed.parse()?;
    let first = typed.split('/').next().unwrap_or_default();
    let has_host = typed.contains('/') && (first.contains(['.', ':']) || first == "localhost");
    let other = if has_host || !matches!(known, Source::Registry(_)) {
        None
    } else {
        registry(given, here)?
    };
    let Some(Mirror { host, is_plain }) = other else {
        return Ok(Names {
            origin: known.clone(),
            known,
            plain_host: None,
        });
    };
    Ok(Names {
        origin: format!("{host}/{typed}").parse()?,
        known,
        plain_host: is_plain.then_some(host),
    })
}

/// The registry of names without a host: by flag, else by setting.
fn registry(given: &Given, here: &Here) -> Result<Option<Mirror>, BoxFault> {
    for flag in ["--registry", "--index"] {
        if let Some(url) = given.text(flag)? {
            return mirror(&url);
        }
    }
    here.settings.registry()
}

/// Where images are kept and how they are brought here, by the flags of `pull` and `run`.
pub(super) fn reach(given: &Given, here: &Here) -> Result<Reach, BoxFault> {
    let platform = given.text("--platform")?;
    Ok(Reach {
        platform: platform.map(|text| text.parse()).transpose()?,
        ..any_platform(given, here)?
    })
}

/// The same for `search`, which knows no platform.
pub(super) fn any_platform(given: &Given, here: &Here) -> Result<Reach, BoxFault> {
    let proxy = given.text("--httpproxy")?;
    let proxy = proxy.or_else(|| here.settings.proxy().map(str::to_owned));
    Ok(Reach {
        proxy,
        ..here.meant.reach()?
    })
}

/// Brings an image here if `reach` says so, under the name by which it is known. Afterwards no registry need be asked.
pub(super) fn ensure(
    names: &Names,
    reach: &mut Reach,
    progress: &dyn Progress,
) -> Result<(), BoxFault> {
    reach.insecure.extend(names.plain_host.clone());
    pull::ensure_as(&names.known, &names.origin, reach, progress)?;
    reach.pull = Pull::Never;
    Ok(())
}

/// What runs in an image that does not say it; nothing where it does.
pub(super) fn command(image: &str, here: &Here) -> Result<Vec<OsString>, BoxFault> {
    if !inspect::is_without_command(&here.meant.home()?, image)? {
        return Ok(Vec::new());
    }
    let words = here.settings.command().split_ascii_whitespace();
    Ok(words.map(OsString::from).collect())
}

fn list(given: &Given, here: &Here) -> Result<ExitCode, BoxFault> {
    let home = here.meant.home()?;
    let mut lines = Vec::new();
    if here.talks {
        lines.push("REPOSITORY".to_owned());
    }
    for row in images::list(&home)? {
        let name = full_name(&row);
        let mark = match protect::is_image_protected(&home, &name)? {
            true => 'P',
            false => '.',
        };
        lines.push(if given.has("-p") {
            format!("{:<18.18} {mark} {name}", row.platform.to_string())
        } else {
            format!("{name}    {mark}")
        });
        if given.has("-l") {
            let document = inspect::inspect(&home, &name)?;
            lines.extend(files(&document, &home.join("blobs").display().to_string()));
        }
    }
    render::lines(lines.iter().map(|line| plain(line)))
}

/// `name:tag`, or the name with its digest, as one types it.
fn full_name(row: &Row) -> String {
    match &row.tag {
        Some(tag) => format!("{}:{tag}", row.repository),
        None if row.repository.contains(':') => row.repository.clone(),
        None => format!("{}@{}", row.repository, row.digest),
    }
}

/// The directory of an image's files, and each with its size.
fn files(document: &Value, dir: &str) -> Vec<String> {
    let content = document[0]["Coracle"]["Content"].as_array();
    let each = content.into_iter().flatten().map(|blob| {
        let digest = blob["digest"].as_str().unwrap_or_default();
        let size = blob["size"].as_u64().unwrap_or_default();
        format!("    /{digest} ({} MB)", size.div_ceil(1024 * 1024))
    });
    std::iter::once(format!("  {dir}")).chain(each).collect()
}

/// An image that is not what its digests say.
#[derive(Debug, thiserror::Error)]
#[error("image `{image}` is damaged: {problem}")]
struct Damaged {
    image: String,
    problem: String,
}

impl Fault for Damaged {
    fn kind(&self) -> Kind {
        Kind::Integrity
    }

    fn hints(&self) -> Vec<String> {
        vec!["pull it again: only what is missing is fetched".to_owned()]
    }
}

/// An image whose bytes are right, and for which nobody vouches who must.
#[derive(Debug, thiserror::Error)]
#[error("image `{image}` is not trusted: {why}")]
struct NotTrusted {
    image: String,
    why: String,
}

impl Fault for NotTrusted {
    fn kind(&self) -> Kind {
        Kind::Integrity
    }
}

fn examine(given: &Given, here: &Here) -> Result<ExitCode, BoxFault> {
    let home = here.meant.home()?;
    let image = given.word(0)?;
    let report = verify::verify(&home, Some(&image), None, &*here.meant.progress())?;
    if let Some(Untrusted { why, .. }) = report.untrusted.first() {
        let why = why.clone();
        return Err(NotTrusted { image, why }.into());
    }
    if let Some(first) = report.findings.first() {
        return Err(Damaged {
            image,
            problem: format!("{}: {}", first.object, first.problem),
        }
        .into());
    }
    if !here.talks {
        return Ok(ExitCode::SUCCESS);
    }
    let document = inspect::inspect(&home, &image)?;
    let content = document[0]["Coracle"]["Content"].as_array();
    let blobs = content.into_iter().flatten();
    let lines = blobs.map(|blob| {
        let digest = blob["digest"].as_str().unwrap_or_default();
        format!("Info: layer ok: {digest}")
    });
    render::lines(lines.chain(std::iter::once("Info: image Ok".to_owned())))
}
