//! What flags for files, names and limits do to a real guest.

use serde_json::Value;

use crate::support::{Run, Sandbox, fixture};

/// A home with the guest image in it.
struct Stage(Sandbox);

impl Stage {
    fn new() -> Stage {
        let sandbox = Sandbox::new();
        let image = fixture::image("guest");
        sandbox.coracle(["pull", &image]).run().success();
        Stage(sandbox)
    }

    /// `coracle run --rm FLAG... guest sh -c SCRIPT`
    fn run(&self, flags: &[&str], script: &str) -> Run {
        let image = fixture::image("guest");
        self.0
            .coracle(["-q", "run", "--rm"])
            .arguments(flags)
            .arguments([&image, "sh", "-c", script])
    }
}

#[test]
fn a_volume_outlives_its_containers() {
    let stage = Stage::new();
    let coracle = |words: &[&str]| stage.0.coracle(words).run();
    let bin = stage.run(&[], "ls /bin").run().success().stdout;
    // It begins with what the image has there, and keeps what a guest makes of it.
    let seen = stage.run(&["-v", "tools:/bin"], "echo mine > /bin/mine; ls /bin");
    let seen = seen.run().success().stdout;
    assert_eq!(
        seen.lines()
            .filter(|name| *name != "mine")
            .collect::<Vec<_>>(),
        bin.lines().collect::<Vec<_>>()
    );
    let again = ["--mount", "source=tools,target=/t,readonly"];
    stage
        .run(&again, "cat /t/mine")
        .run()
        .success()
        .prints("mine");
    let write = stage.run(&again, "echo x > /t/mine").run();
    assert_ne!(write.code(), Some(0), "{write}");
    stage
        .run(&["-v", "empty:/bin:nocopy"], "true")
        .run()
        .exits(127);
    // What was made empty is filled at first use.
    coracle(&["volume", "create", "--label", "a=b", "early"])
        .success()
        .prints("early");
    stage.run(&["-v", "early:/bin"], "true").run().success();
    let listed = coracle(&["-q", "volume", "ls"]).success().stdout;
    assert_eq!(
        listed.lines().collect::<Vec<_>>(),
        ["early", "empty", "tools"]
    );
    let shown = coracle(&["volume", "inspect", "early"]).success().stdout;
    let shown: Value = serde_json::from_str(&shown).expect("a list");
    assert_eq!(shown[0]["Labels"]["a"], "b");
    // A container that may run again keeps it.
    let image = fixture::image("guest");
    coracle(&["create", "--name", "user", "-v", "tools:/t", &image]).success();
    coracle(&["volume", "rm", "tools"])
        .exits(2)
        .complains("is used by container");
    coracle(&["volume", "prune", "--all"])
        .exits(2)
        .complains("early, empty");
    coracle(&["volume", "prune", "--force"])
        .success()
        .prints("");
    coracle(&["volume", "prune", "--all", "--force"])
        .success()
        .prints("early\nempty");
    coracle(&["rm", "user"]).success();
    coracle(&["volume", "rm", "tools"])
        .success()
        .prints("tools");
    coracle(&["volume", "rm", "tools"])
        .exits(1)
        .complains("there is no volume `tools`");
    coracle(&["volume", "rm", "-f", "tools"]).success();
    coracle(&["volume", "create", "a/b"])
        .exits(2)
        .complains("cannot name a volume");
}

#[test]
fn a_name_here_is_no_directory() {
    let stage = Stage::new();
    stage.0.folder("home/data");
    let image = fixture::image("guest");
    let run = ["run", "--rm", "-v", "data:/data", &image, "ls", "/data"];
    stage.0.coracle(run).run().success().complains("`./data`");
    stage.0.file("home/data/seen", "");
    let run = ["run", "--rm", "-v", "./data:/data", &image, "ls", "/data"];
    stage.0.coracle(run).run().success().prints("seen");
}

