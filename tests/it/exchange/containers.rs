//! `clone` and `export`: what was written in a container is in its copy and in its archive, and nothing else is.

use std::path::Path;

use crate::support::{Run, Sandbox, fixture, require, tree};

/// What a guest does to its tree: every way in which an overlay hides, copies up and adds.
pub(super) const CHANGES: &str = "rm -r /target/folder; mkdir -p /target/folder/new; echo new > /target/folder/new/file; \
    rm /etc/group; echo more >> /target/file; chmod 4711 /bin/not-executable; ln /target/file /target/twin; \
    ln -s /nowhere /dangling; mkfifo /pipe; chmod 0 /target/folder/new; touch -d @981173106 /target/file; : > /empty";

/// A container of the image `guest` with those changes, made by that engine.
fn changed(sandbox: &Sandbox, name: &str, engine: &str) {
    let image = fixture::image("guest");
    let mut words = vec!["-q", "run", "--name", name, "--engine", engine, &image];
    words.extend(["sh", "-c", CHANGES]);
    sandbox.coracle(words).run().success();
}

/// Unpacks an archive as root would, with GNU tar, and lists it.
pub(super) fn unpacked(sandbox: &Sandbox, archive: &Path, into: &str) -> tree::Tree {
    let folder = sandbox.folder(into);
    let tar = Run::new(["tar", "--numeric-owner", "--xattrs", "-xpf"])
        .arguments([archive, Path::new("-C"), &folder])
        .env("PATH", "/usr/bin:/bin");
    tar.run().success();
    tree::list(&folder)
}

#[test]
fn an_archive_has_what_the_guest_sees_under_every_engine() {
    require!(Fixtures, UserNamespaces, Ptrace);
    let sandbox = Sandbox::new();
    let mut trees = Vec::new();
    for engine in ["ns", "proot"] {
        changed(&sandbox, engine, engine);
        let archive = sandbox.home().join(format!("{engine}.tar"));
        let export = sandbox.coracle(["export", "-o"]).arguments([&archive]);
        export.arguments([engine]).run().success().prints("");
        let tree = unpacked(&sandbox, &archive, engine);
        let kind = |name: &str| tree.get(name.as_bytes()).map(|entry| entry.kind);
        assert_eq!(kind("target/folder/new/file"), Some('f'), "{engine}");
        assert_eq!(kind("target/folder/below"), None, "{engine}");
        assert_eq!(kind("etc/group"), None, "{engine}");
        assert_eq!(kind("dangling"), Some('l'), "{engine}");
        assert_eq!(kind("pipe"), Some('o'), "{engine}");
        let mode = |name: &str| tree.get(name.as_bytes()).map(|entry| entry.mode);
        assert_eq!(mode("target/folder/new"), Some(0), "{engine}");
        assert_eq!(mode("bin/not-executable"), Some(0o4711), "{engine}");
        assert_eq!(mode("closed"), Some(0o555), "{engine}");
        let file = &tree[&b"target/file"[..]];
        assert_eq!((file.links, file.modified.0), (2, 981_173_106), "{engine}");
        trees.push(tree);
    }
    // The two guests ran at different moments.
    for tree in &mut trees {
        tree.values_mut().for_each(|entry| entry.modified = (0, 0));
    }
    let unlike = tree::differences(&trees[0], &trees[1]);
    assert!(unlike.is_empty(), "{}", unlike.join("\n"));
}

#[test]
fn owners_and_devices_that_no_plain_user_can_make_are_in_the_archive() {
    require!(Fixtures);
    let sandbox = Sandbox::new();
    let image = fixture::image("debian");
    sandbox
        .coracle(["-q", "create", "--name", "odd", &image])
        .run()
        .success();
    let archive = sandbox.home().join("odd.tar");
    let export = sandbox
        .coracle(["export", "odd", "-o"])
        .arguments([&archive]);
    export.run().success();
    let listed = Run::new(["tar", "--numeric-owner", "-tvf"]).arguments([&archive]);
    let listed = listed.env("PATH", "/usr/bin:/bin").run().success();
    for line in [
        "-rw-r----- 33/33 ",
        " 1,3 1970-01-01 00:00 odd/null",
        "-rwsr-xr-x 0/0 ",
        "drwxrwsr-x 0/50 ",
    ] {
        assert!(listed.stdout.contains(line), "{line}\n{listed}");
    }
}

