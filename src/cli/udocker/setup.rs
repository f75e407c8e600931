//! `udocker setup`.

use std::process::ExitCode;

use super::Here;
use super::grammar::{Given, Verb, Words, flag, value};
use crate::base::fault::BoxFault;
use crate::cli::render;
use crate::ops::setup::{self, Nvidia};

pub(super) const SETUP: Verb = Verb {
    name: "setup",
    arguments: "CONTAINER",
    about: "Have a container remember in which mode, and with which devices, it runs; or print that",
    unlike: "nothing is copied into the container or changed in it, so that it can be moved and outlives a change of \
             the driver; a failure has status 1",
    flags: &[
        value(
            &["--execmode"],
            "MODE",
            "run in this mode: P1, P2, R1, R2, R3 or S1; `auto` for the best that works at each run",
        )
        .unlike("the F modes are refused: they are not in this version"),
        flag(
            &["--nvidia"],
            "have every run show NVIDIA's GPUs, with the driver as it finds it then",
        ),
        flag(&["--force"], "there is never anything to overwrite").moot(),
        flag(&["--purge"], "no run leaves mount points or changed files behind").moot(),
        flag(
            &["--fixperm"],
            "take over the files of the container that belong to sub-ids, and make all of them writable",
        ),
    ],
    words: Words::Between(1, 1),
    act,
};

fn act(given: &Given, here: &Here) -> Result<ExitCode, BoxFault> {
    let home = here.meant.home()?;
    let container = given.word(0)?;
    let progress = here.meant.progress();
    let mode = given.text("--execmode")?;
    if let Some(mode) = &mode {
        setup::set_execmode(&home, &container, mode)?;
    }
    if given.has("--nvidia") {
        setup::remember(&home, &container, Nvidia::Host, &*progress)?;
    }
    if given.has("--fixperm") {
        setup::fix_permissions(&home, &container)?;
    }
    let is_question = mode.is_none()
        && !["--nvidia", "--fixperm", "--purge"]
            .iter()
            .any(|flag| given.has(flag));
    if !is_question {
        return Ok(ExitCode::SUCCESS);
    }
    let mode = setup::execmode(&home, &container)?;
    let nvidia = match setup::remembered(&home, &container)? {
        Nvidia::Off => "False",
        Nvidia::Host | Nvidia::Cdi => "True",
    };
    let mode = mode.as_deref().unwrap_or("auto");
    render::text(&format!("execmode: {mode}\nnvidiamode: {nvidia}\n"))
}
