//! The store as a library: races, deaths and odd names, on a real file system.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use coracle::base::digest::{Digest, Mismatch};
use coracle::base::fsx;
use coracle::base::path::HostPath;
use coracle::oci::platform::Platform;
use coracle::oci::source::Source;
use coracle::store::{Content, Extent, ImageRecord, Lease, Store, StoreError};

const THREADS: usize = 16;

/// Tells a child of this test binary which store it is to work in; see [`killed_child`].
const CHILD_STORE: &str = "CORACLE_TEST_CHILD_STORE";

/// A store in a directory that goes with everything in it.
struct Home(PathBuf);

impl Home {
    fn new() -> Home {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("coracle-store.{}.{count}", std::process::id());
        Home(std::env::temp_dir().join(name))
    }

    fn open(&self) -> Store {
        Store::open(HostPath::new(&self.0)).expect("this version's store opens")
    }

    /// All files and directories below the store, without the skeleton.
    fn content(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut todo = vec![self.0.clone()];
        while let Some(dir) = todo.pop() {
            for entry in fsx::read_dir(&dir).expect("our own directory") {
                let path = entry.path();
                let below = path.strip_prefix(&self.0).expect("it is below");
                let depth = below.components().count();
                if path.is_dir() {
                    todo.push(path.clone());
                }
                let is_skeleton = depth == 1 || (depth == 2 && below.starts_with("blobs"));
                if !is_skeleton {
                    found.insert(below.display().to_string());
                }
            }
        }
        found
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        fsx::remove_tree(&self.0).expect("the test's own directory can be removed");
    }
}

fn source(text: &str) -> Source {
    text.parse().expect("a literal of this test")
}

/// Stores a one-file tree under the chain `seed`, as a pull would.
fn put_tree(lease: &Lease, seed: &str) -> Digest {
    let chain = Digest::of(seed.as_bytes());
    let staging = lease.begin_tree(&chain).expect("a new tree");
    std::fs::create_dir(staging.rootfs()).expect("the staging tree is ours");
    std::fs::write(staging.rootfs().join("file"), seed).expect("the staging tree is ours");
    std::fs::write(staging.sidecar(), "sidecar").expect("the staging tree is ours");
    let (entries, bytes) = (1, seed.len() as u64);
    let tree = staging.publish(Extent { entries, bytes }).expect("publish");
    assert_eq!(
        fsx::read(tree.rootfs.join("file"), 99).expect("it is there"),
        seed.as_bytes()
    );
    chain
}

/// Stores an image whose content is derived from `seed`, without a name.
fn put_image(lease: &Lease, name: &str, seed: &str) -> ImageRecord {
    let mut content = Vec::new();
    for part in ["manifest", "config", "layer"] {
        let bytes = format!("{part} of {seed}").into_bytes();
        let digest = Digest::of(&bytes);
        lease.put_bytes(&digest, &bytes).expect("a blob is stored");
        let size = bytes.len() as u64;
        content.push(Content { digest, size });
    }
    ImageRecord {
        name: name.to_owned(),
        target: content[0].digest.clone(),
        manifest: content[0].digest.clone(),
        config: content[1].digest.clone(),
        chain: put_tree(lease, seed),
        platform: Platform::host(),
        content,
        pulled: "2026-11-23T20:00:00Z".to_owned(),
    }
}

/// Stores an image under its name.
fn pull(store: &Store, name: &str, seed: &str) -> ImageRecord {
    let lease = store.lease().expect("a lease");
    let image = put_image(&lease, name, seed);
    lease
        .publish(&source(name), &image)
        .expect("all of it is there");
    image
}

#[test]
fn many_publish_the_same_and_all_succeed() {
    let home = Home::new();
    let bytes = vec![7; 100_000];
    let digest = Digest::of(&bytes);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let lease = home
                    .open()
                    .lease()
                    .expect("the skeleton is made by all at once");
                let mut writer = lease.ingest(&digest, bytes.len() as u64).expect("ingest");
                writer.write_all(&bytes).expect("write");
                writer.commit().expect("commit");
                put_tree(&lease, "seed");
            });
        }
    });
    home.open()
        .verify_blob(&digest, 100_000)
        .expect("it is whole");
    let tree = format!("trees/{}-1", Digest::of(b"seed").hex());
    let expected = ["", "/rootfs", "/rootfs/file", "/sidecar", "/tree.json"];
    let mut expected: BTreeSet<_> = expected.map(|end| format!("{tree}{end}")).into();
    expected.insert(format!("blobs/sha256/{}", digest.hex()));
    assert_eq!(home.content(), expected);
}

