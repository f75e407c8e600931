//! What the documentation of well-known images has people type: the lines as they stand there, and what Docker does.
//!
//! `docker` is a link to coracle on the reader's PATH, and the name of an image becomes that of the fixture made in its
//! manner (`ci/fixtures`, stage `services`); everything else of a line stays, quotes and `$PWD` included. [`table`] has
//! what can be said in a row, [`services`] the stories of servers that start, serve and stop.

mod services;
mod table;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use crate::support::{Output, Run, Sandbox, fixture};

/// Images as the documentation names them, and the fixtures that stand for them.
const IMAGES: [(&str, &str); 17] = [
    ("postgres", "postgres"),
    ("redis", "redis"),
    ("nginx", "nginx"),
    ("mysql:tag", "mysql"),
    ("python:3", "python"),
    ("node:8", "node"),
    ("perl:5.34", "perl"),
    ("gcc:4.9", "gcc"),
    ("ubuntu", "ubuntu"),
    ("debian", "debian"),
    ("alpine", "alpine"),
    ("busybox", "alpine"),
    ("jrottenberg/ffmpeg", "ffmpeg"),
    ("quay.io/jupyter/base-notebook", "jupyter"),
    ("pytorch/pytorch:latest", "python"),
    ("nvcr.io/nvidia/pytorch:xx.xx-py3", "python"),
    ("continuumio/miniconda3", "python"),
];

/// A reader of documentation: his home, where he types, and what he has pulled.
struct Reader {
    sandbox: Sandbox,
    desk: PathBuf,
}

impl Reader {
    fn new() -> Reader {
        let sandbox = Sandbox::new();
        let desk = sandbox.folder("desk");
        let programs = sandbox.folder("programs");
        symlink(sandbox.binary(), programs.join("docker")).expect("a new folder");
        Reader { sandbox, desk }
    }

    /// The line with a fixture for its image, which is the first word that is one.
    fn line(&self, line: &str) -> String {
        // Other commands name containers, and what is called so inside.
        let mut is_found = !line.contains("docker run");
        let words = line.split(' ').map(|word| {
            // A word may end a command, as in `docker run ubuntu; echo $?`.
            let (name, rest) = word.split_at(word.trim_end_matches(';').len());
            let known = IMAGES.iter().find(|(known, _)| *known == name && !is_found);
            is_found |= known.is_some();
            match known {
                Some((_, fixture)) => fixture::service(fixture) + rest,
                None => word.to_owned(),
            }
        });
        words
            .collect::<Vec<_>>()
            .join(" ")
            .replace(" hello-world", " hello")
    }

    fn shell(&self, words: &[&str]) -> Run {
        let programs = self.sandbox.path("programs");
        let path = format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", programs.display());
        self.sandbox
            .command(words)
            .env("PATH", path)
            .env("SHELL", "/bin/sh")
            .env("TERM", "dumb")
            .folder(&self.desk)
    }

    /// Types a line, on a terminal where it asks for one; `input` is typed after it.
    fn types(&self, line: &str, input: &str) -> Output {
        let typed = self.line(line);
        let flags = [" -it ", " -ti ", " -i -t ", " -t -i "];
        let asks = flags.iter().any(|flags| line.contains(flags));
        let run = match asks {
            true => {
                // Of no size it would have programs page what they say.
                let sized = format!("stty rows 33 cols 132; {typed}");
                self.shell(&["script", "-q", "-e", "-c", &sized, "/dev/null"])
            }
            false => self.shell(&["sh", "-c", &typed]),
        };
        let mut output = run.input(input).run();
        output.stdout = output.stdout.replace("\r\n", "\n");
        output
    }

    /// Puts a file on the desk.
    fn file(&self, name: &str, content: &str) {
        let path = self.sandbox.file(&format!("desk/{name}"), content);
        let mode = PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(path, mode).expect("it was just made");
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Only after a failed assertion; what was started here must not outlive its test.
        if std::thread::panicking() {
            let line = "docker ps -q | xargs -r docker rm -f";
            let _nothing_more_can_be_done = self.shell(&["sh", "-c", line]).command().status();
        }
    }
}
