//! The verbs that only ask the store, on an image that was really pulled, from an OCI layout.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use coracle::base::digest::Digest;
use coracle::base::fault::Kind;
use coracle::base::path::HostPath;
use coracle::base::progress::Silent;
use coracle::oci::source::Source;
use coracle::ops::pull::{self, PulledImage};
use coracle::ops::reach::Reach;
use coracle::ops::{containers, gc, images, inspect, rmi, verify};
use coracle::store::Store;
use serde_json::{Value, json};

/// A store, and beside it an OCI layout with images; both go when dropped.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        let name = format!("coracle-images.{}.{name}", std::process::id());
        let place = Place(std::env::temp_dir().join(name));
        std::fs::create_dir_all(place.0.join("layout/blobs/sha256")).expect("temp is writable");
        place
    }

    fn home(&self) -> HostPath {
        HostPath::new(self.0.join("home"))
    }

    fn store(&self) -> Store {
        Store::open(self.home()).expect("this version's store opens")
    }

    /// Adds an image to the layout, one layer with a file of `content`, and pulls it.
    fn pull(&self, tag: &str, content: &str) -> PulledImage {
        self.add(tag, content);
        self.pull_again(tag).expect("a sound image")
    }

    fn pull_again(&self, tag: &str) -> Result<PulledImage, coracle::base::fault::BoxFault> {
        let (store, reach) = (self.store(), Reach::new(self.home()));
        pull::pull(&store, &self.source(tag), &reach, &Silent)
    }

    fn source(&self, tag: &str) -> Source {
        let text = self.name(tag);
        text.parse().expect("a path and a tag")
    }

    fn name(&self, tag: &str) -> String {
        format!("oci:{}:{tag}", self.0.join("layout").display())
    }

    fn add(&self, tag: &str, content: &str) {
        let mut layer = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        layer
            .append_data(&mut header, "etc/file", content.as_bytes())
            .expect("in memory");
        let layer = layer.into_inner().expect("in memory");
        let diff_id = Digest::of(&layer);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, &layer).expect("in memory");
        let layer = gzip.finish().expect("in memory");
        let config = json!({
            "architecture": "amd64", "os": "linux", "created": "2026-01-02T03:04:05Z",
            "config": {"Cmd": ["sh"]}, "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        });
        let image = "application/vnd.oci.image";
        let config = self.blob(
            &format!("{image}.config.v1+json"),
            config.to_string().as_bytes(),
        );
        let layer = self.blob(&format!("{image}.layer.v1.tar+gzip"), &layer);
        self.add_manifest(tag, &config, &layer);
    }

    fn add_manifest(&self, tag: &str, config: &Value, layer: &Value) {
        let manifest = json!({"schemaVersion": 2, "config": config, "layers": [layer]});
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let mut entry = self.blob(kind, manifest.to_string().as_bytes());
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
        let path = self.0.join("layout/index.json");
        let old = std::fs::read(&path).map_or(Value::Null, |old| {
            serde_json::from_slice(&old).expect("our own index")
        });
        let mut entries = old["manifests"].as_array().cloned().unwrap_or_default();
        entries.push(entry);
        let index = json!({"schemaVersion": 2, "manifests": entries});
        std::fs::write(path, index.to_string()).expect("temp is writable");
    }

    fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes);
        let path = self.0.join("layout/blobs/sha256").join(digest.hex());
        std::fs::write(path, bytes).expect("temp is writable");
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    /// Everything in the store's directories but empty ones.
    fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut todo = vec![self.0.join("home")];
        while let Some(dir) = todo.pop() {
            for entry in std::fs::read_dir(dir).expect("it is ours") {
                let path = entry.expect("it is ours").path();
                match path.is_dir() {
                    true => todo.push(path),
                    false => files.push(path),
                }
            }
        }
        files
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        coracle::base::fsx::remove_tree(&self.0).expect("it is ours");
    }
}

/// Changes one bit of a file in the store.
fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o644)).expect("it is ours");
    std::fs::write(path, bytes).expect("it is ours");
}

#[test]
fn an_image_that_does_not_fit_is_refused_before_it_is_fetched() {
    let place = Place::new("room");
    let config = json!({"rootfs": {"type": "layers", "diff_ids": [Digest::of(b"")]}});
    let image = "application/vnd.oci.image";
    let config = place.blob(
        &format!("{image}.config.v1+json"),
        config.to_string().as_bytes(),
    );
    let layer = json!({
        "mediaType": format!("{image}.layer.v1.tar"), "digest": Digest::of(b"huge"), "size": 1u64 << 60,
    });
    place.add_manifest("huge", &config, &layer);
    let fault = place.pull_again("huge").expect_err("no disk is so large");
    assert_eq!(fault.kind(), Kind::Storage);
    let cause = fault.source().expect("why it cannot be pulled").to_string();
    assert!(cause.contains("needs 2147483656.1 GiB"), "{cause}");
}

