//! Things that have one home: `unsafe`, printing, exiting, the environment; and `unwrap`, which has none.

use super::scan::Source;
use super::{finds, none, tree};

/// Reasons that say nothing about the place that they stand at.
const BOILERPLATE: [&str; 14] = [
    "parameters are valid",
    "arguments are valid",
    "args are correct",
    "args are valid",
    "values are valid",
    "inputs are valid",
    "pointers are valid",
    "valid parameters",
    "valid arguments",
    "this is safe",
    "safe because we check the return value",
    "trivially safe",
    "see above",
    "same as above",
];

/// Words that name an environment variable although they have no underscore.
const PLAIN_VARIABLES: [&str; 10] = [
    "HOME", "USER", "PATH", "TERM", "TMPDIR", "LANG", "LOGNAME", "SHELL", "HOSTNAME", "PWD",
];

/// Strings in capitals that are no variable: error codes of the distribution specification,
/// "Error Codes", and build-time names of Cargo.
const NOT_VARIABLES: [&str; 12] = [
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID",
    "MANIFEST_UNKNOWN",
    "NAME_INVALID",
    "NAME_UNKNOWN",
    "SIZE_INVALID",
    "CARGO_PKG_VERSION",
    "OUT_DIR",
];

fn in_src(source: &Source) -> bool {
    source.path.starts_with("src/")
}

/// Complains at every place where the tokens `pattern` follow each other.
fn each(source: &Source, pattern: &[&str], what: &str) -> Vec<String> {
    let tokens = source.tokens();
    let hits = tokens.windows(pattern.len()).filter(|window| {
        let texts = window.iter().map(|token| token.text.as_str());
        texts.eq(pattern.iter().copied())
    });
    hits.map(|window| source.complain(window[0].line, what))
        .collect()
}

fn unsafe_is_at_home(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    if !source.path.starts_with("src/sys/") && !source.path.starts_with("payload/") {
        complaints.extend(each(
            source,
            &["unsafe"],
            "`unsafe` lives in src/sys and payload",
        ));
    }
    if source.path != "src/sys/mod.rs" && !source.path.starts_with("payload/") {
        complaints.extend(each(
            source,
            &["unsafe_code"],
            "only src/sys/mod.rs allows unsafe code",
        ));
    }
    complaints
}

fn unsafe_has_a_reason(source: &Source) -> Vec<String> {
    let tokens = source.tokens();
    let blocks = tokens
        .windows(2)
        .filter(|pair| pair[0].text == "unsafe" && (pair[1].text == "{" || pair[1].text == "impl"));
    blocks
        .filter_map(|pair| faulty_reason(source, pair[0].line))
        .collect()
}

/// What is wrong with the `SAFETY:` comment of the unsafe block that starts on `line`.
fn faulty_reason(source: &Source, line: usize) -> Option<String> {
    let comment = comment_above(source, line);
    let Some((_, reason)) = comment.split_once("SAFETY:") else {
        return Some(source.complain(line, "unsafe without a `// SAFETY:` comment"));
    };
    let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    let lower = reason.to_lowercase();
    if let Some(phrase) = BOILERPLATE.iter().find(|phrase| lower.contains(*phrase)) {
        return Some(source.complain(line, format!("SAFETY says only \"{phrase}\"")));
    }
    let short = reason.split(' ').count() < 4;
    short.then(|| source.complain(line, "SAFETY must say why it holds here"))
}

/// The comment that belongs to the statement on `line`: on the line itself, or the lines
/// directly above the line where the statement starts.
fn comment_above(source: &Source, line: usize) -> String {
    let code: Vec<&str> = source.code.lines().map(str::trim).collect();
    let mut text = vec![source.comments[line - 1].clone()];
    let mut at = line - 1;
    // Up to the start of the statement …
    while at > 0 && !code[at - 1].is_empty() && !code[at - 1].ends_with([';', '{', '}', ',']) {
        at -= 1;
    }
    // … and through the comment above it.
    while at > 0 && code[at - 1].is_empty() && !source.comments[at - 1].is_empty() {
        text.push(source.comments[at - 1].clone());
        at -= 1;
    }
    text.reverse();
    text.join(" ").replace("//", " ")
}

