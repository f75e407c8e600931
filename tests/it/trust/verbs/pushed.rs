//! Signatures in a real registry, Debian's docker-registry, which knows no list of referrers.

use coracle::base::digest::Digest;
use serde_json::{Value, json};

use super::{BUNDLE, EMPTY, PAYLOAD, SIGNATURE, base64};
use crate::support::{Output, Registry, fixture, require};
use crate::trust::{Bench, Kind, Signer, payload, statement};

/// Sends a blob in two requests. distribution-spec, "POST then PUT"
const PUSH_BLOB: &str = "set -e
    place=$(curl -sS --fail --cacert \"$2\" -u \"$3\" -X POST -D - -o /dev/null \"$1/blobs/uploads/\" |
        tr -d '\\r' | sed -n 's/^[Ll]ocation: //p')
    case $place in *\\?*) place=\"$place&digest=$4\" ;; *) place=\"$place?digest=$4\" ;; esac
    curl -sS --fail --cacert \"$2\" -u \"$3\" -X PUT -H 'Content-Type: application/octet-stream' \\
        --data-binary @\"$5\" \"$place\"";
const PUSH_MANIFEST: &str = "curl -sS --fail --cacert \"$2\" -u \"$3\" -X PUT -H \"Content-Type: $5\" \\
    --data-binary @\"$6\" \"$1/manifests/$4\"";

/// A registry, and somebody who is logged in there and signs.
struct Quay {
    bench: Bench,
    registry: Registry,
}

impl Quay {
    fn new() -> Quay {
        let quay = Quay {
            bench: Bench::new(),
            registry: Registry::start(),
        };
        quay.registry.login(&quay.bench.0).run().success();
        quay
    }

    fn image(&self) -> String {
        self.registry.image("platforms")
    }

    fn repository(&self) -> String {
        self.image().trim_end_matches(":latest").to_owned()
    }

    fn send(&self, script: &str, words: &[&str]) {
        let url = self.repository().replacen('/', "/v2/", 1);
        let url = format!("https://{url}");
        let authority = Registry::authority().display().to_string();
        let login = format!("{}:{}", fixture::USER, fixture::PASSWORD);
        let start = ["sh", "-c", script, "push", &url, &authority, &login];
        self.bench.0.command(start).arguments(words).run().success();
    }

    fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let file = self.bench.0.file("home/blob", bytes).display().to_string();
        let digest = Digest::of(bytes).to_string();
        self.send(PUSH_BLOB, &[&digest, &file]);
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    fn manifest(&self, tag: &str, media_type: &str, mut fields: Value) -> Value {
        fields["schemaVersion"] = json!(2);
        fields["mediaType"] = json!(media_type);
        let bytes = fields.to_string().into_bytes();
        let file = self
            .bench
            .0
            .file("home/manifest", &bytes)
            .display()
            .to_string();
        let digest = Digest::of(&bytes).to_string();
        let at = if tag.is_empty() { &digest } else { tag };
        self.send(PUSH_MANIFEST, &[at, media_type, &file]);
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    fn demand(&self, signer: &Signer) {
        self.bench.0.folder("home/.config/coracle");
        let (host, key) = (self.registry.host(), signer.public.display());
        let text = format!("[scope.\"{host}/boats\"]\nmode = \"signed\"\nkeys = [\"{key}\"]\n");
        self.bench.0.file("home/.config/coracle/trust.toml", text);
    }

    fn pull(&self) -> Output {
        let authority = Registry::authority().display().to_string();
        let words = ["pull", "--tls-ca", &authority, &self.image()];
        self.bench.0.coracle(words).run()
    }

    /// The digest of the index that the image's name stands for.
    fn index(&self) -> Digest {
        let output = self.pull().success();
        let (_, digest) = output.stdout.trim().split_once('@').expect("a pinned name");
        let digest = digest.parse().expect("a digest");
        self.bench.0.coracle(["rmi", &self.image()]).run().success();
        digest
    }
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

#[test]
fn a_real_registry_with_a_signature_at_its_tag() {
    require!(Fixtures, DockerRegistry);
    let quay = Quay::new();
    let [key, other] = ["key", "other"].map(|name| quay.bench.signer(name, Kind::P256));
    let index = quay.index();
    quay.demand(&key);
    quay.pull().exits(1).complains("no signature was found");
    let sign = |signer: &Signer| {
        let text = payload(&index, &quay.repository());
        let mut layer = quay.blob(PAYLOAD, text.as_bytes());
        let signature = base64(&quay.bench.sign(signer, text.as_bytes()));
        layer["annotations"] = json!({SIGNATURE: signature});
        let config = quay.blob("application/vnd.oci.image.config.v1+json", b"{}");
        let tag = format!("sha256-{}.sig", index.hex());
        quay.manifest(&tag, MANIFEST, json!({"config": config, "layers": [layer]}));
    };
    sign(&other);
    quay.pull()
        .exits(1)
        .complains("it was not made with the trusted key");
    sign(&key);
    quay.pull().success();
    let verify = quay
        .bench
        .0
        .coracle(["verify", &quay.image()])
        .run()
        .success();
    verify
        .mentions("signed with sha256:")
        .mentions("damaged: 0");
}

#[test]
fn a_real_registry_with_a_bundle_at_the_tag_for_referrers() {
    require!(Fixtures, DockerRegistry);
    let quay = Quay::new();
    let key = quay.bench.signer("key", Kind::Ed25519);
    let index = quay.index();
    quay.demand(&key);
    let candidate = quay.bench.bundle(&[&key], &statement(&[&index]));
    let coracle::trust::Form::Bundle { json: bundle } = candidate.form else {
        panic!("no bundle");
    };
    let layer = quay.blob(BUNDLE, &bundle);
    let config = quay.blob(EMPTY, b"{}");
    let mut entry = quay.manifest(
        "",
        MANIFEST,
        json!({
            "artifactType": BUNDLE, "config": config, "layers": [layer],
            "subject": {"mediaType": INDEX, "digest": index, "size": 1},
        }),
    );
    entry["artifactType"] = json!(BUNDLE);
    quay.pull().exits(1).complains("no signature was found");
    let tag = format!("sha256-{}", index.hex());
    quay.manifest(&tag, INDEX, json!({"manifests": [entry]}));
    quay.pull().success();
}
