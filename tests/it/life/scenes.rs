//! What each engine must do alike.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Stage;
use crate::support::leftover;

type Scene = fn(&Stage);

/// Every scene, with what it is called when it fails.
pub(super) const SCENES: &[(&str, Scene)] = &[
    ("output is kept, in order, and by its stream", output),
    ("a guest that hears TERM ends by it", stops),
    (
        "one that does not is killed, with all that it started",
        killed_after_a_while,
    ),
    ("the stop signal is the container's own", stop_signal),
    ("a start that fails is the caller's failure", failing_starts),
    ("--rm takes the container away after it", removed),
    (
        "--rm with a name in the foreground, too",
        removed_in_foreground,
    ),
    ("started again, it finds its files", started_again),
    ("a log is followed to the guest's end", followed),
    (
        "a monitor that is killed takes the guest along",
        killed_monitor,
    ),
    ("a guest that is killed is told of", killed_guest),
    ("rm refuses what runs, rm -f ends it", removed_by_force),
    (
        "stop ends what exec brought in, too",
        stop_ends_what_exec_brought_in,
    ),
    (
        "a terminal of its own, and an input that stays open",
        terminal,
    ),
    ("--cidfile", cidfile),
    ("the caller's pipes are not held", no_pipe_is_held),
];

const LOOP: &str = "while :; do sleep 0.05; done";

/// Waits until the log of a container has a text.
#[track_caller]
fn wait_for(stage: &Stage, name: &str, text: &str) {
    let running = stage.coracle(&["logs", "-f", name]).start();
    running.wait_for(text);
    running.signal(Signal::SIGKILL);
    drop(running.finish());
}

#[track_caller]
fn status(stage: &Stage, name: &str) -> String {
    let filter = format!("name={name}");
    let words = ["ps", "-a", "--filter", &filter, "--format", "{{.State}}"];
    stage
        .coracle(&words)
        .run()
        .success()
        .stdout
        .trim()
        .to_owned()
}

fn output(stage: &Stage) {
    let script = "echo one; sleep 0.1; echo two >&2; sleep 0.1; echo three; printf four; exit 3";
    let id = stage.detached("output", script);
    assert_eq!(id.len(), 64, "{id:?}");
    stage
        .coracle(&["wait", "output"])
        .run()
        .success()
        .prints("3");
    let logs = |words: &[&str]| {
        stage
            .coracle(&["logs"])
            .arguments(words)
            .arguments(["output"])
            .run()
            .success()
    };
    let all = logs(&[]);
    assert_eq!(
        (all.stdout.as_str(), all.stderr.as_str()),
        ("one\nthree\nfour", "two\n")
    );
    assert_eq!(logs(&["--tail", "1"]).stdout, "four");
    assert_eq!(logs(&["--since", "1h"]).stdout, "one\nthree\nfour");
    assert_eq!(logs(&["--until", "1h"]).stdout, "");
    assert!(logs(&["-t"]).stdout.starts_with("20"), "a time comes first");
    // The three lines in the order in which they were written, as the file has them.
    let file = std::fs::read_to_string(stage.container(&id).join("log")).expect("there is a log");
    let words = file
        .lines()
        .map(|line| line.rsplit(' ').next().unwrap_or(""));
    assert_eq!(words.collect::<Vec<_>>(), ["one", "two", "three", "four"]);
    let state = &stage.inspect("output")["State"];
    assert_eq!(
        (&state["Status"], &state["ExitCode"]),
        (&"exited".into(), &3.into())
    );
    stage.coracle(&["ps", "-q"]).run().success().prints("");
}

fn stops(stage: &Stage) {
    stage.detached(
        "stops",
        &format!("trap 'echo bye; exit 7' TERM; echo ready; {LOOP}"),
    );
    wait_for(stage, "stops", "ready");
    assert_eq!(status(stage, "stops"), "running");
    stage
        .coracle(&["stop", "stops"])
        .run()
        .success()
        .prints("stops");
    assert_eq!(status(stage, "stops"), "exited");
    stage
        .coracle(&["wait", "stops"])
        .run()
        .success()
        .prints("7");
    stage
        .coracle(&["logs", "stops"])
        .run()
        .success()
        .mentions("bye");
    // A second one finds nothing to do.
    stage.coracle(&["stop", "stops"]).run().success();
    stage
        .coracle(&["kill", "stops"])
        .run()
        .exits(1)
        .complains("is not running");
}

fn killed_after_a_while(stage: &Stage) {
    let token = format!("86{}", std::process::id());
    let script =
        format!("trap '' TERM; sleep {token} & (setsid sleep {token} &) ; echo ready; {LOOP}");
    stage.detached("deaf", &script);
    wait_for(stage, "deaf", "ready");
    stage.coracle(&["stop", "-t", "0", "deaf"]).run().success();
    stage
        .coracle(&["wait", "deaf"])
        .run()
        .success()
        .prints("137");
    leftover::assert_no_process(&token);
}

