//! `commit`: the image of a container has the container's files, whatever held its writes, and others read it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::containers::{CHANGES, unpacked};
use crate::support::{Output, Run, Sandbox, fixture, require, tree};

/// What of a container's files a run has put there, with the directory whose time it changed.
const OURS: [&str; 5] = [
    "etc/hosts",
    "etc/localtime",
    "etc/resolv.conf",
    "etc/apt/apt.conf.d",
    "etc/apt/apt.conf.d/99coracle",
];

/// A store with a container `box` of the image `guest`, in which that line of shell has run under that engine.
fn written(engine: &str, line: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let image = fixture::image("guest");
    let run = ["-q", "run", "--name", "box", "--engine", engine, &image];
    let run = sandbox.coracle(run).arguments(["sh", "-ec", line]);
    run.run().success();
    sandbox
}

fn commit(sandbox: &Sandbox, words: &[&str]) -> Output {
    sandbox.coracle(["-q", "commit"]).arguments(words).run()
}

/// What a container's archive holds, without what is ours. A copy does not know when links were made.
fn files(sandbox: &Sandbox, container: &str) -> tree::Tree {
    let archive = sandbox.home().join(format!("{container}.tar"));
    let export = sandbox.coracle(["export", "-o"]).arguments([&archive]);
    export.arguments([container]).run().success();
    let mut tree = unpacked(sandbox, &archive, &format!("{container}.files"));
    for name in OURS {
        tree.remove(name.as_bytes());
    }
    for entry in tree.values_mut().filter(|entry| entry.kind == 'l') {
        entry.modified = (0, 0);
    }
    tree
}

/// What `inspect` says of it.
fn inspected(sandbox: &Sandbox, image: &str) -> Value {
    let output = sandbox.coracle(["inspect", image]).run().success();
    let document: Value = serde_json::from_str(&output.stdout).expect("inspect prints JSON");
    document[0].clone()
}

/// The file of an image's uppermost layer.
fn top_layer(sandbox: &Sandbox, image: &str) -> PathBuf {
    let layers = inspected(sandbox, image)["RootFS"]["Layers"].clone();
    let last = layers.as_array().and_then(|layers| layers.last()).cloned();
    let digest = last.and_then(|last| Some(last.as_str()?.replace(':', "/")));
    // Not compressed, it has the digest of its content.
    let path = digest.expect("it has layers");
    sandbox.store().join("blobs").join(path)
}

/// The names in an archive.
fn names(archive: &Path) -> Vec<String> {
    let listed = Run::new(["tar", "-tf"]).arguments([archive]);
    let listed = listed.env("PATH", "/usr/bin:/bin").run().success();
    listed.stdout.lines().map(str::to_owned).collect()
}

/// All that is done in other tests, a file of the same size and time with another content, and a further name of one that
/// stays as it is.
fn every_change() -> String {
    format!(
        "{CHANGES}; touch -r /etc/passwd /tmp/when; sed -i s/worker/walker/ /etc/passwd; touch -r /tmp/when /etc/passwd; \
         rm /tmp/when; ln /bin/args /srv/args; rm -r /closed; echo a file >/closed"
    )
}

#[test]
fn the_image_has_the_files_of_the_container_under_every_engine() {
    require!(Fixtures, UserNamespaces, Ptrace);
    let mut layers = Vec::new();
    for engine in ["ns", "proot"] {
        let sandbox = written(engine, &every_change());
        commit(&sandbox, &["box", "site/made:1"]).success();
        sandbox
            .coracle(["create", "--name", "copy", "site/made:1"])
            .run()
            .success();
        let unlike = tree::differences(&files(&sandbox, "box"), &files(&sandbox, "copy"));
        assert!(unlike.is_empty(), "{engine}: {}", unlike.join("\n"));
        sandbox.coracle(["diff", "copy"]).run().success().prints("");
        let run = ["-q", "run", "--rm", "--engine", engine, "site/made:1"];
        let line = "grep -c walker /etc/passwd; cat /closed; [ /target/file -ef /target/twin ]";
        let run = sandbox.coracle(run).arguments(["sh", "-c", line]).run();
        run.success().prints("1\na file");
        let layer = top_layer(&sandbox, "site/made:1");
        // The same files, the same bytes.
        commit(&sandbox, &["box", "site/made:2"]).success();
        assert_eq!(layer, top_layer(&sandbox, "site/made:2"), "{engine}");
        layers.push(names(&layer));
    }
    let has = |name: &&str| layers[0].iter().any(|known| known == name);
    for name in ["etc/.wh.group", "target/folder/.wh.below", "srv/args"] {
        assert!(has(&name), "{name} is not in {:?}", layers[0]);
    }
    for name in ["bin/busybox", "etc/hosts", "proc/", "target/folder/below"] {
        assert!(!has(&name), "{name} is in {:?}", layers[0]);
    }
    // An overlay has all names of a file that was written to, a copy has those beside a new one too.
    let only = |one: &Vec<String>, other: &Vec<String>| {
        let names = one.iter().filter(|name| !other.contains(name));
        names.cloned().collect::<Vec<_>>()
    };
    assert_eq!(only(&layers[0], &layers[1]), [""; 0]);
    assert_eq!(only(&layers[1], &layers[0]), [""; 0]);
}

