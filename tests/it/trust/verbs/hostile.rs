//! What only looks like a good signature: each is refused, by name, before anything of the image is fetched.

use serde_json::json;

use super::{BUNDLE, EMPTY, Port, base64, digest_of, list, payload};
use crate::registry::shelf::layer;
use crate::trust::{digest, statement};

#[test]
fn a_signature_by_another_key() {
    let port = Port::new();
    let [key, other] = ["key", "other"].map(|name| port.key(name));
    port.signed_by(&other, &port.manifest);
    port.demand(&[&key]);
    port.refuses("it was not made with the trusted key");
}

#[test]
fn a_signature_for_another_digest_or_another_repository() {
    let port = Port::new();
    let key = port.key("key");
    port.demand(&[&key]);
    let other = digest("other");
    let repository = port.repository();
    port.sign(&port.manifest, &[(&key, payload(&other, &repository))]);
    port.refuses(&format!("it is for another image, {other}"));
    let elsewhere = format!("{}/y", port.host());
    port.sign(
        &port.manifest,
        &[(&key, payload(&port.manifest, &elsewhere))],
    );
    port.refuses(&format!(
        "it is for `{elsewhere}`, expected the repository `{repository}`"
    ));
}

#[test]
fn a_payload_of_another_type() {
    let port = Port::new();
    let key = port.key("key");
    port.demand(&[&key]);
    let text = payload(&port.manifest, &port.repository());
    let altered = text.replace("cosign container image signature", "cosign something else");
    port.sign(&port.manifest, &[(&key, altered)]);
    port.refuses("its payload is a `cosign something else`");
    // The type of an envelope is part of what is signed.
    let port = Port::new();
    let key = port.key("key");
    port.demand(&[&key]);
    let bundle = port.bundle(&[&key], &[&port.manifest]);
    let altered = bundle.replace(
        "application/vnd.in-toto+json",
        "application/vnd.in-toto+jsonx",
    );
    assert_ne!(bundle, altered);
    port.refer(&port.manifest, &altered);
    port.refuses("it was not made with the trusted key");
}

#[test]
fn a_payload_altered_after_it_was_signed_or_with_a_name_twice() {
    let port = Port::new();
    let key = port.key("key");
    port.demand(&[&key]);
    let text = payload(&port.manifest, &port.repository());
    let signature = base64(&port.bench.sign(&key, text.as_bytes()));
    let altered = text.replace("\"optional\":null", "\"optional\":{}");
    port.put_simple(&port.manifest, &[(altered.into_bytes(), signature)]);
    port.refuses("it was not made with the trusted key");
    let twice = text.replacen("{\"critical\"", "{\"critical\":{},\"critical\"", 1);
    port.sign(&port.manifest, &[(&key, twice)]);
    port.refuses("`critical` stands there twice");
}

#[test]
fn a_bundle_about_two_images_counts_for_each_and_for_no_other() {
    let port = Port::new();
    let key = port.key("key");
    port.demand(&[&key]);
    let [a, b] = ["a", "b"].map(digest);
    port.refer(&port.manifest, &port.bundle(&[&key], &[&a, &b]));
    port.refuses(&format!("it is for other images, {a} and 1 more"));
    port.refer(&port.manifest, &port.bundle(&[&key], &[&a, &port.manifest]));
    port.pull().success();
}

/// Manifests count in what all signatures of an image may have together: they are in memory with what they hold.
#[test]
fn manifests_that_are_too_large_together() {
    let port = Port::new();
    let key = port.key("key");
    port.demand(&[&key]);
    let padding = " ".repeat(3 << 20);
    port.change(|world| {
        let config = world.shelf.put(EMPTY, b"{}");
        for number in 0..6 {
            let layer = world
                .shelf
                .put(BUNDLE, format!("{{\"{number}\":0}}").as_bytes());
            let mut entry = world.shelf.manifest(json!({
                "artifactType": BUNDLE, "config": config, "layers": [layer],
                "annotations": {"padding": padding},
            }));
            entry["artifactType"] = json!(BUNDLE);
            list(world, &port.manifest, entry);
        }
    });
    port.refuses("all together have more than 16777216 bytes");
}