#[test]
fn what_one_container_sees_another_can() {
    let stage = Stage::new();
    stage.0.folder("home/data");
    stage.0.file("home/data/file", "content\n");
    let image = fixture::image("guest");
    let create = ["create", "--name", "lender", "-v", "./data:/lent", &image];
    stage.0.coracle(create).run().success();
    let bare = ["create", "--name", "bare", &image];
    stage.0.coracle(bare).run().success();
    let cat = "cat /lent/file";
    stage
        .run(&["--volumes-from", "lender"], cat)
        .run()
        .success()
        .prints("content");
    let read_only = stage
        .run(&["--volumes-from", "lender:ro"], "echo x > /lent/file")
        .run();
    assert_ne!(read_only.code(), Some(0), "{read_only}");
    let own = ["--volumes-from", "lender", "--tmpfs", "/lent"];
    stage.run(&own, "ls /lent").run().success().prints("");
    for (from, message) in [
        ("bare", "no volumes"),
        ("lender:z", "expected a container"),
        ("nobody", "`nobody`"),
    ] {
        stage
            .run(&["--volumes-from", from], cat)
            .run()
            .exits(125)
            .complains(message);
    }
}

#[test]
fn a_mount_needs_a_place_of_its_kind() {
    let stage = Stage::new();
    let file = stage.0.file("home/file", "text\n");
    let file = file.to_str().expect("a plain path");
    for engine in ["ns", "proot"] {
        let run = |volume: String, script: &str| {
            stage
                .run(&["--engine", engine, "-v", &volume], script)
                .run()
        };
        let deep = format!("{file}:/made/on/demand");
        run(deep, "cat /made/on/demand").success().prints("text");
        run(format!("{file}:/bin"), "true")
            .exits(125)
            .complains("cannot show a file at `/bin`");
        run("./:/bin/sh".to_owned(), "true")
            .exits(125)
            .complains("cannot show a directory at `/bin/sh`");
        run("./none:/x".to_owned(), "true")
            .exits(125)
            .complains("home/none");
    }
}

#[test]
fn memory_is_as_was_asked_for() {
    let stage = Stage::new();
    let flags = ["--tmpfs", "/t:noexec,mode=750,size=16m"];
    let script = "cp /bin/cat /t/ && chmod +x /t/cat && if /t/cat /dev/null; then echo ran; else echo kept; fi";
    stage.run(&flags, script).run().success().prints("kept");
    let refused = ["--engine=proot", "--tmpfs", "/t:noexec"];
    stage
        .run(&refused, "true")
        .run()
        .exits(125)
        .complains("noexec");
    let flags = ["--read-only", "--tmpfs", "/t"];
    stage
        .run(&flags, "echo x > /t/x && cat /t/x")
        .run()
        .success()
        .prints("x");
}

#[test]
fn names_are_found_as_was_asked_for() {
    let stage = Stage::new();
    for engine in ["ns", "proot"] {
        let flags = [
            "--engine",
            engine,
            "--add-host",
            "db:10.9.8.7",
            "--hostname",
            "box.example",
        ];
        let hosts = stage.run(&flags, "cat /etc/hosts").run().success();
        hosts
            .mentions("10.9.8.7\tdb\n")
            .mentions("127.0.1.1\tbox.example box\n");
        let flags = ["--engine", engine, "--dns", "10.9.8.7", "--dns-search", "."];
        let resolver = stage.run(&flags, "cat /etc/resolv.conf").run().success();
        assert!(
            resolver.stdout.starts_with("nameserver 10.9.8.7\n"),
            "{resolver}"
        );
    }
}

#[test]
fn the_host_stays_out_on_request() {
    let stage = Stage::new();
    let bare = stage
        .run(&["--nosysdirs"], "test -e /proc/self || echo gone")
        .run();
    bare.success().prints("gone");
    let without = stage
        .run(&["--novol", "/sys"], "test -e /sys/kernel || echo gone")
        .run();
    without.success().prints("gone");
    stage.0.file("home/mark", "mine\n");
    let home = stage.0.home();
    let cat = format!("cat {}/mark", home.display());
    stage
        .run(&["--bindhome"], &cat)
        .run()
        .success()
        .prints("mine");
    let limit = stage.run(&["--ulimit", "core=0:0"], "ulimit -Hc").run();
    limit.success().prints("0");
}
