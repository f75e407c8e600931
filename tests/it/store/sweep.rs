//! Sweeps: what goes, what stays, and what the killed leave behind.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::UNIX_EPOCH;

use coracle::base::digest::Digest;
use coracle::base::fsx;
use coracle::base::path::HostPath;
use coracle::store::{Store, StoreError};

use super::{Home, pull, put_image, source};

/// Tells a child of this test binary which store it is to work in; see [`killed_child`].
const CHILD_STORE: &str = "CORACLE_TEST_CHILD_STORE";

#[test]
fn an_image_is_found_until_it_is_forgotten_and_swept() {
    let home = Home::new();
    let store = home.open();
    let image = pull(&store, "alpine:3", "one");
    let kept = pull(&store, "h.example:5000/a/b:1", "two");
    assert_eq!(
        store.image(&source("alpine:3")).expect("read"),
        Some(image.clone())
    );
    assert_eq!(store.image(&source("alpine:4")).expect("read"), None);
    assert_eq!(store.sweep().expect("sweep").removed, []);
    assert!(store.remove_image(&source("alpine:3")).expect("remove"));
    assert!(!store.remove_image(&source("alpine:3")).expect("remove"));
    let swept = store.sweep().expect("sweep");
    assert_eq!(swept.removed.len(), 4, "three blobs and a tree: {swept:?}");
    assert!(swept.freed() >= 4 * 4096, "{swept:?}");
    assert_eq!(store.images().expect("list"), [kept]);
    store
        .remove_image(&source("h.example:5000/a/b:1"))
        .expect("remove");
    store.sweep().expect("sweep");
    assert_eq!(home.content(), BTreeSet::new());
}

#[test]
fn a_container_keeps_its_image_and_goes_with_its_names() {
    let home = Home::new();
    let store = home.open();
    let image = pull(&store, "alpine", "one");
    let options = serde_json::json!({"argv": ["a", ""]});
    let container = store
        .create_container(&image, Some("Mine"), options.clone())
        .expect("create");
    let id = container.record.id.clone();
    store.add_name("mine", &id).expect("names differ by case");
    assert_eq!(
        store.container("mine").expect("by name").record,
        container.record
    );
    assert_eq!(
        store.container(&id[..12]).expect("by id").record.options,
        options
    );
    assert!(matches!(
        store.container("none"),
        Err(StoreError::NoContainer(_))
    ));
    store.remove_image(&source("alpine")).expect("remove");
    store.sweep().expect("sweep");
    assert!(store.tree(&image.chain).expect("read").is_some());
    // What overlayfs leaves: a directory without any right.
    let dir = &container.dir;
    let work = dir.join("work/work");
    std::fs::create_dir_all(&work).expect("the container's directory is there");
    std::fs::set_permissions(&work, PermissionsExt::from_mode(0o000)).expect("it is ours");
    store.remove_container(&id).expect("remove");
    assert_eq!(store.names().expect("list"), []);
    store.sweep().expect("sweep");
    assert_eq!(home.content(), BTreeSet::new());
}

#[test]
fn what_a_guest_runs_from_is_not_swept() {
    let home = Home::new();
    let store = home.open();
    let image = pull(&store, "alpine", "one");
    let container = store
        .create_container(&image, None, ().into())
        .expect("create");
    let used = pull(&store, "used", "two");
    let tree = store.tree(&used.chain).expect("read").expect("it is there");
    // As PRoot's command line names the root and a bind.
    let bin = home.proot();
    let mut guest = Command::new(&bin);
    std::os::unix::process::CommandExt::arg0(&mut guest, &*tree.rootfs);
    let mut guest = guest.arg("600").spawn().expect("sleep starts");
    let mut other = Command::new(&bin);
    std::os::unix::process::CommandExt::arg0(&mut other, &*container.dir);
    let mut other = other.arg("600").spawn().expect("sleep starts");
    for (child, path) in [(&guest, &*tree.rootfs), (&other, &*container.dir)] {
        await_arguments(child.id(), path);
    }
    store.remove_image(&source("used")).expect("remove");
    let swept = store.sweep().expect("sweep");
    let running = store.running_containers().expect("list");
    for child in [&mut guest, &mut other] {
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
    }
    assert_eq!(swept.in_use.len(), 1, "{swept:?}");
    assert_eq!(running, [container.record.id]);
    assert!(store.tree(&used.chain).expect("read").is_some());
    assert_eq!(store.running_containers().expect("list"), [""; 0]);
    assert_eq!(store.sweep().expect("sweep").in_use, []);
    assert!(store.tree(&used.chain).expect("read").is_none());
}