#[test]
fn of_two_signatures_in_one_envelope_one_may_be_bad() {
    let port = Port::new();
    let [key, other] = ["key", "other"].map(|name| port.key(name));
    port.demand(&[&key]);
    port.refer(
        &port.manifest,
        &port.bundle(&[&other, &key], &[&port.manifest]),
    );
    port.pull().success();
    let port = Port::new();
    let [key, other] = ["key", "other"].map(|name| port.key(name));
    port.demand(&[&key]);
    port.refer(
        &port.manifest,
        &port.bundle(&[&other, &other], &[&port.manifest]),
    );
    port.refuses("it was not made with the trusted key");
}

#[test]
fn a_manifest_of_ten_thousand_signatures() {
    let port = Port::new();
    let [key, other] = ["key", "other"].map(|name| port.key(name));
    port.demand(&[&key]);
    let text = payload(&port.manifest, &port.repository());
    let signature = base64(&port.bench.sign(&other, text.as_bytes()));
    let one = (text.into_bytes(), signature);
    port.put_simple(&port.manifest, &vec![one.clone(); 10_000]);
    port.refuses("lists 10000 layers, expected at most 1000");
    let before = port.asked().len();
    port.put_simple(&port.manifest, &vec![one.clone(); 1000]);
    port.refuses("only the first 50 are looked at");
    let asked = &port.asked()[before..];
    // The payload that all share, and the config of their manifest.
    let blobs = |asked: &[String]| asked.iter().filter(|line| line.contains("/blobs/")).count();
    assert_eq!(blobs(asked), 2, "{asked:#?}");
    let before = port.asked().len();
    let (text, signature) = one;
    let each = |n| ([&text[..], &b" ".repeat(n)].concat(), signature.clone());
    port.put_simple(&port.manifest, &(0..1000).map(each).collect::<Vec<_>>());
    port.refuses("only the first 50 are looked at");
    let asked = &port.asked()[before..];
    assert_eq!(blobs(asked), 51, "{asked:#?}");
}

#[test]
fn more_bundles_than_are_looked_at() {
    let port = Port::new();
    port.change(|world| {
        world.referrers = Some(Default::default());
        world.page = Some(10);
    });
    let [key, other] = ["key", "other"].map(|name| port.key(name));
    port.demand(&[&key]);
    let bundle = port.bundle(&[&other], &[&port.manifest]);
    for n in 0..80 {
        port.refer(&port.manifest, &format!("{bundle}{}", " ".repeat(n)));
    }
    port.refuses("only the first 50 are looked at");
    let asked = port.asked();
    let fetched = asked
        .iter()
        .filter(|line| line.contains("/manifests/sha256:"));
    assert!(fetched.count() <= 52, "{asked:#?}");
}

#[test]
fn a_list_that_names_what_refers_to_another_image() {
    let port = Port::new();
    port.change(|world| world.referrers = Some(Default::default()));
    let key = port.key("key");
    port.demand(&[&key]);
    let other = digest("other");
    let bundle = port.bundle(&[&key], &[&port.manifest]);
    port.refer_as(&port.manifest, &other, &bundle);
    port.refuses(&format!("it refers to another manifest, {other}"));
}

#[test]
fn a_registry_that_hides_signatures() {
    let port = Port::new();
    let key = port.key("key");
    port.signed_by(&key, &port.manifest);
    port.demand(&[&key]);
    port.pull().success();
    // The name means another image now, which nobody signed; the one that is here stays, and runs.
    let newer = port.change_image("newer");
    let output = port.pull().exits(1).complains("no signature was found");
    output.complains("hint: ask whoever published the image");
    let inspected = port.coracle(&["inspect", &port.image()]).run().success();
    inspected.mentions(&port.manifest.to_string());
    let run = [
        "create",
        "--pull",
        "always",
        "--platform",
        "linux/amd64",
        "--insecure",
        port.host(),
    ];
    let output = port.coracle(&run).arguments([port.image()]).run();
    output.exits(1).complains("no signature was found");
    port.coracle(&["create", &port.image()]).run().success();
    port.signed_by(&key, &newer);
    port.pull().success().mentions(&newer.to_string());
}

