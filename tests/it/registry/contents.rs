//! What registries hold beside plain images, pulled from end to end: embedded content, indexes in indexes, attestations,
//! artifacts, images without layers and with one layer twice, sha512.

use coracle::base::digest::{Algorithm, Digest};
use coracle::oci::media::{OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST};
use serde_json::{Value, json};

use super::server::{Answer, Server};
use super::shelf::{Shelf, config, layer};
use crate::support::{Output, Run, Sandbox};

/// A registry of what is on a shelf, and somebody who pulls from it.
struct Harbour {
    sandbox: Sandbox,
    server: Server,
}

impl Harbour {
    fn new(shelf: Shelf) -> Harbour {
        Harbour {
            sandbox: Sandbox::new(),
            server: Server::start(move |asked, _| shelf.answer(asked)),
        }
    }

    /// A harbour whose `x:1` is the content of a descriptor.
    fn of(mut shelf: Shelf, descriptor: &Value) -> Harbour {
        shelf.tag("1", descriptor);
        Harbour::new(shelf)
    }

    fn pull(&self, end: &str) -> Output {
        self.pulling(end).run()
    }

    fn pulling(&self, end: &str) -> Run {
        let name = format!("{}/x{end}", self.server.host);
        let words = [
            "pull",
            "--platform",
            "linux/amd64",
            "--insecure",
            &self.server.host,
            &name,
        ];
        self.sandbox.coracle(words).env("CORACLE_NET_TIMEOUT", "1")
    }

    #[track_caller]
    fn is_whole(&self, end: &str) {
        let name = format!("{}/x{end}", self.server.host);
        let verify = self.sandbox.coracle(["verify", &name]).run().success();
        verify.mentions("damaged: 0");
    }

    /// What was asked for, without the front door.
    fn asked(&self) -> Vec<String> {
        let asked = self.server.asked().into_iter().map(|asked| asked.path);
        asked.filter(|path| path != "/v2/").collect()
    }
}

/// The descriptor with its content in it.
fn embedded(shelf: &mut Shelf, mut descriptor: Value) -> Value {
    use base64::Engine as _;
    let content = shelf.take(&descriptor);
    descriptor["data"] = json!(base64::engine::general_purpose::STANDARD.encode(content));
    descriptor
}

fn on(mut descriptor: Value, os: &str, architecture: &str) -> Value {
    descriptor["platform"] = json!({"os": os, "architecture": architecture});
    descriptor
}

#[test]
fn what_descriptors_embed_is_not_asked_for() {
    let mut shelf = Shelf::default();
    let layer = layer("file", "small");
    let config = shelf.put(OCI_CONFIG, &config(&[&layer]));
    let config = embedded(&mut shelf, config);
    let layers = shelf.put(OCI_LAYER, &layer);
    let layers = [embedded(&mut shelf, layers)];
    let manifest = shelf.manifest(json!({"config": config, "layers": layers}));
    let manifest = embedded(&mut shelf, on(manifest, "linux", "amd64"));
    let index = shelf.index(&[manifest]);
    let harbour = Harbour::of(shelf, &index);
    harbour.pull(":1").success();
    harbour.is_whole(":1");
    assert_eq!(harbour.asked(), ["/v2/x/manifests/1"]);
}

#[test]
fn embedded_content_that_is_wrong_is_asked_for() {
    let mut shelf = Shelf::default();
    let mut image = shelf.image(&[&layer("file", "small")]);
    image["data"] = json!("e30=");
    let index = shelf.index(&[on(image, "linux", "amd64")]);
    let harbour = Harbour::of(shelf, &index);
    harbour.pull(":1").success();
    harbour.is_whole(":1");
    assert_eq!(harbour.asked().len(), 4);
}

