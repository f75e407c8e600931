//! One test per defect that got out, named after what was seen.

use coracle::oci::config::ImageConfig;
use coracle::oci::manifest::Document;
use coracle::oci::media;
use coracle::oci::reference::Reference;

use crate::support::{Sandbox, fixture, require, with_mounts};

/// `rm` failed for want of permission, and every `gc` after it.
#[test]
fn a_container_with_files_of_sub_ids_can_be_removed() {
    require!(Fixtures, Root, UserNamespaces);
    let sandbox = Sandbox::new();
    let granted = format!("{}:700000:65536\n", sandbox.ids().0);
    let table = sandbox.file("granted", granted);
    let mounts =
        "set -e; for table in uid gid; do mount --bind \"$0\" /etc/sub$table; done; exec \"$@\"";
    let host = with_mounts(mounts, &table.display().to_string());
    let script = "mkdir -m 700 /own && touch /own/file && chown -R 77:77 /own";
    sandbox
        .coracle(["--quiet", "run", "--name=many", "--userns=subids"])
        .arguments([&fixture::image("guest"), "sh", "-c", script])
        .behind(&host)
        .run()
        .success();
    sandbox
        .coracle(["rm", "many"])
        .behind(&host)
        .run()
        .success();
    for folder in ["containers", "trash"] {
        let left = std::fs::read_dir(sandbox.store().join(folder)).map(Iterator::count);
        assert_eq!(left.ok(), Some(0), "left in {folder}");
    }
}

/// The advice was to set CORACLE_HOME.
#[test]
fn a_prefix_that_will_not_do_is_called_that() {
    let sandbox = Sandbox::new();
    sandbox
        .coracle(["install", "--prefix=/proc/self"])
        .run()
        .exits(1)
        .complains("cannot install into `/proc/self/bin`")
        .complains("--prefix");
}

#[test]
fn a_mistyped_container_is_called_that() {
    let sandbox = Sandbox::new();
    sandbox
        .coracle(["run", "--pull=never", "k1"])
        .run()
        .exits(125)
        .complains("there is no container `k1`")
        .complains("coracle ps");
}

/// `run --rm --name` adopts what its guest abandons, and never buried it: a service ran out of processes.
#[test]
fn what_a_guest_abandons_is_buried() {
    require!(Fixtures, UserNamespaces);
    let script = r#"
        for i in 1 2 3 4 5; do (true &); done
        for i in $(seq 100); do
            dead=0
            for stat in /proc/[0-9]*/stat; do
                read -r pid name state parent rest < $stat && [ "$state $parent" = "Z $PPID" ] && dead=1
            done 2> /dev/null
            [ $dead = 0 ] && exit 0
            sleep 0.05
        done
        exit 1"#;
    Sandbox::new()
        .coracle(["--quiet", "run", "--rm", "--name=parent", "--engine=ns"])
        .arguments([&fixture::image("guest"), "sh", "-c", script])
        .run()
        .success();
}

/// The status was 125, and the container and scratch copies stayed.
#[test]
fn a_guest_may_end_by_a_real_time_signal() {
    require!(Fixtures, UserNamespaces);
    let sandbox = Sandbox::new();
    sandbox
        .coracle(["--quiet", "run", "--rm", "--name=gone", "--engine=ns"])
        .arguments([&fixture::image("guest"), "sh", "-c", "kill -35 $$"])
        .run()
        .exits(128 + 35);
    sandbox.coracle(["ps", "-aq"]).run().success().prints("");
}

/// These were defects of our own to the user, with a line of the source.
#[test]
fn times_beyond_every_calendar_are_understood_or_refused() {
    require!(Fixtures, UserNamespaces);
    let sandbox = Sandbox::new();
    sandbox
        .coracle(["--quiet", "run", "-d", "--name=old", "--engine=ns"])
        .arguments([
            &fixture::image("guest"),
            "sh",
            "-c",
            "echo written; exec sleep 60",
        ])
        .run()
        .success();
    sandbox
        .coracle(["stop", "--time=9223372036854775807", "old"])
        .run()
        .success();
    sandbox
        .coracle(["logs", "--since=100years", "old"])
        .run()
        .success()
        .prints("written");
    sandbox
        .coracle(["logs", "--since=999999999999", "old"])
        .run()
        .exits(2)
        .complains("--since");
}

/// A second container gave an empty volume its image's files, and the first one went on with a directory of its own.
#[test]
fn guests_of_one_volume_see_one_directory() {
    require!(Fixtures, UserNamespaces);
    let sandbox = Sandbox::new();
    let run = |flags: &[&str], command: &[&str]| {
        sandbox
            .coracle(["--quiet", "run", "--engine=ns"])
            .arguments(flags)
            .arguments([&fixture::image("guest")])
            .arguments(command)
            .run()
            .success()
    };
    run(
        &["-d", "--name=first", "-v", "tools:/seen"],
        &["sleep", "60"],
    );
    run(&["--rm", "-v", "tools:/bin"], &["true"]);
    let seen = sandbox
        .coracle(["exec", "first", "test", "-e", "/seen/sh"])
        .run();
    sandbox.coracle(["rm", "-f", "first"]).run().success();
    seen.success();
}

