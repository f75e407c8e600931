//! Archives that lie or break off leave nothing behind: no name, no blob, no tree, no container.

use serde_json::{Value, json};

use super::craft::{Archive, config, layer, layout, left_nothing};
use crate::support::Sandbox;

/// Loads the archive and asserts that it is refused with these words.
#[track_caller]
fn refused(sandbox: &Sandbox, archive: impl Into<Vec<u8>>, words: &str) {
    let load = sandbox.coracle(["load"]).input(archive).run();
    assert_ne!(load.code(), Some(0), "{load}");
    let load = load
        .complains("cannot load `standard input`")
        .complains(words);
    assert!(load.stdout.is_empty(), "{load}");
    left_nothing(sandbox);
}

fn name() -> Value {
    json!({"io.containerd.image.name": "docker.io/library/liar:1"})
}

/// An archive of one image whose `manifest.json` is changed by `change`.
fn saved(change: impl Fn(&mut Value)) -> Vec<u8> {
    let one = layer("file", "1");
    let mut list = json!([{"Config": "c.json", "RepoTags": ["a:1"], "Layers": ["l.tar"]}]);
    change(&mut list);
    let archive = Archive::new()
        .json("c.json", &config(&[&one]))
        .file("l.tar", &one);
    archive.json("manifest.json", &list).bytes()
}

#[test]
fn truncated_anywhere() {
    let sandbox = Sandbox::new();
    let one = layer("file", &"content ".repeat(500));
    let whole = layout(&[&one], name()).bytes();
    for length in [
        0,
        100,
        700,
        whole.len() / 2,
        whole.len() - 1500,
        whole.len() - 1024,
    ] {
        let load = sandbox.coracle(["load"]).input(&whole[..length]).run();
        if length < whole.len() - 1024 {
            assert_ne!(load.code(), Some(0), "{length} bytes\n{load}");
            left_nothing(&sandbox);
        } else {
            // Only the two blocks of zeros at the end are missing.
            load.success();
        }
    }
}

#[test]
fn names_that_are_none() {
    let sandbox = Sandbox::new();
    for name in [
        "../../etc/passwd:1",
        "UPPER:1",
        "a b:1",
        "x:y:z",
        "",
        "-a:1",
        "a@sha256:00",
    ] {
        refused(
            &sandbox,
            saved(|list| list[0]["RepoTags"] = json!([name])),
            "does not name an image",
        );
    }
    let one = layer("file", "1");
    let annotated = layout(
        &[&one],
        json!({"io.containerd.image.name": "../x\u{1b}[2J"}),
    );
    refused(&sandbox, annotated.bytes(), "does not name an image");
}

#[test]
fn files_that_are_not_there_and_digests_that_are_not_so() {
    let sandbox = Sandbox::new();
    let one = layer("file", "1");
    refused(
        &sandbox,
        saved(|list| list[0]["Layers"] = json!(["../../etc/passwd"])),
        "has no file",
    );
    refused(
        &sandbox,
        saved(|list| list[0]["Config"] = json!("/etc/hostname")),
        "has no file",
    );
    let other = layer("file", "2");
    let wrong = Archive::new()
        .json("c.json", &config(&[&other]))
        .file("l.tar", &one);
    let list = json!([{"Config": "c.json", "RepoTags": ["a:1"], "Layers": ["l.tar"]}]);
    refused(
        &sandbox,
        wrong.json("manifest.json", &list).bytes(),
        "got digest",
    );
    // A blob under the name of another, which `index.json` speaks of.
    let mut bytes = layout(&[&one], name()).bytes();
    let at = bytes.windows(8).position(|window| window == b"\"Cmd\":[\"");
    bytes[at.expect("it is in the config") + 9] = b'x';
    refused(&sandbox, bytes, "got digest");
    refused(
        &sandbox,
        Archive::new().file("etc/passwd", "root").bytes(),
        "holds no images",
    );
    refused(
        &sandbox,
        Archive::new().json("manifest.json", &json!([])).bytes(),
        "holds no images",
    );
    refused(
        &sandbox,
        Archive::new().file("manifest.json", "{").bytes(),
        "cannot be read",
    );
    refused(&sandbox, "no archive at all\n".repeat(100), "");
    refused(&sandbox, [&b"BZh91AY&SY"[..], &[7; 600]].concat(), "bzip2");
    let looped = Archive::new().link("a", "b").link("b", "a").json(
        "manifest.json",
        &json!([
            {"Config": "a", "RepoTags": ["a:1"], "Layers": []},
        ]),
    );
    refused(&sandbox, looped.bytes(), "has no file");
}

