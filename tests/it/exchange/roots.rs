//! `import`: what `export` writes becomes an image or a container again, the same tree under either.

use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Sandbox, fixture, require, tree};

/// A container of an image, and its archive.
fn exported(sandbox: &Sandbox, image: &str, flags: &[&str]) -> PathBuf {
    let image = fixture::image(image);
    let create = [
        "-q", "create", "--name", "box", "-e", "A=kept", &image, "/bin/sh", "-c", "echo $A",
    ];
    sandbox.coracle(create).run().success();
    let path = sandbox.home().join("box.tar");
    let export = sandbox.coracle(["export", "-o"]).arguments([&path]);
    export.arguments(flags).arguments(["box"]).run().success();
    path
}

fn rootfs(sandbox: &Sandbox, name: &str) -> PathBuf {
    let output = sandbox.coracle(["inspect", name]).run().success();
    let inspected: Value = serde_json::from_str(&output.stdout).expect("inspect prints JSON");
    inspected[0]["Coracle"]["Rootfs"]
        .as_str()
        .expect("it has a tree")
        .into()
}

#[track_caller]
fn same_tree(sandbox: &Sandbox, one: &str, other: &str) {
    let trees = [one, other].map(|name| tree::list(&rootfs(sandbox, name)));
    let unlike = tree::differences(&trees[0], &trees[1]);
    assert!(unlike.is_empty(), "{}", unlike.join("\n"));
}

#[test]
fn a_tree_goes_out_and_comes_in_unchanged() {
    require!(Fixtures, UserNamespaces);
    let sandbox = Sandbox::new();
    // Its tree has every kind of entry.
    let path = exported(&sandbox, "debian", &[]);
    let import = [
        "-q",
        "import",
        "-c",
        "CMD [\"cat\", \"/etc/os-release\"]",
        "-m",
        "by hand",
        "-",
        "site/root:1",
    ];
    let script = format!("gzip -1 < {} | \"$@\"", path.display());
    let import = sandbox
        .coracle(import)
        .behind(["sh", "-c", &script, "sh"])
        .run()
        .success();
    assert!(import.stdout.starts_with("sha256:"), "{import}");
    same_tree(&sandbox, "box", "site/root:1");
    sandbox
        .coracle(["-q", "run", "--rm", "site/root:1"])
        .run()
        .success()
        .mentions("Debian");
    sandbox
        .coracle(["history", "site/root:1"])
        .run()
        .success()
        .mentions("by hand");
    // Owners and devices too: exported again it is the same archive.
    sandbox
        .coracle(["create", "--name", "again", "site/root:1"])
        .run()
        .success();
    let check = sandbox.coracle(["export", "again"]);
    check
        .behind(["sh", "-c", "\"$@\" | cmp - box.tar", "sh"])
        .run()
        .success();

    sandbox.coracle(["rm", "box"]).run().success();
    let mv = sandbox.coracle(["-q", "import", "--mv", "--tocontainer", "--name", "moved"]);
    mv.arguments([&path]).run().success();
    assert!(!path.exists());
    same_tree(&sandbox, "again", "moved");
    sandbox
        .coracle(["ps", "-a"])
        .run()
        .success()
        .mentions("IMPORTED:unknown");
}

#[test]
fn a_clone_goes_out_and_comes_in_with_its_options() {
    require!(Fixtures, UserNamespaces);
    let sandbox = Sandbox::new();
    let path = exported(&sandbox, "guest", &["--clone"]);
    let other = Sandbox::new();
    let clone = other.coracle(["-q", "import", "--clone", "--name", "box", "-"]);
    let clone = clone.input(std::fs::read(path).expect("it was written"));
    let made = clone.run().success();
    assert_eq!(made.stdout.trim().len(), 64, "{made}");
    other
        .coracle(["-q", "run", "box"])
        .run()
        .success()
        .prints("kept");
    let trees = [&sandbox, &other].map(|sandbox| tree::list(&rootfs(sandbox, "box")));
    let unlike = tree::differences(&trees[0], &trees[1]);
    assert!(unlike.is_empty(), "{}", unlike.join("\n"));
    other.coracle(["gc"]).run().success();
    other
        .coracle(["-q", "run", "box"])
        .run()
        .success()
        .prints("kept");
}

/// Decoders of xz and of zstd with a large window take turns, which neither waits for within the other.
#[test]
fn an_archive_that_is_compressed_twice_is_no_lock() {
    let sandbox = Sandbox::new();
    sandbox.folder("home/tree");
    sandbox.file("home/tree/file", "content");
    let import = |tools: &str| {
        let line = format!("tar c -C tree . | {tools} | \"$@\"");
        let import = sandbox.coracle(["-q", "import", "-", "site/twice:1"]);
        import
            .behind(["timeout", "60", "sh", "-c", &line, "sh"])
            .run()
    };
    let refused = import("xz | xz").exits(2);
    refused.complains("compressed with xz twice");
    import("zstd -q --long=27 | xz").success();
    let find = ["grep", "-rlF", "layer.v1.tar+zstd", ".coracle/blobs"];
    sandbox.command(find).run().success();
}

#[test]
fn what_cannot_be_imported_is_refused_by_name() {
    let sandbox = Sandbox::new();
    for (words, complaint) in [
        (
            &["import", "https://example.org/a.tar", "x"][..],
            "is an address",
        ),
        (&["import", "--mv", "-", "x"], "`--mv`"),
        (
            &["import", "--name", "n", "-", "x"],
            "`--name` is for containers",
        ),
        (
            &["import", "-c", "RUN ls", "-", "x"],
            "cannot apply the change `RUN ls`",
        ),
        (&["import", "-", "UPPER"], "lower case"),
    ] {
        sandbox.coracle(words).run().exits(2).complains(complaint);
    }
    sandbox
        .coracle(["import", "/nothing/there", "x"])
        .run()
        .exits(1)
        .complains("/nothing/there");
}
