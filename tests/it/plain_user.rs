//! What a person met who had read nothing but the README.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Feature, Output, Sandbox, fixture, require};

fn said(sandbox: &Sandbox, words: &[&str]) -> Output {
    sandbox.coracle(words).run()
}

#[test]
fn a_copy_of_a_home_is_not_in_use_by_guests_of_the_first() {
    require!(Fixtures, UserNamespaces);
    let sandbox = Sandbox::new();
    let image = fixture::image("guest");
    let script = ["sh", "-c", "echo ready; read x"];
    let typed = ["--quiet", "run", "--rm", &image];
    let running = sandbox.coracle(typed).arguments(script).start();
    running.wait_for("ready");
    let copy = sandbox.path("copy");
    let (store, to) = (sandbox.store(), copy.clone());
    let words = [
        "cp".as_ref(),
        "-a".as_ref(),
        store.as_os_str(),
        to.as_os_str(),
    ];
    sandbox.command(words).run();
    let there = |words: &[&str]| sandbox.coracle(words).env("CORACLE_HOME", &copy).run();
    let removed = there(&["rmi", &image]).success();
    assert!(!removed.stderr.contains("process"), "{}", removed.stderr);
    assert_eq!(
        std::fs::read_dir(copy.join("trees"))
            .expect("it is there")
            .count(),
        0
    );
    running.finish();
}

#[test]
fn a_tree_in_use_stays_and_its_process_is_named() {
    require!(Fixtures, UserNamespaces);
    let sandbox = Sandbox::new();
    let image = fixture::image("guest");
    let script = ["sh", "-c", "echo ready; read x"];
    let typed = ["--quiet", "run", "--rm", &image];
    let running = sandbox.coracle(typed).arguments(script).start();
    running.wait_for("ready");
    said(&sandbox, &["rmi", &image])
        .success()
        .complains(&image)
        .complains("(`sh`) runs from them");
    said(&sandbox, &["gc"])
        .success()
        .mentions("(`sh`) runs from it");
    running.finish();
    said(&sandbox, &["gc"]).success().mentions("removed trees/");
}

#[test]
fn an_image_id_runs_its_image_and_one_id_of_two_names_must_be_forced() {
    require!(Fixtures);
    let sandbox = Sandbox::new();
    let image = fixture::image("guest");
    said(&sandbox, &["pull", &image]).success();
    said(&sandbox, &["tag", &image, "second:1"]).success();
    let ids = said(&sandbox, &["images", "-q"]).success().stdout;
    let id = ids.trim();
    assert_eq!(ids.lines().count(), 1, "{ids}");
    let full = format!("sha256:{id}");
    for id in [id, full.as_str()] {
        let words = ["--quiet", "run", "--rm", id, "echo", "hi"];
        said(&sandbox, &words).success().prints("hi\n");
        said(&sandbox, &["create", id]).success();
        said(&sandbox, &["history", id]).success();
        said(&sandbox, &["inspect", id]).success();
    }
    said(&sandbox, &["run", "--rm", "sha256:000000000000"])
        .exits(125)
        .complains("there is no image");
    said(&sandbox, &["rmi", id])
        .exits(2)
        .complains("must be forced")
        .complains("second:1");
    said(&sandbox, &["rmi", "-f", id]).success();
    said(&sandbox, &["images", "-q"]).success().prints("");
}

#[test]
fn a_home_that_cannot_be_written_is_the_headline() {
    let sandbox = Sandbox::new();
    let closed = sandbox.folder("closed");
    std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o555)).expect("it is ours");
    let run = sandbox.coracle(["run", "--rm", "hello"]);
    let output = run
        .env("CORACLE_HOME", closed.join("home"))
        .run()
        .exits(125);
    let first = output.stderr.lines().next().unwrap_or_default();
    assert!(
        first.starts_with("error: cannot create directory"),
        "{first}"
    );
    assert!(!output.stderr.contains("no container"), "{}", output.stderr);
}

#[test]
fn flags_behind_the_image_are_explained_and_a_container_that_stays_is_named() {
    require!(Fixtures);
    let sandbox = Sandbox::new();
    let image = fixture::image("guest");
    let output = said(&sandbox, &["run", &image, "--rm", "echo", "hi"]).exits(127);
    output
        .complains("flags stand before the image")
        .complains("the new container `")
        .complains("coracle rm");
    let mut engines = vec!["proot"];
    if Feature::UserNamespaces.probe().is_ok() {
        engines.push("ns");
    }
    for engine in engines {
        let words = ["run", "--rm", "--engine", engine, &image, "/etc"];
        said(&sandbox, &words)
            .exits(126)
            .complains("Is a directory");
    }
    let words = [
        "run", "--rm", "-v", "/tmp:/x", "--tmpfs", "/x", &image, "true",
    ];
    said(&sandbox, &words)
        .exits(125)
        .complains("leave one of them away");
}

#[test]
fn explain_shows_network_limits_and_privileges_and_proot_says_why() {
    require!(Fixtures, Ptrace);
    let sandbox = Sandbox::new();
    let image = fixture::image("guest");
    let words = [
        "run",
        "--rm",
        "-p",
        "8081:80",
        "--ulimit",
        "nofile=512:512",
        "--security-opt",
        "no-new-privileges",
        "--explain",
        &image,
    ];
    said(&sandbox, &words)
        .success()
        .mentions("network      of its own, ports 8081:80/tcp")
        .mentions("limit        nofile=512:512")
        .mentions("privileges   no new ones");
    let run = |words: &[&str]| said(&sandbox, words).success().stderr;
    // Whether engine `ns` can map ports here is up to the host: where it cannot, nothing advises it.
    let first = run(&[
        "run",
        "--engine=proot",
        "--name",
        "box",
        "-p",
        "8081:80",
        &image,
        "true",
    ]);
    assert!(
        first.contains("PRoot runs it") && first.contains("changes port numbers"),
        "{first}"
    );
    let again = run(&["run", "--engine=proot", "box", "true"]);
    assert!(!again.contains("changes port numbers"), "{again}");
}

#[test]
fn an_image_for_another_processor_is_refused_at_run() {
    require!(Fixtures);
    let sandbox = Sandbox::new();
    let image = fixture::image("foreign");
    said(&sandbox, &["pull", &image])
        .success()
        .complains("is for `linux/arm64`");
    let entry = std::path::Path::new("/proc/sys/fs/binfmt_misc/qemu-aarch64");
    if cfg!(target_arch = "x86_64") && !entry.exists() {
        said(&sandbox, &["run", "--rm", &image, "true"])
            .exits(125)
            .complains("is for `linux/arm64`")
            .complains("--platform");
    }
}
