//! `load --from-udocker` reads what the real udocker keeps, and says by name what of it udocker has broken.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Run, Sandbox, fixture, require};

/// What is said of the fixture where all is well.
const LOADED: &str = "Loaded image: boats/guest:latest\nLoaded image: imported:1\nLoaded image: site/again:1\n\
                      Loaded image: site/layered:1";

fn load(sandbox: &Sandbox, repository: &Path) -> Run {
    let load = sandbox.coracle(["load", "--from-udocker"]);
    load.arguments([repository])
}

fn inspected(sandbox: &Sandbox, image: &str) -> Value {
    let output = sandbox.coracle(["inspect", image]).run().success();
    let document: Value = serde_json::from_str(&output.stdout).expect("inspect prints JSON");
    document[0].clone()
}

/// A repository that may be spoilt.
fn copied(sandbox: &Sandbox) -> PathBuf {
    let copy = sandbox.path("home/repo");
    let from = fixture::path("udocker/repo");
    let cp = sandbox.command(["cp", "-r"]).arguments([&from, &copy]);
    cp.run().success();
    copy
}

/// Changes a byte in the middle of a file.
fn damage(path: &Path) {
    let mut bytes = std::fs::read(path).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).expect("the copy is ours");
}

#[test]
fn every_sound_image_comes_with_name_and_digests() {
    require!(Fixtures);
    let sandbox = Sandbox::new();
    let repository = fixture::path("udocker/repo");
    // One load went wrong in udocker itself: what its layers link to is lost.
    let loaded = load(&sandbox, &repository).run().exits(1).prints(LOADED);
    let loaded = loaded.complains("cannot load udocker's image `docker.io/site/linked:1`");
    let loaded = loaded.complains("udocker lost it");
    loaded.complains("container `box` stays with udocker");
    let layered = format!("oci:{}:1", fixture::path("udocker/layered").display());
    for image in [&layered, &fixture::image("guest")] {
        sandbox.coracle(["-q", "pull", image]).run().success();
    }
    // The config as it was pulled or loaded, byte by byte; `udocker save` has written that of `again` anew.
    for (theirs, ours) in [
        ("boats/guest", &fixture::image("guest")),
        ("site/layered:1", &layered),
    ] {
        assert_eq!(
            inspected(&sandbox, theirs)["Id"],
            inspected(&sandbox, ours)["Id"]
        );
    }
    for (theirs, ours) in [
        ("site/again:1", "site/layered:1"),
        ("site/layered:1", &layered),
    ] {
        let chain = |image: &str| inspected(&sandbox, image)["Coracle"]["Chain"].clone();
        assert_eq!(chain(theirs), chain(ours), "{theirs}");
    }
    let run = [
        "-q",
        "run",
        "--rm",
        "--pull=never",
        "site/again:1",
        "cat",
        "/srv/order",
    ];
    sandbox.coracle(run).run().success().prints("third");
    // `import` takes the digest of a compressed file for that of what is in it.
    let create = ["create", "--name", "imported", "imported:1", "command"];
    sandbox.coracle(create).run().success();
    let export = sandbox.coracle(["export", "imported"]);
    let export = export.behind(["sh", "-c", "\"$@\" | tar xO srv/order", "sh"]);
    export.run().success().prints("third");
    let verify = sandbox.coracle(["verify", "--all"]).run().success();
    verify.mentions("damaged: 0");
}

#[test]
fn what_is_damaged_is_named_and_the_rest_is_loaded() {
    require!(Fixtures);
    let sandbox = Sandbox::new();
    let repository = copied(&sandbox);
    let place = |image: &str| repository.join("repos").join(image);
    let only = |image: &str, end: &str| {
        let mut entries = std::fs::read_dir(place(image)).expect("it is there");
        let found = entries.find_map(|entry| {
            let path = entry.expect("readable").path();
            let is_it = path.to_string_lossy().ends_with(end);
            is_it.then_some(path)
        });
        found.expect("a file with that end")
    };
    let guest: Value = {
        let bytes = std::fs::read(place("boats/guest/latest/manifest")).expect("it is there");
        serde_json::from_slice(&bytes).expect("JSON")
    };
    let blob = guest["layers"][0]["digest"].as_str().expect("text");
    damage(&repository.join("layers").join(blob));
    damage(&only("site/again/1", "container.json"));
    std::fs::remove_file(place("imported/1/v1")).expect("the copy is ours");
    let output = load(&sandbox, &repository).run().exits(1);
    let output = output.prints("Loaded image: site/layered:1");
    for (image, why) in [
        ("boats/guest:latest", blob),
        ("site/again:1", "container.json`: got digest"),
        ("imported:1", "neither the mark `v1` nor `v2`"),
    ] {
        let error = format!("cannot load udocker's image `{image}`");
        let at = output.stderr.find(&error);
        let after = at.map_or("", |at| &output.stderr[at..]);
        let cause = after.lines().nth(1).unwrap_or_default();
        assert!(cause.contains(why), "{image}: {why}\n{output}");
    }
    // A layer of the other form, which only the config vouches for.
    damage(&only("site/layered/1", ".layer"));
    let sandbox = Sandbox::new();
    let output = load(&sandbox, &repository).run().exits(1).prints("");
    output.complains("cannot load udocker's image `site/layered:1`");
    sandbox.coracle(["images", "-q"]).run().success().prints("");
}