fn only_the_terminal_prints(source: &Source) -> Vec<String> {
    if !in_src(source) || source.path.starts_with("src/cli/") {
        return Vec::new();
    }
    let macros = ["println", "eprintln", "print", "eprint", "dbg"];
    let hits = macros
        .iter()
        .flat_map(|name| each(source, &[name, "!"], "only src/cli prints"));
    hits.collect()
}

fn nothing_is_unwrapped(source: &Source) -> Vec<String> {
    if !in_src(source) {
        return Vec::new();
    }
    let mut hits = each(
        source,
        &[".", "unwrap", "("],
        "no `unwrap`; `expect` says the proof",
    );
    hits.extend(each(
        source,
        &["::", "unwrap"],
        "no `unwrap`; `expect` says the proof",
    ));
    hits
}

fn exits_are_at_home(source: &Source) -> Vec<String> {
    let at_home = ["src/main.rs", "src/sys/process.rs"].contains(&source.path.as_str());
    if !in_src(source) || at_home {
        return Vec::new();
    }
    let what = "only main.rs and sys/process.rs end the process";
    let mut hits = each(source, &["process", "::", "abort"], what);
    // `crate::sys::process::exit` is for children that never exec, and says so there.
    let crates = super::layers::paths(&source.tokens(), "crate");
    if !crates.iter().any(|path| path.names.starts_with(&ours())) {
        hits.extend(each(source, &["process", "::", "exit"], what));
    }
    if !source.path.starts_with("src/sys/") {
        hits.extend(each(source, &["_exit"], what));
        hits.extend(each(source, &["libc", "::", "exit"], what));
    }
    hits
}

/// The path of our own module of that name.
fn ours() -> [String; 3] {
    ["crate", "sys", "process"].map(str::to_owned)
}

fn the_environment_is_at_home(source: &Source) -> Vec<String> {
    if !in_src(source) || source.path == "src/base/env.rs" {
        return Vec::new();
    }
    let what = "src/base/env.rs reads and sets the environment";
    let tokens = source.tokens();
    let mut hits: Vec<String> = Vec::new();
    for path in super::layers::paths(&tokens, "std") {
        let names: Vec<&str> = path.names.iter().map(String::as_str).collect();
        let harmless = [
            "args_os",
            "split_paths",
            "join_paths",
            "args",
            "current_dir",
            "current_exe",
            "consts",
            "set_current_dir",
        ];
        match names.as_slice() {
            ["std", "env", item, ..] if harmless.contains(item) => {}
            ["std", "env", ..] => hits.push(source.complain(path.line, what)),
            _ => {}
        }
    }
    for name in [
        "getenv",
        "secure_getenv",
        "setenv",
        "putenv",
        "unsetenv",
        "clearenv",
    ] {
        hits.extend(each(source, &[name], what));
    }
    hits
}

fn variables_are_named_at_home(source: &Source) -> Vec<String> {
    if !in_src(source) || source.path == "src/base/env.rs" {
        return Vec::new();
    }
    let named = source
        .strings
        .iter()
        .filter(|(_, text)| looks_like_variable(text));
    let complain = |(line, text): &(usize, String)| {
        source.complain(
            *line,
            format!("`{text}` belongs into src/base/env.rs, with its meaning"),
        )
    };
    named.map(complain).collect()
}

fn looks_like_variable(text: &str) -> bool {
    let shouted = text.starts_with(|c: char| c.is_ascii_uppercase())
        && text
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    let split = text.trim_end_matches('_').contains('_');
    shouted && (split || PLAIN_VARIABLES.contains(&text)) && !NOT_VARIABLES.contains(&text)
}

