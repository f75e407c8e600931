//! Coming into a container that runs: by namespaces, and through PRoot.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::command::Running;
use crate::support::{Output, Run, Sandbox, fixture, leftover, require};

/// A container in which something runs until its input ends.
struct Scene {
    sandbox: Sandbox,
    running: Running,
}

/// Says that it runs, and ends with its input.
const WAITS: &str = "echo ready; read x; exit 3";

impl Scene {
    /// Runs `script` in a new container called `box`, and waits for it to say `ready`.
    fn new(engine: &str, options: &[&str], script: &str) -> Scene {
        let sandbox = Sandbox::new();
        let running = sandbox
            .coracle(["--quiet", "run", "--name", "box", "--engine", engine])
            .arguments(options)
            .arguments([&fixture::image("guest"), "sh", "-c", script])
            .start();
        running.wait_for("ready");
        Scene { sandbox, running }
    }

    fn exec(&self, words: &[&str]) -> Run {
        self.sandbox.coracle(["--quiet", "exec"]).arguments(words)
    }

    fn shell(&self, options: &[&str], script: &str) -> Output {
        let words = [options, &["box", "sh", "-c", script]].concat();
        self.exec(&words).run()
    }

    /// Ends the first guest.
    fn end(self) -> Sandbox {
        self.running.finish().exits(3);
        self.sandbox
    }
}

const OPTIONS: &[&str] = &["-e", "ONE=1", "-e", "TWO=2", "-w", "/srv"];

/// What holds under each engine.
fn check(engine: &str) {
    let scene = Scene::new(engine, OPTIONS, WAITS);
    let shows = "pwd; echo $GREETING $ONE $TWO $THREE; id -u; echo here >/srv/mark";
    scene
        .shell(&["-e", "TWO=two", "-e", "THREE=3"], shows)
        .success()
        .prints("/srv\nahoy 1 two 3\n0");
    scene
        .shell(
            &["-w", "/srv/work", "-u", "33:7"],
            "pwd; id -u; id -g; cat /srv/mark",
        )
        .success()
        .prints("/srv/work\n33\n7\nhere");
    let variables = scene
        .sandbox
        .file("home/variables", "# a comment\nFOUR=4\n");
    let variables = variables.to_str().expect("the sandbox has a plain name");
    scene
        .shell(&["--env-file", variables], "echo $FOUR")
        .success()
        .prints("4");
    scene
        .exec(&["-i", "box", "cat"])
        .input("through a pipe")
        .run()
        .success()
        .prints("through a pipe");
    scene.shell(&[], "exit 7").exits(7);
    assert_eq!(scene.shell(&[], "kill -TERM $$").shell_code(), 143);
    scene
        .exec(&["box", "no-such-program"])
        .run()
        .exits(127)
        .complains("no-such-program");
    scene.exec(&["box", "/etc/passwd"]).run().exits(126);
    scene
        .shell(&["-w", "/no/such/place"], "true")
        .exits(125)
        .complains("/no/such/place");
    scene
        .exec(&["-t", "box", "true"])
        .run()
        .exits(125)
        .complains("terminal");
    detached(&scene);
    let sandbox = scene.end();
    sandbox
        .coracle(["exec", "box", "true"])
        .run()
        .exits(125)
        .complains("container `box` is not running")
        .complains("coracle start box")
        .complains("coracle run box");
}

/// A program that nobody waits for: the call returns at once, and says so where it could not be started.
fn detached(scene: &Scene) {
    let token = format!("86{:05}", std::process::id() % 100_000);
    let script = format!("echo left >/srv/left; exec sleep {token}");
    scene.shell(&["-d"], &script).success().prints("");
    let begun = "until test -s /srv/left; do sleep 0.01; done; cat /srv/left";
    scene.shell(&[], begun).success().prints("left");
    let left = leftover::processes(&token);
    assert!(!left.is_empty(), "nobody waits for it, and it goes on");
    for id in left {
        // One may be gone with the other: PRoot ends with its guest.
        let _ = kill(Pid::from_raw(id), Signal::SIGKILL);
    }
    leftover::assert_no_process(&token);
    scene
        .exec(&["-d", "box", "no-such-program"])
        .run()
        .exits(127)
        .complains("no-such-program");
}

#[test]
fn in_namespaces() {
    require!(Fixtures, UserNamespaces);
    check("ns");
}

#[test]
fn through_proot() {
    require!(Fixtures, Ptrace);
    check("proot");
}

#[test]
fn what_is_the_namespaces_own() {
    require!(Fixtures, UserNamespaces);
    let scene = Scene::new(
        "ns",
        &["-h", "boxy", "--mount", "type=tmpfs,target=/mem"],
        "echo kept >/mem/file; echo ready; read x; exit 3",
    );
    // The same file in memory, the same name, and root's view of owners.
    scene
        .shell(
            &[],
            "hostname; cat /mem/file; touch /mem/new; chown 5:5 /mem/new && echo ok",
        )
        .success()
        .prints("boxy\nkept\nok");
    scene.end();
}