#[test]
fn a_directory_that_cannot_be_read_stops_no_other() {
    require!(Fixtures);
    let sandbox = Sandbox::new();
    let repository = copied(&sandbox);
    let closed = repository.join("repos/boats");
    let modes = |mode| std::fs::set_permissions(&closed, Permissions::from_mode(mode));
    modes(0).expect("root may");
    let output = load(&sandbox, &repository).run().exits(1);
    modes(0o755).expect("root may");
    let output = output.complains("repos/boats`").complains("denied");
    let others: Vec<_> = LOADED.lines().skip(1).collect();
    output.prints(&others.join("\n"));
}

#[test]
fn a_layer_that_is_named_as_a_path_is_refused() {
    require!(Fixtures);
    let sandbox = Sandbox::new();
    let repository = copied(&sandbox);
    let place = repository.join("repos/imported/1");
    // It would be there.
    let files = std::fs::read_dir(&place).expect("it is there");
    let mut files = files.map(|entry| entry.expect("readable").path());
    let found = files.find(|path| path.to_string_lossy().ends_with(".layer"));
    std::fs::copy(found.expect("a layer"), repository.join("x.layer")).expect("root writes");
    std::fs::write(place.join("ancestry"), "[\"../../../x\"]").expect("root writes");
    let output = load(&sandbox, &repository).run().exits(1);
    output.complains("names a layer `../../../x`, expected its id");
}

#[test]
fn what_is_no_repository_is_refused() {
    require!(Fixtures);
    let sandbox = Sandbox::new();
    let folder = sandbox.folder("home/empty");
    let refused = load(&sandbox, &folder).run().exits(1);
    refused
        .complains("it has no directory `repos`")
        .complains("UDOCKER_DIR");
    let both = load(&sandbox, &folder).arguments(["-i", "x.tar"]).run();
    both.exits(2);
    // Neither waits for a pipe nor follows a circle, and what is no file is no layer.
    let repository = copied(&sandbox);
    let guest = repository.join("repos/boats/guest");
    let pipe = guest.join("latest/manifest");
    std::fs::remove_file(&pipe).expect("the copy is ours");
    let mkfifo = sandbox.command(["mkfifo"]).arguments([&pipe]);
    mkfifo.run().success();
    std::os::unix::fs::symlink("..", guest.join("circle")).expect("the copy is ours");
    let output = load(&sandbox, &repository).run().exits(1);
    output
        .complains("not a regular file")
        .mentions("Loaded image: site/layered:1");
}

#[test]
fn a_policy_holds_for_what_comes_from_udocker() {
    require!(Fixtures);
    let sandbox = Sandbox::new();
    sandbox.folder("home/.config");
    sandbox.folder("home/.config/coracle");
    let policy = "[scope.\"docker.io/boats\"]\nmode = \"reject\"\n";
    sandbox.file("home/.config/coracle/trust.toml", policy);
    let loaded = load(&sandbox, &fixture::path("udocker/repo"))
        .run()
        .exits(1);
    let others: Vec<_> = LOADED.lines().skip(1).collect();
    let loaded = loaded.prints(&others.join("\n"));
    loaded.complains("cannot load udocker's image `boats/guest:latest`");
}

#[test]
fn a_container_comes_by_the_archive_that_udocker_exports() {
    require!(Fixtures);
    let sandbox = Sandbox::new();
    let archive = fixture::path("udocker/box.tar");
    let import = sandbox.coracle(["import", "--clone", "--name", "box"]);
    import.arguments([&archive]).run().success();
    let cat = ["-q", "run", "box", "cat", "/srv/written"];
    sandbox.coracle(cat).run().success().prints("written");
    let listed = sandbox.coracle(["ps", "-a"]).run().success();
    listed.mentions("boats/guest");
}