#[test]
fn a_guest_of_another_home_with_the_same_image_keeps_nothing_here() {
    let (home, other) = (Home::new(), Home::new());
    let (store, others) = (home.open(), other.open());
    let image = pull(&store, "alpine", "one");
    pull(&others, "alpine", "one");
    let theirs = others.tree(&image.chain).expect("read");
    let theirs = theirs.expect("it is there").rootfs;
    let mut guest = Command::new(other.proot());
    std::os::unix::process::CommandExt::arg0(&mut guest, &*theirs);
    let mut guest = guest.arg("600").spawn().expect("sleep starts");
    await_arguments(guest.id(), &theirs);
    for store in [&store, &others] {
        store.remove_image(&source("alpine")).expect("remove");
    }
    // The same home by another path.
    let link = home.0.join("link");
    std::os::unix::fs::symlink(&other.0, &link).expect("the home is there");
    let by_link = Store::open(HostPath::new(&link)).expect("it is a store");
    let (here, there) = (store.sweep(), by_link.sweep());
    guest.kill().expect("it is ours");
    guest.wait().expect("it is ours");
    assert_eq!(here.expect("sweep").in_use, []);
    assert!(store.tree(&image.chain).expect("read").is_none());
    let there = there.expect("sweep");
    let by = there.kept_by(&image.chain).expect("it is in use");
    assert_eq!(by.pid.as_raw().unsigned_abs(), guest.id());
    assert_eq!(by.command, "proot");
}

/// Waits until a started process shows its arguments, a moment after its start.
fn await_arguments(pid: u32, first: &Path) {
    let path = format!("/proc/{pid}/cmdline");
    let first = first.as_os_str().as_encoded_bytes();
    while !std::fs::read(&path).expect("it runs").starts_with(first) {
        std::thread::yield_now();
    }
}

