//! Every flag of `run` and `create`, by what it does to the plan; verbs by what they do to the store.

use serde_json::{Value, json};

use crate::support::Sandbox;

fn explained(sandbox: &Sandbox, words: &[&str]) -> Value {
    let run = sandbox.coracle(["run", "--explain=json"]).arguments(words);
    let output = run.env("SECRET", "s=1").run().success();
    serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{output}"))
}

/// One row: the words after `run`, where to look in the explanation, and what is there.
type Row<'a> = (&'a [&'a str], &'a str, Value);

fn check(sandbox: &Sandbox, rows: &[Row<'_>]) {
    for (words, pointer, expected) in rows {
        let plan = explained(sandbox, words);
        assert_eq!(plan.pointer(pointer), Some(expected), "{words:?}: {plan:#}");
    }
}

#[test]
fn the_command_is_taken_word_by_word() {
    let argv = "/plan/argv";
    check(
        &Sandbox::new(),
        &[
            (&["hello"], argv, json!(["/bin/hello"])),
            (
                &["hello", "-x", "", "--rm"],
                argv,
                json!(["-x", "", "--rm"]),
            ),
            (&["--", "hello", "--", "a"], argv, json!(["--", "a"])),
            (
                &["--entrypoint", "sh", "hello", "-c"],
                argv,
                json!(["sh", "-c"]),
            ),
            (&["--entrypoint=", "hello", "ls"], argv, json!(["ls"])),
            (&["-i", "hello"], argv, json!(["/bin/hello"])),
            (&["--interactive", "hello"], argv, json!(["/bin/hello"])),
            (&["--pull=never", "hello"], argv, json!(["/bin/hello"])),
            (&["--pull=always", "hello"], argv, json!(["/bin/hello"])),
            (
                &["--platform", "linux/amd64", "hello"],
                argv,
                json!(["/bin/hello"]),
            ),
        ],
    );
}

#[test]
fn the_environment_is_what_was_typed() {
    let sandbox = Sandbox::new();
    sandbox.file("env", "# comment\nF=from file\nSECRET\n");
    let version = json!(env!("CARGO_PKG_VERSION"));
    let file = ["--env-file", "../env", "hello"];
    check(
        &sandbox,
        &[
            (
                &["-e", "A=b c", "hello"],
                "/plan/environment/A",
                json!("b c"),
            ),
            (
                &["--env=SECRET", "hello"],
                "/plan/environment/SECRET",
                json!("s=1"),
            ),
            (&file, "/plan/environment/F", json!("from file")),
            (&file, "/plan/environment/SECRET", json!("s=1")),
            (
                &["--hostname=box", "hello"],
                "/plan/environment/HOSTNAME",
                json!("box"),
            ),
            (
                &["--engine=ns", "hello"],
                "/plan/environment/CORACLE_VERSION",
                version,
            ),
        ],
    );
}

#[test]
fn place_user_and_limits_are_what_was_typed() {
    let sandbox = Sandbox::new();
    let (uid, _) = sandbox.ids();
    check(
        &sandbox,
        &[
            (&["-w", "/x/../y", "hello"], "/plan/cwd/path", json!("/y")),
            (&["--workdir=/y", "hello"], "/plan/cwd/create", json!(true)),
            (&["-u", "5:6", "hello"], "/plan/user/gid", json!(6)),
            (&["--user=5", "hello"], "/plan/user/uid", json!(5)),
            (&["hello"], "/plan/user/uid", json!(0)),
            (
                &["--userns=keep-id", "hello"],
                "/plan/user/uid",
                json!(uid.as_raw()),
            ),
            (
                &["--userns=subids", "hello"],
                "/plan/user/ids",
                json!("ranges"),
            ),
            (
                &["--userns=single", "hello"],
                "/plan/user/ids",
                json!("single"),
            ),
            (&["-h", "box", "hello"], "/plan/hostname", json!("box")),
            (
                &["--cpuset-cpus", "0-2,1", "hello"],
                "/plan/cpus",
                json!([0, 1, 2]),
            ),
            (
                &["--read-only", "hello"],
                "/plan/writes",
                json!("read-only"),
            ),
            (
                &["--rm", "--name", "n", "hello"],
                "/plan/hostname",
                json!(null),
            ),
        ],
    );
    let discarded = explained(&sandbox, &["--rm", "hello"]);
    assert!(
        discarded["plan"]["writes"]["discarded"].is_string(),
        "{discarded:#}"
    );
    sandbox.coracle(["ps", "-aq"]).run().success().prints("");
    let text = sandbox.coracle(["run", "--explain", "hello", "a b"]).run();
    text.success()
        .mentions("command      'a b'")
        .mentions("engine ");
}

#[test]
fn a_flag_given_twice_counts_as_docker_counts_it() {
    let sandbox = Sandbox::new();
    check(
        &sandbox,
        &[
            (
                &["-w/a", "--workdir=/b", "hello"],
                "/plan/cwd/path",
                json!("/b"),
            ),
            (
                &["--name=a", "--name=b", "-h", "x", "-hy", "hello"],
                "/plan/hostname",
                json!("y"),
            ),
            (
                &["--read-only", "--read-only=true", "hello"],
                "/plan/writes",
                json!("read-only"),
            ),
            (&["-it=false", "hello"], "/plan/argv", json!(["/bin/hello"])),
            (
                &["-i=1", "--privileged=false", "hello"],
                "/plan/argv",
                json!(["/bin/hello"]),
            ),
        ],
    );
    let kept = explained(&sandbox, &["--rm=false", "hello", "--rm=false"]);
    assert!(kept["plan"]["writes"]["kept"].is_string(), "{kept:#}");
    assert_eq!(kept["plan"]["argv"], json!(["--rm=false"]));
}

#[test]
fn volumes_are_mounts_of_the_plan() {
    let sandbox = Sandbox::new();
    let folder = sandbox.folder("home/data");
    let folder = folder.to_str().expect("a plain path");
    let volume = format!("{folder}:/data:ro");
    let mount = format!("type=bind,src={folder},dst=/data,readonly");
    for words in [
        &["-v", volume.as_str(), "hello"][..],
        &["--volume", "../home/data:/data:ro", "hello"],
        &["--volume=./data:/data:ro", "hello"],
        &["--mount", mount.as_str(), "hello"],
        &["--mount=type=bind,source=data,target=/data,ro", "hello"],
    ] {
        let plan = explained(&sandbox, words);
        let mounts = plan["plan"]["mounts"].as_array().expect("a list");
        let ours = mounts.iter().find(|mount| mount["target"] == "/data");
        let ours = ours.unwrap_or_else(|| panic!("{words:?}: {plan:#}"));
        assert_eq!(ours["read_only"], true, "{words:?}");
        let source = ours["source"]["bind"].as_str().expect("a path");
        let real = std::fs::canonicalize(source).expect("the source is there");
        assert_eq!(real.to_str(), Some(folder), "{words:?}");
    }
}

#[test]
fn what_cannot_be_done_is_said_before_anything_is() {
    let sandbox = Sandbox::new();
    for (words, message) in [
        (
            &["-v", "/no/such/dir:/x", "hello"][..],
            "hint: create it, or correct the path",
        ),
        (&["-v", "/tmp:/x:U", "hello"], "option `U` is not supported"),
        (
            &["--mount", "type=image,src=a,dst=/b", "hello"],
            "type `image` is not supported",
        ),
        (&["-e", "=x", "hello"], "names no environment variable"),
        (
            &["--env-file", "/no/such/file", "hello"],
            "cannot use environment file",
        ),
        (&["-w", "relative", "hello"], "is not an absolute path"),
        (
            &["-u", "nobody-here", "hello"],
            "the image has no user `nobody-here`",
        ),
        (&["--cpuset-cpus", "x", "hello"], "--cpuset-cpus"),
        (&["--hostname", "a b", "hello"], "is not a host name"),
        (&["-it", "hello"], "needs a terminal"),
        (&["--userns=keep-id", "-u", "1", "hello"], "contradicts"),
        (&["--name", "a/b", "hello"], "cannot name a container"),
        (&["-itm", "1g", "hello"], "`--memory` cannot be honoured"),
        (&["--privileged=true", "hello"], "`--privileged` cannot"),
        (&["--restart=always", "hello"], "for `--restart"),
        (&["--pid=container:x", "hello"], "for `--pid"),
        (&["--rm=perhaps", "hello"], "'--rm'"),
        (
            &["--pull=never", "h.example/none"],
            "`coracle pull h.example/none` brings it here",
        ),
    ] {
        let run = sandbox.coracle(["run"]).arguments(words);
        let output = run.run().exits(125).complains(message);
        assert!(output.stdout.is_empty(), "{output}");
    }
    sandbox.coracle(["ps", "-aq"]).run().success().prints("");
}

#[test]
fn containers_come_are_called_and_go() {
    let sandbox = Sandbox::new();
    let create = ["create", "--name", "one", "-e", "A=1", "hello", "x"];
    let id = sandbox
        .coracle(create)
        .run()
        .success()
        .stdout
        .trim()
        .to_owned();
    assert_eq!(id.len(), 64);
    sandbox
        .coracle(["create", "--name", "one", "hello"])
        .run()
        .exits(2)
        .complains("is taken");
    sandbox
        .coracle(["run", "--name", "one", "hello"])
        .run()
        .exits(125)
        .complains("is taken");
    // A container keeps what it was made with; what is typed later lies over it.
    let again = explained(&sandbox, &["-e", "B=2", "one"]);
    assert_eq!(again["plan"]["argv"], json!(["x"]));
    assert_eq!(again["plan"]["environment"]["A"], "1");
    assert_eq!(again["plan"]["environment"]["B"], "2");
    let other = explained(&sandbox, &[&id[..12], "y", "z"]);
    assert_eq!(other["plan"]["argv"], json!(["y", "z"]));
    for flags in [&["--rm"][..], &["--name", "two"], &["--read-only"]] {
        let run = sandbox.coracle(["run"]).arguments(flags).arguments(["one"]);
        run.run()
            .exits(125)
            .complains(flags[0])
            .complains("`one` exists");
    }
    sandbox.coracle(["name", "one", "two"]).run().success();
    sandbox.coracle(["rename", "two", "three"]).run().success();
    let listed = sandbox.coracle(["ps", "-a"]).run().success();
    listed.mentions(&id[..12]).mentions("one, three");
    sandbox.coracle(["rmname", "three"]).run().success();
    sandbox
        .coracle(["inspect", "one"])
        .run()
        .success()
        .mentions(&id);
    sandbox
        .coracle(["rmi", "hello"])
        .run()
        .exits(2)
        .complains("is used by container");
    sandbox
        .coracle(["rm", "one", "none"])
        .run()
        .exits(1)
        .prints("one")
        .complains("`none`");
    sandbox
        .coracle(["rmi", "hello"])
        .run()
        .success()
        .mentions("removed embedded:hello");
    sandbox.coracle(["images", "-q"]).run().success().prints("");
    sandbox.coracle(["gc"]).run().success().mentions("freed");
    sandbox
        .coracle(["verify", "--all"])
        .run()
        .success()
        .mentions("images: 0");
}

#[test]
fn installing_is_undone_by_purging() {
    let sandbox = Sandbox::new();
    let prefix = sandbox.folder("prefix");
    let install = |words: &[&str]| sandbox.coracle(["install"]).arguments(words);
    let to = prefix.to_str().expect("a plain path");
    install(&["--prefix", to])
        .run()
        .success()
        .mentions("/bin/coracle");
    install(&["--prefix", to]).run().success();
    let copy = prefix.join("bin/coracle");
    sandbox
        .command([&copy])
        .arguments(["version"])
        .run()
        .success();
    sandbox.file("prefix/bin/coracle", "#!/bin/sh\n");
    install(&["--prefix", to])
        .run()
        .exits(2)
        .complains("hint: use `--force`");
    install(&["--prefix", to, "--force"]).run().success();
    sandbox
        .command([&copy])
        .arguments(["version"])
        .run()
        .success();
    install(&["--purge"]).run().success().mentions("removed");
    assert!(!copy.exists() && !sandbox.store().join("lib").exists());
    install(&["--purge", "--force"])
        .run()
        .exits(2)
        .complains("cannot be used with");
    sandbox
        .coracle(["licenses"])
        .run()
        .success()
        .mentions("GPL-2.0-or-later");
    sandbox
        .coracle(["licenses", "--json"])
        .run()
        .success()
        .mentions("\"proot\"");
    sandbox
        .coracle(["doctor"])
        .run()
        .success()
        .mentions("a run takes: ");
    sandbox
        .coracle(["doctor", "--json"])
        .run()
        .success()
        .mentions("\"engines\"");
}
