//! Behaviours that need a conversation: signals, terminals, floods, and containers that are run twice.

use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::Signal;

use super::Stage;
use crate::support::{Terminal, fixture, leftover};

/// A behaviour that is more than a row.
type Scene = fn(&Stage);

/// Every scene, with what it is called when it fails.
pub(crate) const SCENES: &[(&str, Scene)] = &[
    ("1 GB goes through a pipe and back", flood),
    ("a reader that leaves early", broken_pipe),
    ("no file is open but the caller's", open_files),
    ("TERM reaches the guest", term),
    ("INT reaches the guest", int),
    ("a real-time signal reaches the guest", real_time),
    ("TERM ends a guest that does not mind it", unhandled_term),
    ("KILL of coracle leaves no process", kill),
    ("a terminal's size, and its changes", terminal_size),
    ("a shell has job control", job_control),
    ("^C ends the guest", control_c),
    ("a caller that ignores its children", ignored_children),
    ("a named container keeps what was written", kept),
    ("scratch that cannot be removed", stuck_scratch),
    ("a name is taken once", name_taken),
    ("a container's first runs at once", first_runs),
    ("files made as root belong to the caller", owner),
    (
        "two runs at once see one image, not each other",
        side_by_side,
    ),
];

const REMOVED: &[&str] = &["--rm"];
const TRAPS: &str = "trap 'echo heard; exit 9' TERM INT; echo ready; while :; do sleep 0.05; done";

fn flood(stage: &Stage) {
    let pipe = "head -c 1000000000 /dev/zero | \"$@\" | wc -c";
    stage
        .run(&["--rm", "-i"], &["cat"])
        .behind(["sh", "-c", pipe, "sh"])
        .run()
        .success()
        .prints("1000000000");
}

fn broken_pipe(stage: &Stage) {
    let pipe = "\"$@\" | head -n 1";
    stage
        .run(REMOVED, &["yes", "endless"])
        .behind(["sh", "-c", pipe, "sh"])
        .run()
        .success()
        .prints("endless");
}

fn open_files(stage: &Stage) {
    // Whoever runs the tests may have left files open himself, so the guest is compared with a plain process.
    let with_files = [
        "sh",
        "-c",
        "exec 3</dev/null 7</dev/null; exec \"$@\"",
        "sh",
    ];
    let plain = stage
        .sandbox
        .command([fixture::path("bin/guest/open-files")])
        .behind(with_files)
        .run()
        .success();
    stage
        .run(REMOVED, &["open-files"])
        .behind(with_files)
        .run()
        .success()
        .prints(&plain.stdout);
}

fn term(stage: &Stage) {
    heard(stage, Signal::SIGTERM);
}

fn real_time(stage: &Stage) {
    let guest = "trap 'echo heard; exit 9' 40; echo ready; while :; do sleep 0.05; done";
    let running = stage.run(REMOVED, &["sh", "-c", guest]).start();
    running.wait_for("ready");
    let sent = std::process::Command::new("kill")
        .args(["-40", &running.pid().to_string()])
        .status();
    assert!(sent.is_ok_and(|status| status.success()));
    running.finish().exits(9).mentions("heard");
}

fn int(stage: &Stage) {
    heard(stage, Signal::SIGINT);
}

fn heard(stage: &Stage, signal: Signal) {
    let running = stage.run(REMOVED, &["sh", "-c", TRAPS]).start();
    running.wait_for("ready");
    running.signal(signal);
    running.finish().exits(9).prints("ready\nheard");
}

fn unhandled_term(stage: &Stage) {
    let token = token();
    let running = stage
        .run(
            REMOVED,
            &["sh", "-c", &format!("echo ready; exec sleep {token}")],
        )
        .start();
    running.wait_for("ready");
    running.signal(Signal::SIGTERM);
    let output = running.finish();
    assert_eq!(output.shell_code(), 143, "{output}");
    leftover::assert_no_process(&token);
}

fn kill(stage: &Stage) {
    let token = token();
    let running = stage
        .run(
            REMOVED,
            &["sh", "-c", &format!("echo ready; exec sleep {token}")],
        )
        .start();
    running.wait_for("ready");
    running.signal(Signal::SIGKILL);
    assert_eq!(running.finish().shell_code(), 137);
    leftover::assert_no_process(&token);
    leftover::assert_no_mount(&stage.sandbox.path(""));
}

fn terminal_size(stage: &Stage) {
    let guest = "trap 'stty size; exit 5' WINCH; stty size; test -t 0 && tty; echo rea''dy; while :; do sleep 0.05; done";
    let mut terminal = terminal(stage, guest);
    terminal.wait_for("ready").resize(44, 99).wait_for("44 99");
    let (code, shown) = terminal.finish();
    assert_eq!(code, 5, "{shown}");
    assert!(
        shown.contains("33 77\n"),
        "the first size is missing:\n{shown}"
    );
    assert!(!shown.contains("not a tty"), "{shown}");
}

