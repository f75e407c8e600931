//! Hosts that lack something, or give less of it, while a layer is extracted (X of the list): each by the program itself,
//! as the plain user.

use std::path::Path;

use super::bombs::Target;
use super::craft::Craft;
use super::list::tried;
use crate::support::{Output, require, with_mounts};

/// A layer of a bit of everything.
fn layer() -> Vec<u8> {
    let craft = Craft::new()
        .dir("d")
        .file("d/a", "1")
        .hardlink("b", "d/a")
        .symlink("l", "/d")
        .mode(b'6', "p", 0o600);
    let marked = craft.pax(&[("SCHILY.xattr.user.wicker", b"willow")]);
    marked.file("l/x", &"x".repeat(70_000)).build()
}

impl Target {
    /// Imports a layer behind `prefix`, as which root prepares what the host is to be. `{}` in it is the store.
    fn import_behind(&self, prefix: &[&str], layer: &[u8]) -> Output {
        let file = self.sandbox.file("layer", layer).display().to_string();
        let store = self.sandbox.store().display().to_string();
        let prefix = prefix.iter().map(|word| word.replace("{}", &store));
        let import = self.sandbox.coracle(["import", &file, "odd:1"]);
        import.behind(prefix.collect::<Vec<_>>()).run()
    }

    fn rootfs(&self) -> std::path::PathBuf {
        let trees = self.sandbox.store().join("trees");
        let tree = trees.read_dir().expect("it lists").next();
        let tree = tree.expect("there is a tree").expect("it lists");
        tree.path().join("rootfs")
    }
}

fn assert_is_whole(rootfs: &Path) {
    let size = |path: &str| rootfs.join(path).symlink_metadata().expect(path).len();
    assert_eq!((size("d/a"), size("b"), size("d/x")), (1, 1, 70_000));
    assert_eq!(
        std::fs::read_link(rootfs.join("l")).expect("l"),
        Path::new("/d")
    );
}

/// In a mount namespace of its own, after a line of root's.
fn prepared(line: &str) -> Vec<String> {
    with_mounts(&format!("set -e; {line}; exec \"$@\""), "sh")
}

fn import_on(line: &str) -> (Target, Output) {
    let target = Target::new();
    let store = target.sandbox.folder("home/.coracle");
    target.sandbox.coracle(["images"]).run().success();
    let line = line.replace("{}", &store.display().to_string());
    let prefix = prepared(&line);
    let prefix: Vec<_> = prefix.iter().map(String::as_str).collect();
    let output = target.import_behind(&prefix, &layer());
    (target, output)
}

#[test]
fn system_calls_that_fail() {
    require!(Strace);
    tried("X01 openat2 gives ENOSYS");
    tried("X02 openat2 gives EPERM");
    tried("X04 EINTR");
    let faults = [
        "inject=openat2:error=ENOSYS",
        "inject=openat2:error=EPERM",
        // Each thread's calls are counted, and of the first some belong to a dynamic loader.
        "inject=read,write:error=EINTR:when=30+3",
    ];
    let large = vec![b'x'; 8 << 20];
    let layer = [
        Craft::new().of(b'0', "large", "", 0o644, &large).unended(),
        layer(),
    ]
    .concat();
    for fault in faults {
        let target = Target::new();
        let trace = [
            "strace",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "trace=openat2,read,write",
            "-e",
            fault,
        ];
        target.import_behind(&trace, &layer).success();
        assert_is_whole(&target.rootfs());
    }
}

#[test]
fn hosts_without_proc() {
    require!(Root);
    tried("X03 no /proc");
    let (target, output) = import_on("mount -t tmpfs none /proc");
    output.success();
    assert_is_whole(&target.rootfs());
}

#[test]
fn stores_that_cannot_be_written() {
    require!(Root);
    tried("X05 read-only store");
    let read_only = "mount --bind {} {}; mount -o remount,bind,ro {}";
    let (target, output) = import_on(read_only);
    output
        .exits(1)
        .complains("Read-only file system")
        .complains(".coracle");
    target.assert_nothing_left();
}

/// Staging on another file system than what it is published in: said, and nothing left.
#[test]
fn staging_on_another_file_system() {
    require!(Root);
    tried("X06 staging on another file system");
    let other = "mkdir {}/ingest; mount -t tmpfs -o mode=777 none {}/ingest";
    let (target, output) = import_on(other);
    output
        .exits(1)
        .complains(".coracle")
        .complains("ross-device link");
    target.assert_nothing_left();
}

#[test]
fn file_systems_that_are_full() {
    require!(Root);
    tried("X07 ENOSPC");
    let small = "mount -t tmpfs -o mode=777,size=100k none {}";
    let (target, output) = import_on(small);
    output.exits(1).complains("No space left on device");
    target.assert_nothing_left();
}

