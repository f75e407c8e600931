//! The commands that change a store, each with a store to do it in, what may strike it, and what has to be true afterwards.

use std::path::{Path, PathBuf};

use super::image;
use super::snapshot::{Snapshot, differences, snapshot};
use crate::support::{Output, Registry, Run, Sandbox, fixture};

/// A command that changes a store.
pub(super) struct Deed {
    pub(super) sandbox: Sandbox,
    /// What the command line is.
    words: Vec<String>,
    /// What the store was before.
    before: PathBuf,
    /// What it is afterwards when nothing disturbs.
    after: Snapshot,
    /// Words of an error that says that all was done before: by the run whose answer was lost.
    done: &'static str,
    /// It is stopped when dropped.
    _registry: Option<Registry>,
}

/// What a run under `fault` came to.
pub(super) struct Struck {
    pub(super) output: Output,
    /// How many calls of the groups there were.
    pub(super) count: usize,
    /// The name and the object of the call that was struck; empty where none was.
    pub(super) call: String,
}

impl Deed {
    /// Prepares one of the commands and runs it once undisturbed.
    pub(super) fn new(name: &str) -> Deed {
        let sandbox = Sandbox::new();
        image::layouts(&sandbox);
        let said = |words: &[&str]| sandbox.coracle(words).run().success();
        let [one, two] = ["one", "two"].map(|name| image::source(&sandbox, name));
        let mut registry = None;
        let mut done = "";
        let words: Vec<String> = match name {
            "pull" => {
                let server = Registry::empty(&crate::support::Tls::default());
                server.login(&sandbox).run().success();
                let image = image::push(&sandbox, &server, "one");
                let authority = Registry::authority().display().to_string();
                registry = Some(server);
                ["pull", "--tls-ca", &authority, &image]
                    .map(String::from)
                    .into()
            }
            "create" => {
                said(&["pull", &one]);
                done = "is taken";
                ["create", "--name", "box", &one].map(String::from).into()
            }
            "first" => {
                done = "is taken";
                ["create", "--name", "box", &one].map(String::from).into()
            }
            "load" => {
                said(&["pull", &two]);
                let archive = image::archive(&sandbox, "one").display().to_string();
                ["load", "--input", &archive].map(String::from).into()
            }
            "rm" => {
                said(&["create", "--name", "box", &one]);
                said(&["tag", &one, "kept"]);
                write_into_container(&sandbox);
                done = "no container";
                ["rm", "box"].map(String::from).into()
            }
            "rmi" => {
                said(&["pull", &one]);
                said(&["pull", &two]);
                done = "no image";
                ["rmi", &one].map(String::from).into()
            }
            "commit" => {
                said(&["create", "--name", "box", &one]);
                write_into_container(&sandbox);
                ["commit", "box", "made:1"].map(String::from).into()
            }
            "gc" => {
                said(&["pull", &one]);
                said(&["create", "--name", "box", &two]);
                rubbish(&sandbox);
                vec!["gc".to_owned()]
            }
            _ => panic!("no command is called {name}"),
        };
        let before = sandbox.path("before");
        Deed {
            sandbox,
            words,
            before,
            after: Snapshot::new(),
            done,
            _registry: registry,
        }
        .tried()
    }

    /// Keeps the store as it is now, and learns what the command makes of it.
    fn tried(mut self) -> Deed {
        let store = self.sandbox.store();
        if store.exists() {
            copy(&store, &self.before);
        }
        self.run().run().success();
        self.sandbox.coracle(["gc"]).run().success();
        self.after = snapshot(&store);
        self
    }

    /// The command.
    pub(super) fn run(&self) -> Run {
        self.sandbox.coracle(["--quiet"]).arguments(&self.words)
    }

    /// The command, started by another one.
    pub(super) fn run_behind<const N: usize>(&self, prefix: [&str; N]) -> Run {
        let run = self.sandbox.command(prefix);
        let run = run.arguments([self.sandbox.binary()]);
        run.arguments(["--quiet"]).arguments(&self.words)
    }

    /// Makes the store what it was before.
    pub(super) fn restore(&self) {
        let store = self.sandbox.store();
        let removed = std::process::Command::new("rm")
            .args(["-rf", "--"])
            .arg(&store)
            .status();
        assert!(removed.is_ok_and(|status| status.success()));
        if self.before.exists() {
            copy(&self.before, &store);
        }
    }

