//! `save`, `tag` and `protect` on a real image; what we write skopeo, umoci and we ourselves read.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Sandbox, fixture, require, tree};

/// A store with the image `guest` under two names.
fn harbour() -> Sandbox {
    let sandbox = Sandbox::new();
    let image = fixture::image("guest");
    sandbox.coracle(["-q", "pull", &image]).run().success();
    for name in ["site.example/a/guest:1", "guest:2"] {
        sandbox.coracle(["tag", &image, name]).run().success();
    }
    sandbox
}

fn save(sandbox: &Sandbox, images: &[&str]) -> PathBuf {
    let path = sandbox.home().join("saved.tar");
    let save = sandbox.coracle(["save", "-o"]).arguments([&path]);
    save.arguments(images).run().success().prints("");
    path
}

fn inspected(sandbox: &Sandbox, image: &str) -> Value {
    let output = sandbox.coracle(["inspect", image]).run().success();
    serde_json::from_str(&output.stdout).expect("inspect prints JSON")
}

fn rootfs(sandbox: &Sandbox, image: &str) -> PathBuf {
    let inspected = inspected(sandbox, image);
    inspected[0]["Coracle"]["Rootfs"]
        .as_str()
        .expect("an image has a tree")
        .into()
}

#[test]
fn what_is_saved_is_loaded_with_digests_names_and_tree() {
    require!(Fixtures);
    let sandbox = harbour();
    let path = save(&sandbox, &["guest:2", "site.example/a/guest:1"]);
    let first = std::fs::read(&path).expect("it was written");
    let piped = sandbox.coracle(["save", "site.example/a/guest:1", "guest:2"]);
    let check = piped.behind(["sh", "-c", "\"$@\" | cmp - saved.tar", "sh"]);
    check.run().success();
    save(&sandbox, &["guest:2", "site.example/a/guest:1"]);
    assert!(first == std::fs::read(&path).expect("it was written again"));

    let other = Sandbox::new();
    let said = "Loaded image: guest:2\nLoaded image: site.example/a/guest:1";
    other
        .coracle(["load"])
        .input(first)
        .run()
        .success()
        .prints(said);
    for key in ["Manifest", "Target", "Chain"] {
        let of = |sandbox| inspected(sandbox, "guest:2")[0]["Coracle"][key].clone();
        assert_eq!(of(&sandbox), of(&other), "{key}");
    }
    let trees = [&sandbox, &other].map(|sandbox| tree::list(&rootfs(sandbox, "guest:2")));
    let unlike = tree::differences(&trees[0], &trees[1]);
    assert!(unlike.is_empty(), "{}", unlike.join("\n"));
    other
        .coracle(["verify", "guest:2"])
        .run()
        .success()
        .mentions("damaged: 0");
}

#[test]
fn skopeo_and_umoci_read_what_is_saved() {
    require!(Fixtures, Umoci);
    let sandbox = harbour();
    let path = save(&sandbox, &["guest:2", "site.example/a/guest:1"]);
    let skopeo = |source: String| {
        let copy = [
            "skopeo",
            "--insecure-policy",
            "copy",
            "-q",
            &source,
            "dir:copied",
        ];
        sandbox.command(copy).run().success();
    };
    let path = path.display();
    skopeo(format!("docker-archive:{path}:site.example/a/guest:1"));
    skopeo(format!("docker-archive:{path}:docker.io/library/guest:2"));
    skopeo(format!("oci-archive:{path}:2"));
    sandbox.folder("home/layout");
    let unpack = "tar xf saved.tar -C layout && umoci unpack --rootless --image layout:1 bundle";
    sandbox.command(["sh", "-c", unpack]).run().success();
    let theirs = tree::list(&sandbox.path("home/bundle/rootfs"));
    let ours = tree::list(&rootfs(&sandbox, "guest:2"));
    let names = |tree: &tree::Tree| {
        tree.iter()
            .map(|(name, entry)| (name.clone(), entry.content.clone()))
            .collect::<Vec<_>>()
    };
    assert!(names(&ours) == names(&theirs));
}

