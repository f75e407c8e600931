//! What is made of the one definition of the command line: help, manual pages, completions.

use crate::support::{Output, Sandbox, Terminal, fixture, require};

#[test]
fn help_has_examples_first_and_lists_topics_and_commands() {
    let sandbox = Sandbox::new();
    let help = sandbox.coracle(["help"]).run().success();
    let at = |text: &str| help.stdout.find(text).expect("each part is there");
    assert!(at("Examples:") < at("Commands:") && at("Commands:") < at("Topics:"));
    let topics = help.stdout[at("Topics:")..].lines().skip(1);
    let topics: Vec<&str> = topics
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/help");
    for entry in std::fs::read_dir(folder).expect("the source is there") {
        let name = entry.expect("it lists").file_name();
        let name = name.to_string_lossy().into_owned();
        if let Some(topic) = name.strip_suffix(".md") {
            assert!(topics.contains(&topic), "{topic} is no topic\n{help}");
        }
    }
    for topic in topics {
        let text = sandbox.coracle(["help", topic]).run().success();
        assert!(text.stdout.len() > 400, "{text}");
        assert!(!text.stdout.contains("```"), "{text}");
    }
    let by_flag = sandbox.coracle(["pull", "--help"]).run().success();
    let by_verb = sandbox.coracle(["help", "pull"]).run().success();
    assert_eq!(by_flag.stdout, by_verb.stdout);
    sandbox
        .coracle(["help", "config", "show"])
        .run()
        .success()
        .mentions("Usage: coracle config show");
}

#[test]
fn what_was_mistyped_is_guessed() {
    let sandbox = Sandbox::new();
    for (line, status, hint) in [
        ("help registires", 2, "did you mean `registries`?"),
        ("rnu hello", 2, "did you mean `run`?"),
        ("exec box", 125, "missing `<COMMAND>`"),
        ("run --engine prot hello", 125, "did you mean `proot`?"),
        ("help pul", 2, "did you mean `pull`?"),
        ("man pulll", 2, "did you mean `pull`?"),
        ("completions fsh", 2, "did you mean `fish`?"),
        ("config show enigne", 2, "did you mean `engine`?"),
        (
            "pull --platfrom linux/arm64 x",
            2,
            "did you mean `--platform`?",
        ),
        ("run --profile hcp hello", 125, "did you mean `hpc`?"),
    ] {
        let output = sandbox.coracle(line.split(' ')).run().exits(status);
        output.complains("error: ").complains(hint);
    }
}

#[test]
fn names_of_containers_and_images_are_guessed() {
    let sandbox = Sandbox::new();
    let create = ["create", "--name", "tools", "hello"];
    sandbox.coracle(create).run().success();
    for (line, status, hint) in [
        ("rm toosl", 1, "did you mean `tools`?"),
        ("rename toolz x", 1, "did you mean `tools`?"),
        ("rmi helo:latest", 1, "hint: "),
        ("run --pull never toosl", 125, "did you mean `tools`?"),
    ] {
        let output = sandbox.coracle(line.split(' ')).run().exits(status);
        output.complains("error: ").complains(hint);
    }
}

#[test]
fn tables_fit_the_terminal_and_are_whole_in_a_pipe() {
    let sandbox = Sandbox::new();
    let name = "a-container-with-a-name-that-says-all-of-it";
    let create = ["create", "--name", name, "hello"];
    sandbox.coracle(create).run().success();
    for (columns, verbs) in [
        (
            80,
            &[&["ps", "-a"][..], &["images"], &["config", "path"]][..],
        ),
        (70, &[&["ps", "-a"], &["config", "path"]]),
    ] {
        for verb in verbs {
            let (status, shown) = Terminal::start_with(&sandbox, columns, verb).finish();
            assert_eq!(status, 0, "{shown}");
            let wide = shown.lines().find(|line| line.chars().count() > columns);
            assert_eq!(wide, None, "{verb:?} at {columns}");
        }
    }
    let piped = sandbox.coracle(["ps", "-a"]).run().success();
    piped.mentions(name);
    let id = sandbox.coracle(["ps", "-aq"]).run().success();
    let (_, shown) = Terminal::start_with(&sandbox, 60, &["ps", "-a"]).finish();
    assert!(shown.contains(id.stdout.trim()), "{shown}");
}

/// On a terminal every line fits, at the width that most have and at a narrow one.
#[test]
fn help_fits_the_terminal() {
    let sandbox = Sandbox::new();
    for columns in [80, 40] {
        for arguments in [&["help"][..], &["help", "config"], &["help", "exit-status"]] {
            let terminal = Terminal::start_with(&sandbox, columns, arguments);
            let (status, shown) = terminal.finish();
            assert_eq!(status, 0, "{shown}");
            let lines = shown.lines().skip(1);
            // Code is not broken: it would not be what can be typed.
            let wide = lines.filter(|line| line.chars().count() > columns);
            let wide: Vec<&str> = wide.filter(|line| !line.starts_with("    ")).collect();
            assert!(wide.is_empty(), "{arguments:?} at {columns}: {wide:#?}");
        }
    }
}

