//! Defects that show on odd hosts and with old registries: hosts like Android, coracle inside coracle, schema 1.

use coracle::base::digest::Digest;
use serde_json::json;

use super::{Harness, shell};
use crate::registry::server::{Answer, Server};
use crate::registry::shelf::{Shelf, layer};
use crate::support::{fixture, require};

#[test]
fn defect_21_a_host_without_the_files_and_tools_of_others() {
    require!(Fixtures, UserNamespaces, Ptrace);
    let harness = Harness::with_container();
    harness.line("setup --execmode=P1 c").run().success();
    // As on Android: an empty /etc, no place for temporary files, no tar, no curl; the user has no name.
    let bare = |line: &str| {
        let image = fixture::image("guest");
        let words = line.replace("IMAGE", &image);
        let host =
            "mount -t tmpfs none /etc && exec env -u USER PATH=/nowhere TMPDIR=/nowhere \"$@\"";
        let run = harness
            .sandbox
            .command(["unshare", "-Urm", "sh", "-c", host, "sh"]);
        let run = run.arguments([harness.sandbox.path("udocker")]);
        run.arguments(words.split(' '))
    };
    bare("run c args x").run().success().prints("1:x");
    bare("create --name=d IMAGE").run().success();
    bare("export -o d.tar d").run().success();
    bare("import d.tar bare:1").run().success();
    bare("run bare:1 /bin/args y").run().success().prints("1:y");
}

#[test]
fn defect_23_an_empty_layer_is_fetched_once_however_often_it_occurs() {
    // Two blocks of zeros, as every instruction without files has left them in an image.
    let (empty, file) = (vec![0; 1024], layer("file", "1"));
    let layers = [&empty[..], &empty, &file, &empty];
    let mut shelf = Shelf::default();
    let target = shelf.image(&layers);
    shelf.tag("1", &target);
    let digest = Digest::of(&empty).to_string();
    let old = json!({
        "schemaVersion": 1, "name": "site/old", "tag": "1", "architecture": "amd64",
        "fsLayers": [{"blobSum": digest}, {"blobSum": digest}],
        "history": [{"v1Compatibility": "{\"id\":\"1\"}"}, {"v1Compatibility": "{\"id\":\"0\"}"}],
    });
    let server = Server::start(move |asked, _| {
        if asked.path.starts_with("/v2/site/old/manifests/") {
            let kind = "application/vnd.docker.distribution.manifest.v1+prettyjws";
            return Answer::ok(old.to_string()).header("Content-Type", kind);
        }
        shelf.answer(asked)
    });
    let harness = Harness::new();
    let pull = |name: &str| {
        let name = format!("{}/site/{name}:1", server.host);
        harness.udocker(["--insecure", "pull", &name])
    };
    pull("empty").run().success();
    let asked = server.asked();
    let asked = asked.iter().filter(|asked| asked.path.ends_with(&digest));
    assert_eq!(asked.count(), 1, "{:?}", server.asked());
    // What has such layers in udocker's times is not read at all, and no part of it is fetched.
    let before = server.asked().len();
    pull("old")
        .run()
        .exits(1)
        .complains("schema version 1, expected 2");
    let after = server.asked();
    let blobs = after[before..]
        .iter()
        .filter(|asked| asked.path.contains("/blobs/"));
    assert_eq!(blobs.count(), 0, "{after:?}");
}

#[test]
fn defect_27_a_container_runs_containers() {
    // The guest's libc is not the host's, so that only the static binary starts in it.
    require!(Fixtures, StaticBinary, UserNamespaces, Ptrace);
    let harness = Harness::with_container();
    let volume = format!(
        "--volume={}:/usr/bin/coracle",
        harness.sandbox.binary().display()
    );
    let archive = format!("--volume={}:/oci", fixture::path("oci").display());
    for (outer, inner) in [("R1", "R1"), ("R1", "P1"), ("P1", "P1")] {
        let outer_mode = format!("--execmode={outer}");
        harness.udocker(["setup", &outer_mode, "c"]).run().success();
        let line = format!(
            "export UDOCKER_DIR=/srv/{outer}{inner} CORACLE_HOME=/srv/{outer}{inner}; udocker() {{ /usr/bin/coracle udocker -q \"$@\"; }}; \
             udocker pull oci:/oci:guest && udocker create --name=n oci:/oci:guest && udocker setup --execmode={inner} n && \
             udocker run n args nested"
        );
        let run = harness.udocker(["run", &volume, &archive, "c", "sh", "-c", &line]);
        run.run().success().mentions("6:nested");
    }
    // What a traced program may not do is said, and the other way is taken where none was asked for.
    harness.line("setup --execmode=P1 c").run().success();
    let line = "CORACLE_HOME=/srv/x /usr/bin/coracle -q run --rm --engine ns hello";
    let refused = harness
        .udocker(["run", &volume, "c", "sh", "-c", line])
        .run();
    refused.exits(125).complains("`ns`");
    let line = "CORACLE_HOME=/srv/x /usr/bin/coracle -q run --rm hello";
    harness
        .udocker(["run", &volume, "c", "sh", "-c", line])
        .run()
        .success();
    shell(&harness, "true").run().success();
}