#[test]
fn we_read_what_skopeo_writes() {
    require!(Fixtures);
    let sandbox = Sandbox::new();
    let layout = fixture::path("oci").display().to_string();
    let cases = [
        (
            "guest",
            "docker-archive:one.tar:site.example/s:1",
            "site.example/s:1",
        ),
        (
            "guest",
            "oci-archive:two.tar:site.example/s:2",
            "site.example/s:2",
        ),
        (
            "debian-zstd",
            "oci-archive:three.tar:v3",
            "localhost/v3:latest",
        ),
    ];
    for (tag, target, name) in cases {
        let copy = [
            "skopeo",
            "--insecure-policy",
            "copy",
            "-q",
            &format!("oci:{layout}:{tag}"),
            target,
        ];
        sandbox.command(copy).run().success();
        let file = target.split(':').nth(1).expect("a path");
        let load = sandbox.coracle(["-q", "load", "-i", file]).run().success();
        assert!(load.stdout.starts_with("sha256:"), "{load}");
        sandbox
            .coracle(["verify", name])
            .run()
            .success()
            .mentions("damaged: 0");
    }
}

#[test]
fn a_damaged_blob_is_not_saved() {
    require!(Fixtures);
    let sandbox = harbour();
    let content = inspected(&sandbox, "guest:2")[0]["Coracle"]["Content"].clone();
    let largest = content
        .as_array()
        .expect("a list")
        .iter()
        .max_by_key(|it| it["size"].as_u64());
    let digest = largest.expect("it has layers")["digest"]
        .as_str()
        .expect("a digest");
    let blob = sandbox.store().join("blobs").join(digest.replace(':', "/"));
    let mut bytes = std::fs::read(&blob).expect("it is there");
    bytes[1000] ^= 1;
    std::fs::write(&blob, bytes).expect("we are its owner, or root");
    let path = sandbox.file("home/saved.tar", "old");
    let save = sandbox.coracle(["save", "-o"]).arguments([&path]);
    let save = save.arguments(["guest:2"]).run().exits(1);
    save.complains("cannot save `guest:2`")
        .complains("got digest");
    assert_eq!(std::fs::read(&path).expect("it is there"), b"old");
}

#[test]
fn the_protected_is_neither_removed_nor_renamed() {
    require!(Fixtures);
    let sandbox = harbour();
    sandbox
        .coracle(["create", "--name", "kept", "guest:2"])
        .run()
        .success();
    sandbox
        .coracle(["protect", "kept", "guest:2"])
        .run()
        .success()
        .prints("");
    for words in [
        &["rm", "kept"][..],
        &["rm", "--force", "kept"],
        &["rmi", "--force", "guest:2"],
        &["tag", "site.example/a/guest:1", "guest:2"],
    ] {
        sandbox
            .coracle(words)
            .run()
            .exits(2)
            .complains("is protected")
            .complains("coracle unprotect");
    }
    sandbox.coracle(["gc"]).run().success();
    sandbox
        .coracle(["images"])
        .run()
        .success()
        .mentions("guest");
    sandbox
        .coracle(["unprotect", "kept", "guest:2"])
        .run()
        .success();
    sandbox.coracle(["rm", "kept"]).run().success();
    sandbox.coracle(["rmi", "guest:2"]).run().success();
    sandbox.coracle(["protect", "absent"]).run().exits(1);
}

#[test]
fn names_that_cannot_be_given_are_refused() {
    require!(Fixtures);
    let sandbox = harbour();
    let digest = format!("x@sha256:{}", "0".repeat(64));
    for name in ["UPPER", "a b", "../x", &digest] {
        sandbox.coracle(["tag", "guest:2", name]).run().exits(2);
    }
    sandbox
        .coracle(["tag", "absent", "x"])
        .run()
        .exits(1)
        .complains("no image `absent`");
    // A name that is also that of an image inside the binary is one of a registry here.
    sandbox.coracle(["tag", "guest:2", "hello"]).run().success();
    sandbox
        .coracle(["images"])
        .run()
        .success()
        .mentions("library/hello");
    assert!(
        Path::new(
            &sandbox
                .store()
                .join("refs/docker.io/library/hello/=latest.json")
        )
        .exists()
    );
}

#[test]
fn the_manifest_is_shown_and_nothing_comes_here() {
    require!(Fixtures);
    let sandbox = Sandbox::new();
    let inspect = ["manifest", "inspect", &fixture::image("platforms")];
    let index = sandbox.coracle(inspect).run().success();
    let index: Value = serde_json::from_str(&index.stdout).expect("JSON");
    assert_eq!(index["manifests"].as_array().map(Vec::len), Some(2));
    let arm = sandbox
        .coracle(inspect)
        .arguments(["--platform", "linux/arm64"])
        .run()
        .success();
    let arm: Value = serde_json::from_str(&arm.stdout).expect("JSON");
    assert_eq!(arm["layers"].as_array().map(Vec::len), Some(1));
    sandbox
        .coracle(inspect)
        .arguments(["--platform", "linux/s390x"])
        .run()
        .exits(1);
    sandbox.coracle(["images", "-q"]).run().success().prints("");
}
