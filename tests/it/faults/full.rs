//! A disk that fills up at any byte or at any file, and limits of a process: what fits is done, what does not is said.

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statvfs::statvfs;

use super::deed::Deed;
use super::{own_mounts, points, say, spread};
use crate::support::{Output, require};

/// Of what a disk can have too little, by the option of tmpfs(5).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scarce {
    Blocks,
    Inodes,
}

/// As much as nothing here needs.
const PLENTY: &str = "size=64m,nr_inodes=20000";
/// The words for a full disk, ours when it is seen beforehand and the kernel's.
const FULL: [&str; 2] = ["No space left on device", "left"];

/// `CORACLE_FAULT_POINTS` disks, from one without any room to one that has just enough.
fn fills_up(name: &str, scarce: Scarce) {
    let deed = Deed::new(name);
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            own_mounts();
            let needed = on_disk(&deed, scarce, None);
            let mut n_full = 0;
            for room in spread(needed, points("CORACLE_FAULT_POINTS", 3)) {
                n_full += on_disk(&deed, scarce, Some(room - 1));
            }
            assert!(n_full > 0, "no disk of {needed} was too small for {name}");
            say(&format!("{name}: {n_full} full disks of {needed}"));
        });
        inside.join().expect("the test has failed, see above");
    });
}

/// Runs the command on a disk that has `room` blocks or inodes left, and then, with more, again: 1 where it did not
/// fit. Without a number it does, and what was used is counted.
fn on_disk(deed: &Deed, scarce: Scarce, room: Option<usize>) -> usize {
    let (uid, gid) = deed.sandbox.ids();
    let home = deed.sandbox.home();
    let plain = MsFlags::empty();
    let options = format!("mode=755,uid={uid},gid={gid},{PLENTY}");
    mount(Some("none"), &home, Some("tmpfs"), plain, Some(&*options)).expect("root may");
    deed.restore();
    let used = || {
        let facts = statvfs(&home).expect("it is mounted");
        let used = match scarce {
            Scarce::Blocks => facts.blocks() - facts.blocks_free(),
            Scarce::Inodes => facts.files() - facts.files_free(),
        };
        usize::try_from(used).expect("it is small")
    };
    let before = used();
    let limit = |options: &str| {
        mount(
            None::<&str>,
            &home,
            None::<&str>,
            MsFlags::MS_REMOUNT,
            Some(options),
        )
        .expect("root may");
    };
    let mut n_full = 0;
    match room {
        None => {
            deed.run().run().success();
            n_full = used() - before;
        }
        Some(room) => {
            limit(&match scarce {
                Scarce::Blocks => format!("size={}k", (before + room).max(1) * 4),
                Scarce::Inodes => format!("nr_inodes={}", before + room),
            });
            let output = deed.run().run();
            limit(PLENTY);
            let told = format!("{room} left\n{output}");
            if output.code() != Some(0) {
                n_full = 1;
                assert_told(&output, &FULL, "CORACLE_HOME", &told);
            }
            deed.assert_survived(&told);
        }
    }
    umount2(&home, MntFlags::MNT_DETACH).expect("it is ours");
    n_full
}

#[track_caller]
fn assert_told(output: &Output, words: &[&str], hint: &str, told: &str) {
    assert_eq!(output.code(), Some(1), "{told}");
    let said = &output.stderr;
    assert!(
        words.iter().any(|word| said.contains(word)),
        "no reason: {told}"
    );
    assert!(said.contains("`/"), "no path: {told}");
    assert!(said.contains(hint), "no way out: {told}");
}

#[test]
fn blocks() {
    require!(Fixtures, Root);
    for name in ["first", "load"] {
        fills_up(name, Scarce::Blocks);
    }
}

#[test]
fn inodes() {
    require!(Fixtures, Root);
    for name in ["first", "load"] {
        fills_up(name, Scarce::Inodes);
    }
}

/// Under limits of one process, each of which may or may not be enough.
fn limited(limit: &str, values: &[usize], words: &[&str], hint: &str) {
    for name in ["first", "load"] {
        let deed = Deed::new(name);
        let mut n_failed = 0;
        for value in values {
            deed.restore();
            let output = deed
                .run_behind(["prlimit", &format!("--{limit}={value}")])
                .run();
            let told = format!("{name} with {limit} {value}\n{output}");
            if output.code() != Some(0) {
                n_failed += 1;
                assert_told(&output, words, hint, &told);
            }
            deed.assert_survived(&told);
        }
        assert!(n_failed > 0, "{name} is content with every {limit}");
    }
}

#[test]
fn sizes_of_files() {
    require!(Fixtures);
    let values = [0, 1, 100, 2000, 50_000, 110_000];
    limited("fsize", &values, &["File too large"], "ulimit -f");
}

#[test]
fn open_files() {
    require!(Fixtures);
    let words = ["Too many open files", "No file descriptors available"];
    // A policy that cannot be opened has a hint of its own.
    // With three there is none beside the standard streams, and a program that is not static does not even start.
    limited("nofile", &[4, 5, 6, 7, 8, 10, 12], &words, "hint: ");
}
