//! What hurt users of udocker, and does so no more: each row of the list of its defects that can be mended, by number.
//!
//! Most have tests of their own elsewhere; here each is short, under udocker's name, as its users met it.

mod odd;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use super::{Harness, registry};
use crate::support::{Output, Run, fixture, require};

/// Runs a line of shell in the container `c`.
fn shell(harness: &Harness, line: &str) -> Run {
    harness.udocker(["run", "c", "sh", "-c", line])
}

/// A home with an image of one layer for each list of files, in their order, and a container `c` of it. A file is its
/// path and its content; a link is `path -> target`.
fn crafted(layers: &[&[&str]]) -> (Harness, Output) {
    let harness = Harness::new();
    let sandbox = &harness.sandbox;
    let mut script = String::from("set -e; umoci init --layout l; umoci new --image l:t\n");
    for (at, files) in layers.iter().enumerate() {
        script += &format!("mkdir d{at}; cd d{at}\n");
        for file in *files {
            script += &match file.split_once(" -> ") {
                Some((path, target)) => {
                    format!("mkdir -p $(dirname {path}); ln -s {target} {path}\n")
                }
                None => format!("mkdir -p $(dirname {file}); echo {file} > {file}\n"),
            };
        }
        script += &format!("tar cf ../d{at}.tar $(find . -mindepth 1 ! -type d); cd ..\n");
        script += &format!("umoci raw add-layer --image l:t d{at}.tar\n");
    }
    sandbox.command(["bash", "-c", &script]).run().success();
    let layout = format!("oci:{}:t", sandbox.path("home/l").display());
    let pulled = harness.udocker(["pull", &layout]).run();
    if pulled.code() == Some(0) {
        let create = ["create", "--name=c", &layout];
        harness.udocker(create).run().success();
    }
    (harness, pulled)
}

/// Where the tree of `c` lies.
fn tree(harness: &Harness) -> String {
    let output = harness.line("inspect -p c").run().success();
    output.stdout.trim_end().to_owned()
}

#[test]
fn defect_01_files_in_any_dev_directory() {
    require!(Fixtures, Umoci);
    let (harness, _) = crafted(&[&["opt/dev/tool", "srv/dev/deep/file"]]);
    let tree = tree(&harness);
    for file in ["opt/dev/tool", "srv/dev/deep/file"] {
        assert!(Path::new(&tree).join(file).is_file(), "{file} is lost");
    }
}

#[test]
fn defect_02_output_and_status_in_batch_jobs() {
    require!(Fixtures, UserNamespaces);
    let harness = Harness::with_container();
    harness.line("setup --execmode=R1 c").run().success();
    let line =
        "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo größe $i; done; echo aside >&2; exit 7";
    let output = shell(&harness, line).run().exits(7).complains("aside");
    assert_eq!(output.stdout.lines().count(), 2000, "{output}");
    assert!(!output.stdout.contains("aside"), "{output}");
    output.mentions("größe 2000");
    shell(&harness, "true").run().success();
}

#[test]
fn defect_03_a_tampered_blob_is_refused() {
    require!(Fixtures, DockerRegistry);
    // A registry of its own: its storage is changed.
    let registry = crate::support::Registry::start();
    let harness = Harness::logged_in(&registry);
    let image = registry.image("guest");
    harness.trusting(["pull", &image]).run().success();
    let document = harness.sandbox.coracle(["inspect", &image]).run().success();
    let document: Value = serde_json::from_str(&document.stdout).expect("JSON");
    let content = document[0]["Coracle"]["Content"]
        .as_array()
        .expect("a list");
    let largest = content.iter().max_by_key(|blob| blob["size"].as_u64());
    let digest = largest.expect("not empty")["digest"]
        .as_str()
        .expect("text");
    let path = registry.blob(digest);
    let mut bytes = std::fs::read(&path).expect("the registry has it");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).expect("its storage is ours");
    let fresh = Harness::logged_in(&registry);
    let output = fresh.trusting(["pull", &image]).run().exits(1);
    output.complains("sha256:");
    fresh.line("images").run().success().prints("REPOSITORY");
}

#[test]
fn defect_04_a_layer_cannot_leave_its_tree() {
    require!(Fixtures, Umoci);
    let outside = Harness::new().sandbox.path("outside");
    let link = format!("link -> {}", outside.display());
    let (harness, pulled) = crafted(&[&[&link], &["link/file"]]);
    assert!(!outside.join("file").exists(), "{pulled}");
    assert!(!harness.sandbox.path("outside/file").exists());
}

#[test]
fn defect_05_archives_of_todays_docker() {
    require!(Fixtures);
    let harness = Harness::new();
    let archive = harness.sandbox.path("home/new.tar");
    let to = format!("oci-archive:{}:plain", archive.display());
    let copy = ["skopeo", "copy", "--quiet", &fixture::image("guest"), &to];
    harness.sandbox.command(copy).run().success();
    harness.line("load -i new.tar").run().success();
    harness.line("load -i new.tar mine:1").run().success();
    harness
        .line("load -i new.tar mine:1")
        .run()
        .success()
        .prints("mine:1");
    harness.line("create --name=c mine:1").run().success();
    shell(&harness, "echo here").run().success().prints("here");
}