#[test]
fn manual_pages_are_sound() {
    require!(Manuals);
    let sandbox = Sandbox::new();
    let dir = sandbox.folder("man");
    let dir = format!("{}/", dir.display());
    sandbox.coracle(["man", &dir]).run().success();
    let pages = std::fs::read_dir(&dir).expect("it was written");
    let pages: Vec<_> = pages.map(|entry| entry.expect("it lists").path()).collect();
    assert!(pages.len() > 20, "{pages:?}");
    let by_man = sandbox
        .command(["man", "--warnings", "-E", "UTF-8", "-Tutf8", "-Z", "-l"])
        .arguments(&pages)
        .run()
        .success();
    assert_eq!(by_man.stderr, "");
    let lint = sandbox.command(["mandoc", "-T", "lint", "-W", "warning"]);
    let lint = lint.arguments(&pages).run();
    // A date would be that of the build, and builds from the same source are the same.
    let mut complaints = lint.stdout.lines();
    let real = |line: &&str| !line.contains("missing date");
    assert_eq!(complaints.find(real), None);
    let run = sandbox.coracle(["man", "run"]).run().success();
    run.mentions("\n.SH EXAMPLES\n")
        .mentions("\\fB\\-\\-volume\\fR");
    let page = sandbox.coracle(["man"]).run().success();
    page.mentions("CORACLE_STOP_TIMEOUT");
}

/// Has bash complete the last of some words, as readline would have it done.
fn completed(sandbox: &Sandbox, words: &str) -> Output {
    let script = "source <(\"$0\" completions bash)
        COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1))
        _coracle \"$0\" \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD-1]}\"
        printf '%s\\n' \"${COMPREPLY[@]}\"";
    let binary = sandbox.binary();
    let words: Vec<&str> = words.split(' ').collect();
    sandbox
        .command(["bash", "-c", script])
        .arguments([binary])
        .arguments(words)
        .run()
        .success()
}

#[test]
fn bash_completes_commands_flags_values_and_names() {
    let sandbox = Sandbox::new();
    let create = ["create", "--name", "workshop", "hello"];
    sandbox.coracle(create).run().success();
    for (words, wanted) in [
        ("coracle ver", "verify\nversion\n"),
        ("coracle run --rea", "--read-only\n"),
        ("coracle run --pull ", "missing\nalways\nnever\n"),
        ("coracle run --pull = al", "always\n"),
        ("coracle gpu l", "list\n"),
        ("coracle --quiet gpu list --js", "--json\n"),
        ("coracle completions z", "zsh\n"),
        ("coracle help exit", "exit-status\n"),
        ("coracle rm work", "workshop\n"),
        ("coracle run work", "workshop\n"),
    ] {
        let output = completed(&sandbox, words);
        assert_eq!(output.stdout, wanted, "{words}");
    }
}

#[test]
fn completions_of_other_shells_are_sound() {
    require!(Zsh, Fish);
    let sandbox = Sandbox::new();
    for shell in ["zsh", "fish"] {
        let script = sandbox.coracle(["completions", shell]).run().success();
        let file = sandbox.file(shell, &script.stdout);
        let checked = sandbox.command([shell, "-n"]).arguments([file]).run();
        assert_eq!(checked.success().stderr, "");
    }
    let script = "source $argv[1]; complete -C 'coracle ver'; complete -C 'coracle run --rea'";
    let file = sandbox.path("fish");
    let output = sandbox
        .command(["fish", "--no-config", "-c", script])
        .arguments([file]);
    let output = output.run().success();
    output.mentions("version\tSay").mentions("--read-only\t");
}

/// The commands of README's recording run, and fail where they are shown to.
#[test]
fn the_recording_in_the_readme_is_current() {
    require!(Fixtures, UserNamespaces);
    let readme = include_str!("../../README.md");
    assert_eq!(
        readme.matches("<!-- recorded by record -->").count(),
        1,
        "the recording is there once"
    );
    let recording = readme.split("<!-- recorded by record -->").nth(1);
    let recording = recording.and_then(|text| text.split("<!-- end of the recording -->").next());
    let recording = recording.expect("README.md has both markers");
    let sandbox = Sandbox::new();
    let images = sandbox.path("home/images");
    std::os::unix::fs::symlink(fixture::path("oci"), images).expect("the home is empty");
    std::fs::hard_link(sandbox.binary(), sandbox.path("home/coracle")).expect("the home is ours");
    let shows = recording.split("\n$ ").skip(1);
    let mut count = 0;
    for shown in shows {
        let (line, output) = shown.split_once('\n').unwrap_or((shown, ""));
        let ran = sandbox.command(["sh", "-c", line]).run();
        let fails = output.starts_with("error: ");
        assert_eq!(fails, ran.stderr.starts_with("error: "), "{line}\n{ran}");
        count += 1;
    }
    assert!(count > 10, "{recording}");
}
