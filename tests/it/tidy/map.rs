//! The map in src/ARCHITECTURE.md names every module of the first two levels that exists, and no other.

use std::collections::BTreeSet;

use super::{none, tree};

/// Lines of the map's page.
const MAX_LINES: usize = 400;

/// The modules that the code map of `page` names, as paths below `src`.
///
/// The map is the fenced block after the heading `## Code map`: one entry per line, first
/// word of the line; an indented entry lies in the last folder above it with less indent.
fn named(page: &str) -> BTreeSet<String> {
    let section = page.split("\n## Code map\n").nth(1).unwrap_or_default();
    let block = section.split("```").nth(1).unwrap_or_default();
    let mut names = BTreeSet::new();
    let mut folders: Vec<(usize, &str)> = Vec::new();
    for line in block.lines().skip(1) {
        let indent = line.len() - line.trim_start().len();
        let Some(word) = line.split_whitespace().next() else {
            continue;
        };
        let is_folder = word.ends_with('/');
        if !is_folder && !word.ends_with(".rs") {
            continue; // the next line of a description
        }
        folders.retain(|(depth, _)| *depth < indent);
        let above: String = folders.iter().map(|(_, folder)| *folder).collect();
        names.insert(format!("{above}{word}"));
        if is_folder {
            folders.push((indent, word));
        }
    }
    names
}

/// The modules that exist, two levels deep: files by path, folders (`mod.rs`) with a slash at the end.
fn existing() -> BTreeSet<String> {
    let paths = tree::src().into_iter().map(|source| source.path);
    let name = |path: String| {
        let path = path.trim_start_matches("src/");
        path.strip_suffix("mod.rs").unwrap_or(path).to_owned()
    };
    let is_shown = |path: &String| path.trim_end_matches('/').matches('/').count() < 2;
    paths.map(name).filter(is_shown).collect()
}

fn drift(named: &BTreeSet<String>, existing: &BTreeSet<String>) -> Vec<String> {
    let missing = existing
        .difference(named)
        .map(|name| format!("the code map lacks `{name}`"));
    let gone = named
        .difference(existing)
        .map(|name| format!("the code map names `{name}`, which does not exist"));
    missing.chain(gone).collect()
}

#[test]
fn the_map_is_true() {
    let page = tree::files("src/ARCHITECTURE.md");
    let text = page.first().map_or("", |source| source.text.as_str());
    assert!(
        text.lines().count() <= MAX_LINES,
        "at most {MAX_LINES} lines"
    );
    assert!(
        text.contains("**Invariant"),
        "the page states the invariants"
    );
    none(drift(&named(text), &existing()));
}

#[test]
fn drift_is_found() {
    let page = "# A\n\n## Code map\n\nWords.\n\n```text\nmain.rs      start\nsys/         kernel\n             of Linux\n  fd.rs      descriptors\n  arch/      processors\n    x86.rs   one\nbase/        words\n```\n\n## Next\n\n```text\nno.rs\n```\n";
    let wanted = [
        "main.rs",
        "sys/",
        "sys/fd.rs",
        "sys/arch/",
        "sys/arch/x86.rs",
        "base/",
    ];
    let names = named(page);
    assert_eq!(
        names,
        wanted.iter().map(|name| (*name).to_owned()).collect()
    );
    let mut existing = names.clone();
    existing.remove("sys/fd.rs");
    existing.insert("base/env.rs".to_owned());
    let complaints = drift(&names, &existing);
    assert_eq!(complaints.len(), 2, "{complaints:?}");
    assert!(complaints[0].contains("lacks `base/env.rs`"));
    assert!(complaints[1].contains("names `sys/fd.rs`"));
}
