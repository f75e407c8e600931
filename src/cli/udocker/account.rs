//! Verbs of udocker about credentials: `login`, `logout`.

use std::process::ExitCode;

use super::Here;
use super::grammar::{Given, Verb, Words, flag, value};
use crate::base::fault::BoxFault;
use crate::cli::verb::login::{self, Typed};
use crate::ops::login as op;

const REGISTRY: super::Flag = value(
    &["--registry"],
    "URL",
    "the registry; Docker Hub where none is named",
);

pub(super) const LOGIN: Verb = Verb {
    name: "login",
    arguments: "",
    about: "Show credentials to a registry, and keep them if it accepts them",
    unlike: "the registry is asked; they are kept where Docker keeps them, and udocker's keystore is still read",
    flags: &[
        value(&["--username"], "NAME", "your name there"),
        value(
            &["--password"],
            "PASSWORD",
            "your password, which other users of this machine can read there",
        ),
        flag(
            &["--password-stdin"],
            "take the password from standard input",
        ),
        REGISTRY,
    ],
    words: Words::Between(0, 0),
    act,
};

pub(super) const LOGOUT: Verb = Verb {
    name: "logout",
    arguments: "",
    about: "Forget the credentials for a registry",
    unlike: "",
    flags: &[flag(&["-a"], "forget those for all registries"), REGISTRY],
    words: Words::Between(0, 0),
    act: |given, here| {
        let keepers = match given.text("--registry")? {
            _ if given.has("-a") => op::logout_all()?,
            Some(registry) => op::logout(&registry)?,
            None => op::logout(login::DEFAULT_REGISTRY)?,
        };
        for keeper in keepers {
            here.meant.progress().note(&format!("forgotten {keeper}"));
        }
        Ok(ExitCode::SUCCESS)
    },
};

fn act(given: &Given, here: &Here) -> Result<ExitCode, BoxFault> {
    let typed = Typed {
        username: given.text("--username")?,
        password: given.text("--password")?,
        password_stdin: given.has("--password-stdin"),
        registry: given.text("--registry")?,
    };
    let mut reach = here.meant.reach()?;
    if let Some(registry) = &typed.registry
        && let Some(mirror) = super::settings::mirror(registry)?.filter(|mirror| mirror.is_plain)
    {
        reach.insecure.push(mirror.host);
    }
    typed.log_in(&reach, &*here.meant.progress())
}
