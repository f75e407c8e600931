//! Properties of the source text: shape, homes, layers, the map. No compiler could check them.
//!
//! Each rule is a function from text to complaints. One test runs it over the tree
//! and wants none; another runs it over planted faults and wants each of them.

mod fuzz;
mod homes;
mod layers;
mod map;
mod scan;
mod shape;
mod tree;

/// Fails with one complaint per line.
#[track_caller]
fn none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// Fails unless `rule` complains about `text`, as a file at `path`, with each of `wanted`, and with nothing else.
#[track_caller]
fn finds(rule: fn(&scan::Source) -> Vec<String>, path: &str, text: &str, wanted: &[&str]) {
    let complaints = rule(&scan::Source::new(path, text));
    assert_eq!(complaints.len(), wanted.len(), "{complaints:#?}");
    for (complaint, part) in complaints.iter().zip(wanted) {
        assert!(complaint.contains(part), "{complaint:?} lacks {part:?}");
    }
}