#[test]
fn a_clone_keeps_changes_and_options_and_is_a_container_of_its_own() {
    require!(Fixtures, UserNamespaces, Ptrace);
    let sandbox = Sandbox::new();
    for engine in ["ns", "proot"] {
        changed(&sandbox, engine, engine);
        let copy = format!("{engine}-copy");
        let made = sandbox
            .coracle(["clone", "--name", &copy, engine])
            .run()
            .success();
        assert_eq!(made.stdout.trim().len(), 64, "{made}");
        let archive = |name: &str| {
            let path = sandbox.home().join(format!("{name}.tar"));
            sandbox
                .coracle(["export", "-o"])
                .arguments([&path])
                .arguments([name])
                .run()
                .success();
            std::fs::read(path).expect("it was written")
        };
        let before = archive(engine);
        assert!(before == archive(&copy), "{engine}: the copy differs");
        let rm = ["-q", "run", "--engine", engine, &copy, "rm", "/empty"];
        sandbox.coracle(rm).run().success();
        assert!(before == archive(engine), "{engine}: the original changed");
        assert!(before != archive(&copy), "{engine}: the copy did not");
        sandbox
            .coracle(["clone", "--name", &copy, engine])
            .run()
            .exits(2)
            .complains("is taken");
        sandbox.coracle(["rm", engine]).run().success();
        sandbox
            .coracle([
                "-q",
                "run",
                "--engine",
                engine,
                &copy,
                "cat",
                "/target/twin",
            ])
            .run()
            .success()
            .prints("from the image\nmore");
    }
}

#[test]
fn a_container_in_which_something_runs_is_not_cloned() {
    require!(Fixtures, UserNamespaces);
    let sandbox = Sandbox::new();
    let image = fixture::image("guest");
    let run = [
        "-q",
        "run",
        "--name",
        "busy",
        &image,
        "sh",
        "-c",
        "echo up; cat",
    ];
    let guest = sandbox.coracle(run).start();
    guest.wait_for("up");
    sandbox
        .coracle(["clone", "busy"])
        .run()
        .exits(2)
        .complains("is running");
    // Nor is it ended for a removal that is forbidden.
    sandbox.coracle(["protect", "busy"]).run().success();
    let rm = sandbox.coracle(["rm", "--force", "busy"]).run().exits(2);
    rm.complains("is protected");
    guest.finish().success();
    sandbox.coracle(["clone", "busy"]).run().success();
}

#[test]
fn an_archive_is_written_whole_or_not_at_all() {
    require!(Fixtures);
    let sandbox = Sandbox::new();
    let image = fixture::image("guest");
    sandbox
        .coracle(["-q", "create", "--name", "one", &image])
        .run()
        .success();
    let folder = sandbox.folder("home/out");
    let path = sandbox.file("home/out/one.tar", "old");
    sandbox
        .coracle(["export", "-o"])
        .arguments([&path])
        .arguments(["absent"])
        .run()
        .exits(1);
    assert_eq!(std::fs::read(&path).expect("it is there"), b"old");
    // `ulimit -f` counts in blocks of 512 bytes; the signal would hide the error.
    let small = sandbox
        .coracle(["export", "-o"])
        .arguments([&path])
        .arguments(["one"]);
    let small = small.behind(["sh", "-c", "trap '' XFSZ; ulimit -f 8; exec \"$@\"", "sh"]);
    small
        .run()
        .exits(1)
        .complains("cannot export container `one`");
    assert_eq!(std::fs::read(&path).expect("it is there"), b"old");
    assert_eq!(tree::list(&folder).len(), 1, "something was left behind");
}