#[test]
fn one_bad_image_of_two_stops_both() {
    let sandbox = Sandbox::new();
    let (one, two) = (layer("file", "1"), layer("file", "2"));
    let archive = Archive::new()
        .json("good.json", &config(&[&one]))
        .json("bad.json", &config(&[&two]))
        .file("l.tar", &one)
        .json(
            "manifest.json",
            &json!([
                {"Config": "good.json", "RepoTags": ["good:1"], "Layers": ["l.tar"]},
                {"Config": "bad.json", "RepoTags": ["bad:1"], "Layers": ["l.tar"]},
            ]),
        );
    refused(&sandbox, archive.bytes(), "got digest");
}

#[test]
fn parents_in_a_circle_end() {
    let sandbox = Sandbox::new();
    let one = layer("file", "1");
    let archive = Archive::new()
        .json("a/json", &json!({"id": "a", "parent": "b"}))
        .file("a/layer.tar", &one)
        .json("b/json", &json!({"id": "b", "parent": "a"}))
        .file("b/layer.tar", &one)
        .json("repositories", &json!({"ring": {"1": "a"}}));
    let load = sandbox.coracle(["load"]).input(archive.bytes());
    load.run().success().prints("Loaded image: ring:1");
}

#[test]
fn trees_that_are_none_are_not_imported() {
    let sandbox = Sandbox::new();
    let whole = layer("file", &"content ".repeat(500));
    let escape = |name: &[u8]| {
        let mut bytes = layer("file", "1");
        bytes[..100].fill(0);
        bytes[..name.len()].copy_from_slice(name);
        bytes[148..156].fill(b' ');
        let sum: u32 = bytes[..512].iter().map(|byte| u32::from(*byte)).sum();
        bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        bytes
    };
    for (archive, words) in [
        (Vec::new(), "it is empty"),
        (b"text".to_vec(), "not a sound tar archive"),
        (whole[..700].to_vec(), "not a sound tar archive"),
        (escape(b"../out"), "expected a path without `..`"),
    ] {
        for flags in [
            &["import", "-", "x"][..],
            &["import", "--tocontainer", "--name", "x", "-"],
        ] {
            let import = sandbox
                .coracle(flags)
                .input(archive.clone())
                .run()
                .exits(1 + i32::from(archive.is_empty()));
            import
                .complains("cannot import `standard input`")
                .complains(words);
            left_nothing(&sandbox);
        }
    }
    let clone = ["import", "--clone", "-"];
    sandbox
        .coracle(clone)
        .input(whole)
        .run()
        .exits(2)
        .complains("has no `container.json`");
    left_nothing(&sandbox);
}

#[test]
fn a_full_disk_leaves_nothing() {
    let sandbox = Sandbox::new();
    let big = layer("file", &"content ".repeat(20_000));
    let image = layout(&[&big], name()).bytes();
    for (words, input) in [(&["load"][..], image), (&["import", "-", "x"], big)] {
        let small = sandbox.coracle(words).input(input);
        let small = small.behind(["sh", "-c", "trap '' XFSZ; ulimit -f 100; exec \"$@\"", "sh"]);
        small.run().exits(1);
        left_nothing(&sandbox);
    }
}