#[test]
fn defect_06_digests_and_ports_in_names() {
    require!(Fixtures, DockerRegistry);
    let registry = registry();
    let harness = Harness::logged_in(&registry);
    let image = registry.image("guest");
    harness.trusting(["pull", &image]).run().success();
    let document = harness.sandbox.coracle(["inspect", &image]).run().success();
    let document: Value = serde_json::from_str(&document.stdout).expect("JSON");
    let target = document[0]["Coracle"]["Target"].as_str().expect("text");
    let pinned = format!("{}/boats/guest@{target}", registry.host());
    harness.trusting(["pull", &pinned]).run().success();
    let run = harness.udocker(["run", "--rm", &pinned, "args", "x"]);
    run.run().success().prints("1:x");
}

#[test]
fn defect_07_volume_with_ro() {
    require!(Fixtures);
    let harness = Harness::with_container();
    let folder = harness.sandbox.folder("home/data");
    let volume = format!("--volume={}:/data:ro", folder.display());
    let line = "echo x > /data/file || echo closed; test -e /data:ro || echo gone";
    let run = harness
        .udocker(["run", &volume, "c", "sh", "-c", line])
        .run();
    run.success().prints("closed\ngone");
    assert!(!folder.join("file").exists());
    let volume = format!("--volume={}:/data:bogus", folder.display());
    let run = harness.udocker(["run", &volume, "c", "true"]).run();
    run.exits(125).complains("bogus");
}

#[test]
fn defect_08_what_users_of_docker_type() {
    require!(Fixtures);
    let harness = Harness::with_container();
    let image = fixture::image("guest");
    harness
        .udocker(["run", "-it", "--name", "n", &image, "args", "x"])
        .run()
        .success()
        .prints("1:x");
    harness.line("ps").run().success().mentions(" n ");
    harness
        .line("exec --help")
        .run()
        .success()
        .mentions("Usage");
}

#[test]
fn defect_09_a_port_is_there_or_refused() {
    require!(Fixtures);
    let harness = Harness::with_container();
    // Host and guest share the network: an equal port is simply there.
    let run = harness.line("run --publish=18080:18080 c args x").run();
    run.success().prints("1:x");
    let run = harness.line("run --publish=nonsense c args").run();
    run.exits(125).complains("nonsense");
}

#[test]
fn defect_10_programs_that_become_somebody_else() {
    require!(Fixtures, Ptrace);
    let harness = Harness::new();
    let image = fixture::service("alpine");
    harness.udocker(["pull", &image]).run().success();
    harness
        .udocker(["create", "--name=c", &image])
        .run()
        .success();
    harness.line("setup --execmode=P1 c").run().success();
    let run = harness.line("run c su-exec server id -u").run();
    run.success().prints("100");
}

#[test]
fn defect_11_ptrace_is_the_last_resort() {
    require!(Fixtures, UserNamespaces);
    let harness = Harness::with_container();
    let run = shell(
        &harness,
        "echo $CORACLE_ENGINE; grep TracerPid /proc/self/status",
    )
    .run();
    run.success().prints("ns\nTracerPid:\t0");
}

#[test]
fn defect_12_13_any_libc_and_static_programs_in_any_mode() {
    require!(Fixtures, UserNamespaces, Ptrace);
    // The F modes are refused by name; what they could not run, the others do: a static program, and musl.
    let harness = Harness::with_container();
    for mode in ["R1", "P1"] {
        let setup = format!("--execmode={mode}");
        harness.udocker(["setup", &setup, "c"]).run().success();
        harness.line("run c args x").run().success().prints("1:x");
    }
    let output = harness.line("setup --execmode=F2 c").run().exits(1);
    output.complains("`F2` is not in this version");
}

#[test]
fn defect_14_a_driver_is_found_at_each_run_and_never_copied() {
    require!(Fixtures);
    let harness = Harness::with_container();
    harness.line("setup --nvidia c").run().success();
    let output = harness.line("setup c").run().success();
    output.mentions("nvidiamode: True");
    let upper = harness.sandbox.store().join("containers");
    let copies = harness.sandbox.command(["find"]).arguments([upper]);
    let copies = copies.arguments(["-name", "libcuda*"]).run().success();
    copies.prints("");
}

#[test]
fn defect_16_a_new_container_copies_nothing() {
    require!(Fixtures, UserNamespaces);
    let harness = Harness::with_container();
    for _ in 0..3 {
        harness.line("run IMAGE true").run().success();
    }
    let output = harness.line("ps -s").run().success();
    let rows = output.stdout.lines().skip(1);
    for row in rows {
        let size = row.split_ascii_whitespace().nth(3).expect("a size");
        assert!(size == "0" || size == "1", "{output}");
    }
    assert_eq!(output.stdout.lines().count(), 5, "{output}");
}

#[test]
fn defect_17_nothing_is_downloaded_to_begin() {
    let harness = Harness::new();
    let nowhere = |line: &str| {
        let run = harness.line(line).env("https_proxy", "http://127.0.0.1:9");
        run.env("UDOCKER_TARBALL", "http://127.0.0.1:9/x.tgz").run()
    };
    nowhere("install").success();
    nowhere("images").success().prints("REPOSITORY");
    nowhere("run --rm hello").success();
}

