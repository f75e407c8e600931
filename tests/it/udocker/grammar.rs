//! How udocker's lines are read: spellings, variables, files, and where things are said.

use super::Harness;
use crate::support::{fixture, require};

#[test]
fn both_ways_to_the_tongue_are_one() {
    let harness = Harness::new();
    let link = harness.line("version").run().success();
    let word = harness
        .sandbox
        .coracle(["udocker", "version"])
        .run()
        .success();
    assert_eq!(link.stdout, word.stdout);
    let version = env!("CARGO_PKG_VERSION");
    assert!(link.stdout.starts_with(&format!("version: {version}\n")));
    // Under its own name the grammar is Docker's.
    harness.sandbox.coracle(["showconf"]).run().exits(2);
}

#[test]
fn every_spelling_of_a_flag_is_understood() {
    require!(Fixtures);
    let harness = Harness::new();
    harness.line("pull IMAGE").run().success();
    for (line, printed) in [
        ("run --rm -it -e A=1 IMAGE sh -c", "1"),
        ("run --rm -i -t -e=A=2 IMAGE sh -c", "2"),
        ("run --rm --env=A=3 IMAGE sh -c", "3"),
        ("run --rm --env A=4 --name n IMAGE sh -c", "4"),
    ] {
        harness
            .line(line)
            .arguments(["echo $A"])
            .run()
            .success()
            .prints(printed);
    }
    // An empty word is a word.
    harness
        .line("run --rm IMAGE args a  -b --")
        .run()
        .success()
        .prints("1:a\n0:\n2:-b\n2:--");
}

/// The streams that are not named go nowhere; hints name this tongue's verbs.
#[test]
fn streams_and_hints() {
    require!(Fixtures, UserNamespaces);
    let harness = Harness::new();
    harness.line("pull IMAGE").run().success();
    let both = "echo out; echo err >&2";
    for (flags, out, err) in [
        ("-q run --rm --attach=stdout IMAGE sh -c", "out\n", ""),
        ("-q run --rm -a=stderr IMAGE sh -c", "", "err\n"),
        ("-q run --rm -a -i IMAGE sh -c", "out\n", "err\n"),
    ] {
        let output = harness.line(flags).arguments([both]).run().success();
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), (out, err));
    }
    let odd = harness.line("run --attach=odd IMAGE true").run().exits(125);
    odd.complains("got `odd` for `--attach`");
    let hint = "hint: `{} pull x:1` brings it here";
    let output = harness.line("run --pull=never x:1").run().exits(125);
    output.complains(&hint.replace("{}", "udocker"));
    let word = ["udocker", "run", "--pull=never", "x:1"];
    let output = harness.sandbox.coracle(word).run().exits(125);
    output.complains(&hint.replace("{}", "coracle udocker"));
}

#[test]
fn what_makes_no_sense_has_a_status_and_says_so_on_stderr() {
    let harness = Harness::new();
    for (line, status, message) in [
        ("bogus", 2, "unknown command `bogus`"),
        ("ps --bogus", 1, "unknown flag `--bogus`"),
        ("rm", 1, "`rm` misses CONTAINER..."),
        ("run", 125, "`run` misses CONTAINER|IMAGE"),
        ("run --name", 125, "`--name` needs a value (NAME)"),
        ("name a", 1, "`name` misses CONTAINER NAME"),
        ("name a b c", 1, "one argument too many for `name`: `c`"),
        ("--repo=/nothing images", 1, "`/nothing` is no directory"),
        ("rm nobody", 1, "there is no container `nobody`"),
        ("--config=/nothing ps", 1, "`/nothing`"),
    ] {
        let output = harness.line(line).run().exits(status).complains(message);
        assert!(output.stdout.is_empty(), "{output}");
    }
    harness
        .line("run")
        .run()
        .exits(125)
        .complains("Usage: udocker run");
    assert!(!harness.sandbox.store().exists());
}

#[test]
fn settings_come_from_files_and_variables() {
    require!(Fixtures);
    let harness = Harness::new();
    let sandbox = &harness.sandbox;
    let place = sandbox.path("home/place");
    let conf = sandbox.file(
        "tmp/u.conf",
        format!("verbose_level = 5\ntopdir = {}\n", place.display()),
    );
    let conf = format!("--config={}", conf.display());
    harness
        .udocker([conf.as_str(), "create", &fixture::image("guest")])
        .run()
        .exits(1)
        .complains("there is no image");
    let shown = harness.udocker([conf.as_str(), "showconf"]).run().success();
    shown
        .mentions("verbose_level = 5    (`")
        .mentions(&format!("topdir = {}", place.display()));
    harness
        .line("showconf")
        .env("UDOCKER_DIR", &place)
        .env("UDOCKER_LOGLEVEL", "1")
        .run()
        .success()
        .mentions("verbose_level = 1    (variable `UDOCKER_LOGLEVEL`)")
        .mentions(&format!("topdir = {}", place.display()));
    harness
        .line("images")
        .env("UDOCKER_LAYERS", "/scratch")
        .run()
        .exits(1)
        .complains("`layersdir` is not supported: one directory holds everything");
    harness
        .line("images")
        .env("UDOCKER_LOGLEVEL", "2")
        .run()
        .success()
        .prints("");
}

#[test]
fn beside_an_old_repository_is_room_for_ours() {
    require!(Fixtures);
    let harness = Harness::new();
    for folder in ["", "repos", "layers", "containers/0a-1b/ROOT"] {
        harness.sandbox.folder(&format!("home/.udocker/{folder}"));
    }
    let old = harness.sandbox.path("home/.udocker");
    let run = |line: &str| harness.line(line).env("UDOCKER_DIR", &old).run();
    run("pull IMAGE").success();
    run("ps").success();
    assert!(old.join("coracle/blobs").is_dir());
    assert!(!old.join("blobs").exists());
}

#[test]
fn verbs_that_udocker_lacks_are_there() {
    require!(Fixtures);
    let harness = Harness::new();
    let place = harness.sandbox.path("home/place");
    let place = place.to_str().expect("a plain path");
    harness.udocker(["mkrepo", place]).run().success();
    let repo = format!("--repo={place}");
    let image = fixture::image("guest");
    harness.udocker([&repo, "pull", &image]).run().success();
    harness
        .udocker([&repo, "gc"])
        .run()
        .success()
        .mentions("freed");
    harness
        .udocker([&repo, "images"])
        .run()
        .success()
        .mentions("guest");
    assert!(!harness.sandbox.store().exists());
}