#[test]
fn the_right_entry_is_found_among_others_and_below_indexes() {
    let mut shelf = Shelf::default();
    let image = shelf.image(&[&layer("file", "right")]);
    let other = shelf.image(&[&layer("file", "wrong")]);
    let attestation = shelf.manifest(json!({
        "artifactType": "application/vnd.in-toto+json", "layers": [],
        "config": shelf.clone().put("application/vnd.oci.empty.v1+json", b"{}"),
    }));
    let mut referrer = attestation.clone();
    referrer["artifactType"] = json!("application/vnd.in-toto+json");
    let mut strange = attestation.clone();
    strange["mediaType"] = json!("application/vnd.example.future+json");
    // The image has no platform of its own: it is taken as nothing else fits, and its config is right.
    let inner = shelf.index(&[
        referrer,
        strange,
        on(attestation, "unknown", "unknown"),
        on(other, "linux", "arm64"),
        image,
    ]);
    let middle = shelf.index(&[inner]);
    let outer = shelf.index(&[on(middle.clone(), "linux", "amd64")]);
    let harbour = Harbour::of(shelf.clone(), &outer);
    harbour.pull(":1").success();
    harbour.is_whole(":1");
    let deep = shelf.index(&[outer]);
    let harbour = Harbour::of(shelf, &deep);
    harbour.pull(":1").exits(1).complains("levels deep");
}

#[test]
fn an_index_with_too_many_entries_is_refused() {
    let mut shelf = Shelf::default();
    let image = shelf.image(&[]);
    let index = shelf.index(&vec![image; 1001]);
    let harbour = Harbour::of(shelf, &index);
    harbour.pull(":1").exits(1).complains("1001 manifests");
}

/// Artifacts of other tools: artifact type, config's type, layer's type, and what the error is to name.
const ARTIFACTS: [(Option<&str>, &str, &str, [&str; 2]); 4] = [
    (
        None,
        "application/vnd.cncf.helm.config.v1+json",
        "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
        ["`application/vnd.cncf.helm.config.v1+json`", "helm pull"],
    ),
    (
        None,
        "application/vnd.sylabs.sif.config.v1+json",
        "application/vnd.sylabs.sif.layer.v1.sif",
        [
            "`application/vnd.sylabs.sif.layer.v1.sif`",
            "apptainer pull",
        ],
    ),
    (
        Some("application/vnd.example.model"),
        "application/vnd.oci.empty.v1+json",
        "application/octet-stream",
        [
            "`application/vnd.example.model`",
            "`application/octet-stream`",
        ],
    ),
    (
        None,
        OCI_CONFIG,
        "application/vnd.example.layer",
        ["`application/vnd.example.layer`", "oras pull"],
    ),
];

#[test]
fn an_artifact_is_named_for_what_it_is() {
    for (kind, config, content, named) in ARTIFACTS {
        let mut shelf = Shelf::default();
        let (config, content) = (shelf.put(config, b"{}"), shelf.put(content, b"x"));
        let mut fields = json!({"config": config, "layers": [content]});
        if let Some(kind) = kind {
            fields["artifactType"] = json!(kind);
            fields["subject"] = shelf.image(&[]);
        }
        let manifest = shelf.manifest(fields);
        let harbour = Harbour::of(shelf, &manifest);
        let mut said = harbour.pull(":1").exits(1);
        for part in named {
            said = said.complains(part);
        }
        // Neither config nor layers are fetched to learn that.
        assert_eq!(harbour.asked().len(), 1, "{said}");
    }
}

#[test]
fn an_image_may_have_a_subject_and_an_artifact_type() {
    let mut shelf = Shelf::default();
    let layer = layer("file", "x");
    let config = shelf.put(OCI_CONFIG, &config(&[&layer]));
    let layer = shelf.put(OCI_LAYER, &layer);
    let subject = shelf.image(&[]);
    let manifest = shelf.manifest(json!({
        "artifactType": "application/vnd.example", "subject": subject, "config": config, "layers": [layer],
    }));
    Harbour::of(shelf, &manifest).pull(":1").success();
}

