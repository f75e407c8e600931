//! Docker's groups of commands: `container ls` is `ps`. And Docker's commands that are not here, with what is.

use std::ffi::OsString;

use crate::cli::verb;

/// A group, its command, and the words that stand for both here.
const GROUPED: [(&str, &str, &[&str]); 51] = [
    ("container", "commit", &["commit"]),
    ("container", "cp", &["cp"]),
    ("container", "create", &["create"]),
    ("container", "diff", &["diff"]),
    ("container", "exec", &["exec"]),
    ("container", "export", &["export"]),
    ("container", "inspect", &["inspect"]),
    ("container", "kill", &["kill"]),
    ("container", "list", &["ps"]),
    ("container", "logs", &["logs"]),
    ("container", "ls", &["ps"]),
    ("container", "port", &["port"]),
    ("container", "prune", &["prune", "--only=containers"]),
    ("container", "ps", &["ps"]),
    ("container", "rename", &["rename"]),
    ("container", "restart", &["restart"]),
    ("container", "rm", &["rm"]),
    ("container", "run", &["run"]),
    ("container", "start", &["start"]),
    ("container", "stop", &["stop"]),
    ("container", "top", &["top"]),
    ("container", "wait", &["wait"]),
    ("image", "history", &["history"]),
    ("image", "import", &["import"]),
    ("image", "inspect", &["inspect"]),
    ("image", "list", &["images"]),
    ("image", "load", &["load"]),
    ("image", "ls", &["images"]),
    ("image", "prune", &["prune", "--only=images"]),
    ("image", "pull", &["pull"]),
    ("image", "remove", &["rmi"]),
    ("image", "rm", &["rmi"]),
    ("image", "save", &["save"]),
    ("image", "tag", &["tag"]),
    ("system", "df", &["df"]),
    ("system", "info", &["doctor"]),
    ("system", "prune", &["prune"]),
    // Those of each group that are not here are those without a group.
    ("container", "attach", &["attach"]),
    ("container", "pause", &["pause"]),
    ("container", "stats", &["stats"]),
    ("container", "unpause", &["unpause"]),
    ("container", "update", &["update"]),
    ("image", "build", &["build"]),
    ("image", "push", &["push"]),
    ("system", "events", &["events"]),
    ("network", "connect", &["network"]),
    ("network", "create", &["network"]),
    ("network", "inspect", &["network"]),
    ("network", "ls", &["network"]),
    ("network", "prune", &["network"]),
    ("network", "rm", &["network"]),
];

/// Docker's commands that have another name here.
const RENAMED: [(&str, &str); 1] = [("info", "doctor")];

/// Docker's commands that are not here, and what to do instead.
const ABSENT: [(&str, &str); 13] = [
    (
        "build",
        "build images with `podman build`, `buildah` or `docker build`, and bring them here with `coracle load` or `coracle pull oci:DIR`",
    ),
    (
        "buildx",
        "build images with `podman build`, `buildah` or `docker buildx`, and bring them here with `coracle load`",
    ),
    (
        "compose",
        "start each service with `coracle run -d --name NAME`; all share the host's network",
    ),
    (
        "context",
        "there is no daemon to choose; `--home DIR` chooses a store",
    ),
    (
        "events",
        "there is no daemon to tell of them; `coracle ps` and `coracle wait` tell of containers",
    ),
    (
        "network",
        "containers share the host's network; `--network=none` gives one none, `-p` other ports",
    ),
    (
        "pause",
        "stop its processes with `coracle kill --signal STOP NAME`, and let them go on with `--signal CONT`",
    ),
    (
        "push",
        "write the image with `coracle save`, and push that with `skopeo copy`",
    ),
    (
        "stats",
        "its processes are the host's: `coracle top NAME` lists them, top(1) and ps(1) measure them",
    ),
    (
        "swarm",
        "spread containers over hosts with the site's scheduler: `srun coracle run …`",
    ),
    (
        "unpause",
        "let its processes go on with `coracle kill --signal CONT NAME`",
    ),
    (
        "update",
        "limits are set when a container is run: `coracle run --ulimit …`, `--cpuset-cpus …`",
    ),
    (
        "service",
        "spread containers over hosts with the site's scheduler: `srun coracle run …`",
    ),
];

/// Global flags with a value in the next word. Another one is only taken for a command after it, and refused.
const WITH_VALUE: [&str; 6] = [
    "--log-format",
    "--insecure",
    "--tls-ca",
    "--home",
    "--config",
    "--profile",
];

/// The line without its group; `None` where it has none, which costs a look at one word.
pub(super) fn expanded(args: &[OsString]) -> Option<Vec<OsString>> {
    let at = verb_at(args)?;
    let word = args.get(at)?.to_str()?;
    if verb::named(word).is_some() {
        return None;
    }
    if let Some((_, meant)) = RENAMED.iter().find(|(name, _)| *name == word) {
        return Some(spliced(args, at..at + 1, &[meant]));
    }
    if !GROUPED.iter().any(|(group, ..)| *group == word) {
        return None;
    }
    let command = args.get(at + 1)?.to_str()?;
    let mut grouped = GROUPED.iter();
    let (.., meant) = grouped.find(|(group, name, _)| (*group, *name) == (word, command))?;
    Some(spliced(args, at..at + 2, meant))
}

/// What to do instead of the command that a line asks for, where that is one of Docker's that is not here.
pub(super) fn instead(args: &[OsString]) -> Option<(&'static str, &'static str)> {
    let word = args.get(verb_at(args)?)?.to_str()?;
    ABSENT.into_iter().find(|(name, _)| *name == word)
}

/// The commands of the group that a line begins with, where the next word is none of them.
pub(super) fn commands_of(args: &[OsString]) -> Option<(&str, Vec<&'static str>)> {
    let word = args.get(verb_at(args)?)?.to_str()?;
    let own = GROUPED.iter().filter(|(group, ..)| *group == word);
    let here = own.filter(|(_, _, meant)| instead_of(meant[0]).is_none());
    let names: Vec<_> = here.map(|(_, name, _)| *name).collect();
    (!names.is_empty()).then_some((word, names))
}

fn instead_of(word: &str) -> Option<&'static str> {
    let found = ABSENT.iter().find(|(name, _)| *name == word);
    found.map(|(_, instead)| *instead)
}

/// Where in a line the command stands: behind global flags.
fn verb_at(args: &[OsString]) -> Option<usize> {
    let mut at = 1;
    while let Some(word) = args.get(at).and_then(|word| word.to_str()) {
        if !word.starts_with('-') {
            return Some(at);
        }
        at += if WITH_VALUE.contains(&word) { 2 } else { 1 };
    }
    None
}

fn spliced(args: &[OsString], range: std::ops::Range<usize>, words: &[&str]) -> Vec<OsString> {
    let mut args = args.to_vec();
    args.splice(range, words.iter().map(OsString::from));
    args
}
