//! `udocker run`.

use std::process::ExitCode;

use super::Here;
use super::grammar::{Flag, Given, Verb, Words, flag, value};
use super::image::{self, names_of};
use super::options::{HTTPPROXY, INDEX, PLATFORM, REGISTRY, options};
use crate::base::fault::BoxFault;
use crate::cli::render;
use crate::cli::typed::Misuse;
use crate::ops::life::attach::Attach;
use crate::ops::reach::Pull;
use crate::ops::run::{self, Lifetime, Request};
use crate::ops::{life, protect, setup};

pub(super) const RUN: Verb = Verb {
    name: "run",
    arguments: "CONTAINER|IMAGE [COMMAND [ARG...]]",
    about: "Run a program in an existing container, or in a new one of an image",
    unlike: "the exit status is the guest's, 128+n for a signal, 125, 126 and 127 as Docker's; nothing of ours is on \
             stdout; arguments are passed on as they are, empty ones too; a new container shares its image's files",
    flags: FLAGS,
    words: Words::Program,
    act,
};

const FLAGS: &[Flag] = &[
    flag(&["--rm"], "remove the container afterwards; a protected one stays"),
    flag(&["--detach", "-d"], "go on without the caller; print the container's id, and see `logs`, `exec`, `stop`")
        .unlike("udocker has no such flag"),
    value(&["--name"], "NAME", "call the new container so"),
    value(
        &["--pull"],
        "missing|never|always|reuse",
        "when to ask the registry; `reuse` runs the container of that `--name` if there is one",
    ),
    value(
        &["--location"],
        "DIR",
        "make a container of the tree: `tar -C DIR -c . | udocker import --tocontainer --name=NAME -`",
    )
    .refused(),
    PLATFORM,
    REGISTRY,
    INDEX,
    HTTPPROXY,
    value(&["--volume", "-v"], "HOST[:GUEST[:OPTIONS]]", "show a file or directory of the host; repeatable")
        .unlike("`:ro` and Docker's other options count; a relative host path is taken from the working directory"),
    value(&["--novol"], "HOST", "leave out this default mount, or this one of `--volume`; repeatable"),
    value(&["--volumes-from"], "CONTAINER", "with the mounts of this container; repeatable")
        .unlike("it is honoured, udocker ignores it"),
    flag(&["--nosysdirs"], "without the default mounts"),
    flag(&["--bindhome"], "show your home directory at its own place"),
    flag(&["--dri"], "show whatever has nodes in /dev/dri")
        .unlike("the host's devices are shown, with nothing of the host's Mesa"),
    value(&["--device"], "NODE", "show a device; repeatable").unlike("every engine shows it"),
    value(&["--env", "-e"], "NAME[=VALUE]", "set a variable; without a value, take the host's; repeatable")
        .unlike("a value is taken as it is, blanks and all"),
    value(&["--env-file"], "FILE", "read variables from a file; repeatable")
        .unlike("by Docker's rules: lines that begin with # are comments"),
    flag(&["--hostenv"], "pass on your whole environment"),
    value(&["--user", "-u"], "USER[:GROUP]", "be this user of the image, by name or number")
        .unlike("the ids asked for are the guest's; an id that passwd does not know gets a sound line"),
    flag(&["--hostauth"], "users and groups are the host's"),
    flag(&["--containerauth"], "users and groups are the image's, as they are"),
    value(&["--workdir", "-w"], "DIR", "start in this directory of the guest")
        .unlike("it is created where it is absent, as by Docker"),
    value(&["--entrypoint"], "PROGRAM", "run this instead of the image's entry point; empty for none")
        .unlike("it is one word, never split at blanks"),
    flag(&["--nometa"], "as if the image said nothing of how to run it"),
    value(&["--cpuset-cpus"], "LIST", "let the guest use these processors only")
        .unlike("set by ourselves, with neither numactl nor taskset"),
    value(&["--kernel"], "RELEASE", "what uname answers as the kernel's release"),
    value(&["--publish", "-p"], "[IP:]HOST:GUEST", "show a port of the guest as one of the host; repeatable"),
    flag(&["--publish-all", "-P", "--netcoop"], "show the ports that the image names"),
    value(&["--dns"], "ADDRESS", "ask this name server; repeatable").unlike("it is honoured, udocker ignores it"),
    value(&["--dns-search"], "DOMAIN", "look names up in this domain; repeatable")
        .unlike("it is honoured, udocker ignores it"),
    flag(&["--tty", "-t"], "tell the guest the type of its terminal, where there is one")
        .unlike("it counts where standard input is a terminal, udocker ignores it"),
    flag(&["--interactive", "-i"], "standard input always reaches the guest").moot(),
    flag(&["--attach", "-a"], "share only this of the three streams, all where none is named; repeatable")
        .or_with("stdin|stdout|stderr"),
    flag(&["--nobanner"], "there is no banner").moot(),
];

fn act(given: &Given, here: &Here) -> Result<ExitCode, BoxFault> {
    let progress = here.meant.progress();
    let mut request = Request {
        target: given.word(0)?,
        options: options(given, here)?,
        lifetime: if given.has("--rm") {
            Lifetime::Ends
        } else {
            Lifetime::Kept
        },
        name: given.text("--name")?,
        engine: None,
        attach: streams(given)?,
        ..Request::default()
    };
    let mut reach = image::reach(given, here)?;
    let home = here.meant.home()?;
    let reuse = match given.text("--pull")?.as_deref() {
        None | Some("missing") => false,
        Some("never") => {
            reach.pull = Pull::Never;
            false
        }
        Some("always") => {
            reach.pull = Pull::Always;
            false
        }
        Some("reuse") => true,
        Some(other) => {
            let other: String = other.escape_debug().take(80).collect();
            let text = format!(
                "got `{other}` for `--pull`, expected `missing`, `never`, `always` or `reuse`"
            );
            return Err(Misuse::of(text).into());
        }
    };
    if let Some(name) = request.name.clone().filter(|_| reuse)
        && setup::is_container(&home, &name)?
    {
        request.target = name;
        request.name = None;
    }
    let remembered = if setup::is_container(&home, &request.target)? {
        if given.has("--rm") && protect::is_protected(&home, &request.target)? {
            progress.warn(&format!(
                "container `{}` is protected, so it is not removed",
                request.target
            ));
            request.lifetime = Lifetime::Kept;
        }
        setup::execmode(&home, &request.target)?
    } else {
        let names = names_of(&request.target, given, here)?;
        image::ensure(&names, &mut reach, &*progress)?;
        let options = &request.options;
        if options.args.is_empty() && options.entrypoint.is_none() {
            request.options.args = image::command(&names.known.to_string(), here)?;
        }
        None
    };
    if remembered.is_none() {
        request.engine = here.settings.mode().map(str::to_owned);
    }
    if given.has("--detach") {
        let id = life::detach(&request, &reach, &*progress)?;
        return render::text(&format!("{id}\n"));
    }
    run::run(&request, &reach, &*progress)
}

/// The streams that are named; with the flag alone all are shared, as without it.
fn streams(given: &Given) -> Result<Vec<Attach>, BoxFault> {
    let typed = given.texts("--attach")?;
    let named = typed.iter().filter(|word| !word.is_empty());
    let streams: Vec<Attach> = named.map(|word| word.parse()).collect::<Result<_, _>>()?;
    if given.has("--detach") && !streams.is_empty() {
        let text = "`--attach` cannot be used with `--detach`: its output goes to `udocker logs`";
        return Err(Misuse::of(text.to_owned()).into());
    }
    Ok(streams)
}