fn stop_signal(stage: &Stage) {
    let script = format!("trap 'echo heard; exit 5' USR1; echo ready; {LOOP}");
    stage
        .shell(
            &[
                "-d",
                "--name",
                "signal",
                "--stop-signal",
                "SIGUSR1",
                "--label",
                "a=b",
            ],
            &script,
        )
        .run()
        .success();
    wait_for(stage, "signal", "ready");
    stage
        .coracle(&["ps", "-q", "--no-trunc", "--filter", "label=a=b"])
        .run()
        .success()
        .mentions("");
    stage.coracle(&["stop", "signal"]).run().success();
    stage
        .coracle(&["wait", "signal"])
        .run()
        .success()
        .prints("5");
    assert_eq!(stage.inspect("signal")["Config"]["Labels"]["a"], "b");
    stage
        .shell(&["--stop-signal", "NONE"], "true")
        .run()
        .exits(125)
        .complains("`NONE` is no signal");
}

fn failing_starts(stage: &Stage) {
    let run = |words: &[&str]| {
        let image = crate::support::fixture::image("guest");
        let words: Vec<String> = words
            .iter()
            .map(|word| word.replace("IMAGE", &image))
            .collect();
        stage
            .coracle(&["run", "-d", "--rm", "--engine", stage.engine])
            .arguments(words)
            .run()
    };
    let before = stage.coracle(&["ps", "-aq"]).run().success().stdout;
    run(&["IMAGE", "no-such-program"])
        .exits(127)
        .prints("")
        .complains("no such program");
    run(&["IMAGE", "/etc/passwd"])
        .exits(126)
        .prints("")
        .complains("cannot execute");
    run(&["-v", "/no/such:/there", "IMAGE", "true"])
        .exits(125)
        .prints("")
        .complains("/no/such");
    run(&["-a", "stdout", "IMAGE", "true"])
        .exits(125)
        .complains("`--attach` cannot be used");
    stage
        .coracle(&["ps", "-aq"])
        .run()
        .success()
        .prints(&before);
}

fn removed(stage: &Stage) {
    let id = stage
        .shell(&["-d", "--rm"], "sleep 0.3; exit 6")
        .run()
        .success();
    let id = id.stdout.trim().to_owned();
    stage.coracle(&["wait", &id]).run().success().prints("6");
    gone(stage, &id);
}

