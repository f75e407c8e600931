//! Verbs of udocker about names of images and what is kept from removal: `tag`, `protect`, `unprotect`.

use std::process::ExitCode;

use super::grammar::{Verb, Words};
use crate::ops::{protect, tag};

pub(super) const TAG: Verb = Verb {
    name: "tag",
    arguments: "IMAGE NAME",
    about: "Give an image a further name",
    unlike: "another image that has the name loses it, as with Docker, unless it is protected",
    flags: &[],
    words: Words::Between(2, 2),
    act: |given, here| {
        tag::tag(&here.meant.home()?, &given.word(0)?, &given.word(1)?)?;
        Ok(ExitCode::SUCCESS)
    },
};

pub(super) const PROTECT: Verb = Verb {
    name: "protect",
    arguments: "CONTAINER|IMAGE",
    about: "Keep a container or an image from being removed",
    unlike: "",
    flags: &[],
    words: Words::Between(1, 1),
    act: |given, here| {
        protect::protect(&here.meant.home()?, &given.word(0)?)?;
        Ok(ExitCode::SUCCESS)
    },
};

pub(super) const UNPROTECT: Verb = Verb {
    name: "unprotect",
    arguments: "CONTAINER|IMAGE",
    about: "Take that back",
    unlike: "",
    flags: &[],
    words: Words::Between(1, 1),
    act: |given, here| {
        protect::unprotect(&here.meant.home()?, &given.word(0)?)?;
        Ok(ExitCode::SUCCESS)
    },
};