#[test]
fn few_open_files() {
    tried("X08 EMFILE");
    let target = Target::new();
    let limit = ["sh", "-c", "ulimit -n 24; exec \"$@\"", "sh"];
    target.import_behind(&limit, &layer()).success();
    assert_is_whole(&target.rootfs());
    // Deeper than a directory for each level could be held open.
    let deep = Craft::new().pax(&[("path", format!("{}f", "d/".repeat(1500)).as_bytes())]);
    let good = deep.clone().file("f", "x").build();
    let bad = deep.file("f", "x").hardlink("g", "missing").build();
    let target = Target::new();
    target
        .import_behind(&limit, &bad)
        .exits(1)
        .complains("which does not exist");
    target.assert_nothing_left();
    target.import_behind(&limit, &good).success();
    for words in [&["rmi", "odd:1"][..], &["gc"]] {
        let run = target.sandbox.coracle(words).behind(limit).run();
        run.success();
    }
    target.assert_nothing_left();
}

/// M04: where there are no extended attributes, that is said once, and the image is whole.
#[test]
fn file_systems_without_attributes() {
    require!(Root);
    tried("M04 file system without attributes");
    let checks = "test $(stat -c %s $HOME/.coracle/trees/*/rootfs/d/x) = 70000";
    let target = Target::new();
    let store = target.sandbox.folder("home/.coracle").display().to_string();
    let prefix = prepared(&format!("mount -t ramfs none {store}; chmod 777 {store}"));
    let file = target.sandbox.file("layer", layer()).display().to_string();
    let binary = target.sandbox.binary().display().to_string();
    let line = format!("{binary} import {file} odd:1 && {checks}");
    let output = target
        .sandbox
        .command(["sh", "-c", &line])
        .behind(prefix)
        .run()
        .success();
    let said = output
        .stderr
        .matches("does not take extended attributes")
        .count();
    assert_eq!(said, 1, "{output}");
}

/// M12: what is made does not depend on the umask.
#[test]
fn umasks_of_any_kind() {
    tried("M12 umask 077");
    tried("M12 umask 0777");
    use std::os::unix::fs::PermissionsExt;
    for umask in ["umask 077", "umask 0777", "umask 0"] {
        let target = Target::new();
        let line = format!("{umask}; exec \"$@\"");
        target
            .import_behind(&["sh", "-c", &line, "sh"], &layer())
            .success();
        let rootfs = target.rootfs();
        assert_is_whole(&rootfs);
        let mode = |path: &str| {
            let data = rootfs.join(path).symlink_metadata().expect(path);
            data.permissions().mode() & 0o7777
        };
        let modes = (mode("d"), mode("d/a"), mode("b"), mode("p"));
        assert_eq!(modes, (0o755, 0o644, 0o644, 0o600), "{umask}");
    }
}

/// M08: names that a file system cannot tell apart are a collision; none takes the other's place.
#[test]
fn names_that_differ_by_case() {
    require!(Root, Tun);
    tried("M08 names that differ by case");
    tried("M08 directories that differ by case");
    let layers = [
        Craft::new().file("d/A", "1").file("d/a", "2"),
        Craft::new()
            .file("D/x", "1")
            .file("d/y", "2")
            .symlink("d/X", "t"),
        Craft::new().symlink("L", "D").dir("l").file("l/x", "1"),
    ];
    for layer in layers {
        let target = Target::new();
        let disk = target.sandbox.file("disk", "");
        let disk = disk.display();
        let (user, group) = target.sandbox.ids();
        let mount = format!(
            "truncate -s 32M {disk}; mkntfs -q -F {disk} >/dev/null 2>&1; \
             lowntfs-3g -o ignore_case,permissions,uid={user},gid={group} {disk} {{}}"
        );
        let store = target.sandbox.folder("home/.coracle").display().to_string();
        let prefix = prepared(&mount.replace("{}", &store));
        let prefix: Vec<_> = prefix.iter().map(String::as_str).collect();
        target
            .import_behind(&prefix, &layer.build())
            .exits(1)
            .complains("the file system takes two names of the image for one")
            .complains("rootfs/");
    }
}

/// M08: names that only Unicode takes for the same are different names, and both are there.
#[test]
fn names_that_differ_by_normal_form() {
    tried("M08 names that differ by Unicode's normal form");
    let (composed, decomposed) = ("caf\u{e9}", "cafe\u{301}");
    let layer = Craft::new().file(composed, "1").file(decomposed, "2");
    let lab = super::Lab::new();
    lab.extract_well(&[layer.build()]);
    let content = |name: &str| std::fs::read_to_string(lab.tree().join(name)).expect("it is there");
    assert_eq!((&*content(composed), &*content(decomposed)), ("1", "2"));
}
