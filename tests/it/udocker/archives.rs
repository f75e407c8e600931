//! udocker's list of verbs, the part about archives: T034, T039 to T041.

use super::Harness;
use super::verbs::id;
use crate::support::{fixture, require};

/// An archive of `docker save` with the image of small guest programs, in the sandbox's home.
fn saved(harness: &Harness) {
    let archive = harness.sandbox.path("home/guest.tar");
    let to = format!("docker-archive:{}:busy/guest:1", archive.display());
    harness
        .sandbox
        .command(["skopeo", "copy", "--quiet", &fixture::image("guest"), &to])
        .run()
        .success();
}

#[test]
fn t034_load() {
    require!(Fixtures);
    let harness = Harness::new();
    saved(&harness);
    let output = harness.line("load -i guest.tar").run().success();
    output.prints("busy/guest:1");
    // Again is no failure, and a name may be given.
    harness
        .line("load --input=guest.tar other:2")
        .run()
        .success();
    let images = harness.line("images").run().success();
    images
        .mentions("\nbusy/guest:1    .")
        .mentions("\nother:2    .");
    harness.line("create --name=c busy/guest:1").run().success();
}

#[test]
fn t039_to_t041_import() {
    require!(Fixtures);
    let harness = Harness::with_container();
    let write = ["run", "c", "sh", "-c", "echo kept > /srv/note"];
    harness.udocker(write).run().success();
    harness.line("export -o tree.tar c").run().success();
    harness
        .line("export --clone -o clone.tar c")
        .run()
        .success();
    let output = harness.line("import tree.tar mine:1").run().success();
    output.prints("");
    harness
        .line("run --rm mine:1 /bin/cat /srv/note")
        .run()
        .success()
        .prints("kept");
    let output = harness
        .line("import --tocontainer --name=tree tree.tar")
        .run();
    id(&output.success());
    harness
        .line("run tree /bin/cat /srv/note")
        .run()
        .success()
        .prints("kept");
    let output = harness.line("import --clone --name=back clone.tar").run();
    id(&output.success());
    harness
        .line("run back cat /srv/note")
        .run()
        .success()
        .prints("kept");
}