#[test]
fn an_image_without_layers_and_one_with_a_layer_twice() {
    let mut shelf = Shelf::default();
    let empty = shelf.image(&[]);
    let harbour = Harbour::of(shelf, &empty);
    harbour.pull(":1").success();
    harbour.is_whole(":1");

    let mut shelf = Shelf::default();
    let (one, two) = (layer("one", "1"), layer("two", "2"));
    let twice = shelf.image(&[&one, &two, &one, &one]);
    let harbour = Harbour::of(shelf, &twice);
    harbour.pull(":1").success();
    harbour.is_whole(":1");
    // Manifest, config, and each of two layers once.
    assert_eq!(harbour.asked().len(), 4);
}

#[test]
fn sha512_from_end_to_end() {
    let by = Algorithm::Sha512;
    let mut shelf = Shelf::default();
    let layer = layer("file", "x");
    let mut document: Value = serde_json::from_slice(&config(&[])).expect("a document");
    document["rootfs"]["diff_ids"] = json!([super::shelf::digest(by, &layer)]);
    let config = shelf.put_by(by, OCI_CONFIG, document.to_string().as_bytes());
    let layer = shelf.put_by(by, OCI_LAYER, &layer);
    let manifest =
        json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer]});
    let manifest = shelf.put_by(by, OCI_MANIFEST, manifest.to_string().as_bytes());
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [on(manifest, "linux", "amd64")]});
    let index = shelf.put_by(by, OCI_INDEX, index.to_string().as_bytes());
    let end = format!("@{}", index["digest"].as_str().expect("a digest"));
    shelf.tag("1", &index);
    let harbour = Harbour::new(shelf);
    for end in [end.as_str(), ":1"] {
        harbour.pull(end).success();
        harbour.is_whole(end);
    }
    let saved = harbour.sandbox.path("tmp/saved.tar");
    let name = format!("{}/x{end}", harbour.server.host);
    let save = harbour.sandbox.coracle(["save", "-o"]).arguments([&saved]);
    save.arguments([&name]).run().success();
    let list = harbour
        .sandbox
        .command(["tar", "tf"])
        .arguments([&saved])
        .run();
    list.success().mentions("blobs/sha512/");
    harbour
        .sandbox
        .coracle(["rmi", "--force", &name])
        .run()
        .success();
    harbour.sandbox.coracle(["gc"]).run().success();
}

/// A layer of which only its maker's server is to have the bytes; what that server answers and how it is addressed there.
fn foreign(
    kind: &str,
    answer: Answer,
    addresses: impl Fn(&Server) -> Vec<String>,
) -> (Harbour, Server) {
    let maker = Server::start(move |asked, _| match asked.header("authorization") {
        None => answer.clone(),
        Some(_) => Answer::new(400),
    });
    let mut shelf = Shelf::default();
    let bytes = layer("file", "foreign");
    let config = shelf.put(OCI_CONFIG, &config(&[&bytes]));
    let mut layer = shelf.put(kind, &bytes);
    shelf.take(&layer);
    layer["urls"] = json!(addresses(&maker));
    let manifest = shelf.manifest(json!({"config": config, "layers": [layer]}));
    shelf.tag("1", &manifest);
    let harbour = Harbour {
        sandbox: Sandbox::new(),
        server: Server::start(move |asked, _| match asked.header("authorization") {
            Some("Basic dXNlcjpzZWNyZXQ=") => shelf.answer(asked),
            _ => Answer::new(401).header("WWW-Authenticate", "Basic realm=\"x\""),
        }),
    };
    // The maker's server could be shown something, too.
    let entry = |host: &str| format!("\"{host}\":{{\"auth\":\"dXNlcjpzZWNyZXQ=\"}}");
    let entries = format!("{},{}", entry(&harbour.server.host), entry(&maker.host));
    harbour.sandbox.folder("home/.docker");
    let text = format!("{{\"auths\":{{{entries}}}}}");
    harbour.sandbox.file("home/.docker/config.json", text);
    (harbour, maker)
}

const FOREIGN: [&str; 2] = [
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
];

