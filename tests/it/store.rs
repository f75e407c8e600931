//! The store as a library: races, deaths and odd names, on a real file system.

mod site;
mod sweep;

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use coracle::base::digest::{Digest, Mismatch};
use coracle::base::fsx;
use coracle::base::path::HostPath;
use coracle::oci::platform::Platform;
use coracle::oci::source::Source;
use coracle::store::{Content, Extent, ImageRecord, Lease, Store, StoreError};

const THREADS: usize = 16;

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

    /// A program called `proot` that only waits.
    fn proot(&self) -> PathBuf {
        let path = self.0.join("proot");
        // By another process: see `Sandbox::binary_in`.
        let mut copy = Command::new("install");
        let copied = copy.args(["-m755", "/bin/sleep"]).arg(&path).status();
        assert!(copied.is_ok_and(|status| status.success()));
        path
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
    let tree = staging
        .publish(&chain, Extent { entries, bytes })
        .expect("publish");
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
        signatures: None,
        site: None,
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
fn another_format_is_refused() {
    let home = Home::new();
    drop(home.open().lease().expect("a lease"));
    std::fs::write(home.0.join("version"), "2\n").expect("it is ours");
    let opened = Store::open(HostPath::new(&home.0));
    assert!(matches!(opened, Err(StoreError::Format { .. })));
}

#[test]
fn what_lost_its_marker_gives_way_to_a_tree() {
    let home = Home::new();
    let store = home.open();
    let image = pull(&store, "alpine", "one");
    let marker = home
        .content()
        .into_iter()
        .find(|path| path.ends_with("/tree.json"));
    std::fs::remove_file(home.0.join(marker.expect("a tree has a marker"))).expect("it is ours");
    assert!(store.tree(&image.chain).expect("read").is_none());
    pull(&store, "alpine", "one");
    assert_eq!(store.examine_tree(&image.chain).expect("read"), None);
    assert_eq!(store.sweep().expect("sweep").removed, []);
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
