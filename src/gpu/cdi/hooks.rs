//! What the hooks of NVIDIA's toolkit do, done without running them.
//!
//! A specification names programs of the host that would be run beside the container with the caller's rights, and would
//! change a tree that we make otherwise. Those of the toolkit are known by their sub-commands, whatever the path of the
//! program: it differs between distributions. nvidia-container-toolkit 1.20.0, `cmd/nvidia-cdi-hook`; before 1.17 the
//! same sub-commands stood behind `nvidia-ctk hook`.

use crate::base::path::GuestPath;
use crate::gpu::cdi::edits::Edits;
use crate::gpu::cdi::name::shown;
use crate::gpu::cdi::spec::Hook;

/// Programs whose sub-commands are known. The second has them behind the word `hook`.
const PROGRAMS: [&str; 2] = ["nvidia-cdi-hook", "nvidia-ctk"];
/// The mode that directories which are made for mounts have anyway.
const DIRECTORY_MODE: &str = "755";

/// An argument of a known hook that cannot be understood.
#[derive(Debug)]
pub(super) struct HookError {
    pub(super) argument: String,
    pub(super) reason: &'static str,
}

/// Does what `hook` would do, or tells that it is not done.
pub(super) fn imitate(hook: &Hook, edits: &mut Edits) -> Result<(), HookError> {
    let Some((command, rest)) = sub_command(hook) else {
        let warning = format!(
            "the hook `{}` is not run: coracle knows NVIDIA's only",
            line(hook)
        );
        edits.warnings.push(warning);
        return Ok(());
    };
    let flags = flags(rest);
    match command {
        "create-symlinks" => values(&flags, "link").try_for_each(|link| make_link(link, edits))?,
        "update-ldcache" | "create-soname-symlinks" => {
            for folder in values(&flags, "folder") {
                edits.add_folder(place(folder)?);
            }
        }
        "enable-cuda-compat" => {
            let version = values(&flags, "host-driver-version").last();
            edits.cuda_compat = version
                .filter(|version| !version.is_empty())
                .map(shown)
                .or(edits.cuda_compat.take());
        }
        // It keeps the driver from making nodes, which nobody can in a user namespace. mknod(2), EPERM.
        "disable-device-node-modification" => edits
            .notes
            .push(passed_over(command, "no guest can make device nodes")),
        // It hides displays whose nodes are not there from EGL, which passes over what it cannot open.
        "update-application-profile" => edits
            .notes
            .push(passed_over(command, "EGL skips what it cannot open")),
        "chmod"
            if values(&flags, "mode")
                .all(|mode| mode.trim_start_matches('0') == DIRECTORY_MODE) =>
        {
            edits
                .notes
                .push(passed_over(command, "directories have that mode"));
        }
        _ => edits.warnings.push(format!(
            "the hook `{}` is not run: coracle does not know what it does",
            line(hook)
        )),
    }
    Ok(())
}

/// The sub-command of a program that is known, and what follows it.
fn sub_command(hook: &Hook) -> Option<(&str, &[String])> {
    let names = [Some(&hook.path), hook.args.first()];
    // Packages wrap programs: `.nvidia-ctk-wrapped` (Nix), `nvidia-ctk.real` (NVIDIA's own container).
    let known = |name: &&str| {
        names
            .into_iter()
            .flatten()
            .any(|path| file_name(path).starts_with(name))
    };
    let program = PROGRAMS.iter().find(|name| known(name))?;
    let arguments = hook.args.get(1..)?;
    match arguments.split_first()? {
        (word, rest) if word == "hook" && *program == PROGRAMS[1] => {
            let (command, rest) = rest.split_first()?;
            Some((command, rest))
        }
        (command, rest) => Some((command, rest)),
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/')
        .next()
        .unwrap_or(path)
        .trim_start_matches('.')
}

/// The flags among `arguments`: `--name value`, `--name=value`, with one dash or two. What is no flag is passed over.
fn flags(arguments: &[String]) -> Vec<(&str, &str)> {
    let mut flags = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let Some(name) = argument
            .strip_prefix("--")
            .or_else(|| argument.strip_prefix('-'))
        else {
            continue;
        };
        match name.split_once('=') {
            Some((name, value)) => flags.push((name, value)),
            None => {
                let follows = rest
                    .as_slice()
                    .first()
                    .filter(|next| !next.starts_with('-'));
                if let Some(value) = follows {
                    rest.next();
                    flags.push((name, value));
                } else {
                    flags.push((name, ""));
                }
            }
        }
    }
    flags
}

fn values<'a>(flags: &'a [(&str, &'a str)], wanted: &'static str) -> impl Iterator<Item = &'a str> {
    flags
        .iter()
        .filter(move |(name, _)| *name == wanted)
        .map(|(_, value)| *value)
}

/// Makes the link of `TARGET::PLACE`.
fn make_link(text: &str, edits: &mut Edits) -> Result<(), HookError> {
    let wrong = |reason| HookError {
        argument: shown(text),
        reason,
    };
    let (target, at) = text
        .split_once("::")
        .ok_or_else(|| wrong("is not `TARGET::LINK`"))?;
    if target.is_empty() {
        return Err(wrong("has no target"));
    }
    edits.add_link(place(at)?, target);
    Ok(())
}

/// A place in the guest; a relative one counts from its root, as the toolkit has it.
fn place(path: &str) -> Result<GuestPath, HookError> {
    let place = GuestPath::root().join(path);
    match path.is_empty() || path.contains('\0') || place == GuestPath::root() {
        true => Err(HookError {
            argument: shown(path),
            reason: "is no place in a container",
        }),
        false => Ok(place),
    }
}

fn passed_over(command: &str, reason: &str) -> String {
    format!("the hook `{command}` is not needed: {reason}")
}

/// A hook as one would type it.
fn line(hook: &Hook) -> String {
    let arguments = hook.args.iter().skip(1).map(String::as_str);
    let words: Vec<&str> = std::iter::once(hook.path.as_str())
        .chain(arguments)
        .collect();
    shown(&words.join(" "))
}
