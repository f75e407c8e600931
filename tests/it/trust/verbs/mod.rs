//! Trust from end to end: images and signatures in registries that tests script, and who pulls, runs and verifies there.

mod hostile;
mod kept;
mod lock;
mod moved;
mod policies;
mod pushed;
mod registry;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use coracle::base::digest::Digest;
use coracle::oci::media::OCI_MANIFEST;
use serde_json::{Value, json};

use super::{Bench, Kind, Signer, payload, statement};
use crate::registry::server::{Answer, Asked, Server};
use crate::registry::shelf::{Shelf, layer};
use crate::support::{Output, Run};

/// The media type of a simple signature's payload, and where its signature stands.
const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// The media type of a bundle.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// An empty config, as OCI has it for what is no image.
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// What a scripted registry holds.
#[derive(Default)]
struct World {
    shelf: Shelf,
    /// Its list of what refers to each digest; none where it keeps no such list.
    referrers: Option<BTreeMap<String, Vec<Value>>>,
    /// Entries on a page of that list.
    page: Option<usize>,
    /// Paths with this in them are answered with this status.
    broken: Option<(&'static str, u16)>,
}

impl World {
    fn answer(&self, asked: &Asked) -> Answer {
        let path = asked.path.split('?').next().unwrap_or_default();
        if let Some((part, status)) = self.broken
            && path.contains(part)
        {
            return Answer::new(status);
        }
        let Some((_, rest)) = asked.path.split_once("/referrers/") else {
            return self.shelf.answer(asked);
        };
        let Some(referrers) = &self.referrers else {
            return Answer::new(404);
        };
        let (digest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let all = referrers.get(digest).cloned().unwrap_or_default();
        let from = query.split("from=").nth(1).unwrap_or("0");
        let from: usize = from.parse().expect("a page of ours");
        let until = (from + self.page.unwrap_or(all.len())).min(all.len());
        let index = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": all[from..until],
        });
        let answer = Answer::ok(index.to_string())
            .header("Content-Type", "application/vnd.oci.image.index.v1+json");
        match until < all.len() {
            true => answer.header(
                "Link",
                format!("</v2/x/referrers/{digest}?from={until}>; rel=\"next\""),
            ),
            false => answer,
        }
    }
}

/// A registry, and a plain user before it.
struct Port {
    bench: Bench,
    server: Server,
    world: Arc<Mutex<World>>,
    /// The manifest of `x:1`, and its digest.
    manifest: Digest,
    /// The digest that `x:1` stands for: that of an index, or of the manifest.
    target: Digest,
}

impl Port {
    /// A registry whose `x:1` is an image of one platform.
    fn new() -> Port {
        Port::with(|_, manifest| manifest)
    }

    /// A registry whose `x:1` is an index.
    fn indexed() -> Port {
        Port::with(|shelf, mut manifest| {
            manifest["platform"] = json!({"os": "linux", "architecture": "amd64"});
            shelf.index(&[manifest])
        })
    }

    fn with(target: impl Fn(&mut Shelf, Value) -> Value) -> Port {
        let mut world = World::default();
        let manifest = world.shelf.image(&[&layer("file", "content")]);
        let target = target(&mut world.shelf, manifest.clone());
        world.shelf.tag("1", &target);
        let world = Arc::new(Mutex::new(world));
        let served = world.clone();
        Port {
            bench: Bench::new(),
            server: Server::start(move |asked, _| served.lock().expect("no panic").answer(asked)),
            world,
            manifest: digest_of(&manifest),
            target: digest_of(&target),
        }
    }

