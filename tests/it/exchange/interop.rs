//! What we write podman and buildah read, and we read what they and skopeo write, in every form and compression: compared
//! by names, ids and trees.

use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Run, Sandbox, fixture, require, tree, with_mounts};

/// A store with two images under three names, one of which was a container.
fn harbour() -> Sandbox {
    let sandbox = Sandbox::new();
    let image = fixture::image("guest");
    let write =
        "rm -r /target/folder; echo new >/srv/new; ln /srv/new /srv/twin; chmod 2750 /srv/work";
    let run = ["-q", "run", "--name", "box", &image, "sh", "-ec", write];
    sandbox.coracle(run).run().success();
    for words in [
        &["-q", "commit", "box", "registry.example:5000/a/made:1"][..],
        &["tag", "registry.example:5000/a/made:1", "site/made:2"],
        &["tag", &image, "guest:3"],
    ] {
        sandbox.coracle(words).run().success();
    }
    let save = [
        "save",
        "-o",
        "saved.tar",
        "site/made:2",
        "registry.example:5000/a/made:1",
        "guest:3",
    ];
    sandbox.coracle(save).run().success();
    sandbox
}

/// The names of those images, complete, with their ids, in order.
fn names_and_ids(sandbox: &Sandbox) -> Vec<String> {
    let images = [
        ("docker.io/library/guest:3", "guest:3"),
        ("docker.io/site/made:2", "site/made:2"),
        (
            "registry.example:5000/a/made:1",
            "registry.example:5000/a/made:1",
        ),
    ];
    let line = |(full, name): (&str, &str)| format!("{full} {}", id(sandbox, name));
    images.map(line).to_vec()
}

fn inspected(sandbox: &Sandbox, image: &str) -> Value {
    let output = sandbox.coracle(["inspect", image]).run().success();
    let document: Value = serde_json::from_str(&output.stdout).expect("inspect prints JSON");
    document[0].clone()
}

fn id(sandbox: &Sandbox, image: &str) -> String {
    let id = inspected(sandbox, image)["Id"].clone();
    id.as_str().expect("an id is text").to_owned()
}

fn rootfs(sandbox: &Sandbox, image: &str) -> tree::Tree {
    let rootfs = inspected(sandbox, image)["Coracle"]["Rootfs"].clone();
    tree::list(&PathBuf::from(
        rootfs.as_str().expect("an image has a tree"),
    ))
}

/// Asserts that `image` is the same here as in the store where it was made.
#[track_caller]
fn is_alike(from: &Sandbox, image: &str, to: &Sandbox, name: &str) {
    let unlike = tree::differences(&rootfs(from, image), &rootfs(to, name));
    assert!(unlike.is_empty(), "{name}: {}", unlike.join("\n"));
    let layers = |sandbox: &Sandbox, image| inspected(sandbox, image)["RootFS"].clone();
    assert_eq!(layers(from, image), layers(to, name), "{name}");
}

