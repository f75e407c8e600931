//! Every fuzz target is built, run by `ci/fuzz`, and has something to start with.

use std::collections::BTreeSet;

use super::scan::Source;
use super::{none, tree};

/// The targets that `ci/fuzz` runs where none is named: the words after `set --`, over all lines of it.
fn run_by(script: &str) -> BTreeSet<String> {
    let list = script.split_once("|| set -- ").map_or("", |split| split.1);
    let mut words = BTreeSet::new();
    for line in list.lines() {
        words.extend(line.split_whitespace().map(str::to_owned));
        if !words.remove("\\") {
            break;
        }
    }
    words
}

/// Complains about each target that has no file among `files` (those of `tests/fuzz`), is not built by the manifest there
/// or run by `script`, or is not among those with seeds.
fn incomplete(files: &[Source], script: &str, seeded: BTreeSet<String>) -> Vec<String> {
    let paths = files.iter().map(|file| file.path.as_str());
    let written = paths.filter_map(|path| {
        let name = path.strip_prefix("tests/fuzz/targets/")?;
        name.strip_suffix(".rs").map(str::to_owned)
    });
    let mut manifest = files.iter();
    let manifest = manifest.find(|file| file.path == "tests/fuzz/Cargo.toml");
    let built = manifest.map_or("", |file| &file.text).lines();
    let built = built.filter_map(|line| {
        let path = line.strip_prefix("path = \"targets/")?;
        path.strip_suffix(".rs\"").map(str::to_owned)
    });
    let homes = [
        ("file in tests/fuzz/targets", written.collect()),
        ("[[bin]] in tests/fuzz/Cargo.toml", built.collect()),
        ("place in the list of ci/fuzz", run_by(script)),
        ("folder in tests/fuzz/seeds", seeded),
    ];
    let all: BTreeSet<String> = homes.iter().flat_map(|(_, names)| names.clone()).collect();
    let lacks = |name: &String| {
        let homes = homes.iter().filter(|(_, names)| !names.contains(name));
        let homes: Vec<&str> = homes.map(|(home, _)| *home).collect();
        let what = format!(
            "the fuzz target `{name}` lacks a {}",
            homes.join(", and a ")
        );
        (!homes.is_empty()).then_some(what)
    };
    all.iter().filter_map(lacks).collect()
}

#[test]
fn every_fuzz_target_is_run() {
    let script = tree::files("ci/fuzz");
    let script = script.first().expect("ci/fuzz is there");
    let folders = tree::root().join("tests/fuzz/seeds").read_dir();
    let folders = folders.expect("there are seeds").map(|entry| {
        let name = entry
            .expect("a directory of our own tree lists")
            .file_name();
        name.to_string_lossy().into_owned()
    });
    let complaints = incomplete(&tree::files("tests/fuzz"), &script.text, folders.collect());
    none(complaints);
    assert!(run_by(&script.text).len() > 1);
}

#[test]
fn a_target_that_is_not_run_is_found() {
    let files = [
        Source::new("tests/fuzz/targets/a.rs", ""),
        Source::new("tests/fuzz/targets/b.rs", ""),
        Source::new(
            "tests/fuzz/Cargo.toml",
            "path = \"targets/a.rs\"\npath = \"targets/c.rs\"\n",
        ),
    ];
    let script = "[ $# -gt 0 ] || set -- a \\\n    c\nexport b\n";
    let seeded = ["a", "b", "c"].map(str::to_owned).into();
    let complaints = incomplete(&files, script, seeded);
    let wanted = [
        "the fuzz target `b` lacks a [[bin]] in tests/fuzz/Cargo.toml, and a place in the list of ci/fuzz",
        "the fuzz target `c` lacks a file in tests/fuzz/targets",
    ];
    assert_eq!(complaints, wanted);
}
