//! An error at any system call: the command says which and why, or does all that it was to do; never something between.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::deed::{Deed, Struck};
use super::{points, say, spread};
use crate::support::require;

/// What may go wrong, at which calls (see `tests/host/faults/fault.c`), and the words for it of glibc and of musl.
const FAULTS: [(&str, &str, &[&str]); 9] = [
    ("ENOSPC", "wcnfxa", &["No space left on device"]),
    (
        "EDQUOT",
        "wcnfxa",
        &["Disk quota exceeded", "Quota exceeded"],
    ),
    ("EIO", "wcnofxaursp", &["Input/output error", "I/O error"]),
    (
        "EMFILE",
        "oc",
        &["Too many open files", "No file descriptors available"],
    ),
    ("EINTR", "wcnofxr", &["Interrupted system call"]),
    ("EROFS", "wcnau", &["Read-only file system"]),
    // What a user may not read may be a sub-id's of his, as whom it is tried then.
    ("EACCES", "cnoaus", &["Permission denied", "sub-ids"]),
    ("ESTALE", "wors", &["Stale file handle"]),
    ("lost", "nu", &["No such file or directory", "File exists"]),
];

/// What goes wrong once goes on to do so: each of these from one call to the last.
const LASTING: [&str; 4] = ["ENOSPC", "EDQUOT", "EIO", "EMFILE"];

/// `CORACLE_FAULT_POINTS` points for each kind of error, evenly spread from the first call to the last.
fn fails(name: &str) {
    let deed = Deed::new(name);
    let wanted = points("CORACLE_FAULT_POINTS", 1);
    let (mut n_struck, mut n_bad) = (0, 0);
    for (error, groups, words) in FAULTS {
        let count = deed.struck(&format!("count:{groups}")).count;
        // Not the same moment for each.
        let shift = error.bytes().map(usize::from).sum::<usize>();
        for number in spread(count, wanted) {
            let number = (number + shift) % count + 1;
            for lasts in ["", "+"] {
                if lasts.is_empty() || LASTING.contains(&error) {
                    let what = format!("{error}:{groups}:{number}{lasts}");
                    // All of them are told before the test fails.
                    match catch_unwind(AssertUnwindSafe(|| one(&deed, name, &what, words))) {
                        Ok(is_struck) => n_struck += usize::from(is_struck),
                        Err(_) => n_bad += 1,
                    }
                }
            }
        }
    }
    assert_eq!(n_bad, 0, "{name}: errors that went wrong, see above");
    assert!(n_struck > 0, "{name} never failed");
    say(&format!("{name}: {n_struck} errors"));
}

/// One error; whether it came to pass.
#[track_caller]
fn one(deed: &Deed, name: &str, what: &str, words: &[&str]) -> bool {
    let struck = deed.struck(what);
    let told = format!("{name}, {what} at {}\n{}", struck.call, struck.output);
    if struck.call.is_empty() {
        assert_eq!(struck.output.code(), Some(0), "{told}");
        return false;
    }
    match struck.output.code() {
        Some(0) => {
            assert!(!must_fail(what, &struck), "swallowed: {told}");
            deed.assert_done(&told);
        }
        // The last: by what cannot be had, the command line is wrong.
        Some(1 | 2) => assert_explained(&struck, words, &told),
        _ => panic!("no error of ours: {told}"),
    }
    deed.assert_survived(&told);
    true
}

/// Whether a success after this error would be a lie: something was not written, or not flushed.
fn must_fail(what: &str, struck: &Struck) -> bool {
    let is_full = ["ENOSPC", "EDQUOT", "EIO"]
        .iter()
        .any(|error| what.starts_with(error));
    let (call, path) = struck.call.split_once(' ').unwrap_or_default();
    let is_heard = match call {
        // Where something is flushed, that tells before.
        "close" => path.contains("/rootfs/") || path.ends_with("/sidecar"),
        "write" | "fsync" | "syncfs" | "mkdir" | "mkdirat" | "fchmod" | "utimensat" => true,
        _ => false,
    };
    // What a file system makes of modes is tried, and costs only time where it cannot be.
    is_full && is_heard && path.contains("/ingest/") && !path.contains("/.modes")
}

/// Asserts that an error names a reason and an object, and the way out of a full disk.
#[track_caller]
fn assert_explained(struck: &Struck, words: &[&str], told: &str) {
    let said = &struck.output.stderr;
    assert!(
        words.iter().any(|word| said.contains(word)),
        "no reason: {told}"
    );
    // What was tried with sub-ids is told by the container.
    let has_object = ["`/", "cannot read ", "sub-ids"]
        .iter()
        .any(|it| said.contains(it));
    assert!(has_object, "no path: {told}");
    if words[0].contains("space") || words[0].contains("quota") {
        assert!(said.contains("CORACLE_HOME"), "no way out: {told}");
    }
}

#[test]
fn pull() {
    require!(Fixtures, DockerRegistry, Ptrace);
    fails("pull");
}

#[test]
fn create_that_pulls() {
    require!(Fixtures, Ptrace);
    fails("first");
}

#[test]
fn load() {
    require!(Fixtures, Ptrace);
    fails("load");
}

#[test]
fn removals() {
    require!(Fixtures, Ptrace);
    for name in ["create", "commit", "rm", "rmi", "gc"] {
        fails(name);
    }
}
