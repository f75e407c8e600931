//! Two small images with all that makes a tree difficult, as a layout, as an archive, and in a registry.

use std::path::PathBuf;

use serde_json::json;

use crate::exchange::craft::layout;
use crate::layer::craft::Craft;
use crate::support::{Registry, Sandbox, fixture};

/// The lowest layer: directories that their owner may not write, hard links, links, what later layers hide.
fn lowest() -> Vec<u8> {
    Craft::new()
        .dir("bin")
        .of(b'0', "bin/tool", "", 0o4755, b"#!/bin/sh\n")
        .mode(b'5', "closed", 0o555)
        .file("closed/one", "linked\n")
        .hardlink("closed/two", "closed/one")
        .mode(b'5', "closed/deep", 0o555)
        .of(b'0', "closed/deep/secret", "", 0o400, b"hidden\n")
        .file("gone", "removed by the next layer\n")
        .dir("old")
        .file("old/a", "hidden\n")
        .file("old/b", "hidden\n")
        .file("turn", "a file that becomes a directory\n")
        .symlink("way", "closed/deep")
        .build()
}

fn middle() -> Vec<u8> {
    Craft::new()
        .file(".wh.gone", "")
        .dir("old")
        .file("old/.wh..wh..opq", "")
        .file("old/c", "new\n")
        .hardlink("old/three", "closed/one")
        .dir("turn")
        .of(b'0', "turn/large", "", 0o600, &[7; 100_000])
        .of(b'0', "way/beyond", "", 0o644, b"through a link\n")
        .mode(b'6', "pipe", 0o640)
        .build()
}

fn highest(word: &str) -> Vec<u8> {
    Craft::new()
        .file("closed/.wh.two", "")
        .file("etc/name", word)
        .symlink("etc/link", "name")
        .build()
}

/// A layout of images that share two of three layers, in the folder `small` of the sandbox; the tags are their names.
pub(super) fn layouts(sandbox: &Sandbox) -> PathBuf {
    let folder = sandbox.folder("small");
    for name in ["one", "two"] {
        let layers = [lowest(), middle(), highest(name)];
        let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
        let bytes = layout(&layers, json!({"org.opencontainers.image.ref.name": name})).bytes();
        let below = sandbox.folder(&format!("small/{name}"));
        sandbox
            .command(["tar", "-x", "-C"])
            .arguments([below])
            .input(bytes)
            .run()
            .success();
    }
    folder
}

/// A reference to the image `name` of [`layouts`].
pub(super) fn source(sandbox: &Sandbox, name: &str) -> String {
    format!("oci:{}:{name}", sandbox.path("small").join(name).display())
}

/// An archive as `docker save` writes it, with the image `name`.
pub(super) fn archive(sandbox: &Sandbox, name: &str) -> PathBuf {
    let path = sandbox.path(format!("{name}.tar"));
    let to = format!("docker-archive:{}:boats/{name}:1", path.display());
    sandbox
        .command(["skopeo", "copy", "--quiet", &source(sandbox, name), &to])
        .run()
        .success();
    path
}

/// Puts the image `name` into a registry; its reference there.
pub(super) fn push(sandbox: &Sandbox, registry: &Registry, name: &str) -> String {
    let reference = format!("{}/small/{name}:1", registry.host());
    let user = format!("{}:{}", fixture::USER, fixture::PASSWORD);
    sandbox
        .command(["skopeo", "copy", "--quiet", "--dest-creds", &user])
        .arguments([&source(sandbox, name), &format!("docker://{reference}")])
        .env("SSL_CERT_FILE", Registry::authority())
        .run()
        .success();
    reference
}