#[track_caller]
fn gone(stage: &Stage, id: &str) {
    let begin = Instant::now();
    while stage.container(id).exists() {
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "{id} is still there"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn removed_in_foreground(stage: &Stage) {
    let token = format!("87{}", std::process::id());
    // PRoot itself waits for everybody whom it traces.
    let script = match stage.engine {
        "ns" => format!("sleep {token} >/dev/null 2>&1 & exit 4"),
        _ => "exit 4".to_owned(),
    };
    stage
        .shell(&["--rm", "--name", "brief"], &script)
        .run()
        .exits(4)
        .prints("");
    leftover::assert_no_process(&token);
    stage.coracle(&["inspect", "brief"]).run().exits(1);
    // Killed, it leaves a container that the next such run removes.
    let running = stage
        .shell(&["--rm", "--name", "cut"], &format!("echo ready; {LOOP}"))
        .start();
    running.wait_for("ready");
    let id = stage.inspect("cut")["Id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    stage.coracle(&["kill", "cut"]).run().success();
    assert_eq!(running.finish().shell_code(), 137);
    gone(stage, &id);
}

fn started_again(stage: &Stage) {
    stage.detached("again", "echo x >> /count; wc -l < /count; exit 2");
    stage
        .coracle(&["wait", "again"])
        .run()
        .success()
        .prints("2");
    stage
        .coracle(&["start", "again"])
        .run()
        .success()
        .prints("again");
    stage
        .coracle(&["wait", "again"])
        .run()
        .success()
        .prints("2");
    stage
        .coracle(&["logs", "again"])
        .run()
        .success()
        .prints("1\n2");
    stage
        .coracle(&["start", "-a", "again"])
        .run()
        .exits(2)
        .prints("3");
    // Every status below 125 is the guest's.
    stage
        .coracle(&["start", "-a", "nobody"])
        .run()
        .exits(125)
        .complains("nobody");
    stage.coracle(&["restart", "again"]).run().success();
    stage.coracle(&["wait", "again"]).run().success();
    stage
        .coracle(&["logs", "again"])
        .run()
        .success()
        .prints("1\n2\n4");
}

fn followed(stage: &Stage) {
    stage.detached("follows", &format!("echo begin; {LOOP}"));
    let following = stage.coracle(&["logs", "-f", "follows"]).start();
    following.wait_for("begin");
    stage.coracle(&["kill", "follows"]).run().success();
    following.finish().success().prints("begin");
}

fn killed_monitor(stage: &Stage) {
    let id = stage.detached("orphan", &format!("echo ready; {LOOP}"));
    wait_for(stage, "orphan", "ready");
    let monitor = stage.inspect("orphan")["State"]["Coracle"]["Monitor"].as_i64();
    let monitor = i32::try_from(monitor.expect("it is watched")).expect("a process number");
    let guest = stage.pid("orphan");
    kill(Pid::from_raw(monitor), Signal::SIGKILL).expect("it lives");
    let begin = Instant::now();
    while status(stage, "orphan") == "running" {
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "{guest} still lives"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    stage
        .coracle(&["wait", "orphan"])
        .run()
        .exits(1)
        .complains("is not known");
    stage.coracle(&["start", "orphan"]).run().success();
    stage.coracle(&["kill", &id]).run().success();
    stage
        .coracle(&["wait", "orphan"])
        .run()
        .success()
        .prints("137");
}

fn killed_guest(stage: &Stage) {
    let id = stage.detached("killed", &format!("echo ready; {LOOP}"));
    wait_for(stage, "killed", "ready");
    let waiting = stage.coracle(&["wait", "killed"]).start();
    kill(Pid::from_raw(stage.pid("killed")), Signal::SIGKILL).expect("it lives");
    waiting.finish().success().prints("137");
    let mode =
        std::fs::metadata(stage.container(&id).join("log")).map(|meta| meta.permissions().mode());
    assert_eq!(mode.ok().map(|mode| mode & 0o777), Some(0o600));
}

fn removed_by_force(stage: &Stage) {
    let token = format!("88{}", std::process::id());
    let id = stage.detached("kept", &format!("echo ready; sleep {token}; true"));
    wait_for(stage, "kept", "ready");
    stage
        .coracle(&["rm", "kept"])
        .run()
        .exits(2)
        .complains("is running");
    stage
        .coracle(&["rm", "-f", "-v", "kept"])
        .run()
        .success()
        .prints("kept");
    leftover::assert_no_process(&token);
    assert!(!stage.container(&id).exists());
}

fn stop_ends_what_exec_brought_in(stage: &Stage) {
    let token = format!("89{}", std::process::id());
    stage.detached("visited", &format!("echo ready; exec sleep {token}1"));
    wait_for(stage, "visited", "ready");
    for seconds in [format!("{token}2"), format!("{token}3")] {
        let words = ["exec", "-d", "visited", "sleep", &seconds];
        stage.coracle(&words).run().success();
    }
    stage.coracle(&["stop", "visited"]).run().success();
    leftover::assert_no_process(&token);
    assert_eq!(status(stage, "visited"), "exited");
    stage.coracle(&["rm", "visited"]).run().success();
}

fn terminal(stage: &Stage) {
    stage
        .shell(
            &["-d", "-t", "--name", "tty"],
            "test -t 0 && test -t 1 && tty",
        )
        .run()
        .success();
    stage.coracle(&["wait", "tty"]).run().success().prints("0");
    stage
        .coracle(&["logs", "tty"])
        .run()
        .success()
        .mentions("/dev/pts/");
    stage
        .shell(&["-d", "-i", "--name", "open"], "echo ready; cat")
        .run()
        .success();
    wait_for(stage, "open", "ready");
    assert_eq!(status(stage, "open"), "running");
    stage
        .coracle(&["kill", "-s", "TERM", "open"])
        .run()
        .success();
    stage
        .coracle(&["wait", "open"])
        .run()
        .success()
        .prints("143");
    stage.detached("closed", "cat; echo over");
    stage
        .coracle(&["wait", "closed"])
        .run()
        .success()
        .prints("0");
}

fn cidfile(stage: &Stage) {
    let path = stage.sandbox.path("tmp/id");
    let path = path.to_str().expect("the sandbox has a plain name");
    let id = stage
        .shell(&["-d", "--cidfile", path], "true")
        .run()
        .success()
        .stdout;
    assert_eq!(
        std::fs::read_to_string(path).expect("it was written"),
        id.trim()
    );
    stage
        .shell(&["--cidfile", path], "true")
        .run()
        .exits(125)
        .complains("exists");
}

fn no_pipe_is_held(stage: &Stage) {
    // A further descriptor of the caller's; `finish` waits until nobody holds a pipe of his.
    let with_files = ["sh", "-c", "exec 7>&1; exec \"$@\"", "sh"];
    let script = format!("echo ready; {LOOP}");
    stage
        .shell(&["-d", "--name", "free"], &script)
        .behind(with_files)
        .run()
        .success();
    stage.coracle(&["rm", "-f", "free"]).run().success();
}
