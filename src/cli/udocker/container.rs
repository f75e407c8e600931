//! Verbs of udocker about containers: `create`, `ps`, `rm`, `name`, `rename`, `rmname`, `inspect`.

use std::process::ExitCode;

use serde::Serialize;

use super::Here;
use super::grammar::{Given, Verb, Words, flag, value};
use super::image;
use crate::base::fault::BoxFault;
use crate::cli::render;
use crate::cli::report::{plain, plain_json};
use crate::ops::create::{self, Request};
use crate::ops::inspect::Tree;
use crate::ops::options::Options;
use crate::ops::reach::{Pull, Reach};
use crate::ops::{containers, inspect, protect, setup};

/// As many characters as an id of udocker has; they are enough to name a container.
const ID_WIDTH: usize = 36;

pub(super) const CREATE: Verb = Verb {
    name: "create",
    arguments: "IMAGE",
    about: "Make a container of an image that is here; print its id",
    unlike: "nothing is copied, so it takes no time and no space; one without `--name` gets a name of its own",
    flags: &[
        value(&["--name"], "NAME", "call the container so"),
        flag(
            &["--force"],
            "take the name away from the container that has it",
        ),
    ],
    words: Words::Between(1, 1),
    act: make,
};

pub(super) const PS: Verb = Verb {
    name: "ps",
    arguments: "",
    about: "List the containers that are here, whether something runs in them or not",
    unlike: "names stand without brackets and quotes",
    flags: &[
        flag(&["-m"], "with the mode that each remembers"),
        flag(&["-s"], "with the size in MB of what is each one's own"),
        flag(&["-p"], "with the platform of each"),
    ],
    words: Words::Between(0, 0),
    act: list,
};

pub(super) const RM: Verb = Verb {
    name: "rm",
    arguments: "CONTAINER...",
    about: "Remove containers with all that was written in them",
    unlike: "one in which something runs goes only with `-f`",
    flags: &[flag(&["-f", "--force"], "also one in which something runs")],
    words: Words::From(1),
    act: remove,
};

pub(super) const NAME: Verb = Verb {
    name: "name",
    arguments: "CONTAINER NAME",
    about: "Give a container a further name",
    unlike: "",
    flags: &[],
    words: Words::Between(2, 2),
    act: |given, here| {
        containers::add_name(&here.meant.home()?, &given.word(0)?, &given.word(1)?)?;
        Ok(ExitCode::SUCCESS)
    },
};

pub(super) const RENAME: Verb = Verb {
    name: "rename",
    arguments: "OLD NEW",
    about: "Give a container another name in place of one that it has",
    unlike: "",
    flags: &[],
    words: Words::Between(2, 2),
    act: |given, here| {
        containers::rename(&here.meant.home()?, &given.word(0)?, &given.word(1)?)?;
        Ok(ExitCode::SUCCESS)
    },
};

pub(super) const RMNAME: Verb = Verb {
    name: "rmname",
    arguments: "NAME",
    about: "Take a name away from a container, which stays",
    unlike: "",
    flags: &[],
    words: Words::Between(1, 1),
    act: |given, here| {
        let name = given.word(0)?;
        containers::remove_name(&here.meant.home()?, &name)?;
        let progress = here.meant.progress();
        progress.note(&format!("container name: {name} removed"));
        Ok(ExitCode::SUCCESS)
    },
};

pub(super) const INSPECT: Verb = Verb {
    name: "inspect",
    arguments: "CONTAINER|IMAGE",
    about: "Print the configuration of a container's image, or of an image, as JSON",
    unlike: "a container whose changes lie over its image has no tree of its own: `-p` prints the image's, and says so",
    flags: &[flag(&["-p"], "print where its tree is instead")],
    words: Words::Between(1, 1),
    act: show,
};

