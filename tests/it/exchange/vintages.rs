//! `load` reads what `docker save` wrote in any year, and what others write today, and keeps the names.

use coracle::base::digest::Digest;
use serde_json::json;

use super::craft::{Archive, config, gzip, layer, layout};
use crate::support::Sandbox;

/// Loads the archive through a file, and asserts what is said of it and that its image has that file.
#[track_caller]
fn loads(archive: Archive, said: &str, image: &str, file: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let path = sandbox.file("home/archive.tar", archive.bytes());
    let load = sandbox.coracle(["load", "-i"]).arguments([path]);
    load.run().success().prints(said);
    holds(&sandbox, image, file);
    sandbox
}

/// Asserts that the image has that file.
#[track_caller]
fn holds(sandbox: &Sandbox, image: &str, file: &str) {
    let create = ["create", "--pull=never", image];
    let id = sandbox.coracle(create).run().success().stdout;
    let export = sandbox.coracle(["export", id.trim()]);
    let names = export
        .behind(["sh", "-c", "\"$@\" | tar t", "sh"])
        .run()
        .success();
    assert!(names.stdout.lines().any(|name| name == file), "{names}");
}

/// As docker wrote before version 1.10: two layers, linked by their parents, under two names.
fn before_1_10() -> Archive {
    let (lower, upper) = (layer("lower", "1"), layer("upper", "2"));
    let (one, two) = ("1".repeat(64), "2".repeat(64));
    let top = json!({
        "id": two, "parent": one, "created": "2015-01-01T00:00:00Z", "architecture": "amd64", "os": "linux",
        "container_config": {"Cmd": ["/bin/sh", "-c", "#(nop) ADD"]}, "config": {"Cmd": ["/lower"]},
    });
    Archive::new()
        .file(&format!("{one}/VERSION"), "1.0")
        .json(&format!("{one}/json"), &json!({"id": one, "config": null}))
        .file(&format!("{one}/layer.tar"), &lower)
        .file(&format!("{two}/VERSION"), "1.0")
        .json(&format!("{two}/json"), &top)
        .file(&format!("{two}/layer.tar"), gzip(&upper))
        .json(
            "repositories",
            &json!({"site/old": {"1": two}, "older": {"latest": two}}),
        )
}

#[test]
fn of_before_1_10_without_a_manifest() {
    let said = "Loaded image: older:latest\nLoaded image: site/old:1";
    let sandbox = loads(before_1_10(), said, "site/old:1", "upper");
    holds(&sandbox, "older", "lower");
    let history = sandbox.coracle(["history", "older"]).run().success();
    history.mentions("#(nop) ADD");
}

/// As docker wrote until version 24: a layer that occurs three times, once by a link, in an image of two names.
fn of_1_10() -> Archive {
    let one = layer("file", "1");
    Archive::new()
        .json("a.json", &config(&[&one, &one, &one]))
        .file("x/layer.tar", &one)
        .link("y/layer.tar", "../x/layer.tar")
        .json(
            "manifest.json",
            &json!([{
                "Config": "a.json", "RepoTags": ["site/a:1", "registry.example:5000/b:2"],
                "Layers": ["x/layer.tar", "y/layer.tar", "x/layer.tar"],
            }]),
        )
}

#[test]
fn of_1_10_to_24_with_equal_layers_as_links() {
    let said = "Loaded image: site/a:1\nLoaded image: registry.example:5000/b:2";
    let sandbox = loads(of_1_10(), said, "registry.example:5000/b:2", "file");
    sandbox
        .coracle(["run", "--explain", "--pull=never", "site/a:1"])
        .run()
        .success()
        .mentions("/file");
}

#[test]
fn packed_again_by_tar_in_any_order() {
    let (one, two) = (layer("one", "1"), layer("two", "2"));
    let name = json!({"io.containerd.image.name": "docker.io/library/new:3"});
    for (archive, image, file) in [
        (before_1_10(), "site/old:1", "lower"),
        (of_1_10(), "site/a:1", "file"),
        (layout(&[&one, &two, &one], name), "new:3", "two"),
    ] {
        let sandbox = Sandbox::new();
        sandbox.file("home/archive.tar", archive.bytes());
        // Names begin with `./`, the list of the images comes first or last, and what was equal is one file of two names.
        let pack = "set -e; mkdir d; tar xf archive.tar -C d; cd d; find . ! -type d | sort >../names; \
                    link=$(find . -type l); [ -z \"$link\" ] || ln -f $(readlink -f $link) $link; \
                    tar cf ../up.tar -T ../names; tac ../names | tar cf ../down.tar -T -; tar cf ../whole.tar .";
        sandbox.command(["sh", "-c", pack]).run().success();
        for packed in ["up.tar", "down.tar", "whole.tar"] {
            let load = sandbox.coracle(["load", "-i", packed]).run().success();
            load.mentions(&format!("Loaded image: {image}"));
            holds(&sandbox, image, file);
            for image in sandbox.coracle(["images", "-q"]).run().stdout.lines() {
                let rmi = ["rmi", "--force", image];
                sandbox.coracle(rmi).run().success();
            }
        }
    }
}

