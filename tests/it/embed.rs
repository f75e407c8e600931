//! The payload on disk: published once by many at a time, repaired, swept, refused where it cannot be.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::thread;
use std::time::Duration;

use coracle::base::fault::Fault;
use coracle::base::path::HostPath;
use coracle::embed::{self, Payload, State};

use crate::support::Sandbox;

fn proot() -> &'static Payload {
    embed::find("proot").expect("ci/payload was run before the tests were built")
}

/// A home that does not exist yet, in a sandbox.
fn home(sandbox: &Sandbox) -> HostPath {
    HostPath::new(sandbox.path("home/.coracle"))
}

/// Names below `lib`.
fn names(home: &HostPath) -> Vec<String> {
    let entries = fs::read_dir(home.join("lib")).expect("it was unpacked");
    entries
        .map(|entry| {
            entry
                .expect("it is listed")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect()
}

#[test]
fn many_at_once_publish_one_directory_and_leave_nothing_else() {
    let sandbox = Sandbox::new();
    let home = home(&sandbox);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..32)
            .map(|_| scope.spawn(|| embed::ensure(&home, proot())))
            .collect();
        for worker in workers {
            let dir = worker.join().expect("no panic").expect("all succeed");
            assert!(dir.ends_with(proot().digest));
        }
    });
    assert_eq!(names(&home), [proot().digest]);
    assert_eq!(
        embed::state(&home, proot()).expect("readable"),
        State::Intact
    );
    let program = home.join("lib").join(proot().digest).join("proot");
    let version = Command::new(&*program).arg("--version").output();
    assert!(version.expect("it starts").status.success());
}

#[test]
fn damage_that_an_inode_shows_is_repaired_on_the_next_use() {
    let sandbox = Sandbox::new();
    let home = home(&sandbox);
    let dir = embed::ensure(&home, proot()).expect("it unpacks");
    let damages: [fn(&HostPath); 4] = [
        |file| fs::remove_file(file).expect("removed"),
        |file| fs::write(file, b"cut short").expect("written"),
        |file| fs::set_permissions(file, fs::Permissions::from_mode(0o644)).expect("changed"),
        flip_a_byte,
    ];
    for damage in damages {
        let file = dir.join("loader");
        damage(&file);
        assert_eq!(
            embed::state(&home, proot()).expect("readable"),
            State::Damaged(vec![file])
        );
        embed::ensure(&home, proot()).expect("repaired");
        assert_eq!(
            embed::state(&home, proot()).expect("readable"),
            State::Intact
        );
    }
    assert_eq!(names(&home), [proot().digest]);
}

/// Changes a file in its place, as a broken disk or an editor would. Not within the tick
/// of the clock in which it was written, which no time can tell apart.
fn flip_a_byte(file: &HostPath) {
    thread::sleep(Duration::from_millis(50));
    let mut bytes = fs::read(file).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(file, bytes).expect("written");
}

#[test]
fn a_flipped_byte_is_found_by_content_and_replaced_on_purpose() {
    let sandbox = Sandbox::new();
    let home = home(&sandbox);
    let dir = embed::ensure(&home, proot()).expect("it unpacks");
    let file = dir.join("proot");
    flip_a_byte(&file);
    assert_eq!(
        embed::state(&home, proot()).expect("readable"),
        State::Damaged(vec![file])
    );
    embed::replace(&home, proot()).expect("replaced");
    assert_eq!(
        embed::state(&home, proot()).expect("readable"),
        State::Intact
    );
}

#[test]
fn work_of_a_dead_process_is_swept_and_of_a_living_one_is_not() {
    let sandbox = Sandbox::new();
    let home = home(&sandbox);
    embed::ensure(&home, proot()).expect("it unpacks");
    let lib = home.join("lib");
    // Not a name that tells its creator, so age decides: one is two days old, the other new.
    for (name, age) in [(".old", "2 days ago"), (".new", "now")] {
        fs::create_dir(lib.join(name)).expect("made");
        let aged = Command::new("touch")
            .args(["--date", age])
            .arg(&*lib.join(name))
            .status();
        assert!(aged.expect("touch is in coreutils").success());
    }
    embed::sweep(&home).expect("swept");
    let mut left = names(&home);
    left.sort();
    assert_eq!(left, [".new", proot().digest]);
    embed::purge(&home).expect("removed");
    assert!(!lib.exists());
}

#[test]
fn a_home_that_cannot_be_is_named_with_the_way_out() {
    let sandbox = Sandbox::new();
    let home = HostPath::new(sandbox.file("home/file", "in the way"));
    let error = embed::ensure(&home, proot()).expect_err("a file is no home");
    assert!(error.to_string().contains(&home.to_string()), "{error}");
    let hints = error.hints().join("\n");
    assert!(
        hints.contains("CORACLE_HOME") && hints.contains("CORACLE_TMPDIR"),
        "{hints}"
    );
}