fn make(given: &Given, here: &Here) -> Result<ExitCode, BoxFault> {
    let home = here.meant.home()?;
    let name = given.text("--name")?;
    if let Some(name) = name.as_deref().filter(|_| given.has("--force"))
        && setup::is_container(&home, name)?
    {
        containers::remove_name(&home, name)?;
    }
    let image = given.word(0)?;
    let request = Request {
        options: Options {
            args: image::command(&image, here)?,
            standing: here.meant.standing(&[])?,
            ..Options::default()
        },
        image,
        name,
    };
    let reach = Reach {
        pull: Pull::Never,
        ..here.meant.reach()?
    };
    let container = create::create(request, &reach, &*here.meant.progress())?;
    render::text(&format!("{}\n", short(&container.record.id)))
}

pub(super) fn short(id: &str) -> &str {
    id.get(..ID_WIDTH).unwrap_or(id)
}

fn list(given: &Given, here: &Here) -> Result<ExitCode, BoxFault> {
    let home = here.meant.home()?;
    let (mode, size, platform) = (given.has("-m"), given.has("-s"), given.has("-p"));
    let line = |id: &str, marks: [char; 2], more: [&str; 3], names: &str, image: &str| {
        let mut line = format!("{id:<ID_WIDTH$} {} {}", marks[0], marks[1]);
        let columns = [(mode, 4), (size, 7), (platform, 18)].into_iter().zip(more);
        for ((_, width), cell) in columns.filter(|((wanted, _), _)| *wanted) {
            line += &format!(" {cell:<width$}");
        }
        format!("{line} {names:<18} {image}")
    };
    let mut lines = Vec::new();
    if here.talks {
        let more = ["MOD", "SIZE", "PLATFORM"];
        lines.push(line("CONTAINER ID", ['P', 'M'], more, "NAMES", "IMAGE"));
    }
    for row in containers::list(&home)? {
        let execmode = if mode {
            setup::execmode(&home, &row.id)?
        } else {
            None
        };
        let bytes = if size {
            inspect::own_bytes(&home, &row.id)?
        } else {
            0
        };
        let megabytes = bytes.div_ceil(1024 * 1024).to_string();
        let of = if platform {
            inspect::platform(&home, &row.id)?
        } else {
            String::new()
        };
        let more = [execmode.as_deref().unwrap_or("auto"), &megabytes, &of];
        let names = row.names.join(",");
        let mark = match protect::is_container_protected(&home, &row.id)? {
            true => 'P',
            false => '.',
        };
        lines.push(line(short(&row.id), [mark, 'W'], more, &names, &row.image));
    }
    render::lines(lines.iter().map(|line| plain(line)))
}

fn remove(given: &Given, here: &Here) -> Result<ExitCode, BoxFault> {
    let home = here.meant.home()?;
    let progress = here.meant.progress();
    let mut code = ExitCode::SUCCESS;
    for name in given.all_words()? {
        match containers::remove(&home, &name, given.has("-f")) {
            Ok(id) => progress.note(&format!("deleting container: {}", short(&id))),
            Err(fault) => {
                here.meant.voice().error(&*fault);
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

fn show(given: &Given, here: &Here) -> Result<ExitCode, BoxFault> {
    let home = here.meant.home()?;
    let name = given.word(0)?;
    if given.has("-p") {
        let path = match inspect::tree(&home, &name)? {
            Tree::Own(path) => path,
            Tree::Shared { image, changes } => {
                let text =
                    format!("what was written in `{name}` is not in this tree, but in `{changes}`");
                here.meant.progress().warn(&text);
                image
            }
            Tree::Image(path) => path,
        };
        return render::text(&format!("{path}\n"));
    }
    let document = inspect::document(&home, &name)?;
    let mut text = Vec::new();
    let indent = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, indent);
    let written = document.serialize(&mut serializer);
    written.expect("a document that was read has only keys that are text");
    let text = String::from_utf8_lossy(&text);
    render::text(&format!("{}\n", plain_json(&text)))
}
