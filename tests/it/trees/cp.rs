//! `cp`: Docker's rules for paths, what cannot be copied, and guests that lead elsewhere.

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

use super::{container, script};
use crate::support::{Output, Sandbox, require};

/// Things of every kind, and links that lead out of the container.
const MAKE: &str = "mkdir /srv/d /srv/d/deep
echo one >/srv/d/one; chmod 640 /srv/d/one; ln /srv/d/one /srv/d/two
ln -s one /srv/d/soft; mkfifo /srv/d/pipe
dd if=/dev/zero of=/srv/d/holes bs=1 count=1 seek=10485760 2>/dev/null
echo none >/srv/d/deep/closed; chmod 0 /srv/d/deep/closed
touch -d '2001-02-03 04:05:06' /srv/d/one";

fn cp(sandbox: &Sandbox, words: &[&str]) -> Output {
    let words = [&["cp"], words].concat();
    sandbox.coracle(words).run()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("it was copied").flatten();
    let mut names: Vec<_> = entries
        .map(|it| it.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn check(engine: &str) {
    let sandbox = container();
    script(&sandbox, engine, MAKE).success();
    from_container(&sandbox, engine);
    to_container(&sandbox, engine);
    refused(&sandbox);
    escapes(&sandbox, engine);
}

fn from_container(sandbox: &Sandbox, engine: &str) {
    let out = sandbox.folder("home/out");
    // A file mode 0 is root's to read where there is a root: not under PRoot's copies without namespaces.
    cp(sandbox, &["box:/srv/d", "out"]).success();
    let all = ["deep", "holes", "one", "pipe", "soft", "two"];
    assert_eq!(names(&out.join("d")), all, "{engine}");
    let meta = |name: &str| {
        out.join("d")
            .join(name)
            .symlink_metadata()
            .expect("it was copied")
    };
    assert_eq!(meta("one").permissions().mode() & 0o7777, 0o640);
    assert_eq!(meta("one").ino(), meta("two").ino());
    assert_eq!(meta("one").mtime(), 981_173_106);
    assert!(meta("soft").is_symlink() && meta("pipe").file_type().is_fifo());
    assert_eq!(meta("holes").len(), 10_485_761);
    assert!(
        meta("holes").blocks() * 512 < 1 << 20,
        "a hole stays a hole"
    );
    assert_eq!(meta("deep/closed").permissions().mode() & 0o7777, 0);
    // An absent directory becomes the source, a present one gets it, `/.` is what is in it.
    cp(sandbox, &["box:/srv/d", "out/new"]).success();
    assert_eq!(names(&out.join("new")), all);
    cp(sandbox, &["box:/srv/d/.", "out/new"]).success();
    assert_eq!(names(&out.join("new")), all);
    cp(sandbox, &["box:srv/d/one", "out/name"]).success();
    assert_eq!(
        std::fs::read_to_string(out.join("name")).expect("copied"),
        "one\n"
    );
    // A link is a link, but with -L.
    cp(sandbox, &["box:/srv/d/soft", "out/soft"]).success();
    assert!(out.join("soft").is_symlink());
    cp(sandbox, &["-L", "box:/srv/d/soft", "out/followed"]).success();
    assert_eq!(
        std::fs::read_to_string(out.join("followed")).expect("copied"),
        "one\n"
    );
    let list = sandbox.command(["sh", "-c", "\"$0\" cp box:/srv/d - | tar -t | sort"]);
    list.arguments([sandbox.binary()])
        .run()
        .success()
        .prints("d/\nd/deep/\nd/deep/closed\nd/holes\nd/one\nd/pipe\nd/soft\nd/two");
}

fn to_container(sandbox: &Sandbox, engine: &str) {
    sandbox.folder("home/in");
    sandbox.file("home/in/file", "from the host\n");
    cp(sandbox, &["in", "box:/srv/in"]).success();
    cp(sandbox, &["in", "box:/srv/in"]).success();
    cp(sandbox, &["in/file", "box:/srv/in/other"]).success();
    cp(sandbox, &["in/file", "box:/target/file"]).success();
    let pack = sandbox.command(["sh", "-c", "tar -cz -C in . | \"$0\" cp - box:/home"]);
    pack.arguments([sandbox.binary()]).run().success();
    let shows = "cd /srv/in; ls; cat in/file other /target/file /home/file; stat -c %U /home/file";
    script(sandbox, engine, shows).success().prints(
        "file\nin\nother\nfrom the host\nfrom the host\nfrom the host\nfrom the host\nroot",
    );
}

fn refused(sandbox: &Sandbox) {
    let says = |words: &[&str], code: i32, error: &str| {
        drop(cp(sandbox, words).exits(code).complains(error))
    };
    says(
        &["box:/no/such", "out"],
        1,
        "there is no `box:/no/such` to copy",
    );
    says(&["no-such", "box:/srv"], 1, "there is no `no-such` to copy");
    says(
        &["in", "box:/etc/passwd"],
        2,
        "a directory cannot take the place of a file",
    );
    says(
        &["in/file", "box:/no/such/place"],
        2,
        "its directory is not there",
    );
    says(
        &["in/file", "box:/nowhere/"],
        2,
        "there is no such directory",
    );
    says(&["in", "elsewhere"], 2, "got no container");
    says(&["box:/a", "box:/b"], 2, "got two containers");
    says(
        &["/dev/null", "box:/srv"],
        2,
        "cannot copy the device `/dev/null`",
    );
    says(&["absent:/a", "."], 1, "there is no container `absent`");
}

/// Links lead nowhere but into the container, wherever in a path they stand.
fn escapes(sandbox: &Sandbox, engine: &str) {
    let secret = sandbox.file("home/secret", "of the host\n");
    let home = sandbox.home().display().to_string();
    let plant = format!(
        "ln -s {home} /srv/out; ln -s ../../../../../../..{home} /srv/up; ln -s {home}/made /srv/made
         ln -s {home}/secret /srv/direct"
    );
    script(sandbox, engine, &plant).success();
    for path in [
        "box:/srv/out/secret",
        "box:/srv/up/secret",
        "box:/../../..//srv/out/secret",
    ] {
        cp(sandbox, &[path, "stolen"])
            .exits(1)
            .complains("there is no");
    }
    cp(sandbox, &["-L", "box:/srv/direct", "stolen"])
        .exits(1)
        .complains("there is no");
    cp(sandbox, &["in/file", "box:/srv/out/put"]).exits(2);
    cp(sandbox, &["in/file", "box:/srv/made"]).exits(2);
    cp(sandbox, &["in/file", "box:/srv/direct"]).exits(2);
    assert!(!sandbox.home().join("stolen").exists() && !sandbox.home().join("made").exists());
    assert_eq!(
        std::fs::read_to_string(&secret).expect("it is there"),
        "of the host\n"
    );
    // A link that came out before is not followed by what comes after it.
    let dir = sandbox.folder("home/trap");
    std::os::unix::fs::symlink("/srv", dir.join("d")).expect("it is empty");
    cp(sandbox, &["box:/srv/d", "trap"])
        .exits(1)
        .complains("something that is no directory is there");
}

#[test]
fn with_namespaces() {
    require!(Fixtures, UserNamespaces);
    check("ns");
}

#[test]
fn of_a_copy() {
    require!(Fixtures, UserNamespaces, Ptrace);
    check("proot");
}

/// Memory that only the guest has shows that its very view is entered; a volume, that it is there without a guest, too.
#[test]
fn of_a_guest_that_runs() {
    require!(Fixtures, UserNamespaces);
    let sandbox = Sandbox::new();
    let shared = sandbox.folder("home/shared");
    sandbox.file("home/shared/here", "shared\n");
    let volume = format!("{}:/shared", shared.display());
    let image = crate::support::fixture::image("guest");
    let typed = [
        "--quiet",
        "run",
        "--name",
        "box",
        "-v",
        &volume,
        "--mount",
        "type=tmpfs,target=/mem",
        &image,
    ];
    let guest = "echo in memory >/mem/file; echo ready; read x; cat /mem/back";
    let running = sandbox
        .coracle(typed)
        .arguments(["sh", "-c", guest])
        .start();
    running.wait_for("ready");
    cp(&sandbox, &["box:/mem/file", "."]).success();
    cp(&sandbox, &["file", "box:/mem/back"]).success();
    cp(&sandbox, &["box:/shared/here", "while"]).success();
    running.finish().success().prints("ready\nin memory");
    cp(&sandbox, &["box:/shared/here", "after"]).success();
    for name in ["while", "after"] {
        assert_eq!(
            std::fs::read_to_string(sandbox.home().join(name)).expect("copied"),
            "shared\n"
        );
    }
}