#[test]
fn others_unpack_what_is_committed_and_saved() {
    require!(Fixtures, UserNamespaces, Umoci);
    let sandbox = written("ns", &every_change());
    commit(&sandbox, &["box", "site/made:1"]).success();
    let save = ["save", "-o", "made.tar", "site/made:1"];
    sandbox.coracle(save).run().success();
    let unpack = "mkdir layout && tar xf made.tar -C layout && umoci unpack --rootless --image layout:1 bundle && \
                  skopeo --insecure-policy copy -q docker-archive:made.tar:site/made:1 dir:copied";
    sandbox.command(["sh", "-c", unpack]).run().success();
    let theirs = tree::list(&sandbox.path("home/bundle/rootfs"));
    let ours = inspected(&sandbox, "site/made:1")["Coracle"]["Rootfs"].clone();
    let ours = tree::list(Path::new(ours.as_str().expect("an image has a tree")));
    let content = |tree: &tree::Tree| {
        let entries = tree.iter();
        let entries = entries.map(|(name, it)| (name.clone(), it.kind, it.content.clone()));
        entries.collect::<Vec<_>>()
    };
    assert!(content(&ours) == content(&theirs));
}

#[test]
fn owners_modes_and_devices_are_what_the_guest_left_of_them() {
    require!(Fixtures, UserNamespaces);
    let sandbox = Sandbox::new();
    let image = fixture::image("debian");
    let line = "chmod 2750 /usr/bin/passwd; echo more >>/etc/shadow; echo x >/srv/noted; rm -r /odd; mkdir /odd";
    let run = ["-q", "run", "--name", "box", "--engine", "ns", &image];
    let run = sandbox.coracle(run).arguments(["sh", "-ec", line]);
    run.run().success();
    let note = "setfattr -n user.note -v kept .coracle/containers/*/upper/srv/noted";
    sandbox.command(["sh", "-c", note]).run().success();
    commit(&sandbox, &["box", "site/made:1"]).success();
    let layer = top_layer(&sandbox, "site/made:1");
    let list = ["tar", "--numeric-owner", "--xattrs", "-tvvf"];
    let listed = Run::new(list).arguments([&layer]);
    let listed = listed.env("PATH", "/usr/bin:/bin").run().success();
    for line in ["-rwxr-s---  0/0 ", "-rw-r-----  0/42 ", "x: 4 user.note"] {
        assert!(listed.stdout.contains(line), "{line}\n{listed}");
    }
    // A device is on no disk: only the mark takes it away.
    assert!(listed.stdout.contains(" odd/.wh.null"), "{listed}");
    let unlike = {
        let create = ["create", "--name", "copy", "site/made:1"];
        sandbox.coracle(create).run().success();
        tree::differences(&files(&sandbox, "box"), &files(&sandbox, "copy"))
    };
    assert!(unlike.is_empty(), "{}", unlike.join("\n"));
}

#[test]
fn files_of_other_ids_keep_them() {
    require!(Fixtures, UserNamespaces);
    let sandbox = Sandbox::new();
    let image = fixture::image("guest");
    let make = "mkdir -m 700 /srv/theirs; echo x >/srv/theirs/file; chown -R 33:34 /srv/theirs";
    let run = ["-q", "run", "--name", "box", "--userns", "subids", &image];
    let ran = sandbox.coracle(run).arguments(["sh", "-ec", make]).run();
    if ran.stderr.contains("/etc/subuid") {
        return;
    }
    ran.success();
    commit(&sandbox, &["box", "site/made:1"]).success();
    let layer = top_layer(&sandbox, "site/made:1");
    let listed = Run::new(["tar", "--numeric-owner", "-tvf"]).arguments([&layer]);
    let listed = listed.env("PATH", "/usr/bin:/bin").run().success();
    let listed = listed.mentions("drwx------ 33/34 ");
    listed.mentions("-rw-r--r-- 33/34 ");
    assert_eq!(names(&layer), ["srv/", "srv/theirs/", "srv/theirs/file"]);
    let verify = sandbox.coracle(["verify", "site/made:1"]).run();
    verify.success().mentions("damaged: 0");
    sandbox.coracle(["rm", "box"]).run().success();
}