    fn change(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.world.lock().expect("no panic"));
    }

    /// A host, the repository and the image there.
    fn host(&self) -> &str {
        &self.server.host
    }

    fn repository(&self) -> String {
        format!("{}/x", self.host())
    }

    fn image(&self) -> String {
        format!("{}:1", self.repository())
    }

    /// The user's policy: what stands in it for the registry.
    fn policy(&self, entry: &str) {
        self.bench.0.folder("home/.config/coracle");
        let text = format!("[scope.\"{}\"]\n{entry}\n", self.host());
        self.bench.0.file("home/.config/coracle/trust.toml", text);
    }

    /// A policy that demands a signature by one of these.
    fn demand(&self, signers: &[&Signer]) {
        self.policy(&signed(signers, 1));
    }

    fn key(&self, name: &str) -> Signer {
        self.bench.signer(name, Kind::P256)
    }

    /// Puts simple signatures at the tag for `image`: payloads, each with who signs it.
    fn sign(&self, image: &Digest, signed: &[(&Signer, String)]) -> Value {
        let layers: Vec<(Vec<u8>, String)> = signed
            .iter()
            .map(|(signer, text)| {
                let signature = self.bench.sign(signer, text.as_bytes());
                (text.clone().into_bytes(), base64(&signature))
            })
            .collect();
        self.put_simple(image, &layers)
    }

    /// The same with signatures that are given.
    fn put_simple(&self, image: &Digest, layers: &[(Vec<u8>, String)]) -> Value {
        let mut world = self.world.lock().expect("no panic");
        let config = world.shelf.put(EMPTY, b"{}");
        let layers: Vec<Value> = layers
            .iter()
            .map(|(payload, signature)| {
                let mut layer = world.shelf.put(PAYLOAD, payload);
                layer["annotations"] = json!({SIGNATURE: signature});
                layer
            })
            .collect();
        let manifest = world
            .shelf
            .manifest(json!({"config": config, "layers": layers}));
        world
            .shelf
            .tag(&format!("sha256-{}.sig", image.hex()), &manifest);
        manifest
    }

    /// A good simple signature for `image` at its tag.
    fn signed_by(&self, signer: &Signer, image: &Digest) -> Value {
        self.sign(image, &[(signer, payload(image, &self.repository()))])
    }

    /// Puts a bundle there that refers to `image`: in the registry's list, else at the tag that stands for it.
    fn refer(&self, image: &Digest, bundle: &str) -> Value {
        self.refer_as(image, image, bundle)
    }

    /// Has the image's name mean another one from now on; its digest.
    fn change_image(&self, content: &str) -> Digest {
        let mut world = self.world.lock().expect("no panic");
        let manifest = world.shelf.image(&[&layer("file", content)]);
        world.shelf.tag("1", &manifest);
        digest_of(&manifest)
    }

    /// The same, listed for `image` while its manifest names `subject`.
    fn refer_as(&self, image: &Digest, subject: &Digest, bundle: &str) -> Value {
        let mut world = self.world.lock().expect("no panic");
        let config = world.shelf.put(EMPTY, b"{}");
        let layer = world.shelf.put(BUNDLE, bundle.as_bytes());
        let mut entry = world.shelf.manifest(json!({
            "artifactType": BUNDLE, "config": config, "layers": [layer],
            "subject": {"mediaType": OCI_MANIFEST, "digest": subject, "size": 1},
        }));
        entry["artifactType"] = json!(BUNDLE);
        list(&mut world, image, entry.clone());
        entry
    }

    /// A good bundle for `images`.
    fn bundle(&self, signers: &[&Signer], images: &[&Digest]) -> String {
        self.bundle_of(signers, &statement(images))
    }

    /// A bundle with a statement.
    fn bundle_of(&self, signers: &[&Signer], statement: &str) -> String {
        let candidate = self.bench.bundle(signers, statement);
        match candidate.form {
            coracle::trust::Form::Bundle { json } => String::from_utf8(json).expect("JSON"),
            other => panic!("{other:?} is no bundle"),
        }
    }

    fn coracle(&self, words: &[&str]) -> Run {
        self.bench.0.coracle(words).env("CORACLE_NET_TIMEOUT", "1")
    }

    fn pulling(&self, options: &[&str]) -> Run {
        let start = [
            "pull",
            "--platform",
            "linux/amd64",
            "--insecure",
            self.host(),
        ];
        let run = self.coracle(&start).arguments(options);
        run.arguments([self.image()])
    }

    fn pull(&self) -> Output {
        self.pulling(&[]).run()
    }

    /// A pull that fails with `why`; says who demands what and for which image, and fetches nothing of it.
    #[track_caller]
    fn refuses(&self, why: &str) {
        let output = self.pull().exits(1).complains(why);
        output
            .complains(&format!("cannot pull `{}`", self.image()))
            .complains("/home/.config/coracle/trust.toml`")
            .complains(self.host())
            .complains("hint:");
        let asked = self.asked();
        let fetched = asked.iter().filter(|path| path.contains("/blobs/"));
        let of_image = self.world.lock().expect("no panic").shelf.clone();
        let config = of_image.config_of(&self.manifest);
        let fetched: Vec<_> = fetched.filter(|path| path.ends_with(&config)).collect();
        assert!(fetched.is_empty(), "the config was fetched: {asked:#?}");
        let stored = self.coracle(&["images", "--quiet"]).run().success();
        stored.prints("");
    }

    /// The paths that were asked for, without the front door.
    fn asked(&self) -> Vec<String> {
        let asked = self.server.asked().into_iter();
        let asked = asked.map(|asked| format!("{} {}", asked.method, asked.path));
        asked.filter(|line| !line.ends_with("/v2/")).collect()
    }

    /// What `inspect` says of how the image was verified.
    fn verified(&self) -> String {
        let output = self.coracle(&["inspect", &self.image()]).run().success();
        let document: Value = serde_json::from_str(&output.stdout).expect("JSON");
        document[0]["Coracle"]["Verified"]
            .as_str()
            .expect("a text")
            .to_owned()
    }
}

/// An entry that demands signatures by so many of `signers`.
fn signed(signers: &[&Signer], threshold: usize) -> String {
    let keys = signers
        .iter()
        .map(|signer| format!("\"{}\"", signer.public.display()));
    let keys = keys.collect::<Vec<_>>().join(", ");
    format!("mode = \"signed\"\nkeys = [{keys}]\nthreshold = {threshold}")
}

fn list(world: &mut World, image: &Digest, entry: Value) {
    if let Some(referrers) = &mut world.referrers {
        referrers.entry(image.to_string()).or_default().push(entry);
        return;
    }
    let tag = format!("sha256-{}", image.hex());
    let mut entries = world.shelf.entries_at(&tag);
    entries.push(entry);
    let index = world.shelf.index(&entries);
    world.shelf.tag(&tag, &index);
}

fn digest_of(descriptor: &Value) -> Digest {
    let text = descriptor["digest"].as_str().expect("a descriptor");
    text.parse().expect("a digest")
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
