//! What a small layer may cost: memory and time are bounded by what the largest honest images need.

use coracle::layer::{Entry, EntryKind, LayerIndex, Sidecar, Time, Truth, merge};

fn entry(kind: EntryKind, path: &str) -> Entry {
    Entry {
        path: path.into(),
        kind,
        mode: 0o755,
        uid: 0,
        gid: 0,
        mtime: Time::default(),
        size: 0,
        link: Vec::new(),
        xattrs: Vec::new(),
        device: (0, 0),
        offset: 512,
    }
}

/// Every whiteout walked from the root to each of the directories above it: one layer took hours.
#[test]
fn whiteouts_in_deep_directories_are_no_work() {
    const DEPTH: usize = 2000;
    const WHITEOUTS: usize = 400;
    let deep = "a/".repeat(DEPTH);
    let own = (1..=DEPTH).map(|n| entry(EntryKind::Directory, &"a/".repeat(n)[..2 * n - 1]));
    let whiteouts = (0..WHITEOUTS).map(|n| entry(EntryKind::File, &format!("{deep}.wh.{n}")));
    let lower = LayerIndex {
        entries: vec![entry(EntryKind::File, &format!("{deep}7"))],
        size: 0,
    };
    let upper = LayerIndex {
        entries: own.chain(whiteouts).collect(),
        size: 0,
    };
    let tree = merge([&lower, &upper]).expect("few names are walked");
    assert_eq!(tree.names.len(), DEPTH + 1);
}

/// A layer that occurs a thousand times was looked at a thousand times, however large.
#[test]
fn the_same_layer_again_and_again_is_refused() {
    let layer = LayerIndex {
        entries: vec![entry(EntryKind::File, ".wh..wh.aufs"); 10_000],
        size: 0,
    };
    assert!(merge(vec![&layer; 3]).is_ok());
    let error = merge(vec![&layer; 1250]).expect_err("twelve million entries");
    let message = error.to_string();
    assert!(message.contains("entries in all layers"), "{message}");
}

/// A path with `..` in a file of ours was taken for a clean one.
#[test]
fn a_sidecar_that_climbs_is_damaged() {
    for (path, is_clean) in [
        ("a/b", true),
        ("", true),
        ("../a", false),
        ("a/../../b", false),
        ("a\0b", false),
        ("a//b", false),
        ("/a", false),
    ] {
        let truth = Truth {
            path: path.into(),
            kind: EntryKind::File,
            mode: 0o644,
            uid: 1,
            gid: 1,
            device: (0, 0),
            xattrs: Vec::new(),
        };
        let sidecar = Sidecar {
            truths: vec![truth],
        };
        let decoded = Sidecar::decode(&sidecar.encode());
        assert_eq!(decoded.is_ok(), is_clean, "{path:?}");
    }
}

/// The sum of sizes that an index states overflowed.
#[test]
fn sizes_add_up_to_no_more_than_there_is() {
    let huge = Entry {
        size: i64::MAX as u64,
        ..entry(EntryKind::File, "a")
    };
    let index = LayerIndex {
        entries: vec![huge; 3],
        size: 0,
    };
    let again = LayerIndex::decode(&index.encode()).expect("it is well-formed");
    assert_eq!(again.content_bytes(), u64::MAX);
}