#[test]
fn wrong_content_is_not_published_and_leaves_nothing() {
    let home = Home::new();
    let lease = home.open().lease().expect("a lease");
    let digest = Digest::of(b"right");
    for bytes in [&b"wrong"[..], b"righ", b"right!"] {
        let mut writer = lease.ingest(&digest, 5).expect("ingest");
        let failed = match writer.write_all(bytes) {
            Ok(()) => matches!(writer.commit(), Err(StoreError::Mismatch(_))),
            Err(error) => Mismatch::from_io(&error).is_some(),
        };
        assert!(failed, "{bytes:?}");
    }
    assert!(!lease.has_blob(&digest, 5).expect("stat"));
    drop(lease);
    assert_eq!(home.content(), BTreeSet::new());
}

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
    let mut guest = Command::new("sleep");
    std::os::unix::process::CommandExt::arg0(&mut guest, &*tree.rootfs);
    let mut guest = guest.arg("600").spawn().expect("sleep starts");
    let mut other = Command::new("sleep");
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
    assert_eq!(store.sweep().expect("sweep").in_use, [""; 0]);
    assert!(store.tree(&used.chain).expect("read").is_none());
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
fn a_read_only_home_serves_readers() {
    let home = Home::new();
    let image = pull(&home.open(), "alpine", "one");
    let modes = |mode| {
        for dir in [
            "",
            "refs",
            "trees",
            "containers",
            "names",
            "blobs",
            "leases",
            "ingest",
            "tmp",
            "trash",
        ] {
            fsx::set_mode(home.0.join(dir), mode).expect("it is ours");
        }
    };
    modes(0o555);
    let store = home.open();
    let found = store.image(&source("alpine")).expect("read");
    let tree = store.tree(&image.chain).expect("read");
    let config = store.read_blob(&image.config, 99).expect("read");
    let failed = store.lease().map(drop);
    modes(0o755);
    assert_eq!(found.as_ref(), Some(&image));
    assert!(tree.is_some());
    assert_eq!(config, b"config of one");
    // Root writes where it likes.
    if !nix::unistd::geteuid().is_root() {
        let error = failed.expect_err("nothing can be written");
        let hints = coracle::base::fault::Fault::hints(&error);
        assert!(
            hints.iter().any(|hint| hint.contains("CORACLE_HOME")),
            "{error}"
        );
    }
}

#[test]
fn of_many_that_want_a_name_one_gets_it() {
    let home = Home::new();
    let store = home.open();
    let image = pull(&store, "alpine", "one");
    for round in 0..20 {
        let name = format!("name{round}");
        let winners = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(
                    || match store.create_container(&image, Some(&name), ().into()) {
                        Ok(_) => drop(winners.fetch_add(1, Ordering::Relaxed)),
                        Err(StoreError::NameTaken { .. }) => {}
                        Err(error) => panic!("{error}"),
                    },
                );
            }
        });
        assert_eq!(winners.into_inner(), 1);
    }
    assert_eq!(store.containers().expect("list").len(), 20);
    for bad in ["", ".", "..", "-a", "a/b", "a:b", "a b", &"a".repeat(129)] {
        let made = store.create_container(&image, Some(bad), ().into());
        assert!(matches!(made, Err(StoreError::BadName(_))), "{bad}");
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
fn different_references_have_different_files() {
    let home = Home::new();
    let store = home.open();
    let hex = "a".repeat(64);
    let long = format!("x/{}", "a/".repeat(100) + "b");
    let names = [
        "a",
        "a:A",
        "a:a",
        "a:b.json",
        "a/b.json:x",
        "a:_x",
        "a/b",
        "a/b:c",
        "h.example/a",
        "h.example:80/a",
        "h.example/a:80",
        "localhost/a",
        "localhost:5000/a",
        &format!("a@sha256:{hex}"),
        &format!("a:sha256-{hex}"),
        "[::1]:5000/a",
        "embedded:hello",
        "oci:/a",
        "oci:/a:a",
        "oci-archive:/a",
        "oci:/A",
        "docker-archive:/a",
        &long,
        &format!("{long}:{}", "T".repeat(128)),
        &format!("{long}:{}t", "T".repeat(127)),
        &format!("oci:/{}", "%2f".repeat(1000)),
    ];
    let lease = store.lease().expect("a lease");
    let records: Vec<_> = names
        .iter()
        .map(|name| put_image(&lease, name, "same"))
        .collect();
    for (name, record) in names.iter().zip(&records) {
        lease.publish(&source(name), record).expect(name);
    }
    for (name, record) in names.iter().zip(&records) {
        assert_eq!(
            store.image(&source(name)).expect(name).as_ref(),
            Some(record)
        );
    }
    assert_eq!(store.images().expect("list").len(), names.len());
    for name in names {
        assert!(store.remove_image(&source(name)).expect(name));
    }
    assert_eq!(store.images().expect("list"), []);
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

fn big_blob() -> (Digest, Vec<u8>) {
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|number| number as u8).collect();
    (Digest::of(&bytes), bytes)
}

/// Runs [`killed_child`] in a process of its own, until it says that it is in the middle.
fn kill_a_child_amid_its_pull(home: &Path) {
    let mut child = Command::new(std::env::current_exe().expect("a test binary has a path"))
        .args(["--exact", "store::killed_child", "--ignored", "--nocapture"])
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

#[test]
fn another_format_is_refused() {
    let home = Home::new();
    drop(home.open().lease().expect("a lease"));
    std::fs::write(home.0.join("version"), "2\n").expect("it is ours");
    let opened = Store::open(HostPath::new(&home.0));
    assert!(matches!(opened, Err(StoreError::Format { .. })));
}

#[test]
fn damage_is_seen_and_set_right() {
    let home = Home::new();
    let store = home.open();
    let image = pull(&store, "alpine", "one");
    let layer = &image.content[2];
    let path = store.blob_path(&layer.digest);
    let mut bytes = std::fs::read(&path).expect("it is there");
    bytes[0] ^= 1;
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).expect("it is ours");
    std::fs::write(&path, &bytes).expect("it is ours");
    let verified = store.verify_blob(&layer.digest, layer.size);
    assert!(matches!(verified, Err(StoreError::Mismatch(_))));
    store.discard_blob(&layer.digest).expect("discard");
    assert_eq!(store.examine_tree(&image.chain).expect("read"), None);
    let tree = store
        .tree(&image.chain)
        .expect("read")
        .expect("it is there");
    std::fs::write(tree.rootfs.join("file"), "").expect("it is ours");
    assert!(store.examine_tree(&image.chain).expect("read").is_some());
    store.discard_tree(&image.chain).expect("discard");
    pull(&store, "alpine", "one");
    store
        .verify_blob(&layer.digest, layer.size)
        .expect("fetched again");
    assert_eq!(store.examine_tree(&image.chain).expect("read"), None);
}
