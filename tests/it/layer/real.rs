//! Real images, against what umoci makes of them.

use std::ffi::OsStr;
use std::path::Path;

use serde_json::Value;

use super::Lab;
use crate::support::{Sandbox, fixture, require, tree};

/// A name of `ci/craft.py`'s.
macro_rules! dddd {
    () => {
        "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
    };
}

/// Where our tree of the image `debian` differs from `umoci unpack --rootless`: how the
/// lines begin, and why. Each must occur.
const DIFFERENCES: &[(&[&str], &str)] = &[
    (
        &["odd/closed: mode: 755 != 555"],
        "directories stay open to their owner, or a plain user could not remove the tree",
    ),
    (
        &["odd/secret: mode: 400 != 0"],
        "files stay readable to their owner, or a plain user could not copy them",
    ),
    (
        &[
            "odd/setuid: mode: 755 != 4755",
            "usr/bin/chage: mode: 755 != 2755",
            "usr/bin/chfn: mode: 755 != 4755",
            "usr/bin/chsh: mode: 755 != 4755",
            "usr/bin/expiry: mode: 755 != 2755",
            "usr/bin/gpasswd: mode: 755 != 4755",
            "usr/bin/mount: mode: 755 != 4755",
            "usr/bin/newgrp: mode: 755 != 4755",
            "usr/bin/passwd: mode: 755 != 4755",
            "usr/bin/su: mode: 755 != 4755",
            "usr/bin/umount: mode: 755 != 4755",
            "usr/sbin/unix_chkpwd: mode: 755 != 2755",
        ],
        "setuid and setgid would act for whoever pulled the image; the sidecar has them",
    ),
    (
        &["odd/null: only in the second"],
        "a device is in the sidecar alone, umoci makes an empty file of it",
    ),
    (
        &["odd: mtime: (1600000000, 0) != "],
        "ours is the layer's, umoci changes the directory again after it has set its time",
    ),
    (
        &[
            concat!("odd/", dddd!(), ": mtime: (0, 0) != "),
            concat!("odd/", dddd!(), "/", dddd!(), ": mtime: (0, 0) != "),
            concat!(
                "odd/",
                dddd!(),
                "/",
                dddd!(),
                "/",
                dddd!(),
                ": mtime: (0, 0) != "
            ),
        ],
        "no layer says when these were changed: 1970 everywhere, umoci has the time of extraction",
    ),
];

/// The uncompressed or compressed layers of an image of the fixtures' layout, lowest first.
fn layers(tag: &str) -> Vec<Vec<u8>> {
    let layout = fixture::path("oci");
    let index = json(&layout.join("index.json"));
    let manifests = index["manifests"]
        .as_array()
        .expect("an index has manifests");
    let name = |entry: &&Value| entry["annotations"]["org.opencontainers.image.ref.name"] == tag;
    let manifest = manifests
        .iter()
        .find(name)
        .expect("ci/fixtures makes this tag");
    let manifest = json(&blob(&layout, manifest));
    let layers = manifest["layers"]
        .as_array()
        .expect("a manifest has layers");
    let read = |layer| std::fs::read(blob(&layout, layer)).expect("a layout has its blobs");
    layers.iter().map(read).collect()
}

fn blob(layout: &Path, descriptor: &Value) -> std::path::PathBuf {
    let digest = descriptor["digest"]
        .as_str()
        .expect("a descriptor has a digest");
    layout.join("blobs").join(digest.replace(':', "/"))
}

fn json(path: &Path) -> Value {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).expect("ci/fixtures writes JSON")
}

fn ours(tag: &str) -> tree::Tree {
    let lab = Lab::new();
    lab.extract_well(&layers(tag));
    tree::list(&lab.tree())
}

fn umocis(tag: &str) -> tree::Tree {
    let sandbox = Sandbox::new();
    let image = format!("{}:{tag}", fixture::path("oci").display());
    let bundle = sandbox.path("bundle");
    let arguments = ["umoci", "unpack", "--rootless", "--image", &image];
    let arguments = arguments
        .map(OsStr::new)
        .into_iter()
        .chain([bundle.as_os_str()]);
    sandbox.command(arguments).run().success();
    tree::list(&bundle.join("rootfs"))
}

#[test]
fn trees_equal_umocis() {
    require!(Fixtures, Umoci, Root);
    let lines = tree::differences(&ours("debian"), &umocis("debian"));
    let expected: Vec<_> = DIFFERENCES.iter().flat_map(|(starts, _)| *starts).collect();
    for line in &lines {
        let known = expected.iter().any(|start| line.starts_with(**start));
        assert!(known, "no reason is given for this difference: {line}");
    }
    for start in expected {
        let occurs = lines.iter().any(|line| line.starts_with(start));
        assert!(occurs, "this difference is no longer there: {start}");
    }
}

/// umoci before 0.5 reads no zstd.
#[test]
fn zstd_makes_the_same_tree() {
    require!(Fixtures);
    let lines = tree::differences(&ours("debian-zstd"), &ours("debian"));
    assert_eq!(lines, Vec::<String>::new());
}
