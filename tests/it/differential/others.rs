//! Images as `ci/corpus` lists them, and what each reader makes of one.

use std::path::{Path, PathBuf};

use coracle::layer::Sidecar;
use serde_json::Value;

use super::view::{self, View};
use crate::support::{Run, Sandbox, fixture};

/// A line of the list.
#[derive(Clone, Debug)]
pub(super) struct Image {
    pub(super) name: String,
    /// What both we and skopeo understand.
    pub(super) source: String,
    /// The tag of an image with the same tree that umoci reads.
    pub(super) twin: String,
}

/// Every image of the corpus, in the order in which they were made.
pub(super) fn images() -> Vec<Image> {
    let list = std::fs::read_to_string(fixture::path("corpus/list"));
    let list = list.expect("the fixtures were required");
    let image = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let [name, source, twin] = words[..] else {
            panic!("the list has a line that is none: {line}");
        };
        let (transport, path) = source.split_once(':').expect("a source has a transport");
        let path = fixture::path("corpus").join(path);
        Image {
            name: name.to_owned(),
            source: format!("{transport}:{}", path.display()),
            twin: twin.to_owned(),
        }
    };
    list.lines().map(image).collect()
}

/// What coracle extracted: the tree as it lies on disk, and as it is meant.
pub(super) fn ours(sandbox: &Sandbox, image: &Image) -> (View, View) {
    let store = sandbox.path("tmp/store");
    let pull = sandbox.coracle(["pull", &image.source]);
    pull.env("CORACLE_HOME", &store).run().success();
    let trees = std::fs::read_dir(store.join("trees")).expect("the image was extracted");
    let trees: Vec<_> = trees.flatten().map(|entry| entry.path()).collect();
    assert_eq!(trees.len(), 1, "{}: {trees:?}", image.name);
    let mut disk = view::on_disk(&trees[0].join("rootfs"));
    let (user, group) = sandbox.ids();
    for (path, thing) in &mut disk {
        let owner = thing.owner.take();
        let path = path.escape_ascii();
        assert_eq!(owner, Some((user.as_raw(), group.as_raw())), "{path}");
    }
    let sidecar = std::fs::read(trees[0].join("sidecar"));
    let sidecar = sidecar.map_or_else(|_| Sidecar::default(), |file| decoded(&file));
    let meant = view::meant(&disk, &sidecar);
    remove(&store);
    (disk, meant)
}

fn decoded(file: &[u8]) -> Sidecar {
    Sidecar::decode(file).expect("what we wrote can be read")
}

/// The tree of `umoci unpack --rootless`, as the plain user.
pub(super) fn umocis_rootless(sandbox: &Sandbox, twin: &str) -> View {
    let bundle = sandbox.path("tmp/bundle");
    let image = format!("{}:{twin}", fixture::path("corpus/oci").display());
    let umoci = [
        "umoci",
        "--log=error",
        "unpack",
        "--rootless",
        "--image",
        &image,
    ];
    sandbox.command(umoci).arguments([&bundle]).run().success();
    let view = view::rootless(&bundle.join("rootfs"));
    remove(&bundle);
    view
}

/// The tree of `umoci unpack`, as root, who can make everything.
pub(super) fn umocis(sandbox: &Sandbox, twin: &str) -> View {
    let bundle = sandbox.path("tmp/root-bundle");
    let image = format!("{}:{twin}", fixture::path("corpus/oci").display());
    let umoci = ["umoci", "--log=error", "unpack", "--image", &image];
    as_root(umoci).arguments([&bundle]).run().success();
    let view = view::on_disk(&bundle.join("rootfs"));
    remove(&bundle);
    view
}

/// The tree that containers/storage has, which podman and buildah run from: skopeo puts it there, as root.
pub(super) fn storages(sandbox: &Sandbox, image: &Image) -> View {
    let [graph, run] = ["tmp/graph", "tmp/run"].map(|name| sandbox.path(name));
    let place = format!(
        "containers-storage:[vfs@{}+{}]corpus",
        graph.display(),
        run.display()
    );
    as_root(["skopeo", "copy", "--quiet", &image.source, &place])
        .env("TMPDIR", sandbox.path("tmp"))
        .run()
        .success();
    let stored = json(&graph.join("vfs-images/images.json"));
    let top = stored[0]["layer"].as_str().expect("an image has a layer");
    let view = view::on_disk(&graph.join("vfs/dir").join(top));
    remove(&graph);
    remove(&run);
    view
}

fn as_root<const N: usize>(argv: [&str; N]) -> Run {
    Run::new(argv)
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
        .env("HOME", "/root")
}

fn json(path: &Path) -> Value {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).expect("containers/storage writes JSON")
}

fn remove(tree: &PathBuf) {
    std::fs::remove_dir_all(tree).unwrap_or_else(|error| panic!("{}: {error}", tree.display()));
}