#[test]
fn defect_18_another_registry_stands_in() {
    require!(Fixtures, DockerRegistry);
    let registry = registry();
    let harness = Harness::logged_in(&registry);
    let mirror = format!("https://{}", registry.host());
    let run = harness.trusting(["pull", "boats/guest"]);
    run.env("UDOCKER_REGISTRY", mirror).run().success();
    let images = harness.line("images").run().success();
    images.prints("REPOSITORY\nboats/guest:latest    .");
}

#[test]
fn defect_19_indexes_of_several_platforms() {
    require!(Fixtures);
    let harness = Harness::new();
    let image = fixture::image("platforms");
    harness.udocker(["pull", &image]).run().success();
    let output = harness.udocker(["pull", "--platform=linux/arm64", &image]);
    output.run().success();
    harness
        .line("images -p")
        .run()
        .success()
        .mentions("linux/arm64");
    let output = harness.udocker(["pull", "--platform=plan9/mips", &image]);
    output.run().exits(1).complains("plan9/mips");
}

#[test]
fn defect_20_credentials_of_docker_count() {
    require!(Fixtures, DockerRegistry);
    let registry = registry();
    let harness = Harness::new();
    let image = registry.image("guest");
    harness.trusting(["pull", &image]).run().exits(1);
    harness.sandbox.folder("home/.docker");
    // base64 of the registry's one user and his password.
    let auth = "Y29yYWNsZTp3aWNrZXI=";
    let config = format!(
        "{{\"auths\":{{\"{}\":{{\"auth\":\"{auth}\"}}}}}}",
        registry.host()
    );
    harness.sandbox.file("home/.docker/config.json", config);
    harness.trusting(["pull", &image]).run().success();
}

#[test]
fn defect_22_a_broken_layer_is_a_failure() {
    require!(Fixtures, Umoci);
    let harness = Harness::new();
    let script = "umoci init --layout l; umoci new --image l:t; head -c 4096 /dev/urandom > x.tar; \
                  umoci raw add-layer --image l:t x.tar";
    harness
        .sandbox
        .command(["bash", "-c", script])
        .run()
        .success();
    let layout = format!("oci:{}:t", harness.sandbox.path("home/l").display());
    harness.udocker(["pull", &layout]).run().exits(1);
    let output = harness.udocker(["create", &layout]).run().exits(1);
    output.prints("");
    let output = harness.udocker(["run", &layout, "true"]).run().exits(125);
    output.prints("");
}

#[test]
fn defect_22_what_a_guest_closes_can_be_removed() {
    require!(Fixtures);
    let harness = Harness::with_container();
    let line = "mkdir -p /srv/a/b && touch /srv/a/b/c && chmod 0 /srv/a/b /srv/a";
    shell(&harness, line).run().success();
    harness.line("setup --fixperm c").run().success();
    shell(&harness, "ls /srv/a/b").run().success().prints("c");
    shell(&harness, "chmod 0 /srv/a/b /srv/a").run().success();
    harness.line("rm c").run().success();
    let left = harness.sandbox.store().join("containers");
    assert_eq!(std::fs::read_dir(left).expect("it is there").count(), 0);
}

#[test]
fn defect_25_stdout_is_the_guests() {
    require!(Fixtures);
    let harness = Harness::with_container();
    let output = harness.line("-D run c sh -c").arguments(["echo only"]);
    output.run().success().prints("only");
    let output = harness.line("run IMAGE sh -c").arguments(["echo only"]);
    output.run().success().prints("only");
}

#[test]
fn defect_26_statuses_are_true() {
    require!(Fixtures);
    let harness = Harness::with_container();
    harness.line("version").run().success();
    harness.line("inspect nobody").run().exits(1);
    shell(&harness, "exit 42").run().exits(42);
    assert_eq!(shell(&harness, "kill -9 $$").run().shell_code(), 137);
    harness.line("run c nothing-of-that-name").run().exits(127);
    harness.line("run c /srv").run().exits(126);
    harness
        .line("run --user=nobody-here c true")
        .run()
        .exits(125);
}

#[test]
fn defect_15_hard_links_are_one_file() {
    require!(Fixtures);
    let harness = Harness::new();
    let image = fixture::image("debian");
    harness.udocker(["pull", &image]).run().success();
    harness
        .udocker(["create", "--name=c", &image])
        .run()
        .success();
    let line = "ln /etc/passwd /etc/also && stat -c %h /etc/also";
    shell(&harness, line).run().success().prints("2");
}

#[test]
fn defect_28_what_is_kept_is_closed_to_others() {
    require!(Fixtures);
    let harness = Harness::with_container();
    let containers = harness.sandbox.store().join("containers");
    let entry = std::fs::read_dir(containers).expect("it is there").next();
    let record = entry.expect("one").expect("readable").path();
    let record = record.join("container.json");
    let mode = std::fs::metadata(record)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o077, 0, "environment and options may hold secrets");
}
