//! The engine contract: one table of behaviours, run against every engine on the host as it is.
//!
//! `table` has what can be said as data: options, image, arguments, and what must come of it. `scenes` has what needs
//! a conversation: signals, terminals, containers that are run twice. Imitated hosts run both again (`hosts`).

mod ports;
pub(crate) mod scenes;
pub(crate) mod table;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use crate::support::{Run, Sandbox, fixture, require, tree};

/// A store with the guest images in it, the engine under test, and what stands before every command.
pub(crate) struct Stage {
    /// The user's home.
    pub(crate) sandbox: Sandbox,
    /// A value of `--engine`.
    pub(crate) engine: &'static str,
    /// The engine that the value comes down to on this host, as the guest finds it in `CORACLE_ENGINE`.
    pub(crate) real: &'static str,
    /// A command that imitates a host and runs the words that follow it.
    pub(crate) host: Vec<String>,
}

impl Stage {
    /// Pulls the guest images into a new home.
    pub(crate) fn new(engine: &'static str, real: &'static str, host: &[String]) -> Self {
        let stage = Self {
            sandbox: Sandbox::new(),
            engine,
            real,
            host: host.to_vec(),
        };
        for image in ["guest", "guest-entry"] {
            stage
                .coracle(&["pull", &fixture::image(image)])
                .run()
                .success();
        }
        stage
    }

    /// A coracle command on the imitated host.
    pub(crate) fn coracle(&self, arguments: &[&str]) -> Run {
        self.sandbox.coracle(arguments).behind(&self.host)
    }

    /// `coracle run --engine=ENGINE OPTION... guest ARGUMENT...`
    pub(crate) fn run(&self, options: &[&str], arguments: &[&str]) -> Run {
        self.coracle(&["--quiet", "run", "--engine", self.engine])
            .arguments(options)
            .arguments([&fixture::image("guest")])
            .arguments(arguments)
    }

    /// The guest image's shared tree, wherever the store keeps it.
    pub(crate) fn rootfs(&self) -> PathBuf {
        find(self.sandbox.store(), "bin/args", 4)
            .expect("a pulled image has been extracted in the store")
    }
}

/// Runs the whole table, and fails with the names of all behaviours that were not as they must be.
pub(crate) fn check(stage: &Stage) {
    let wanted = std::env::var("CORACLE_BEHAVIOUR").unwrap_or_default();
    let mut failed = Vec::new();
    let mut check = |name: &str, behaviour: &dyn Fn()| {
        if name.contains(&wanted) && catch_unwind(AssertUnwindSafe(behaviour)).is_err() {
            failed.push(format!("{}: {name}", stage.real));
        }
    };
    let rootfs = stage.rootfs();
    let before = tree::list(&rootfs);
    table::behaviours()
        .iter()
        .for_each(|row| check(row.name, &|| row.check(stage)));
    scenes::SCENES
        .iter()
        .for_each(|(name, scene)| check(name, &|| scene(stage)));
    check("no trace in the shared tree", &|| {
        let differences = tree::differences(&before, &tree::list(&rootfs));
        assert!(
            differences.is_empty(),
            "the shared tree has changed: {differences:#?}"
        );
    });
    check("no container is left", &|| {
        drop(
            stage
                .coracle(&["ps", "--all", "--quiet"])
                .run()
                .success()
                .prints(""),
        )
    });
    check("no mount is left", &|| {
        crate::support::leftover::assert_no_mount(&stage.sandbox.path(""))
    });
    assert!(
        failed.is_empty(),
        "not as they must be:\n  {}",
        failed.join("\n  ")
    );
}

/// Looks for a folder that holds `mark`, at most `depth` levels down.
fn find(folder: PathBuf, mark: &str, depth: usize) -> Option<PathBuf> {
    if folder.join(mark).exists() {
        return Some(folder);
    }
    let inner = std::fs::read_dir(&folder).ok().filter(|_| depth > 0)?;
    inner
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| !path.is_symlink())
        .find_map(|path| find(path, mark, depth - 1))
}

#[test]
fn ns() {
    require!(Fixtures, UserNamespaces);
    check(&Stage::new("ns", "ns", &[]));
}

#[test]
fn proot() {
    require!(Fixtures, Ptrace);
    check(&Stage::new("proot", "proot:P1", &[]));
}

#[test]
fn proot_without_seccomp() {
    require!(Fixtures, Ptrace);
    check(&Stage::new("proot:P2", "proot:P2", &[]));
}
