//! The life of containers under each engine: `run -d`, `start`, `stop`, `kill`, `wait`, `logs`, `rm -f`, and what is left after
//! a killed guest, a killed monitor, and a start that fails.

mod scenes;
mod states;

use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Run, Sandbox, fixture, require};

/// A home in which an engine is asked for by its name.
pub(crate) struct Stage {
    sandbox: Sandbox,
    engine: &'static str,
}

impl Stage {
    fn new(engine: &'static str) -> Stage {
        Stage {
            sandbox: Sandbox::new(),
            engine,
        }
    }

    fn coracle(&self, words: &[&str]) -> Run {
        let run = self.sandbox.coracle(["--quiet"]);
        run.arguments(words).env("CORACLE_ENGINE", self.engine)
    }

    /// `coracle run FLAGS IMAGE sh -c SCRIPT` with this engine.
    fn shell(&self, flags: &[&str], script: &str) -> Run {
        let image = fixture::image("guest");
        self.coracle(&["run", "--engine", self.engine])
            .arguments(flags)
            .arguments([image.as_str(), "sh", "-c", script])
    }

    /// Starts a container called `name` by itself; its id.
    #[track_caller]
    fn detached(&self, name: &str, script: &str) -> String {
        let output = self.shell(&["-d", "--name", name], script).run().success();
        output.stdout.trim().to_owned()
    }

    /// The first element of `inspect`.
    #[track_caller]
    fn inspect(&self, name: &str) -> Value {
        let output = self.coracle(&["inspect", name]).run().success();
        let all: Value = serde_json::from_str(&output.stdout).expect("a document");
        all[0].clone()
    }

    /// The number of the guest's first process.
    #[track_caller]
    fn pid(&self, name: &str) -> i32 {
        let pid = self.inspect(name)["State"]["Pid"].as_i64().unwrap_or(0);
        i32::try_from(pid).expect("a process number")
    }

    fn container(&self, id: &str) -> PathBuf {
        self.sandbox.store().join("containers").join(id)
    }
}

fn play(engine: &'static str) {
    let stage = Stage::new(engine);
    let mut failed = Vec::new();
    for (name, scene) in scenes::SCENES {
        let played = std::panic::AssertUnwindSafe(|| scene(&stage));
        if std::panic::catch_unwind(played).is_err() {
            failed.push(*name);
        }
    }
    // Whatever a scene left behind, so that the sandbox can go.
    let left = stage.coracle(&["ps", "-aq"]).run().success().stdout;
    for id in left.lines() {
        drop(stage.coracle(&["rm", "-f", id]).run());
    }
    assert!(
        failed.is_empty(),
        "{engine}: not as they must be: {failed:#?}"
    );
}

#[test]
fn ns() {
    require!(Fixtures, UserNamespaces);
    play("ns");
}

#[test]
fn proot() {
    require!(Fixtures, Ptrace);
    play("proot");
}
