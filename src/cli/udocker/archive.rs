//! Verbs of udocker that copy containers and images, here or into archives.

use std::path::Path;
use std::process::ExitCode;

use super::Here;
use super::container::short;
use super::grammar::{Given, Verb, Words, flag, value};
use super::options::PLATFORM;
use crate::base::fault::BoxFault;
use crate::base::fsx;
use crate::base::path::HostPath;
use crate::cli::render;
use crate::cli::typed::Misuse;
use crate::cli::verb::input;
use crate::ops::export::{self, Form};
use crate::ops::import::{self, Request};
use crate::ops::reach::Reach;
use crate::ops::{clone, load, save};

/// What stands for a standard stream.
const STREAM: &str = "-";

pub(super) const CLONE: Verb = Verb {
    name: "clone",
    arguments: "CONTAINER",
    about: "Copy a container with all that was written in it; print the copy's id",
    unlike: "",
    flags: &[value(&["--name"], "NAME", "call the copy so")],
    words: Words::Between(1, 1),
    act: |given, here| {
        let name = given.text("--name")?;
        let copy = clone::clone(&here.meant.home()?, &given.word(0)?, name.as_deref())?;
        render::text(&format!("{}\n", short(&copy.record.id)))
    },
};

pub(super) const EXPORT: Verb = Verb {
    name: "export",
    arguments: "[-] CONTAINER",
    about: "Write the files of a container as a tar archive, to standard output unless told otherwise",
    unlike: "owners, modes and devices are those of the image; `export - CONTAINER` works as documented",
    flags: &[
        value(&["--output", "-o"], "FILE", "write to this file"),
        flag(&["--clone"], "with what `import --clone` needs"),
    ],
    words: Words::Between(1, 2),
    act: write,
};

pub(super) const IMPORT: Verb = Verb {
    name: "import",
    arguments: "FILE|- [IMAGE]",
    about: "Make an image, or a container, of the files in a tar archive",
    unlike: "the archive may be compressed with gzip, zstd or xz, and may come through a pipe in every form",
    flags: &[
        flag(&["--mv"], "remove the archive when all of it is here"),
        flag(&["--tocontainer"], "make a container, and print its id"),
        flag(
            &["--clone"],
            "make the container that `export --clone` packed, and print its id",
        ),
        value(&["--name"], "NAME", "call the container so"),
        PLATFORM,
    ],
    words: Words::Between(1, 2),
    act: take_in,
};

pub(super) const LOAD: Verb = Verb {
    name: "load",
    arguments: "[-] [IMAGE]",
    about: "Bring the images of an archive here; print their names",
    unlike: "archives of every docker and podman, and OCI layouts, keep their names; nothing is loaded where something \
             is wrong; an image that is here is no failure",
    flags: &[value(
        &["--input", "-i"],
        "FILE",
        "read this file; `-` for standard input",
    )],
    words: Words::Between(0, 2),
    act: bring,
};

pub(super) const SAVE: Verb = Verb {
    name: "save",
    arguments: "[-] IMAGE...",
    about: "Write images with their names as one archive, to standard output unless told otherwise",
    unlike: "the archive is an OCI layout as well, and its config is the one that was pulled, byte by byte",
    flags: &[value(
        &["--output", "-o"],
        "FILE",
        "write to this file, which must not be there yet; `-` for standard output",
    )],
    words: Words::From(1),
    act: |given, here| {
        let home = here.meant.home()?;
        let mut images = given.all_words()?;
        images.retain(|word| word != STREAM);
        if let Some(path) = given.last("--output").filter(|path| path != STREAM) {
            let path = HostPath::new(path);
            if fsx::absent_as_none(fsx::symlink_metadata(&path))?.is_some() {
                return Err(Misuse::of(format!("`{path}` is there already")).into());
            }
            save::save_to(&home, &images, &path)?;
            return Ok(ExitCode::SUCCESS);
        }
        render::stream("an archive", |out| save::save(&home, &images, out))
    },
};

fn write(given: &Given, here: &Here) -> Result<ExitCode, BoxFault> {
    let home = here.meant.home()?;
    let container = match given.all_words()?.as_slice() {
        [container] => container.clone(),
        [stream, container] if stream == STREAM => container.clone(),
        _ => return Err(Misuse::of("`export` takes one container".to_owned()).into()),
    };
    let form = match given.has("--clone") {
        true => Form::Clone,
        false => Form::Tree,
    };
    match given.last("--output").filter(|path| path != STREAM) {
        Some(path) => {
            export::export_to(&home, &container, form, &HostPath::new(path))?;
            Ok(ExitCode::SUCCESS)
        }
        None => render::stream("an archive", |out| {
            export::export(&home, &container, form, out)
        }),
    }
}

fn take_in(given: &Given, here: &Here) -> Result<ExitCode, BoxFault> {
    let (home, progress) = (here.meant.home()?, here.meant.progress());
    let file = given.words.first().cloned().unwrap_or_default();
    let (to_container, is_clone) = (given.has("--tocontainer"), given.has("--clone"));
    let image = (given.words.len() > 1).then(|| given.word(1)).transpose()?;
    let name = given.text("--name")?;
    let makes_image = !to_container && !is_clone;
    let wrong = match (makes_image, &image, &name) {
        (true, None, _) => Some("`import` misses the name of the image"),
        (true, _, Some(_)) => Some("`--name` is for containers: add `--tocontainer`"),
        _ if given.has("--mv") && file == STREAM => {
            Some("`--mv` removes a file, but this reads standard input")
        }
        _ => None,
    };
    if let Some(wrong) = wrong {
        return Err(Misuse::of(wrong.to_owned()).into());
    }
    let platform = given.text("--platform")?;
    let request = Request {
        name: image.filter(|_| makes_image),
        platform: platform.map(|text| text.parse()).transpose()?,
        ..Request::default()
    };
    let (archive, name) = (input(Path::new(&file))?, name.as_deref());
    let made = match (makes_image, is_clone) {
        (true, _) => {
            import::import(&home, archive, &request, &*progress)?;
            None
        }
        (false, true) => Some(import::clone(&home, archive, name, &*progress)?),
        (false, false) => Some(import::to_container(
            &home, archive, &request, name, &*progress,
        )?),
    };
    if given.has("--mv") {
        fsx::remove_file(HostPath::new(file))?;
    }
    match made {
        Some(container) => render::text(&format!("{}\n", short(&container.record.id))),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn bring(given: &Given, here: &Here) -> Result<ExitCode, BoxFault> {
    let mut words = given.all_words()?;
    let mut file = given.last("--input");
    if file.is_none() && words.first().is_some_and(|word| word == STREAM) {
        file = Some(words.remove(0).into());
    }
    if words.len() > 1 {
        let text = format!("one argument too many for `load`: `{}`", words[1]);
        return Err(Misuse::of(text).into());
    }
    let reach: Reach = here.meant.reach()?;
    let archive = input(Path::new(&file.unwrap_or_else(|| STREAM.into())))?;
    let name = words.first().map(String::as_str);
    let loaded = load::load(archive, name, &reach, &*here.meant.progress())?;
    render::lines(
        loaded
            .into_iter()
            .map(|image| image.name.unwrap_or(image.stored)),
    )
}
