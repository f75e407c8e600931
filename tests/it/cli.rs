//! The command line itself: help, misuse, statuses, the form of messages.

mod flags;

use serde_json::Value;

use crate::support::{Output, Run, Sandbox, Terminal};

/// Verbs that a user of Docker types without looking; the list of commands must have at least these.
const EXPECTED: [&str; 14] = [
    "run", "create", "pull", "ps", "images", "rm", "rmi", "inspect", "login", "logout", "config",
    "doctor", "gpu", "version",
];

#[test]
fn every_verb_has_help_and_stands_in_the_list() {
    let sandbox = Sandbox::new();
    let list = sandbox.coracle(["--help"]).run().success();
    let commands = list.stdout.lines().skip_while(|line| *line != "Commands:");
    let commands = commands.skip(1).take_while(|line| !line.is_empty());
    // What is longer than a line goes on below itself, farther to the right.
    let verbs: Vec<&str> = commands
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    for verb in EXPECTED {
        assert!(verbs.contains(&verb), "{verb} is not in the list:\n{list}");
    }
    for verb in verbs {
        let help = sandbox.coracle([verb, "--help"]).run().success();
        let help = help.mentions(&format!("Usage: coracle {verb}"));
        assert!(
            !help.stdout.contains('\x1b'),
            "colour without a terminal\n{help}"
        );
    }
    sandbox
        .coracle([""; 0])
        .run()
        .success()
        .mentions("Commands:");
    sandbox
        .coracle(["-h"])
        .run()
        .success()
        .mentions("Commands:");
}

/// A command line, its status, and what stands in the `error:` and the `hint:` line.
const MISUSES: [(&str, i32, &str, &str); 19] = [
    (
        "create --name a/b oci:/nothing/there",
        2,
        "`a/b` cannot name a container",
        "",
    ),
    (
        "images --jsn",
        2,
        "unknown flag `--jsn`",
        "did you mean `--json`?",
    ),
    (
        "imgaes",
        2,
        "unknown command `imgaes`",
        "did you mean `images`?",
    ),
    (
        "rm",
        2,
        "missing `<CONTAINER>...`",
        "see `coracle rm --help`",
    ),
    (
        "version x",
        2,
        "one argument too many: `x`",
        "see `coracle version --help`",
    ),
    (
        "--log-format xml ps",
        2,
        "got `xml`",
        "see `coracle ps --help`",
    ),
    (
        "ps -q --verbose",
        2,
        "cannot be used with `--verbose`",
        "see `coracle ps --help`",
    ),
    (
        "--home",
        2,
        "`--home <DIR>` needs a value",
        "see `coracle --help`",
    ),
    ("verify", 2, "missing", "see `coracle verify --help`"),
    (
        "verify --all x",
        2,
        "cannot be used with",
        "see `coracle verify --help`",
    ),
    (
        "run",
        125,
        "missing `<IMAGE|CONTAINER>...`",
        "see `coracle run --help`",
    ),
    (
        "run --nonsense hello",
        125,
        "unknown flag `--nonsense`",
        "see `coracle run --help`",
    ),
    (
        "run --pull sometimes hello",
        125,
        "expected one of `missing`, `always`, `never`",
        "see",
    ),
    ("run UPPER", 125, "`UPPER`", "hint: "),
    (
        "run --platform a/b/c/d hello",
        125,
        "`a/b/c/d` is not a platform",
        "hint: ",
    ),
    ("run --engine warp hello", 125, "unknown engine `warp`", ""),
    (
        "run --userns auto hello",
        125,
        "got `auto` for `--userns`",
        "",
    ),
    ("rmi UPPER", 2, "`UPPER`", "hint: "),
    (
        "rm nobody",
        1,
        "there is no container `nobody`",
        "hint: `coracle ps -a` lists them",
    ),
];