#[test]
fn the_ids_are_those_of_the_container() {
    require!(Fixtures, UserNamespaces);
    let scene = Scene::new("ns", &["--userns", "keep-id"], WAITS);
    let (uid, _) = scene.sandbox.ids();
    scene.shell(&[], "id -u").success().prints(&uid.to_string());
    scene
        .shell(&["-u", "root"], "id -u; chown 9 /srv && echo ok")
        .success()
        .prints("0\nok");
    scene.end();
    let scene = Scene::new("ns", &["-u", "33"], WAITS);
    scene.shell(&[], "id -u").success().prints("33");
    scene.shell(&["-u", "0"], "id -u").success().prints("0");
    scene.end();
}

#[test]
fn a_read_only_container_can_be_entered() {
    require!(Fixtures, UserNamespaces);
    let scene = Scene::new("ns", &["--read-only"], WAITS);
    scene
        .shell(&[], "echo in; touch /new")
        .exits(1)
        .prints("in");
    scene.end();
}

/// A daemon may change its root directory; who comes in sees the container's all the same.
#[test]
fn the_root_is_the_containers() {
    require!(Fixtures, UserNamespaces);
    let scene = Scene::new(
        "ns",
        &[],
        "mkdir -p /jail/bin; cp /bin/busybox /jail/bin/sh; exec chroot /jail sh -c 'echo ready; read x; exit 3'",
    );
    scene.shell(&[], "ls -d /jail/bin/sh").success();
    scene.end();
}

/// Whose files nobody may read is traced by nobody either, but by root of the namespace.
#[test]
fn a_guest_that_cannot_be_read_can_be_joined() {
    require!(Fixtures, UserNamespaces);
    let scene = Scene::new(
        "ns",
        &[],
        "cp /bin/busybox /busybox-closed; chmod 111 /busybox-closed; exec /busybox-closed sh -c 'echo ready; read x; exit 3'",
    );
    scene.shell(&[], "echo in").success().prints("in");
    scene.end();
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    require!(Fixtures);
    let sandbox = Sandbox::new();
    let exec = |words: &[&str]| sandbox.coracle(["exec"]).arguments(words).run();
    exec(&["--privileged", "box", "true"])
        .exits(125)
        .complains("`--privileged` is not possible");
    exec(&["--detach-keys", "ctrl-a", "box", "true"])
        .exits(125)
        .complains("`--detach-keys` is not possible");
    exec(&["box"]).exits(125);
    exec(&["box", "true"])
        .exits(125)
        .complains("there is no container `box`");
}

#[test]
fn another_hosts_container_is_not_entered() {
    require!(Fixtures, UserNamespaces);
    let scene = Scene::new("ns", &[], WAITS);
    let dirs = std::fs::read_dir(scene.sandbox.store().join("containers"));
    let dir = dirs.expect("there is one").flatten().next();
    let path = dir.expect("there is one").path().join("state.json");
    let state = std::fs::read_to_string(&path).expect("a guest runs");
    let mut state: serde_json::Value = serde_json::from_str(&state).expect("it is JSON");
    state["host"] = "node17".into();
    state["guest"]["host"] = "f".repeat(16).into();
    std::fs::write(&path, state.to_string()).expect("root may write it");
    scene
        .shell(&[], "true")
        .exits(125)
        .complains("container `box` runs on host `node17`");
    scene.end();
}

/// A second run of a container sees what the first one does, at once, and outlives it without harm.
#[test]
fn a_second_run_joins_the_first() {
    require!(Fixtures, UserNamespaces);
    let scene = Scene::new(
        "ns",
        &["--mount", "type=tmpfs,target=/mem"],
        "echo 1 >/mem/one; echo ready; read x; exit 3",
    );
    let run = |options: &[&str], script: &str| {
        let typed = scene.sandbox.coracle(["--quiet", "run"]).arguments(options);
        typed.arguments(["box", "sh", "-c", script])
    };
    run(&[], "cat /mem/one; echo 2 >/srv/two")
        .run()
        .success()
        .prints("1");
    scene.shell(&[], "cat /srv/two").success().prints("2");
    let outlives = run(&[], "echo second; read x; cat /srv/two").start();
    outlives.wait_for("second");
    // What the first does not have is refused, what it has is not.
    run(&["-v", "/usr:/here"], "true")
        .run()
        .exits(125)
        .complains("cannot give the mount on `/here` to a further run in container `box`");
    run(&["-h", "other"], "true")
        .run()
        .exits(125)
        .complains("`--hostname`");
    let Scene { sandbox, running } = scene;
    running.finish().exits(3);
    // The third joins the second, which mounted nothing itself.
    let third = [
        "--quiet",
        "run",
        "box",
        "sh",
        "-c",
        "cat /mem/one; echo 3 >/srv/two",
    ];
    sandbox.coracle(third).run().success().prints("1");
    outlives.finish().success().prints("second\n3");
    // Nobody is left: a run of its own again, which finds what was written.
    let alone = [
        "--quiet",
        "run",
        "-h",
        "other",
        "box",
        "sh",
        "-c",
        "hostname; cat /srv/two; ls /mem",
    ];
    sandbox.coracle(alone).run().success().prints("other\n3");
}