/// `podman` or `buildah` of the plain user, with all that they keep in his home; `line` is shell, in which `podman` and
/// `buildah` are called so. They are rootless, and want what an ordinary host has: one hierarchy of cgroups, and a root
/// that may be shared. These are private to the command.
fn rootless(sandbox: &Sandbox, line: &str) -> Run {
    let run = sandbox.folder("run");
    let functions = "set -eu; chmod 700 $XDG_RUNTIME_DIR
        podman() { command podman --root $HOME/c --runroot $XDG_RUNTIME_DIR/c --storage-driver vfs --cgroup-manager cgroupfs \
                   --events-backend none \"$@\"; }
        buildah() { command buildah --root $HOME/c --runroot $XDG_RUNTIME_DIR/c --storage-driver vfs \"$@\"; }
        trap 'podman system migrate >/dev/null 2>&1; podman unshare rm -rf $HOME/c $HOME/.local; podman system migrate || :' EXIT";
    let script = format!("{functions}\n{line}");
    let command = sandbox.command(["bash", "-c", &script]);
    let command = command.env("XDG_RUNTIME_DIR", run);
    let host =
        "mount --make-rshared / && { mount -t cgroup2 none /sys/fs/cgroup || :; } && exec \"$@\"";
    command.behind(with_mounts(host, "sh"))
}

#[test]
fn podman_keeps_names_ids_and_trees_and_we_read_all_that_it_saves() {
    require!(Fixtures, Root, UserNamespaces, SubIds, Podman);
    let sandbox = harbour();
    let line = "podman load -q -i saved.tar >/dev/null
        podman images --no-trunc --format '{{.Repository}}:{{.Tag}} sha256:{{.Id}}' | sort
        podman save -q -o docker.tar --format docker-archive site/made:2
        podman save -q -o oci.tar --format oci-archive site/made:2
        podman save -q -m -o several.tar docker.io/site/made:2 docker.io/library/guest:3
        podman save -q -o oci --format oci-dir site/made:2
        podman save -q -o dir --format docker-dir site/made:2
        podman export $(podman create site/made:2) >tree.tar";
    let listed = rootless(&sandbox, line).run().success();
    assert_eq!(
        listed.stdout.lines().collect::<Vec<_>>(),
        names_and_ids(&sandbox)
    );
    for (archive, names) in [
        ("docker.tar", &["site/made:2"][..]),
        ("oci.tar", &["site/made:2"]),
        ("several.tar", &["site/made:2", "guest:3"]),
        ("oci", &["site/made:2"]),
    ] {
        let other = Sandbox::new();
        let path = sandbox.home().join(archive);
        let load = other.coracle(["load", "-i"]).arguments([path]).run();
        let load = load.success();
        for name in names {
            assert!(
                load.stdout.contains(&format!("Loaded image: {name}")),
                "{load}"
            );
            is_alike(&sandbox, name, &other, name);
        }
    }
    // What podman calls docker-dir is skopeo's `dir:`, which has no names.
    let dir = sandbox.coracle(["load", "-i", "dir"]).run().exits(1);
    dir.complains("is not an OCI layout");
    // Their tree of our image, with the same names and contents as ours.
    let unpack =
        "mkdir theirs && tar --no-same-owner -xf tree.tar -C theirs --exclude=./dev --exclude=dev";
    sandbox.command(["sh", "-c", unpack]).run().success();
    let content = |tree: tree::Tree| {
        let files = tree.into_iter().filter(|(_, it)| it.kind != 'd');
        let files = files.map(|(name, it)| (name, it.content));
        files.collect::<Vec<_>>()
    };
    let theirs = content(tree::list(&sandbox.path("home/theirs")));
    let ours = content(rootfs(&sandbox, "site/made:2"));
    let lost = ours.iter().filter(|file| !theirs.contains(file));
    let lost: Vec<_> = lost
        .map(|(name, _)| String::from_utf8_lossy(name))
        .collect();
    assert_eq!(lost, [""; 0], "podman has not got them, or others");
}

#[test]
fn what_buildah_builds_is_read_and_what_is_saved_it_builds_on() {
    require!(Fixtures, Root, UserNamespaces, SubIds, Podman);
    let sandbox = harbour();
    let line = "box=$(buildah from docker-archive:saved.tar:site/made:2)
        tree=$(echo \"buildah() { command buildah --root $HOME/c --runroot $XDG_RUNTIME_DIR/c --storage-driver vfs \\\"\\$@\\\"; }
               tree=\\$(buildah mount $box); cat \\$tree/srv/twin; rm \\$tree/etc/group; mkdir \\$tree/srv/built
               echo built >\\$tree/srv/built/file\" | command buildah --root $HOME/c --runroot $XDG_RUNTIME_DIR/c \
               --storage-driver vfs unshare bash -s)
        echo $tree
        buildah config --label who=buildah --env B=1 $box
        buildah commit -q $box oci-archive:built.tar:registry.example/built:1 >/dev/null
        buildah commit -q --format docker $box docker-archive:docker.tar:registry.example/built:2 >/dev/null
        buildah rm $box >/dev/null";
    let said = rootless(&sandbox, line).run().success();
    said.prints("new");
    for (archive, name) in [
        ("built.tar", "registry.example/built:1"),
        ("docker.tar", "registry.example/built:2"),
    ] {
        let load = sandbox.coracle(["load", "-i", archive]).run().success();
        load.prints(&format!("Loaded image: {name}"));
        let line = "cat /srv/new /srv/built/file; [ -e /target/folder ] || echo gone; echo $B";
        let run = ["-q", "run", "--rm", "--pull=never", name, "sh", "-c", line];
        sandbox
            .coracle(run)
            .run()
            .success()
            .prints("new\nbuilt\ngone\n1");
        assert_eq!(
            inspected(&sandbox, name)["Config"]["Labels"]["who"],
            "buildah"
        );
    }
}

#[test]
fn skopeo_reads_and_writes_every_form_from_file_pipe_and_directory() {
    require!(Fixtures, UserNamespaces);
    let sandbox = harbour();
    let line = "set -e; s() { skopeo --insecure-policy copy -q \"$@\"; }
        s docker-archive:saved.tar:site/made:2 docker-archive:docker.tar:registry.example/s:1
        s oci-archive:saved.tar:1 oci-archive:oci.tar:registry.example/s:2
        s docker-archive:saved.tar:registry.example:5000/a/made:1 oci:layout:registry.example/s:3
        s docker-archive:saved.tar:guest:3 oci:layout:registry.example/s:4
        s oci-archive:saved.tar:2 oci:gz:registry.example/s:5 --dest-compress-format gzip
        s oci-archive:saved.tar:2 oci:zst:registry.example/s:6 --dest-compress-format zstd
        for f in docker oci; do gzip -k $f.tar; zstd -qk $f.tar; xz -k -0 $f.tar; bzip2 -k $f.tar; done";
    sandbox.command(["bash", "-c", line]).run().success();
    let loads = |how: &[&str], said: &[&str]| {
        let other = Sandbox::new();
        let line = format!("cd {} && exec \"$@\"", sandbox.home().display());
        let load = other.coracle(["load"]).arguments(how);
        let load = load.behind(["sh", "-c", &line, "sh"]).run().success();
        for name in said {
            assert!(load.stdout.contains(name), "{how:?}\n{load}");
            let image = if name.ends_with('4') {
                "guest:3"
            } else {
                "site/made:2"
            };
            is_alike(&sandbox, image, &other, name);
        }
    };
    for end in ["tar", "tar.gz", "tar.zst", "tar.xz"] {
        loads(&["-i", &format!("docker.{end}")], &["registry.example/s:1"]);
        loads(&["-i", &format!("oci.{end}")], &["registry.example/s:2"]);
    }
    loads(
        &["-i", "layout"],
        &["registry.example/s:3", "registry.example/s:4"],
    );
    for (dir, name) in [
        ("gz", "registry.example/s:5"),
        ("zst", "registry.example/s:6"),
    ] {
        loads(&["-i", dir], &[name]);
    }
    for file in ["docker.tar.bz2", "oci.tar.bz2"] {
        let refused = sandbox.coracle(["load", "-i", file]).run().exits(1);
        refused.complains("bzip2");
    }
}

#[test]
fn a_pipe_is_read_with_little_memory() {
    require!(Fixtures);
    // Far less memory than the layer has bytes; what is mapped of the binary and for threads' stacks counts too.
    let sandbox = Sandbox::new();
    let line = "mkdir tree && head -c 300M /dev/urandom >tree/large && tar -C tree -cf layer.tar large && rm -r tree && \
                umoci init --layout l && umoci new --image l:t && umoci raw add-layer --image l:t layer.tar && rm layer.tar && \
                tar -C l -cf image.tar . && rm -r l";
    sandbox.command(["sh", "-c", line]).run().success();
    let load = sandbox.coracle(["-q", "load"]);
    let line = "ulimit -v 262144; cat image.tar | exec \"$@\"";
    let load = load.behind(["sh", "-c", line, "sh"]).run().success();
    load.mentions("sha256:");
}