#[test]
fn misuse_is_explained_and_has_its_status() {
    let sandbox = Sandbox::new();
    for (line, status, message, hint) in MISUSES {
        let output = sandbox.coracle(line.split(' ')).run().exits(status);
        let output = output
            .complains("error: ")
            .complains(message)
            .complains(hint);
        assert!(output.stdout.is_empty(), "{output}");
        assert!(output.stderr.starts_with("error: "), "{output}");
        assert!(!output.stderr.contains("panicked"), "{output}");
    }
    assert!(!sandbox.store().exists(), "a misuse left something behind");
}

#[test]
fn messages_have_a_form_for_programs() {
    let sandbox = Sandbox::new();
    for line in ["--log-format=json rm nobody", "rm nobody --log-format=json"] {
        let output = sandbox.coracle(line.split(' ')).run().exits(1);
        let message: Value = serde_json::from_str(&output.stderr).expect("one JSON object");
        assert_eq!(message["level"], "error");
        assert_eq!(message["kind"], "notfound");
        assert_eq!(message["message"], "there is no container `nobody`");
        assert!(message["hints"][0].is_string(), "{message}");
    }
    let output = sandbox.coracle(["rm", "--log-format=json"]).run().exits(2);
    let message: Value = serde_json::from_str(&output.stderr).expect("one JSON object");
    assert_eq!(message["kind"], "usage");
}

#[test]
fn foreign_text_cannot_drive_the_terminal() {
    let sandbox = Sandbox::new();
    let output = sandbox.coracle(["rm", "a\x1b[2Jb\u{202e}"]).run().exits(1);
    assert!(!output.stderr.contains(['\x1b', '\u{202e}']), "{output}");
}

#[test]
fn colour_is_for_terminals_only() {
    let sandbox = Sandbox::new();
    let plain = sandbox.coracle(["rm", "nobody"]).run();
    assert!(!plain.stderr.contains('\x1b'), "{plain}");
    let (status, shown) = Terminal::start(&sandbox, &[], &["rm", "nobody"]).finish();
    assert_eq!(status, 1, "{shown}");
    assert!(
        shown.contains("\x1b[31;1merror:\x1b[0m there is no container"),
        "{shown:?}"
    );
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let sandbox = Sandbox::new();
    let pipe = |line: &str| -> Output {
        let line = format!("set -o pipefail; {line}");
        let binary = sandbox.binary();
        sandbox
            .command(["bash", "-c", &line, "bash"])
            .arguments([binary])
            .run()
    };
    // `exec` closes the reading end before coracle starts to write.
    let output = pipe(r#"{ sleep 0.2; "$1" run --help; } | exec true"#).success();
    assert!(output.stderr.is_empty(), "{output}");
    pipe(r#""$1" version > /dev/full"#)
        .exits(1)
        .complains("error: cannot write to standard output");
}

#[test]
fn version_and_quiet() {
    let sandbox = Sandbox::new();
    let version = env!("CARGO_PKG_VERSION");
    let short = sandbox.coracle(["--version"]).run().success();
    short.prints(&format!("coracle {version}"));
    let long = sandbox.coracle(["version"]).run().success();
    long.mentions(&format!("coracle {version} ("));
    let json = sandbox.coracle(["version", "--json"]).run().success();
    let json: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(json["version"], version);
    sandbox.coracle(["-q", "images"]).run().success().prints("");
    sandbox
        .coracle(["ps", "--all", "--quiet"])
        .run()
        .success()
        .prints("");
}

#[test]
fn a_home_is_found_or_asked_for() {
    let sandbox = Sandbox::new();
    let bare = |arguments: &[&str]| -> Run {
        sandbox
            .command(["env", "-i"])
            .arguments([sandbox.binary()])
            .arguments(arguments)
    };
    let output = bare(&["ps"]).run().exits(2);
    output
        .complains("neither CORACLE_HOME nor HOME is set")
        .complains("hint: set CORACLE_HOME");
    bare(&["version"]).run().success();
    let elsewhere = sandbox.path("elsewhere");
    let elsewhere = elsewhere.to_str().expect("a plain path");
    bare(&["ps", "--home", elsewhere])
        .run()
        .success()
        .mentions("CONTAINER ID");
}