fn told(harbour: &Harbour, maker: &Server) -> Run {
    let insecure = format!("{},{}", harbour.server.host, maker.host);
    let pull = harbour.pulling(":1").env("CORACLE_INSECURE", insecure);
    pull.env("CORACLE_FOREIGN_LAYERS", "1")
}

#[test]
fn a_foreign_layer_is_had_from_its_maker_only_when_told_and_without_credentials() {
    for kind in FOREIGN {
        let bytes = layer("file", "foreign");
        let (harbour, maker) = foreign(kind, Answer::ok(bytes), |maker| {
            let bad = ["file:///etc/passwd", "https://user:word@127.0.0.1/x"].map(str::to_owned);
            let good = format!("http://{}/layers/1?key=2", maker.host);
            bad.into_iter().chain([good]).collect()
        });
        let said = harbour.pull(":1").exits(1);
        let said = said.complains(&format!("which its manifest says is at {}", maker.host));
        said.complains("CORACLE_FOREIGN_LAYERS=1");
        assert!(maker.asked().is_empty());
        told(&harbour, &maker).run().success();
        harbour.is_whole(":1");
        let asked = maker.asked();
        assert!(
            asked
                .iter()
                .all(|asked| asked.header("authorization").is_none()),
            "{asked:?}"
        );
        assert_eq!(
            asked
                .iter()
                .filter(|asked| asked.path == "/layers/1?key=2")
                .count(),
            1
        );
    }
}

#[test]
fn what_a_maker_hands_out_is_verified_and_needs_tls() {
    let mut wrong = layer("file", "foreign");
    wrong[600] ^= 1;
    let address = |maker: &Server| vec![format!("http://{}/", maker.host)];
    let (harbour, maker) = foreign(FOREIGN[0], Answer::ok(wrong), address);
    told(&harbour, &maker)
        .run()
        .exits(1)
        .complains("got digest `sha256:");
    let (harbour, maker) = foreign(FOREIGN[0], Answer::ok("x"), address);
    let pull = harbour.pulling(":1").env("CORACLE_FOREIGN_LAYERS", "1");
    pull.run().exits(1).complains("without encryption");
    assert!(maker.asked().is_empty());
}

#[test]
fn a_plain_layer_with_addresses_is_never_had_from_there() {
    let bytes = layer("file", "foreign");
    let address = |maker: &Server| vec![format!("http://{}/", maker.host)];
    let (harbour, maker) = foreign(OCI_LAYER, Answer::ok(bytes), address);
    told(&harbour, &maker)
        .run()
        .exits(1)
        .complains("has no blob");
    assert!(maker.asked().is_empty());
}

/// What a failing disk or a power cut made of blobs that are here is found by the pull that reads them, which fetches
/// all of them anew.
#[test]
fn blobs_that_are_damaged_here_are_fetched_anew() {
    // Layers are read for a tree, or only compared with the one that is here.
    for lost in ["refs", "trees"] {
        let mut shelf = Shelf::default();
        let layers = ["a", "b", "c"].map(|name| layer(name, &"boat ".repeat(1000)));
        let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
        let image = shelf.image(&layers);
        let harbour = Harbour::of(shelf, &image);
        harbour.pull(":1").success();
        let store = harbour.sandbox.store();
        let blobs = store.join("blobs/sha256");
        for bytes in &layers[1..] {
            let path = blobs.join(Digest::of(bytes).hex());
            let mut damaged = bytes.to_vec();
            damaged[bytes.len() / 2] ^= 1;
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
            std::fs::set_permissions(&path, mode).expect("root may");
            std::fs::write(&path, damaged).expect("root writes");
        }
        std::fs::remove_dir_all(store.join(lost)).expect("root may");
        let before = harbour.asked().len();
        let said = harbour.pull(":1").success();
        said.complains("fetching it anew");
        let asked = harbour.asked().split_off(before);
        let blobs = asked.iter().filter(|path| path.contains("/blobs/"));
        // The config twice, and the two layers.
        assert_eq!(blobs.count(), 4, "{asked:?}");
        harbour.is_whole(":1");
    }
}
