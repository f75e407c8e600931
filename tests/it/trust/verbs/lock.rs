//! `coracle.lock`: what was pulled once is what runs later, or nothing does.

use serde_json::Value;

use super::Port;
use crate::support::{Output, Run};

impl Port {
    fn locked(&self, verb: &str, flag: &str) -> Run {
        let words = [
            verb,
            "--platform",
            "linux/amd64",
            "--insecure",
            self.host(),
            flag,
        ];
        self.coracle(&words).arguments([self.image()])
    }

    fn lock(&self) -> Output {
        self.pulling(&["--lock", "coracle.lock"]).run()
    }

    fn lock_file(&self) -> Value {
        let text = std::fs::read_to_string(self.bench.0.path("home/coracle.lock"));
        serde_json::from_str(&text.expect("a lock file")).expect("JSON")
    }
}

#[test]
fn a_lock_says_what_a_name_means_and_how_it_was_verified() {
    let port = Port::indexed();
    let key = port.key("key");
    port.lock().success();
    let entry = |file: &Value| file["images"][0].clone();
    let first = entry(&port.lock_file());
    assert_eq!(first["name"], port.image());
    assert_eq!(first["platform"], "linux/amd64");
    assert_eq!(first["digest"], port.target.to_string());
    assert_eq!(first["manifest"], port.manifest.to_string());
    assert_eq!(first["verified"], "digest");
    port.coracle(&["pull", "--lock", "coracle.lock", "hello"])
        .run()
        .success();
    port.signed_by(&key, &port.target);
    port.demand(&[&key]);
    port.lock().success();
    let file = port.lock_file();
    assert_eq!(file["images"].as_array().expect("a list").len(), 2);
    let verified = entry(&file)["verified"]
        .as_str()
        .expect("a text")
        .to_owned();
    assert!(verified.starts_with("digest+key:sha256:"), "{verified}");
}

#[test]
fn what_is_locked_is_used_and_nothing_else() {
    let port = Port::new();
    for verb in ["create", "pull"] {
        let run = port.locked(verb, "--locked").run();
        run.exits(1)
            .complains("there is no lock file `coracle.lock`");
    }
    port.coracle(&["pull", "--lock", "coracle.lock", "hello"])
        .run()
        .success();
    for verb in ["create", "pull"] {
        let run = port.locked(verb, "--locked").run().exits(1);
        run.complains(&format!("`{}` is not in the lock file", port.image()))
            .complains(&format!(
                "`coracle pull --lock coracle.lock {}` locks it",
                port.image()
            ));
    }
    assert!(port.asked().is_empty());
    port.coracle(&["run", "--rm", "--locked", "hello"])
        .run()
        .success();
    port.lock().success();
    for verb in ["create", "pull"] {
        port.locked(verb, "--locked").run().success();
        port.locked(verb, "--locked=coracle.lock").run().success();
    }
    // The tag moves on: what is here runs, what is there is refused.
    let newer = port.change_image("newer");
    port.locked("create", "--locked").run().success();
    let told = format!(
        "is {newer}, but `coracle.lock` locks it to {}",
        port.manifest
    );
    let run = port.locked("pull", "--locked").run();
    run.exits(1).complains(&told).complains("coracle tag");
    port.pull().success();
    let run = port.locked("create", "--locked").run();
    run.exits(1)
        .complains(&told)
        .complains("cannot use the image");
    let id = port
        .coracle(&["images", "--quiet", "--no-trunc"])
        .run()
        .success();
    let id = id.stdout.lines().next().expect("an image").to_owned();
    let run = port
        .coracle(&["create", "--locked", "--platform", "linux/amd64", &id])
        .run();
    run.exits(1);
    port.lock().success();
    port.locked("create", "--locked").run().success();
}

#[test]
fn a_container_and_a_file_that_is_no_lock_are_refused() {
    let port = Port::new();
    port.coracle(&["create", "--name", "tools", "hello"])
        .run()
        .success();
    port.coracle(&["pull", "--lock", "coracle.lock", "hello"])
        .run()
        .success();
    let run = port.coracle(&["run", "--locked", "tools"]).run();
    run.exits(125).complains("`tools` is a container");
    for (text, why) in [
        ("{", "cannot use the lock file"),
        (
            r#"{"version":1,"images":[],"more":1}"#,
            "unknown field `more`",
        ),
        (
            r#"{"version":2,"images":[]}"#,
            "has the version 2, expected 1",
        ),
    ] {
        let file = port.bench.0.file("home/coracle.lock", text);
        port.coracle(&["create", "--locked", "hello"])
            .run()
            .exits(2)
            .complains(why);
        port.lock().exits(2).complains(why);
        assert_eq!(std::fs::read_to_string(file).expect("it stays"), text);
    }
}