fn job_control(stage: &Stage) {
    let mut terminal = terminal(stage, "PS1='prompt: ' exec sh -i");
    // The quotes keep the echo of what is typed apart from what is answered.
    let job =
        "sh -c 'trap \"echo resu\"\"med\" CONT; echo be''gun; while :; do sleep 0.05; done'\n";
    terminal.wait_for("prompt: ").type_in(job).wait_for("begun");
    terminal.type_in("\x1a").wait_for("Stopped");
    terminal.type_in("fg\n").wait_for("resumed");
    terminal
        .type_in("\x03")
        .type_in("echo ended ''with $?\n")
        .wait_for("ended with 130");
    terminal.type_in("sleep 1000 &\njobs\n").wait_for("Running");
    // Not by `wait`, in which this shell was seen to hang when the job ends early.
    let end_it = "kill %1; sleep 0.5; jobs\n";
    terminal.type_in(end_it).wait_for("Terminated");
    terminal.type_in("exit 3\n");
    let (code, shown) = terminal.finish();
    assert_eq!(code, 3, "{shown}");
    assert!(!shown.contains("job control turned off"), "{shown}");
}

fn control_c(stage: &Stage) {
    let token = token();
    let mut terminal = terminal(stage, &format!("echo ready; exec sleep {token}"));
    terminal.wait_for("ready").type_in("\x03");
    let (code, shown) = terminal.finish();
    assert_eq!(code, 130, "{shown}");
    leftover::assert_no_process(&token);
}

fn ignored_children(stage: &Stage) {
    let ignoring = "$SIG{CHLD} = 'IGNORE'; exec @ARGV";
    stage
        .run(REMOVED, &["args", "heard"])
        .behind(["perl", "-e", ignoring])
        .run()
        .success()
        .prints("5:heard");
}

fn kept(stage: &Stage) {
    let write = "echo kept > /kept; rm /target/file; echo changed > /target/folder/below";
    stage
        .run(&["--name", "box"], &["sh", "-c", write])
        .run()
        .success();
    let read = [
        "--quiet",
        "run",
        "--engine",
        stage.engine,
        "box",
        "sh",
        "-c",
        "cat /kept /target/folder/below; ls /target",
    ];
    stage
        .coracle(&read)
        .run()
        .success()
        .prints("kept\nchanged\nfolder");
    stage
        .run(REMOVED, &["sh", "-c", "cat /kept"])
        .run()
        .exits(1);
    stage
        .coracle(&["ps", "--all"])
        .run()
        .success()
        .mentions("box");
    stage.coracle(&["rm", "box"]).run().success();
    stage.coracle(&read).run().exits(125).complains("box");
}

fn stuck_scratch(stage: &Stage) {
    let scratch = stage.sandbox.store().join("tmp");
    let volume = format!("{}:/stuck", scratch.display());
    let running = stage.run(
        &["--rm", "-v", &volume],
        &["sh", "-c", "chmod 500 /stuck; exit 7"],
    );
    let output = running.run();
    let writable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&scratch, writable).expect("it is ours");
    output.exits(7);
    stage.coracle(&["gc"]).run().success();
}

fn name_taken(stage: &Stage) {
    stage
        .coracle(&["create", "--name", "once", &fixture::image("guest"), "true"])
        .run()
        .success();
    stage
        .run(&["--name", "once"], &["true"])
        .run()
        .exits(125)
        .complains("once");
    stage.coracle(&["rm", "once"]).run().success();
}

fn first_runs(stage: &Stage) {
    let image = fixture::image("guest");
    let create = ["create", "--name", "fresh", &image, "args", "ran"];
    stage.coracle(&create).run().success();
    let run = ["--quiet", "run", "--engine", stage.engine, "fresh"];
    let started = [(); 4].map(|()| stage.coracle(&run).start());
    for running in started {
        running.finish().success().prints("3:ran");
    }
    stage.coracle(&["rm", "fresh"]).run().success();
}

fn owner(stage: &Stage) {
    let share = stage.sandbox.folder("made");
    let volume = format!("{}:/made", share.display());
    stage
        .run(
            &["--rm", "-v", &volume],
            &["sh", "-c", "id -u; echo x > /made/by-root"],
        )
        .run()
        .success()
        .prints("0");
    let made = std::fs::metadata(share.join("by-root")).expect("the guest wrote it");
    let owner = std::os::unix::fs::MetadataExt::uid(&made);
    assert_eq!(
        owner,
        stage.sandbox.ids().0.as_raw(),
        "the file belongs to somebody else"
    );
}

fn side_by_side(stage: &Stage) {
    let guest = "echo $0 > /mine; echo ready; read line; cat /mine";
    let pair = ["one", "two"].map(|name| {
        let running = stage
            .run(&["--rm", "-i"], &["sh", "-c", guest, name])
            .start();
        running.wait_for("ready");
        (name, running)
    });
    for (name, running) in pair {
        running.finish().mentions(&format!("ready\n{name}\n"));
    }
}

fn terminal(stage: &Stage, guest: &str) -> Terminal {
    let image = fixture::image("guest");
    let arguments = [
        "--quiet",
        "run",
        "--rm",
        "-it",
        "--engine",
        stage.engine,
        &image,
        "sh",
        "-c",
        guest,
    ];
    Terminal::start(&stage.sandbox, &stage.host, &arguments)
}

/// A number of seconds for `sleep` that no other process on this machine has in its command line.
fn token() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!(
        "{}.{:04}",
        100_000_000 + std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}
