//! Where specifications are found, and which of several counts.

use super::World;

/// A specification of one device that sets one variable.
fn spec(kind: &str, device: &str, value: &str) -> String {
    format!(
        "{{\"cdiVersion\": \"0.6.0\", \"kind\": \"{kind}\", \"devices\": [{{\"name\": \"{device}\", \
         \"containerEdits\": {{\"env\": [\"FROM={value}\"]}}}}]}}"
    )
}

#[test]
fn the_higher_directory_wins() {
    let world = World::new();
    world
        .text("low/a.json", &spec("v.com/c", "one", "low"))
        .text("high/b.yaml", &spec("v.com/c", "one", "high"));
    world.check("v.com/c=one", &["env FROM=high"]);
    // Also over two files that contradict each other.
    world.text("low/c.json", &spec("v.com/c", "one", "low too"));
    world.check("v.com/c=one", &["env FROM=high"]);
}

#[test]
fn two_files_of_one_directory_make_a_device_unusable() {
    let world = World::new();
    world
        .text("high/a.json", &spec("v.com/c", "one", "a"))
        .text("high/b.json", &spec("v.com/c", "one", "b"));
    world
        .text("low/c.json", &spec("v.com/c", "one", "low"))
        .text("high/d.json", &spec("v.com/c", "two", "d"));
    world.check(
        "v.com/c=one",
        &[
            "error: the device `v.com/c=one` is described by both `@/high/a.json` and `@/high/b.json`",
            "hint: remove one of the two files, or move the one that is to count to a directory of higher priority",
        ],
    );
    world.check("v.com/c=two", &["env FROM=d"]);
}

#[test]
fn only_files_of_the_directory_itself_count() {
    let world = World::new();
    for name in [
        "low/a.yml",
        "low/b.json.bak",
        "low/sub/c.json",
        "low/json",
        "low/.json",
    ] {
        world.text(name, &spec("v.com/c", "one", "no"));
    }
    world.check(
        "v.com/c=one",
        &[
            "error: no CDI specification describes the device `v.com/c=one`",
            "hint: no other device is described in `@/low`, `@/high`; vendors' tools write specifications, such as \
             `nvidia-ctk cdi generate`",
        ],
    );
}

#[test]
fn what_there_is_is_listed() {
    let world = World::new();
    world
        .text("low/a.json", &spec("v.com/c", "one", ""))
        .text("low/b.json", &spec("w.com/c", "1", ""));
    let error = |name: &str| format!("error: no CDI specification describes the device `{name}`");
    world.check(
        "v.com/c=two",
        &[&error("v.com/c=two"), "hint: there are `v.com/c=one`"],
    );
    world.check(
        "x.com/c=two",
        &[
            &error("x.com/c=two"),
            "hint: there are `v.com/c=one`, `w.com/c=1`",
        ],
    );
    for device in 2..30 {
        world.text(
            &format!("high/{device}.json"),
            &spec("w.com/c", &device.to_string(), ""),
        );
    }
    let told = world.told("w.com/c=x");
    assert!(
        told.ends_with("`w.com/c=19`, `w.com/c=2` and 17 more"),
        "{told}"
    );
}

#[test]
fn a_broken_file_hides_no_other() {
    let world = World::new();
    world
        .text("low/a.json", &spec("v.com/c", "one", "a"))
        .text("high/b.json", "{");
    std::fs::create_dir(world.path("high/directory.json")).expect("writable");
    std::os::unix::fs::symlink("nowhere", world.path("high/link.json")).expect("writable");
    nix::unistd::mkfifo(
        &*world.path("high/pipe.yaml"),
        nix::sys::stat::Mode::S_IRWXU,
    )
    .expect("writable");
    world.check("v.com/c=one", &["env FROM=a"]);
    world.check(
        "v.com/c=two",
        &[
            "error: no CDI specification describes the device `v.com/c=two`",
            "hint: `@/high/b.json` cannot be used: EOF while parsing an object at line 1 column 1",
            "hint: `@/high/directory.json` cannot be used: not a regular file",
            "hint: `@/high/link.json` cannot be used: No such file or directory (os error 2)",
            "hint: `@/high/pipe.yaml` cannot be used: not a regular file",
            "hint: there are `v.com/c=one`",
        ],
    );
    // One of higher priority that may have described the device is told of.
    world.text("high/b.json", "{\"kind\": \"v.com/c\"");
    let warning =
        "warning: `@/high/b.json` cannot be used: EOF while parsing an object at line 1 column 18";
    world.check("v.com/c=one", &["env FROM=a", warning]);
}

#[test]
fn directories_need_not_exist() {
    let world = World::new();
    world.text("low/a.json", &spec("v.com/c", "one", "a"));
    let name = "v.com/c=one".parse().expect("a name");
    let low = world.path("low");
    // One that is named twice does not contradict itself.
    let directories = [world.path("nowhere"), low.clone(), low];
    let edits =
        coracle::gpu::cdi::resolve(&[name], &directories, &world.path("sys")).expect("it is there");
    assert_eq!(edits.environment, [("FROM".to_owned(), "a".to_owned())]);
}