#[test]
fn images_are_listed_with_what_they_share() {
    let place = Place::new("list");
    let one = place.pull("one", "the same");
    place.pull("two", "the same");
    place.pull("three", "other");
    let rows = images::list(&place.home()).expect("list");
    let row = |tag: &str| {
        let name = place.name(tag);
        rows.iter()
            .find(|row| row.repository == name)
            .expect("it is listed")
    };
    assert_eq!(rows.len(), 3);
    assert_eq!(row("one").unique, 0);
    assert_eq!(row("one").size, row("two").size);
    assert_eq!(row("three").unique, row("three").size);
    assert_eq!(row("one").created.as_deref(), Some("2026-01-02T03:04:05Z"));
    assert_eq!(row("one").id, one.record.config);
    assert_eq!(row("one").platform.to_string(), "linux/amd64");
}

#[test]
fn a_flipped_bit_is_found_and_the_next_pull_puts_it_right() {
    let place = Place::new("flip");
    let image = place.pull("one", "content");
    let check = || verify::verify(&place.home(), None, None, &Silent).expect("it runs to its end");
    let report = check();
    assert_eq!(
        (report.findings.len(), report.blobs, report.trees),
        (0, 3, 1)
    );
    for content in &image.record.content {
        flip(&place.store().blob_path(&content.digest));
        let report = check();
        assert_eq!(report.findings.len(), 1, "{report:?}");
        assert!(
            report.findings[0].object.contains(content.digest.hex()),
            "{report:?}"
        );
        assert!(report.findings[0].discarded);
        assert!(
            !place
                .pull_again("one")
                .expect("it is fetched again")
                .was_present
        );
        assert_eq!(check().findings, []);
    }
    std::fs::write(image.tree.rootfs.join("etc/new"), "").expect("it is ours");
    let report = check();
    assert_eq!(report.findings.len(), 1, "{report:?}");
    assert!(report.findings[0].problem.contains("entries"), "{report:?}");
    place.pull_again("one").expect("it is extracted again");
    assert_eq!(check().findings, []);
}

#[test]
fn an_image_goes_when_nothing_needs_it() {
    let place = Place::new("remove");
    let image = place.pull("one", "content");
    place.pull("two", "content");
    let (home, store) = (place.home(), place.store());
    let made = store
        .create_container(&image.record, Some("box"), json!({}))
        .expect("create");
    let digits = &image.record.config.hex()[..12];
    let several = rmi::remove(&home, digits, false).expect_err("it has two names");
    assert_eq!(several.kind(), Kind::Usage);
    let removal = rmi::remove(&home, &place.name("one"), false).expect("it has another name");
    assert_eq!((removal.names, removal.freed), (vec![place.name("one")], 0));
    let used = rmi::remove(&home, digits, false).expect_err("a container uses it");
    assert!(used.to_string().contains(&made.record.id[..12]), "{used}");
    rmi::remove(&home, digits, true).expect("by force");
    let found = inspect::inspect(&home, "box").expect("its config is still there");
    assert_eq!(found[0]["Coracle"]["Names"], json!(["box"]));
    let gone = inspect::inspect(&home, digits).expect_err("it has no name");
    assert_eq!(gone.kind(), Kind::NotFound);
    containers::remove(&home, "box", false).expect("nothing runs in it");
    let swept = gc::collect(&home).expect("sweep");
    assert_eq!(swept.removed.len(), 3, "manifest, config, tree: {swept:?}");
    assert_eq!(place.files(), [place.home().join("version").to_path_buf()]);
}

#[test]
fn inspect_speaks_as_docker_does() {
    let place = Place::new("inspect");
    let image = place.pull("one", "content").record;
    let found = inspect::inspect(&place.home(), &image.config.hex()[..8]).expect("by digits");
    assert_eq!(found[0]["Id"], json!(image.config));
    assert_eq!(found[0]["Config"]["Cmd"], json!(["sh"]));
    assert_eq!(
        found[0]["RootFS"]["Layers"].as_array().map(Vec::len),
        Some(1)
    );
    assert_eq!(found[0]["Created"], "2026-01-02T03:04:05Z");
}

#[test]
fn containers_are_named_and_renamed() {
    let place = Place::new("names");
    let image = place.pull("one", "content").record;
    let (home, store) = (place.home(), place.store());
    let make = |name| {
        store
            .create_container(&image, name, json!({}))
            .expect("create")
            .record
            .id
    };
    let (first, second) = (make(Some("a")), make(None));
    let record = home.join("containers").join(&first).join("container.json");
    let mode = record.metadata().expect("it is there").permissions().mode();
    assert_eq!(
        mode & 0o777,
        0o600,
        "others could read the secrets in its environment"
    );
    containers::add_name(&home, &second, "b").expect("it is free");
    containers::add_name(&home, "b", "c").expect("several names are fine");
    assert!(containers::rename(&home, "b", "a").is_err(), "it is taken");
    containers::rename(&home, "a", "d").expect("it is free");
    let named: Vec<_> = containers::list(&home)
        .expect("list")
        .into_iter()
        .map(|row| (row.id, row.names))
        .collect();
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    assert!(named.contains(&(first, names(&["d"]))), "{named:?}");
    assert!(
        named.contains(&(second.clone(), names(&["b", "c"]))),
        "{named:?}"
    );
    assert_eq!(
        containers::remove_name(&home, "b").expect("it is there"),
        second
    );
    assert!(containers::remove_name(&home, "b").is_err());
    assert!(containers::rename(&home, "b", "e").is_err());
}
