//! Sigstore bundles: envelopes with one signature and several, statements, and what only looks like a signature.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use coracle::base::digest::Digest;
use coracle::base::path::HostPath;
use coracle::trust::{Candidate, Form, Identity, Requirement, Rule, TrustedKey};

use super::{
    Bench, IMAGE, Kind, PAYLOAD_TYPE, PREDICATE, bundle, check, digest, json_bundle, pae, refused,
    requirement, source, statement,
};

/// The text of a bundle.
fn text(candidate: &Candidate) -> String {
    match &candidate.form {
        Form::Bundle { json } => String::from_utf8(json.clone()).expect("JSON"),
        other => panic!("{other:?} is no bundle"),
    }
}

#[test]
fn a_statement_is_about_each_of_its_subjects() {
    let bench = Bench::new();
    let signer = bench.signer("key", Kind::P256);
    let wanted = requirement(&[&signer], 1, Identity::IfNamed(None));
    let [index, manifest, other] = ["index", "manifest", "other"].map(digest);
    let of = |images: &[&Digest]| bench.bundle(&[&signer], &statement(images));
    let proof = check(&wanted, &[of(&[&other, &manifest])]).expect("the second is ours");
    assert_eq!(proof.signed, std::slice::from_ref(&manifest));
    let proof = check(&wanted, &[of(&[&index])]).expect("the index alone");
    assert_eq!(proof.signed, [index]);
    refused(
        &wanted,
        &[of(&[&other])],
        &format!("it is for another image, {other}"),
    );
    refused(&wanted, &[of(&[&other, &other])], "it is for other images");
    refused(&wanted, &[of(&[])], "it is for no digest that we know");
    let many = vec![&manifest; 257];
    refused(
        &wanted,
        &[of(&many)],
        "about 257 things, expected at most 256",
    );
    let strict = requirement(&[&signer], 1, Identity::Repository(None));
    refused(&strict, &[of(&[&manifest])], "it names no repository");
}

#[test]
fn one_good_signature_of_two_counts_once() {
    let bench = Bench::new();
    let [a, b, stranger] = ["a", "b", "s"].map(|name| bench.signer(name, Kind::P256));
    let words = statement(&[&digest("manifest")]);
    let one = requirement(&[&a, &b], 1, Identity::Any);
    let two = requirement(&[&a, &b], 2, Identity::Any);
    let mixed = bench.bundle(&[&stranger, &a], &words);
    let proof = check(&one, std::slice::from_ref(&mixed)).expect("one good of two");
    assert_eq!(proof.keys.len(), 1);
    refused(&two, &[mixed], "of 1 that were found those by 1 count");
    let same = bench.bundle(&[&a, &a], &words);
    refused(&two, &[same], "those by 1 count");
    let both = bench.bundle(&[&a, &b], &words);
    assert_eq!(check(&two, &[both]).expect("two keys").keys.len(), 2);
    let nobody = bench.bundle(&[], &words);
    refused(&one, &[nobody], "made with none of the 2 trusted keys");
    let nine = bench.bundle(&[&a; 9], &words);
    refused(
        &one,
        &[nine],
        "its envelope has 9 signatures, expected at most 8",
    );
}