#[test]
fn a_registry_that_does_not_answer_when_asked_for_signatures() {
    for (part, status) in [(".sig", 403), ("referrers", 500)] {
        let port = Port::new();
        let key = port.key("key");
        port.demand(&[&key]);
        port.change(|world| world.broken = Some((part, status)));
        port.refuses("cannot look for the signatures that");
        // Where another one is found, it is enough.
        port.change(|world| world.referrers = Some(Default::default()));
        match part {
            ".sig" => drop(port.refer(&port.manifest, &port.bundle(&[&key], &[&port.manifest]))),
            _ => drop(port.signed_by(&key, &port.manifest)),
        }
        port.pull().success();
    }
}

#[test]
fn a_blob_that_is_not_what_its_digest_says() {
    let port = Port::new();
    let key = port.key("key");
    port.demand(&[&key]);
    let text = payload(&port.manifest, &port.repository());
    port.signed_by(&key, &port.manifest);
    port.change(|world| {
        let descriptor = json!({"digest": coracle::base::digest::Digest::of(text.as_bytes())});
        let spoilt = text.replace("null", "true");
        world.shelf.spoil(&descriptor, spoilt.as_bytes());
    });
    port.refuses("got digest `sha256:");
}

#[test]
fn a_certificate_that_has_expired_changes_nothing_where_a_key_is_trusted() {
    let port = Port::new();
    let key = port.key("key");
    port.demand(&[&key]);
    let bundle = port.bundle(&[&key], &[&port.manifest]);
    let old = port.bench.with_expired_certificate(&key, &bundle);
    assert_ne!(old, bundle);
    port.refer(&port.manifest, &old);
    port.pull().success();
}

#[test]
fn an_attestation_is_no_signature() {
    let port = Port::new();
    let key = port.key("key");
    port.demand(&[&key]);
    let text = statement(&[&port.manifest]).replace("cosign/sign/v1", "cosign/other/v1");
    port.refer(&port.manifest, &port.bundle_of(&[&key], &text));
    port.refuses(
        "it states `https://sigstore.dev/cosign/other/v1`, which is no signature of an image",
    );
}

#[test]
fn signatures_of_notation_are_named_and_do_not_count() {
    let port = Port::new();
    port.change(|world| world.referrers = Some(Default::default()));
    let key = port.key("key");
    port.demand(&[&key]);
    port.change(|world| {
        let config = world.shelf.put(NOTATION, b"{}");
        let layer = world.shelf.put("application/jose+json", b"{}");
        let subject = json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": port.manifest, "size": 1});
        let manifest = json!({"config": config, "layers": [layer], "subject": subject});
        let mut entry = world.shelf.manifest(manifest);
        entry["artifactType"] = json!(NOTATION);
        super::list(world, &port.manifest, entry);
    });
    port.refuses("it is a signature of notation, which does not count");
}

const NOTATION: &str = "application/vnd.cncf.notary.signature";

#[test]
fn a_manifest_without_signatures_where_they_should_be() {
    let port = Port::new();
    let key = port.key("key");
    port.demand(&[&key]);
    port.put_simple(&port.manifest, &[]);
    port.refuses("there is nothing in it");
    let tag = format!("sha256-{}.sig", port.manifest.hex());
    port.change(|world| {
        let index = world.shelf.index(&[]);
        world.shelf.tag(&tag, &index);
    });
    port.refuses("it is an index");
    port.change(|world| {
        let image = world.shelf.image(&[&layer("a", "b")]);
        world.shelf.tag(&tag, &image);
    });
    port.refuses("which is no signature that is known");
    port.change(|world| {
        let config = world.shelf.put(super::EMPTY, b"{}");
        let bare = world.shelf.put(super::PAYLOAD, b"{}");
        let mut large = world.shelf.put(BUNDLE, b"{}");
        large["size"] = json!(5 << 20);
        let manifest = json!({"config": config, "layers": [bare, large]});
        let manifest = world.shelf.manifest(manifest);
        world.shelf.tag(&tag, &manifest);
        assert_ne!(digest_of(&manifest), port.manifest);
    });
    port.refuses("it lacks the annotation");
    port.refuses("it has 5242880 bytes, expected at most 4194304");
}
