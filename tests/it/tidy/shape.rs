//! The shape of a file: purpose first, at most 500 lines, functions of at most 70.

use super::scan::{Source, Token};
use super::tree;
use super::{finds, none};

/// Lines of one file.
const MAX_FILE: usize = 500;
/// Lines of one function, from `fn` to its closing brace.
const MAX_FUNCTION: usize = 70;

fn purpose_comes_first(source: &Source) -> Vec<String> {
    let first = source.text.lines().next().unwrap_or_default();
    let says = first.strip_prefix("//!").unwrap_or_default();
    if says.split_whitespace().count() >= 2 {
        return Vec::new();
    }
    vec![source.complain(
        1,
        "the first line must be `//!` and say what the file is for",
    )]
}

/// For scripts and C: a comment within the first two lines (the first may be `#!`).
fn script_purpose_comes_first(source: &Source) -> Vec<String> {
    let mut lines = source
        .text
        .lines()
        .skip_while(|line| line.starts_with("#!"));
    let first = lines.next().unwrap_or_default();
    let says = ["#", "//", "/*"]
        .iter()
        .find_map(|sign| first.strip_prefix(sign));
    let words = says.map_or(0, |text| text.split_whitespace().count());
    // A Python program says it in its docstring.
    if words >= 3 || first.starts_with("\"\"\"") {
        return Vec::new();
    }
    vec![source.complain(1, "a comment at the top must say what the file is for")]
}

fn files_are_short(source: &Source) -> Vec<String> {
    let n_lines = source.text.lines().count();
    if n_lines <= MAX_FILE {
        return Vec::new();
    }
    vec![source.complain(1, format!("{n_lines} lines, at most {MAX_FILE}"))]
}

fn functions_are_short(source: &Source) -> Vec<String> {
    let tokens = source.tokens();
    let is_definition =
        |idx: usize| tokens[idx].text == "fn" && tokens.get(idx + 1).is_some_and(is_name);
    let starts = (0..tokens.len()).filter(|idx| is_definition(*idx));
    // In a test, the rows of a table are data, which rustfmt makes long.
    let is_test = source.path.starts_with("tests/");
    let long = starts.filter_map(|idx| {
        let body = body(&tokens[idx..])?;
        let rows = if is_test { table_lines(body) } else { 0 };
        let n_lines = body[body.len() - 1].line + 1 - tokens[idx].line - rows;
        let name = &tokens[idx + 1].text;
        let what = format!("`{name}` has {n_lines} lines, at most {MAX_FUNCTION}");
        (n_lines > MAX_FUNCTION).then(|| source.complain(tokens[idx].line, what))
    });
    long.collect()
}

fn is_name(token: &Token) -> bool {
    token
        .text
        .starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// The function at the start of `tokens`, up to the brace that closes it; `None` for a
/// declaration without a body.
fn body(tokens: &[Token]) -> Option<&[Token]> {
    let mut nested = 0usize;
    for (idx, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "(" | "[" | "{" => nested += 1,
            ")" | "]" => nested = nested.saturating_sub(1),
            "}" if nested == 1 => return Some(&tokens[..=idx]),
            "}" => nested = nested.saturating_sub(1),
            ";" if nested == 0 => return None,
            _ => {}
        }
    }
    None
}

/// How many lines lie inside the outermost `[` and `]` of `body`.
fn table_lines(body: &[Token]) -> usize {
    let (mut nested, mut from, mut n_lines) = (0usize, 0, 0);
    for token in body {
        match token.text.as_str() {
            "[" => {
                from = if nested == 0 { token.line } else { from };
                nested += 1;
            }
            "]" => {
                nested = nested.saturating_sub(1);
                n_lines += if nested == 0 { token.line - from } else { 0 };
            }
            _ => {}
        }
    }
    n_lines
}