    /// Runs the command in the store as it was before, struck as `what` says.
    pub(super) fn struck(&self, what: &str) -> Struck {
        self.restore();
        let report = self.sandbox.path("tmp/report");
        let fault = [fixture::path("faults/fault"), report.clone(), what.into()];
        let mut run = self
            .sandbox
            .command(fault)
            .arguments([self.sandbox.binary()]);
        run = run.arguments(["--quiet"]).arguments(&self.words);
        let output = run.run();
        let text = std::fs::read_to_string(&report)
            .unwrap_or_else(|error| panic!("no report of {what}: {error}\n{output}"));
        std::fs::remove_file(&report).expect("it was read just now");
        let (count, call) = text.split_once('\n').expect("two lines");
        let count = count.parse().expect("the first is a number");
        let call = call.trim_end().to_owned();
        Struck {
            output,
            count,
            call,
        }
    }

    /// Asserts that whatever happened to the store, it is sound, the same command does what it would have done, and
    /// nothing is left of what happened.
    #[track_caller]
    pub(super) fn assert_survived(&self, what: &str) {
        let store = self.sandbox.store();
        let verify = || {
            let verified = self.sandbox.coracle(["verify", "--all"]).run();
            assert!(
                verified.code() == Some(0) && verified.stdout.contains("damaged: 0"),
                "{what}\n{verified}"
            );
        };
        if store.join("version").exists() {
            verify();
        }
        let again = self.run().run();
        let was_done = !self.done.is_empty()
            && matches!(again.code(), Some(1 | 2))
            && again.stderr.contains(self.done);
        assert!(
            again.code() == Some(0) || was_done,
            "{what}, and then\n{again}"
        );
        verify();
        self.sandbox.coracle(["gc"]).run().success();
        let differ = differences(&self.after, &snapshot(&store));
        assert!(differ.is_empty(), "{what}\n{differ}");
        let left: Vec<_> = tree_names(&self.sandbox.path("tmp"));
        assert!(left.is_empty(), "{what}\nleft in TMPDIR: {left:?}");
    }

    /// Asserts that the store is as the command leaves it, but for what `gc` would remove.
    #[track_caller]
    pub(super) fn assert_done(&self, what: &str) {
        self.sandbox.coracle(["gc"]).run().success();
        let differ = differences(&self.after, &snapshot(&self.sandbox.store()));
        assert!(differ.is_empty(), "{what}\n{differ}");
    }
}

fn tree_names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// With owners, modes, times and hard links.
fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp")
        .args(["-a", "--"])
        .args([from, to])
        .status();
    assert!(
        copied.is_ok_and(|status| status.success()),
        "cannot copy {}",
        from.display()
    );
}

/// What a guest wrote, some of it where its owner may not write.
fn write_into_container(sandbox: &Sandbox) {
    let line = "cd \"$0\"/*/ && mkdir -p upper/closed/deep upper/etc && echo x >upper/closed/deep/x && \
                echo y >upper/etc/y && chmod 555 upper/closed/deep upper/closed";
    let containers = sandbox.store().join("containers");
    sandbox
        .command(["sh", "-c", line])
        .arguments([containers])
        .run()
        .success();
}

/// What a store holds that nobody needs: an image without its name, leftovers of a process of this host that has ended.
fn rubbish(sandbox: &Sandbox) {
    let line = "cd \"$0\" && rm -r refs/*oci* && cp -a trees ingest/tree.$1 && cp blobs/sha256/* ingest/ && \
                for blob in ingest/????????????????????????????????????????????????????????????????; do \
                mv \"$blob\" \"$blob.$1\"; done && mkdir -p tmp/run.$1/upper && : >leases/pull.$1";
    let dead = dead_creator(sandbox);
    sandbox
        .command(["sh", "-c", line])
        .arguments([sandbox.store()])
        .arguments([dead])
        .run()
        .success();
}

/// The end of the private names of a process that was killed, as one of them has left it.
fn dead_creator(sandbox: &Sandbox) -> String {
    let home = sandbox.folder("dead");
    let fault = [
        fixture::path("faults/fault"),
        sandbox.path("tmp/report"),
        "kill:u:1".into(),
    ];
    let run = sandbox.command(fault).arguments([sandbox.binary()]);
    run.arguments(["pull", &image::source(sandbox, "one")])
        .env("CORACLE_HOME", &home)
        .run();
    std::fs::remove_file(sandbox.path("tmp/report")).expect("it tells what was killed");
    let leases = tree_names(&home.join("leases"));
    let name = leases
        .first()
        .unwrap_or_else(|| panic!("a killed pull leaves a lease"));
    let (_, creator) = name.split_once('.').expect("it is a private name");
    creator.to_owned()
}