#[test]
fn the_config_is_the_containers_then_what_is_asked_for() {
    require!(Fixtures);
    let sandbox = Sandbox::new();
    let image = fixture::image("guest-entry");
    let create = [
        "create",
        "--name",
        "box",
        "-e",
        "A=1",
        "-e",
        "GREETING=hey",
        "-w",
        "/srv",
    ];
    let create = sandbox
        .coracle(create)
        .arguments(["--label", "who=me", "--entrypoint", "sh"]);
    create
        .arguments([&image, "-c", "echo $A $GREETING"])
        .run()
        .success();
    let words = [
        "-m", "why", "-a", "Ada", "-c", "ENV B=2", "-c", "USER 7", "box", "made",
    ];
    let id = commit(&sandbox, &words).success();
    let made = inspected(&sandbox, "made");
    assert_eq!(made["Id"], id.stdout.trim());
    let config = &made["Config"];
    assert_eq!(
        config["Env"],
        serde_json::json!(["PATH=/bin", "A=1", "GREETING=hey", "B=2"])
    );
    assert_eq!(config["Entrypoint"], serde_json::json!(["sh"]));
    assert_eq!(
        config["Cmd"],
        serde_json::json!(["-c", "echo $A $GREETING"])
    );
    for (key, value) in [("WorkingDir", "/srv"), ("User", "7")] {
        assert_eq!(config[key], value, "{key}");
    }
    assert_eq!(config["Labels"]["who"], "me");
    assert_eq!(made["Author"], "Ada");
    // Nothing was written, so there is no further layer.
    let before = inspected(&sandbox, &image)["RootFS"]["Layers"].clone();
    assert_eq!(made["RootFS"]["Layers"], before);
    let history = sandbox.coracle(["history", "made"]).run().success();
    let history = history.mentions("-c echo $A $GREETING");
    history.mentions("why");
    let run = sandbox.coracle(["-q", "run", "--rm", "made"]).run();
    run.success().prints("1 hey");
    // Without a name it is known by its id, and a name that another image had moves.
    let nameless = commit(&sandbox, &["-c", "CMD [\"other\"]", "box"]).success();
    let tag = ["tag", nameless.stdout.trim(), "made"];
    sandbox.coracle(tag).run().success();
    let cmd = inspected(&sandbox, "made")["Config"]["Cmd"].clone();
    assert_eq!(cmd, serde_json::json!(["other"]));
}

#[test]
fn what_cannot_be_an_image_is_refused_and_leaves_none() {
    require!(Fixtures, UserNamespaces);
    let sandbox = written("ns", "echo x >/srv/.wh.busybox");
    let refused = commit(&sandbox, &["box", "made"]).exits(2);
    refused.complains("`/srv/.wh.busybox` cannot be in an image");
    let clean = ["-q", "run", "box", "rm", "/srv/.wh.busybox"];
    sandbox.coracle(clean).run().success();
    let line = commit(&sandbox, &["-c", "RUN ls", "box", "made"]).exits(2);
    line.complains("cannot apply the change `RUN ls`");
    commit(&sandbox, &["box", "UPPER"]).exits(2);
    commit(&sandbox, &["absent", "made"])
        .exits(1)
        .complains("there is no container `absent`");
    commit(&sandbox, &["box", "kept"]).success();
    sandbox.coracle(["protect", "kept"]).run().success();
    commit(&sandbox, &["box", "kept"])
        .exits(2)
        .complains("is protected");
    sandbox.coracle(["image", "inspect", "made"]).run().exits(1);
    // The tree stays for the container, the layers go with the last name of the image.
    sandbox.coracle(["unprotect", "kept"]).run().success();
    for image in ["kept", &fixture::image("guest")] {
        sandbox.coracle(["rmi", "--force", image]).run().success();
    }
    sandbox.coracle(["gc"]).run().success();
    let gone = commit(&sandbox, &["box", "made"]).exits(1);
    let gone = gone.complains("are no longer in the store");
    gone.complains("coracle import - NAME");
}

#[test]
fn what_runs_is_committed_with_a_warning() {
    require!(Fixtures, UserNamespaces);
    let sandbox = Sandbox::new();
    let image = fixture::image("guest");
    let run = ["-q", "run", "--name", "box", &image, "sh", "-c"];
    let guest = sandbox
        .coracle(run)
        .arguments(["echo x >/srv/new; echo up; cat"]);
    let guest = guest.start();
    guest.wait_for("up");
    let made = sandbox
        .coracle(["container", "commit", "box", "made"])
        .run();
    made.success().complains("container `box` is running");
    guest.finish().success();
    assert_eq!(names(&top_layer(&sandbox, "made")), ["srv/", "srv/new"]);
}