fn no_test_is_ignored(source: &Source) -> Vec<String> {
    let tokens = source.tokens();
    // Another test starts this one, as a process that it can kill.
    let is_child = |line: usize| {
        let mut reasons = source.strings.iter().filter(|(at, _)| *at == line);
        reasons.any(|(_, reason)| reason.starts_with("the part of a child process"))
    };
    let ignored = tokens.windows(3).filter(|window| {
        let [a, b, c] = [0, 1, 2].map(|idx| window[idx].text.as_str());
        (a, b) == ("#", "[") && c == "ignore" && !is_child(window[0].line)
    });
    let what = "no test is ignored: a missing host feature is named, and fails under MUST_WORK=1";
    ignored
        .map(|window| source.complain(window[0].line, what))
        .collect()
}

#[test]
fn the_tree_is_in_shape() {
    let rust = tree::rust();
    none(rust.iter().flat_map(purpose_comes_first).collect());
    none(rust.iter().flat_map(files_are_short).collect());
    none(rust.iter().flat_map(functions_are_short).collect());
    none(rust.iter().flat_map(no_test_is_ignored).collect());
    let scripts = tree::scripts();
    none(
        scripts
            .iter()
            .flat_map(script_purpose_comes_first)
            .collect(),
    );
}

#[test]
fn a_file_without_purpose_is_found() {
    let rule = purpose_comes_first;
    finds(rule, "src/a.rs", "use std::io;\n", &["first line"]);
    finds(rule, "src/a.rs", "\n//! Late and wrong.\n", &["first line"]);
    finds(rule, "src/a.rs", "//!\n//! Empty.\n", &["first line"]);
    finds(rule, "src/a.rs", "//! Says it.\n", &[]);
    let rule = script_purpose_comes_first;
    finds(
        rule,
        "ci/a",
        "#!/bin/sh\nset -e\n",
        &["a comment at the top"],
    );
    finds(rule, "ci/a", "#!/bin/sh\n# build: makes the file.\n", &[]);
}

#[test]
fn a_long_file_is_found() {
    let text = "//! Long.\n".repeat(MAX_FILE + 1);
    finds(files_are_short, "src/a.rs", &text, &["501 lines"]);
    let text = "//! Long.\n".repeat(MAX_FILE);
    finds(files_are_short, "src/a.rs", &text, &[]);
}

#[test]
fn a_long_function_is_found_whatever_its_signature_looks_like() {
    let body = "    call();\n".repeat(66);
    let long = format!("fn far(\n    a: [u8; 2],\n)\nwhere\n    A: B,\n{{\n{body}}}\n");
    let rule = functions_are_short;
    finds(rule, "src/a.rs", &long, &["`far` has 73 lines"]);
    let inside = format!("mod m {{ impl T {{\n{long} }} }}\ntrait U {{ fn short(&self); }}\n");
    finds(rule, "src/a.rs", &inside, &["src/a.rs:2: `far`"]);
    let fine = format!("fn near() {{\n{body}}}\n{}", "// }\n".repeat(90));
    finds(rule, "src/a.rs", &fine, &[]);
    let brace_in_text = format!(
        "fn near() {{\n    let s = \"{{\";\n}}\n{}",
        "// x\n".repeat(90)
    );
    finds(rule, "src/a.rs", &brace_in_text, &[]);
}

#[test]
fn the_rows_of_a_table_count_in_src_only() {
    let rows = "        1,\n".repeat(80);
    let text = format!("fn table() {{\n    for row in [\n{rows}    ] {{\n    }}\n}}\n");
    let rule = functions_are_short;
    finds(rule, "tests/it/a.rs", &text, &[]);
    finds(rule, "src/a.rs", &text, &["`table` has 85 lines"]);
}

#[test]
fn an_ignored_test_is_found() {
    let child = "#[ignore = \"the part of a child process that another test starts\"]\n";
    let text = format!("#[test]\n#[ignore = \"later\"]\nfn a() {{}}\n// #[ignore]\n{child}");
    finds(no_test_is_ignored, "tests/it/a.rs", &text, &["a.rs:2"]);
}
