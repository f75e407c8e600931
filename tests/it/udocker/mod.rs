//! The name `udocker`: its verbs by udocker's own list of acceptance, its defects, and every row of its tables.

mod grammar;
mod table;

use std::ffi::OsStr;
use std::os::unix::fs::symlink;

use crate::support::{Run, Sandbox, fixture};

/// A home in which `udocker` is a link to the binary under test.
pub(super) struct Harness {
    pub(super) sandbox: Sandbox,
}

impl Harness {
    pub(super) fn new() -> Harness {
        let sandbox = Sandbox::new();
        let binary = sandbox.binary();
        symlink(
            binary.file_name().expect("a file has a name"),
            sandbox.path("udocker"),
        )
        .expect("the sandbox is on a writable file system");
        Harness { sandbox }
    }

    /// `udocker ARGUMENT...` as the plain user.
    pub(super) fn udocker<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Run {
        self.sandbox
            .command([self.sandbox.path("udocker")])
            .arguments(arguments)
    }

    /// The words of `line`, in which `IMAGE` stands for the image of small guest programs.
    pub(super) fn line(&self, line: &str) -> Run {
        let image = fixture::image("guest");
        self.udocker(line.split(' ').map(|word| match word {
            "IMAGE" => image.as_str(),
            word => word,
        }))
    }
}