#[test]
fn of_25_and_later_by_either_list() {
    let (one, two) = (layer("one", "1"), layer("two", "2"));
    let names = json!({
        "io.containerd.image.name": "docker.io/library/new:3", "org.opencontainers.image.ref.name": "3",
    });
    loads(
        layout(&[&one, &two, &one], names),
        "Loaded image: new:3",
        "new:3",
        "two",
    );
    // Older ones have the tag alone there, and the name in the other list.
    let short = json!({"org.opencontainers.image.ref.name": "3"});
    let config = config(&[&one]).to_string();
    let path = |bytes: &[u8]| format!("blobs/sha256/{}", Digest::of(bytes).hex());
    let listed = json!([{
        "Config": path(config.as_bytes()), "RepoTags": ["site/new:3"], "Layers": [path(&one)],
    }]);
    let archive = layout(&[&one], short.clone()).json("manifest.json", &listed);
    loads(archive, "Loaded image: site/new:3", "site/new:3", "one");
    // And without either, as skopeo writes it, the image is called as Podman would.
    loads(
        layout(&[&one], short),
        "Loaded image: localhost/3:latest",
        "localhost/3",
        "one",
    );
    let full = json!({"org.opencontainers.image.ref.name": "registry.example/pod:4"});
    loads(
        layout(&[&one], full),
        "Loaded image: registry.example/pod:4",
        "registry.example/pod:4",
        "one",
    );
}

#[test]
fn an_image_without_a_name_is_known_by_its_id() {
    let one = layer("file", "1");
    let config = config(&[&one]);
    let archive = Archive::new()
        .json("config.json", &config)
        .file("layer.tar", gzip(&one))
        .json(
            "manifest.json",
            &json!([{"Config": "config.json", "RepoTags": null, "Layers": ["layer.tar"]}]),
        );
    let sandbox = Sandbox::new();
    let path = sandbox.file("home/guix.tar", archive.bytes());
    let id = Digest::of(config.to_string().as_bytes());
    let load = || sandbox.coracle(["load", "-i"]).arguments([&path]);
    load()
        .run()
        .success()
        .prints(&format!("Loaded image ID: {id}"));
    sandbox
        .coracle(["tag", id.short(), "site/named"])
        .run()
        .success();
    holds(&sandbox, "site/named", "file");
    load()
        .arguments(["given:1"])
        .run()
        .success()
        .prints("Loaded image: given:1");
    holds(&sandbox, "given:1", "file");
}

#[test]
fn through_a_pipe_in_every_compression() {
    let one = layer("file", "1");
    let name = json!({"io.containerd.image.name": "docker.io/library/piped:1"});
    let plain = layout(&[&one], name).bytes();
    for tool in ["cat", "gzip", "zstd -q", "xz"] {
        let sandbox = Sandbox::new();
        let script = format!("{tool} | \"$@\"");
        let load = sandbox
            .coracle(["load"])
            .behind(["sh", "-c", &script, "sh"]);
        load.input(plain.clone())
            .run()
            .success()
            .prints("Loaded image: piped:1");
        holds(&sandbox, "piped:1", "file");
    }
}

#[test]
fn a_name_given_is_for_one_image() {
    let one = layer("file", "1");
    let entry = |tag: &str| json!({"Config": "c.json", "RepoTags": [tag], "Layers": ["l.tar"]});
    let archive = Archive::new()
        .json("c.json", &config(&[&one]))
        .file("l.tar", &one)
        .json("manifest.json", &json!([entry("a:1"), entry("b:1")]));
    let sandbox = Sandbox::new();
    let path = sandbox.file("home/two.tar", archive.bytes());
    let load = || sandbox.coracle(["load", "-i"]).arguments([&path]);
    load()
        .arguments(["c:1"])
        .run()
        .exits(2)
        .complains("there are 2");
    load()
        .run()
        .success()
        .prints("Loaded image: a:1\nLoaded image: b:1");
}
