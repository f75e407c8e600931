//! Imports point down: who may import whom, through `use`, paths in code, `super` and groups.

use super::scan::{Source, Token};
use super::{finds, none, tree};

/// Each top-level module and those that it may import, in the order of the rows.
const MATRIX: [(&str, &[&str]); 14] = [
    ("sys", &[]),
    ("base", &["sys"]),
    ("oci", &["base"]),
    ("trust", &["base", "oci"]),
    ("host", &["sys", "base"]),
    ("gpu", &["sys", "base"]),
    ("embed", &["sys", "base"]),
    ("registry", &["base", "oci"]),
    ("store", &["sys", "base", "oci"]),
    ("layer", &["sys", "base", "oci"]),
    ("plan", &["base", "oci", "host", "gpu"]),
    ("engine", &["sys", "base", "host", "embed", "plan"]),
    (
        "ops",
        &[
            "base", "oci", "trust", "host", "gpu", "embed", "registry", "store", "layer", "plan",
            "engine",
        ],
    ),
    ("cli", &["base", "oci", "ops"]),
];

/// What `main.rs` may import: the terminal, and what a helper role of an engine needs after re-exec.
const MAIN: [&str; 3] = ["sys", "engine", "cli"];

/// Engines, which never know each other. Of the other files of `engine` only `select`, which
/// stands above them, may know them.
const ENGINES: [&str; 5] = ["ns", "proot", "trap", "fakechroot", "apptainer"];

/// A path as it stands in the code, groups taken apart: `a::{b, c::d}` gives two.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CodePath {
    /// Its parts.
    pub(super) names: Vec<String>,
    /// The line of its last part.
    pub(super) line: usize,
    /// The inline modules that it stands in.
    inside: Vec<String>,
    /// Whether it is the path of a `pub use`.
    exported: bool,
}

/// Every path in `tokens` that starts with the word `first`.
pub(super) fn paths(tokens: &[Token], first: &str) -> Vec<CodePath> {
    let text = |idx: usize| tokens.get(idx).map_or("", |token| token.text.as_str());
    let mut found = Vec::new();
    let mut open: Vec<Option<String>> = Vec::new();
    for idx in 0..tokens.len() {
        match text(idx) {
            "{" if idx >= 2 && text(idx - 2) == "mod" => open.push(Some(text(idx - 1).to_owned())),
            "{" => open.push(None),
            "}" => drop(open.pop()),
            word if word == first && (idx == 0 || text(idx - 1) != "::") => {
                let inside: Vec<String> = open.iter().flatten().cloned().collect();
                let exported = is_exported(tokens, idx);
                let mut flat = Vec::new();
                flatten(tokens, idx, &[], &mut flat);
                found.extend(flat.into_iter().map(|(names, line)| CodePath {
                    names,
                    line,
                    inside: inside.clone(),
                    exported,
                }));
            }
            _ => {}
        }
    }
    found
}

/// Whether the path at `at` is what a `pub use` (of any visibility) names.
fn is_exported(tokens: &[Token], at: usize) -> bool {
    let before: Vec<&str> = tokens[..at]
        .iter()
        .rev()
        .take(5)
        .map(|token| token.text.as_str())
        .collect();
    let after_use = before.first() == Some(&"use") || before.get(..2) == Some(&["::", "use"]);
    let visible = before.get(1) == Some(&"pub") || before.get(1) == Some(&")");
    after_use && visible
}

/// Takes the path tree at `at` apart below `prefix`; returns the index after it.
fn flatten(
    tokens: &[Token],
    mut at: usize,
    prefix: &[String],
    flat: &mut Vec<(Vec<String>, usize)>,
) -> usize {
    let text = |idx: usize| tokens.get(idx).map_or("", |token| token.text.as_str());
    let mut names = prefix.to_vec();
    loop {
        if text(at) == "{" {
            at += 1;
            while !["}", ""].contains(&text(at)) {
                at = flatten(tokens, at, &names, flat);
                // Past `as name` and the comma.
                while ![",", "}", ""].contains(&text(at)) {
                    at += 1;
                }
                at += usize::from(text(at) == ",");
            }
            return at + 1;
        }
        names.push(text(at).to_owned());
        if text(at + 1) != "::" || text(at + 2) == "<" {
            flat.push((names, tokens.get(at).map_or(0, |token| token.line)));
            return at + 1;
        }
        at += 2;
    }
}

/// The module that a file is, from the crate's root: `src/a/b.rs` and `src/a/b/mod.rs` are `a::b`.
fn module_of(path: &str) -> Vec<String> {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    let mut names: Vec<String> = path.split('/').map(str::to_owned).collect();
    if names
        .last()
        .is_some_and(|name| name == "mod" || name == "lib" || name == "main")
    {
        names.pop();
    }
    names
}

/// Where `path` leads from `module`, as names from the crate's root.
fn absolute(path: &CodePath, module: &[String]) -> Vec<String> {
    let mut here = module.to_vec();
    here.extend(path.inside.iter().cloned());
    let mut names = path.names.iter().peekable();
    match names.next().map(String::as_str) {
        Some("super") => drop(here.pop()),
        Some("self") => {}
        _ => here.clear(),
    }
    while names.next_if(|name| *name == "super").is_some() {
        here.pop();
    }
    here.extend(names.cloned());
    here
}

