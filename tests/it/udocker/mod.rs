//! The name `udocker`: its verbs by udocker's own list of acceptance, its defects, and every row of its tables.

mod archives;
mod defects;
mod grammar;
mod modes;
mod table;
mod verbs;

use std::ffi::OsStr;
use std::os::unix::fs::symlink;

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::support::{Registry, Run, Sandbox, fixture};

/// The registry that the tests here share while any of them runs.
pub(super) fn registry() -> Arc<Registry> {
    static SHARED: Mutex<Weak<Registry>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let registry = Arc::new(Registry::start());
        *shared = Arc::downgrade(&registry);
        registry
    })
}

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

    /// A home in which the image of small guest programs is, and a container `c` of it.
    pub(super) fn with_container() -> Harness {
        let harness = Harness::new();
        harness.line("pull IMAGE").run().success();
        harness.line("create --name=c IMAGE").run().success();
        harness
    }

    /// A home whose user is logged in to `registry`.
    pub(super) fn logged_in(registry: &Registry) -> Harness {
        let harness = Harness::new();
        harness.login(registry).run().success();
        harness
    }

    /// `udocker login` as udocker's users type it.
    pub(super) fn login(&self, registry: &Registry) -> Run {
        let user = format!("--username={}", fixture::USER);
        let host = format!("--registry=https://{}", registry.host());
        self.trusting(["login", &user, "--password-stdin", &host])
            .input(fixture::PASSWORD)
    }

    /// `udocker ARGUMENT...`, trusting the authority that signed the registry's certificate.
    pub(super) fn trusting<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Run {
        let run = self.udocker(arguments);
        run.env("SSL_CERT_FILE", Registry::authority())
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
