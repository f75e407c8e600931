//! What each verb says of a container in each state.

use super::Stage;
use crate::support::require;

/// A verb and what it answers: its exit status, and a part of what it says.
type Answer = (&'static str, i32, &'static str);

#[track_caller]
fn check(stage: &Stage, state: &str, answers: &[Answer]) {
    for (verb, code, part) in answers {
        let words: Vec<&str> = verb.split(' ').chain(["box"]).collect();
        let output = stage.coracle(&words).run();
        let said = format!("{}{}", output.stdout, output.stderr);
        assert!(
            output.code() == Some(*code) && said.contains(part),
            "{state}: expected {code} and {part:?}\n{output}"
        );
    }
}

#[test]
fn every_verb_knows_every_state() {
    require!(Fixtures, UserNamespaces);
    let stage = Stage::new("ns");
    check(
        &stage,
        "absent",
        &[
            ("start", 1, "there is no container"),
            ("stop", 1, "there is no container"),
            ("kill", 1, "there is no container"),
            ("wait", 1, "there is no container"),
            ("logs", 1, "there is no container"),
            ("restart", 1, "there is no container"),
            ("rm -f", 0, "there is no container"),
            ("attach", 2, "logs -f box"),
        ],
    );
    let image = crate::support::fixture::image("guest");
    let script = "trap 'exit 0' TERM; while :; do sleep 0.05; done";
    stage
        .coracle(&["create", "--name", "box", &image, "sh", "-c", script])
        .run()
        .success();
    check(
        &stage,
        "created",
        &[
            ("ps -a --format {{.Status}} --filter", 2, "--filter"),
            ("kill", 1, "is not running"),
            ("stop", 0, "box"),
            ("wait", 0, "0"),
            ("logs", 1, "has no log"),
            ("kill -s NONE", 2, "no signal"),
        ],
    );
    check(&stage, "started", &[("start", 0, "box")]);
    check(
        &stage,
        "running",
        &[
            ("start", 0, "box"),
            ("rm", 2, "is running"),
            ("run -d", 125, "is running"),
            ("logs", 0, ""),
            ("kill -s 0", 2, "no signal"),
            ("kill -s CONT", 0, "box"),
            ("restart -t 0", 0, "box"),
            ("stop", 0, "box"),
        ],
    );
    check(
        &stage,
        "exited",
        &[
            ("stop", 0, "box"),
            ("kill", 1, "is not running"),
            ("wait", 0, ""),
            ("logs", 0, ""),
        ],
    );
    elsewhere(&stage);
    check(
        &stage,
        "lost and found",
        &[("start", 0, "box"), ("rm -f", 0, "box")],
    );
    stage.coracle(&["ps", "-aq"]).run().success().prints("");
}

/// The two templates that scripts for Docker are full of.
#[test]
fn ps_and_inspect_fill_templates_as_docker_does() {
    require!(Fixtures);
    let stage = Stage::new("ns");
    let image = crate::support::fixture::image("guest");
    let create = ["create", "--name", "box", "--label", "a=b", &image, "true"];
    stage.coracle(&create).run().success();
    let ps = ["ps", "-a", "--format", "table {{.Names}}\\t{{.State}}"];
    let table = stage.coracle(&ps).run().success().stdout;
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|it| it.split_whitespace().collect())
        .collect();
    assert_eq!(rows, [["NAMES", "STATE"], ["box", "created"]]);
    let inspect = |template: &str| {
        let words = ["inspect", "-f", template, "box"];
        stage.coracle(&words).run()
    };
    let template = "{{.State.Status}} {{ .State.Running }} {{json .Config.Labels}}";
    let filled = inspect(template).success();
    filled.prints(r#"created false {"a":"b"}"#);
    inspect("{{.State.Nothing}}")
        .exits(2)
        .complains(".State.Nothing");
    inspect("{{.State").exits(2).complains("}}");
}

/// As if another host of a shared home had started it.
fn elsewhere(stage: &Stage) {
    let id = stage.inspect("box")["Id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let path = stage.container(&id).join("state.json");
    let text = std::fs::read_to_string(&path).expect("it has a state");
    let mut state: serde_json::Value = serde_json::from_str(&text).expect("a document");
    state["host"] = "far-away".into();
    state["ended"] = serde_json::Value::Null;
    for who in ["guest", "monitor"] {
        state[who]["host"] = "ffffffffffffffff".into();
    }
    std::fs::write(&path, state.to_string()).expect("it can be written");
    let mut claim = state.clone();
    claim["guest"] = state["monitor"].clone();
    let path = path.with_file_name("claim.json");
    std::fs::write(&path, claim.to_string()).expect("it can be written");
    stage
        .coracle(&["ps", "--format", "{{.Status}}"])
        .run()
        .success()
        .mentions("on far-away");
    check(
        stage,
        "elsewhere",
        &[
            ("start", 1, "`far-away`"),
            ("stop", 1, "stop --lost box"),
            ("kill", 1, "`far-away`"),
            ("wait", 1, "`far-away`"),
            ("rm", 1, "`far-away`"),
            ("rm -f", 1, "`far-away`"),
            ("run", 125, "`far-away`"),
            ("run -d", 125, "`far-away`"),
            ("logs", 0, ""),
            ("stop --lost", 0, "box"),
            ("wait", 0, "137"),
        ],
    );
}

#[test]
fn a_killed_pair_is_swept() {
    require!(Fixtures, UserNamespaces);
    let stage = Stage::new("ns");
    let output = stage
        .shell(
            &["-d", "--rm", "--name", "box"],
            "while :; do sleep 0.05; done",
        )
        .run()
        .success();
    let id = output.stdout.trim().to_owned();
    let monitor = stage.inspect("box")["State"]["Coracle"]["Monitor"]
        .as_i64()
        .unwrap_or(0);
    let monitor = nix::unistd::Pid::from_raw(i32::try_from(monitor).expect("a process number"));
    nix::sys::signal::kill(monitor, nix::sys::signal::Signal::SIGKILL).expect("it lives");
    stage.coracle(&["stop", "box"]).run().success();
    stage.coracle(&["gc"]).run().success();
    assert!(!stage.container(&id).exists());
}

#[test]
fn two_starts_at_once_are_one() {
    require!(Fixtures, UserNamespaces);
    let stage = Stage::new("ns");
    let image = crate::support::fixture::image("guest");
    let script = "echo begun; while :; do sleep 0.05; done";
    stage
        .coracle(&["create", "--name", "box", &image, "sh", "-c", script])
        .run()
        .success();
    let running: Vec<_> = (0..6)
        .map(|_| stage.coracle(&["start", "box"]).start())
        .collect();
    let outputs: Vec<_> = running.into_iter().map(|it| it.finish()).collect();
    let started = outputs
        .iter()
        .filter(|output| output.code() == Some(0))
        .count();
    assert!(started >= 1);
    for output in outputs.iter().filter(|output| output.code() != Some(0)) {
        assert!(
            output.stderr.contains("is being started") || output.stderr.contains("is running"),
            "{output}"
        );
    }
    stage.coracle(&["stop", "-t", "0", "box"]).run().success();
    stage
        .coracle(&["logs", "box"])
        .run()
        .success()
        .prints("begun");
}
