//! Verbs of udocker that copy containers and images, here or into archives.

use std::process::ExitCode;

use super::Here;
use super::container::short;
use super::grammar::{Given, Verb, Words, flag, value};
use crate::base::fault::BoxFault;
use crate::base::path::HostPath;
use crate::cli::render;
use crate::cli::typed::Misuse;
use crate::ops::clone;
use crate::ops::export::{self, Form};

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