#[test]
fn sweeps_and_pulls_at_once_lose_nothing() {
    let home = Home::new();
    let store = home.open();
    std::thread::scope(|scope| {
        for number in 0..4 {
            let store = &store;
            scope.spawn(move || {
                // All share one seed: each pull meets content that another has just left unclaimed.
                let name = format!("image{number}");
                for _ in 0..12 {
                    let lease = store.lease().expect("a lease");
                    let image = put_image(&lease, &name, "shared");
                    lease
                        .publish(&source(&name), &image)
                        .expect("the lease protects it");
                    drop(lease);
                    for content in &image.content {
                        store
                            .verify_blob(&content.digest, content.size)
                            .expect("claimed");
                    }
                    assert!(store.tree(&image.chain).expect("read").is_some());
                    store.remove_image(&source(&name)).expect("remove");
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| (0..25).for_each(|_| drop(store.sweep().expect("sweep"))));
        }
    });
    store.sweep().expect("sweep");
    assert_eq!(home.content(), BTreeSet::new());
}

#[test]
fn what_the_killed_leave_is_resumed_or_swept() {
    for sweep in [true, false] {
        let home = Home::new();
        let store = home.open();
        let lease = store.lease().expect("a lease");
        kill_a_child_amid_its_pull(&home.0);
        let before = home.content();
        for kind in ["leases/", "ingest/", "tmp/", "blobs/", "trees/"] {
            assert!(
                before.iter().any(|path| path.starts_with(kind)),
                "{kind}: {before:?}"
            );
        }
        if sweep {
            store.sweep().expect("sweep");
            let own_lease = home.content();
            assert_eq!(own_lease.len(), 1, "{own_lease:?}");
            continue;
        }
        let (digest, bytes) = big_blob();
        let half_tree = format!("ingest/{}-1.", digest.hex());
        let has_half = || {
            home.content()
                .iter()
                .any(|path| path.starts_with(&half_tree))
        };
        assert!(has_half());
        drop(lease.begin_tree(&digest).expect("a new tree"));
        assert!(!has_half());
        let mut writer = lease
            .resume(&digest, bytes.len() as u64)
            .expect("read")
            .expect("found");
        let written = writer.written() as usize;
        assert_eq!(written, bytes.len() / 2);
        assert!(
            lease
                .resume(&digest, bytes.len() as u64)
                .expect("read")
                .is_none()
        );
        writer.write_all(&bytes[written..]).expect("write");
        writer.commit().expect("the first half was the right one");
    }
}

/// What was left long ago by a host that cannot be asked is ours once it has our name: no other host may take it for
/// a leftover again. Should one do so and write on in it, that is noticed.
#[test]
fn what_is_gone_on_with_is_no_leftover_for_anybody() {
    for spoiled in [false, true] {
        let home = Home::new();
        let store = home.open();
        let lease = store.lease().expect("a lease");
        let (digest, bytes) = big_blob();
        let half = &bytes[..bytes.len() / 2];
        let name = format!("{}.{}.1.1.0123456789abcdef", digest.hex(), "f".repeat(16));
        let left = home.0.join("ingest").join(name);
        std::fs::write(&left, half).expect("the store is ours");
        fsx::set_changed(&left, 1_000_000_000, 0).expect("the file is ours");
        let writer = lease.resume(&digest, bytes.len() as u64).expect("read");
        let mut writer = writer.expect("found");
        assert_eq!(writer.written(), half.len() as u64);
        let files = fsx::read_dir(home.0.join("ingest")).expect("it is there");
        let [file] = files.as_slice() else {
            panic!("{files:?}");
        };
        let changed = file.metadata().and_then(|meta| meta.modified());
        let age = changed.expect("it is there").duration_since(UNIX_EPOCH);
        assert_ne!(age.expect("after 1970").as_secs(), 1_000_000_000);
        writer.write_all(&bytes[half.len()..]).expect("write");
        if spoiled {
            let mut other = fsx::open_append(file.path()).expect("it is ours");
            other.write_all(b"more").expect("write");
        }
        let committed = writer.commit();
        assert_eq!(committed.is_ok(), !spoiled, "{committed:?}");
        let is_here = store.has_blob(&digest, bytes.len() as u64);
        assert_eq!(is_here.expect("read"), !spoiled);
    }
}

fn big_blob() -> (Digest, Vec<u8>) {
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|number| number as u8).collect();
    (Digest::of(&bytes), bytes)
}

/// Runs [`killed_child`] in a process of its own, until it says that it is in the middle.
fn kill_a_child_amid_its_pull(home: &Path) {
    let mut child = Command::new(std::env::current_exe().expect("a test binary has a path"))
        .args([
            "--exact",
            "store::sweep::killed_child",
            "--ignored",
            "--nocapture",
        ])
        .env(CHILD_STORE, home)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the test binary starts");
    let output = child.stdout.take().expect("it is piped");
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    assert!(
        lines.any(|line| line.contains("amid")),
        "the child ended early"
    );
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
}

#[test]
#[ignore = "the part of a child process that another test starts and kills"]
fn killed_child() {
    let home = std::env::var_os(CHILD_STORE).expect("started by another test");
    let store = Store::open(HostPath::new(home)).expect("open");
    let lease = store.lease().expect("a lease");
    let _unnamed = put_image(&lease, "alpine", "one");
    let (digest, bytes) = big_blob();
    let mut writer = lease.ingest(&digest, bytes.len() as u64).expect("ingest");
    writer.write_all(&bytes[..bytes.len() / 2]).expect("write");
    let staging = lease.begin_tree(&digest).expect("a new tree");
    std::fs::create_dir(staging.rootfs()).expect("the staging tree is ours");
    std::fs::write(staging.rootfs().join("file"), "half").expect("write");
    let scratch = store.scratch().expect("a name");
    fsx::create_dir(&scratch, 0o555).expect("the name is free");
    let half_made = fsx::private_sibling(store.home().join("lib")).expect("a name");
    fsx::create_dir(half_made, 0o555).expect("the name is free");
    writeln!(std::io::stdout(), "amid").expect("the parent reads");
    loop {
        std::thread::park();
    }
}
