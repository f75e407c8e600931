//! Verbs of udocker about the program itself: `help`, `version`, `showconf`, `install`, `mkrepo`.

use std::process::ExitCode;

use super::grammar::{Fate, Verb, Words, flag};
use super::{Here, help};
use crate::base::fault::BoxFault;
use crate::base::path::HostPath;
use crate::cli::render;
use crate::ops::install::{self, Existing};
use crate::ops::mkrepo;

/// The rulers of `showconf` are as long as udocker's.
const RULER: usize = 80;

pub(super) const HELP: Verb = Verb {
    name: "help",
    arguments: "",
    about: "Say what can be typed",
    unlike: "",
    flags: &[],
    words: Words::Between(0, 0),
    act: |_, _| render::text(&help::all()),
};

pub(super) const VERSION: Verb = Verb {
    name: "version",
    arguments: "",
    about: "Say which version this is",
    unlike: "there is no tarball of engines: they are inside this program",
    flags: &[],
    words: Words::Between(0, 0),
    act: |_, _| version(),
};

pub(super) const SHOWCONF: Verb = Verb {
    name: "showconf",
    arguments: "",
    about: "Print every key of the configuration, its value, and where that was said",
    unlike: "what cannot be honoured is marked as such",
    flags: &[],
    words: Words::Between(0, 0),
    act: |_, here| showconf(here),
};

pub(super) const INSTALL: Verb = Verb {
    name: "install",
    arguments: "",
    about: "Unpack the engines now rather than on first need",
    unlike: "nothing is downloaded, and nobody has to do this",
    flags: &[
        flag(&["--force"], "unpack them again"),
        flag(&["--purge"], "remove what was unpacked before"),
    ],
    words: Words::Between(0, 0),
    act: |given, here| {
        let home = here.meant.home()?;
        let progress = here.meant.progress();
        if given.has("--purge") || given.has("--force") {
            install::purge(&home)?;
        }
        for path in install::install(&home, None, Existing::Keep)? {
            progress.note(&format!("installed {path}"));
        }
        Ok(ExitCode::SUCCESS)
    },
};

pub(super) const MKREPO: Verb = Verb {
    name: "mkrepo",
    arguments: "DIR",
    about: "Make a directory for images and containers, which must not be there yet",
    unlike: "",
    flags: &[],
    words: Words::Between(1, 1),
    act: |given, _| {
        let dir = given.words.first().cloned().unwrap_or_default();
        mkrepo::make(&HostPath::new(dir))?;
        Ok(ExitCode::SUCCESS)
    },
};

/// Three lines, as of udocker.
pub(super) fn version() -> Result<ExitCode, BoxFault> {
    let version = env!("CARGO_PKG_VERSION");
    render::text(&format!(
        "version: {version}\ntarball: none, the engines are inside this program\ntarball_release: {version}\n"
    ))
}

fn showconf(here: &Here) -> Result<ExitCode, BoxFault> {
    let ruler = "-".repeat(RULER);
    let home = here.meant.home()?.display().to_string();
    let mut lines = vec![ruler.clone()];
    for (key, value, place) in here.settings.all() {
        let value = match key.name {
            "topdir" => home.as_str(),
            _ => value,
        };
        let fate = match key.fate {
            Fate::Honoured => String::new(),
            Fate::Moot => format!("; no effect: {}", key.note),
            Fate::Refused => format!("; refused: {}", key.note),
        };
        lines.push(format!("{} = {value}    ({place}{fate})", key.name));
    }
    lines.push(ruler);
    render::lines(lines.into_iter())
}