#[test]
fn what_is_altered_or_something_else_does_not_count() {
    let bench = Bench::new();
    let signer = bench.signer("key", Kind::P256);
    let wanted = requirement(&[&signer], 1, Identity::Any);
    let words = statement(&[&digest("manifest")]);
    let good = text(&bench.bundle(&[&signer], &words));
    let other = "application/vnd.in-toto+jsonx";
    // The type is altered after the signature, then before it.
    let altered = json_bundle(&good.replace(PAYLOAD_TYPE, other));
    refused(&wanted, &[altered], "it was not made with the trusted key");
    let signed = bundle(other, &words, &[bench.sign(&signer, &pae(other, &words))]);
    refused(
        &wanted,
        &[signed],
        "its envelope holds `application/vnd.in-toto+jsonx`",
    );
    // Signed without the encoding that binds the type.
    let bare = bundle(
        PAYLOAD_TYPE,
        &words,
        &[bench.sign(&signer, words.as_bytes())],
    );
    refused(&wanted, &[bare], "it was not made with the trusted key");
    let first = words.find('{').expect("an object") + 1;
    let twice = format!("{{\"predicateType\":\"x\",{}", &words[first..]);
    for (text, why) in [
        (twice, "`predicateType` stands there twice"),
        (
            words.replace(PREDICATE, "https://in-toto.io/attestation/vulns/v0.1"),
            "it states `https://in-toto.io/attestation/vulns/v0.1`, which is no signature",
        ),
        (
            words.replace("Statement/v1", "Statement/v2"),
            "its statement is a `https://in-toto.io/Statement/v2`",
        ),
        (
            words.replace("subject", "subjects"),
            "its statement lacks `subject`",
        ),
        (
            words.replace("predicateType", "predicate-type"),
            "its statement lacks `predicateType`",
        ),
        (
            words.replace(r#""digest":{"#, r#""digest":{"sha256":"0","#),
            "`sha256` stands there twice",
        ),
        (
            words.replace("sha256", "gitCommit"),
            "it is for no digest that we know",
        ),
        ("no JSON".into(), "its statement is no JSON"),
    ] {
        refused(&wanted, &[bench.bundle(&[&signer], &text)], why);
    }
    let old = words.replace("Statement/v1", "Statement/v0.1");
    check(&wanted, &[bench.bundle(&[&signer], &old)]).expect("the older type means the same");
}

#[test]
fn a_bundle_is_read_strictly_and_nothing_in_it_is_believed() {
    let bench = Bench::new();
    let signer = bench.signer("key", Kind::P256);
    let wanted = requirement(&[&signer], 1, Identity::Any);
    let good = text(&bench.bundle(&[&signer], &statement(&[&digest("manifest")])));
    for (text, why) in [
        (
            good.replace("v0.3+json", "v0.2+json"),
            "expected `application/vnd.dev.sigstore.bundle.v0.3+json`",
        ),
        (
            good.replace(r#""mediaType""#, r#""media_type""#),
            "it lacks `mediaType`",
        ),
        (
            good.replace("dsseEnvelope", "messageSignature"),
            "it signs a file",
        ),
        (
            good.replacen('{', r#"{"messageSignature":{},"#, 1),
            "it signs a file",
        ),
        (
            good.replace("dsseEnvelope", "envelope"),
            "it lacks `dsseEnvelope`",
        ),
        (
            good.replacen('{', r#"{"dsseEnvelope":{},"#, 1),
            "`dsseEnvelope` stands there twice",
        ),
        (
            good.replace(r#""sig":""#, r#""sig":"!"#),
            "one of its signatures is no base64",
        ),
        (
            good.replace(r#""sig""#, r#""signature""#),
            "its envelope lacks `sig`",
        ),
        (
            good.replace(r#""payload":""#, r#""payload":"!"#),
            "its payload is no base64",
        ),
        (format!("{good}{good}"), "it is no JSON"),
        (good[..good.len() / 2].to_owned(), "it is no JSON"),
    ] {
        refused(&wanted, &[json_bundle(&text)], why);
    }
    let older = good.replace("bundle.v0.3+json", "bundle+json;version=0.3");
    check(&wanted, &[json_bundle(&older)]).expect("the older spelling");
    // A name for the key, or a certificate that has expired, change nothing: the key alone is trusted.
    let named = good.replace(r#"{"sig""#, r#"{"keyid":"somebody","sig""#);
    check(&wanted, &[json_bundle(&named)]).expect("the key's name is no matter");
    let old = bench.with_expired_certificate(&signer, &good);
    assert_ne!(old, good);
    check(&wanted, &[json_bundle(&old)]).expect("certificates are not looked at");
    // Its own certificate makes no stranger trusted.
    let stranger = bench.signer("stranger", Kind::P256);
    let wanted = requirement(&[&stranger], 1, Identity::Any);
    refused(
        &wanted,
        &[json_bundle(&old)],
        "it was not made with the trusted key",
    );
}

#[test]
fn both_alphabets_of_base64_are_read() {
    let bench = Bench::new();
    let signer = bench.signer("key", Kind::Ed25519);
    let wanted = requirement(&[&signer], 1, Identity::Any);
    // Bytes that the alphabets write differently.
    let words = statement(&[&digest("manifest")]).replace("{}}", r#"{"a":"~~~???>>>"}}"#);
    let signature = bench.sign(&signer, &pae(PAYLOAD_TYPE, &words));
    let json = text(&bundle(
        PAYLOAD_TYPE,
        &words,
        std::slice::from_ref(&signature),
    ));
    let json = json.replace(&STANDARD.encode(&words), &URL_SAFE.encode(&words));
    let json = json.replace(&STANDARD.encode(&signature), &URL_SAFE.encode(&signature));
    check(&wanted, &[json_bundle(&json)]).expect("URL-safe base64");
}

/// A bundle that sigstore-js made (npm's @sigstore/bundle 4.0.0 and @sigstore/core 3.2.1), whose key signed once and was
/// thrown away. What openssl makes in these tests, @sigstore/verify 3.1.1 accepts.
#[test]
fn a_bundle_by_sigstore_js_is_accepted() {
    let key = include_bytes!("golden/sigstore-js.pub");
    let bundle = include_str!("golden/sigstore-js.json");
    let rule = Rule {
        keys: vec![TrustedKey::from_pem(key).expect("a key")],
        threshold: 1,
        identity: Identity::IfNamed(None),
        by: HostPath::new("/etc/coracle/trust.toml"),
        scope: "default".into(),
    };
    let wanted = Requirement { rules: vec![rule] };
    let image: Digest = format!("sha256:{}", "b".repeat(64))
        .parse()
        .expect("a digest");
    let images = std::slice::from_ref(&image);
    let good = [json_bundle(bundle)];
    let proof = wanted.check(&source(IMAGE), images, &good);
    assert_eq!(proof.expect("signed").signed, images);
    let altered = [json_bundle(&bundle.replace("MEUCIHx9", "MEUCIHx8"))];
    assert!(wanted.check(&source(IMAGE), images, &altered).is_err());
}