#[test]
fn everything_is_at_home() {
    let rules = [
        unsafe_is_at_home,
        unsafe_has_a_reason,
        only_the_terminal_prints,
        nothing_is_unwrapped,
        exits_are_at_home,
        the_environment_is_at_home,
        variables_are_named_at_home,
    ];
    let tree = tree::rust();
    none(
        rules
            .iter()
            .flat_map(|rule| tree.iter().flat_map(rule))
            .collect(),
    );
}

#[test]
fn unsafe_away_from_home_is_found() {
    let rule: fn(&Source) -> Vec<String> = unsafe_is_at_home;
    let text = "#![allow(unsafe_code)]\nfn f() { unsafe { g() } }\n// unsafe\nconst S: &str = \"unsafe\";\n";
    finds(rule, "src/engine/ns.rs", text, &["ns.rs:2", "ns.rs:1"]);
    finds(rule, "tests/it/a.rs", text, &["a.rs:2", "a.rs:1"]);
    finds(rule, "src/sys/mod.rs", text, &[]);
}

#[test]
fn unsafe_without_reason_is_found() {
    let rule = unsafe_has_a_reason;
    let check = |text: &str, wanted: &[&str]| finds(rule, "src/sys/a.rs", text, wanted);
    check(
        "fn f() {\n    unsafe { g() };\n}\n",
        &["a.rs:2: unsafe without"],
    );
    check(
        "// SAFETY: the parameters are\n// valid.\nunsafe { g() }\n",
        &["says only"],
    );
    check("// SAFETY: ok.\nunsafe { g() }\n", &["must say why"]);
    check(
        "// SAFETY: `g` only reads a byte that lives here.\nlet x =\n    unsafe { g() };\n",
        &[],
    );
    let apart = "// SAFETY: this one belongs to the first call.\nlet a = 1;\nunsafe { g() }\n";
    check(apart, &["a.rs:3: unsafe without"]);
    check("unsafe fn f();\n", &[]);
}

#[test]
fn prints_unwraps_and_exits_are_found() {
    let text = "println!(\"x\"); dbg!(1); a.unwrap(); b.map(Option::unwrap); c.unwrap_or(1);\nstd::process::exit(1); unsafe { libc::_exit(2) }\n// println!(\"\")\n";
    finds(
        only_the_terminal_prints,
        "src/ops/a.rs",
        text,
        &["a.rs:1", "a.rs:1"],
    );
    finds(only_the_terminal_prints, "src/cli/a.rs", text, &[]);
    finds(
        nothing_is_unwrapped,
        "src/cli/a.rs",
        text,
        &["a.rs:1", "a.rs:1"],
    );
    finds(
        exits_are_at_home,
        "src/ops/a.rs",
        text,
        &["a.rs:2", "a.rs:2"],
    );
    finds(exits_are_at_home, "src/main.rs", text, &[]);
    let child = "use crate::sys::process;\nfn child() { process::exit(0) }\n";
    finds(exits_are_at_home, "src/ops/a.rs", child, &[]);
}

#[test]
fn the_environment_away_from_home_is_found() {
    let rule = the_environment_is_at_home;
    let text = "use std::{env, fs};\nlet a = std::env::var_os(X);\nlet b = std::env::args_os();\nuse std::env::{args, vars};\nunsafe { libc::getenv(n) }\ncommand.env(X, y);\n";
    finds(
        rule,
        "src/ops/a.rs",
        text,
        &["a.rs:1", "a.rs:2", "a.rs:4", "a.rs:5"],
    );
    finds(rule, "src/base/env.rs", text, &[]);
    let rule = variables_are_named_at_home;
    let text = "f(\"CORACLE_HOME\", \"PATH\", \"MANIFEST_UNKNOWN\", \"set CORACLE_HOME\", \"EPERM\", \"GET\");\n// \"HOME\"\n";
    finds(rule, "src/ops/a.rs", text, &["`CORACLE_HOME`", "`PATH`"]);
}