/// The options in an archive were taken over without a word, and with them whatever of the host they show.
#[test]
fn a_packed_container_says_what_it_will_see_of_the_host() {
    require!(Fixtures, UserNamespaces);
    let sandbox = Sandbox::new();
    let data = sandbox.file("data", "text");
    let archive = sandbox.file("packed", "");
    let volume = format!("{}:/data", data.display());
    sandbox
        .coracle([
            "--quiet",
            "create",
            "--name=theirs",
            "-e",
            "SECRET",
            "-v",
            &volume,
        ])
        .arguments([&fixture::image("guest"), "true"])
        .run()
        .success();
    sandbox
        .coracle(["export", "--clone", "-o"])
        .arguments([archive.as_os_str(), "theirs".as_ref()])
        .run()
        .success();
    sandbox
        .coracle(["import", "--clone"])
        .arguments([&archive])
        .run()
        .success()
        .complains(&data.display().to_string())
        .complains("the variable `SECRET`");
}

/// A start that came too late must leave alone whoever was faster, also with `--rm`.
#[test]
fn a_start_that_is_refused_ends_nobody() {
    require!(Fixtures, UserNamespaces);
    let sandbox = Sandbox::new();
    let coracle = |words: &[&str]| sandbox.coracle(["--quiet"]).arguments(words);
    let image = fixture::image("guest");
    let script = "echo here; while [ ! -e /go ]; do sleep 0.05; done";
    coracle(&["create", "--name=one", &image, "sh", "-c", script])
        .run()
        .success();
    let first = coracle(&["run", "--engine=ns", "one"]).start();
    first.wait_for("here");
    coracle(&["run", "-d", "one"])
        .run()
        .exits(125)
        .complains("is running");
    coracle(&["exec", "one", "touch", "/go"]).run().success();
    first.finish().success();
    coracle(&["rm", "one"]).run().success();
}

/// After a power cut `ps` and `rm` failed for one file without content.
#[test]
fn a_state_that_a_crash_emptied_is_none() {
    require!(Fixtures, UserNamespaces);
    let sandbox = Sandbox::new();
    let coracle = |words: &[&str]| sandbox.coracle(["--quiet"]).arguments(words).run();
    let image = fixture::image("guest");
    coracle(&["run", "--name=cut", "--engine=ns", &image, "true"]).success();
    let id = coracle(&["ps", "-aq", "--no-trunc"]).success().stdout;
    let state = sandbox
        .store()
        .join("containers")
        .join(id.trim())
        .join("state.json");
    std::fs::write(&state, "").expect("the state of a container that ran can be emptied");
    let shown = coracle(&["ps", "-a", "--format", "{{.Status}}"]);
    shown.success().prints("Created");
    coracle(&["rm", "cut"]).success();
}

/// What a container had removed was still read from its image: a user of a removed `/etc/passwd` was found.
#[test]
fn a_removed_passwd_names_no_user() {
    require!(Fixtures, UserNamespaces);
    let sandbox = Sandbox::new();
    let image = fixture::image("guest");
    let run = |words: &[&str]| {
        sandbox
            .coracle(["--quiet", "run", "--engine=ns"])
            .arguments(words)
    };
    run(&["--name=bare", &image, "rm", "/etc/passwd"])
        .run()
        .success();
    run(&["-u", "worker", "bare", "true"])
        .run()
        .exits(125)
        .complains("the image has no user `worker`");
}

/// What was given with `-e` could be read by everybody in a file that `export --clone` wrote.
#[test]
fn a_clone_in_a_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    require!(Fixtures);
    let sandbox = Sandbox::new();
    let create = ["--quiet", "create", "--name=kept", "-e", "SECRET=s"];
    sandbox
        .coracle(create)
        .arguments([fixture::image("guest")])
        .run()
        .success();
    let export = sandbox.coracle(["export", "--clone", "-o", "kept.tar", "kept"]);
    export.run().success();
    let meta = std::fs::metadata(sandbox.home().join("kept.tar")).expect("it was written");
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
}

/// A name in capitals had no `library/`, and printed as another one.
#[test]
fn a_registry_in_capitals_is_the_same_registry() {
    for name in ["DOCKER.IO/debian", "Index.docker.io/debian:latest"] {
        let reference: Reference = name.parse().expect("a name");
        assert_eq!(reference.to_string(), "docker.io/library/debian:latest");
    }
}

/// A list in the place of an object was read as its fields, one after another; nobody else does that.
#[test]
fn a_document_that_is_a_list_is_refused() {
    let digest = format!("sha256:{}", "0".repeat(64));
    let config = format!(r#"["{}","{digest}",2]"#, media::OCI_CONFIG);
    let list = format!(r#" [2,null,null,{config},[],null,null,null]"#);
    assert!(Document::parse(list.as_bytes(), None).is_err());
    assert!(ImageConfig::parse(br#"[null,null,null,null,null,null,["layers",[]],null]"#).is_err());
}

/// A list of four million bytes took a hundred times as many in memory before it was refused.
#[test]
fn an_index_of_many_small_things_takes_little_memory() {
    let sandbox = Sandbox::new();
    let folder = sandbox.folder("layout");
    let n = 590_000;
    let entries = vec![r#"{"":0}"#; n].join(",");
    let index = format!(r#"{{"schemaVersion":2,"manifests":[{entries}]}}"#);
    let files = [
        ("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#),
        ("index.json", &index),
    ];
    for (name, content) in files {
        std::fs::write(folder.join(name), content).expect("the folder is ours");
    }
    sandbox
        .coracle(["pull", &format!("oci:{}", folder.display())])
        .behind(["prlimit", "--as=200000000"])
        .run()
        .exits(1)
        .complains(&format!("the index lists {n} manifests"));
}