fn imports_point_down(source: &Source) -> Vec<String> {
    let module = module_of(&source.path);
    let own = module.first().map_or("main", String::as_str);
    let allowed: &[&str] = match MATRIX.iter().find(|(name, _)| *name == own) {
        Some((_, allowed)) => allowed,
        None if source.path == "src/main.rs" => &MAIN,
        None => &[],
    };
    let tokens = source.tokens();
    let roots = ["crate", "super", "self", "coracle"];
    let mut complaints = Vec::new();
    for path in roots.iter().flat_map(|root| paths(&tokens, root)) {
        let bare = path.names.len() == 1;
        if bare && !is_renamed(&tokens, path.line) {
            continue; // `self` the value, `pub(crate)`
        }
        let target = absolute(&path, &module);
        let row = target.first().map_or("*", String::as_str);
        if row != own && !allowed.contains(&row) {
            complaints.push(source.complain(path.line, format!("`{own}` may not import `{row}`")));
        } else if path.exported && row != own {
            let what = format!("`{own}` re-exports `{row}`, which hides who imports whom");
            complaints.push(source.complain(path.line, what));
        }
        complaints
            .extend(engines_meet(&module, &target).map(|what| source.complain(path.line, what)));
    }
    complaints
}

/// Whether the crate's root itself gets another name on `line`: `use crate as x`.
fn is_renamed(tokens: &[Token], line: usize) -> bool {
    let words: Vec<&str> = tokens
        .iter()
        .filter(|token| token.line == line)
        .map(|token| token.text.as_str())
        .collect();
    let renames = |window: &[&str]| {
        ["crate", "super", "self", "coracle"].contains(&window[0]) && window[1] == "as"
    };
    words.windows(2).any(renames)
}

/// What is wrong if code of `module` names `target` inside `engine`.
fn engines_meet(module: &[String], target: &[String]) -> Option<String> {
    let in_engine = |names: &[String]| names.first().is_some_and(|name| name == "engine");
    let engine = |names: &[String]| {
        names
            .get(1)
            .filter(|name| ENGINES.contains(&name.as_str()))
            .cloned()
    };
    let met = engine(target).filter(|_| in_engine(module) && in_engine(target))?;
    let own = module
        .get(1)
        .cloned()
        .unwrap_or_else(|| "engine".to_owned());
    (own != met && own != "select").then(|| format!("`{own}` may not know the engine `{met}`"))
}

#[test]
fn imports_of_the_tree_point_down() {
    let tree = tree::src();
    let known = |source: &&Source| {
        let module = module_of(&source.path);
        module.is_empty() || MATRIX.iter().any(|(name, _)| *name == module[0])
    };
    let unknown = tree.iter().filter(|source| !known(source));
    none(
        unknown
            .map(|source| source.complain(1, "in no row of the matrix"))
            .collect(),
    );
    none(tree.iter().flat_map(imports_point_down).collect());
}

#[test]
fn each_way_of_importing_upwards_is_found() {
    let check =
        |path: &str, text: &str, wanted: &[&str]| finds(imports_point_down, path, text, wanted);
    check(
        "src/sys/a.rs",
        "use crate::base::path;\n",
        &["`sys` may not import `base`"],
    );
    check(
        "src/sys/a.rs",
        "fn f() { crate::cli::run(); }\n",
        &["`sys` may not import `cli`"],
    );
    check("src/sys/mod.rs", "use super::cli;\n", &["`cli`"]);
    check(
        "src/sys/a.rs",
        "use super::super::cli::x;\nuse super::b;\n",
        &["a.rs:1"],
    );
    check(
        "src/sys/a.rs",
        "mod m { use super::super::super::ops::y; }\n",
        &["`ops`"],
    );
    check(
        "src/base/a.rs",
        "use crate::{sys::fd, ops::{self, run}};\n",
        &["`ops`", "`ops`"],
    );
    check(
        "src/base/a.rs",
        "use crate::{\n    sys,\n    store::x as y,\n};\n",
        &["a.rs:3: `base` may not import `store`"],
    );
    check(
        "src/oci/mod.rs",
        "pub use crate::registry::x;\n",
        &["`registry`"],
    );
    check(
        "src/ops/mod.rs",
        "pub(crate) use crate::engine::Outcome;\n",
        &["re-exports `engine`"],
    );
    check("src/sys/mod.rs", "use crate as c;\n", &["`*`"]);
    check("src/sys/mod.rs", "use super::*;\n", &["`*`"]);
    check(
        "src/main.rs",
        "fn main() { coracle::store::x() }\n",
        &["`main` may not import `store`"],
    );
}

#[test]
fn imports_that_point_down_pass() {
    let check = |path: &str, text: &str| finds(imports_point_down, path, text, &[]);
    check(
        "src/base/a.rs",
        "//! crate::cli\nuse crate::sys::{self, random};\nuse super::path::HostPath;\n",
    );
    check(
        "src/base/a.rs",
        "pub use self::inner::X;\npub(crate) fn f(&self) { self.g(); }\n",
    );
    check(
        "src/base/a.rs",
        "#[cfg(test)]\nmod tests {\n    use super::*;\n}\n",
    );
    check("src/lib.rs", "pub mod sys;\n");
    check(
        "src/ops/a.rs",
        "let x = \"crate::cli\"; use crate::engine::Engine;\n",
    );
}

#[test]
fn engines_that_meet_are_found() {
    let check =
        |path: &str, text: &str, wanted: &[&str]| finds(imports_point_down, path, text, wanted);
    check(
        "src/engine/proot.rs",
        "use super::ns;\nuse super::view;\n",
        &["`proot` may not know the engine `ns`"],
    );
    check(
        "src/engine/view.rs",
        "use crate::engine::proot::X;\n",
        &["`view`"],
    );
    check(
        "src/engine/ns/a.rs",
        "use super::super::ns::b;\nuse crate::engine::program;\n",
        &[],
    );
}
