//! Simple signatures: what they sign, whose name they bear, how many it takes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use coracle::trust::{Candidate, Form, Identity, MAX_CANDIDATES, SignedAs};

use super::{Bench, IMAGE, Kind, REPOSITORY, check, digest, payload, refused, requirement, simple};

#[test]
fn what_is_signed_must_be_this_image() {
    let bench = Bench::new();
    let signer = bench.signer("key", Kind::P256);
    let wanted = requirement(&[&signer], 1, Identity::Any);
    let other = bench.simple(&signer, &payload(&digest("other"), REPOSITORY));
    let why = format!("it is for another image, {}", digest("other"));
    refused(&wanted, &[other], &why);
    // The index alone is enough: it leads to the manifest.
    let index = bench.simple(&signer, &payload(&digest("index"), REPOSITORY));
    let proof = check(&wanted, std::slice::from_ref(&index)).expect("signed");
    assert_eq!(proof.signed, [digest("index")]);
    let manifest = bench.simple(&signer, &payload(&digest("manifest"), REPOSITORY));
    let proof = check(&wanted, &[manifest, index]).expect("signed");
    assert_eq!(proof.signed, [digest("index"), digest("manifest")]);
    assert_eq!(proof.keys.len(), 1);
}

#[test]
fn no_signature_at_all_is_refused() {
    let bench = Bench::new();
    let signer = bench.signer("key", Kind::P256);
    let wanted = requirement(&[&signer], 1, Identity::Any);
    refused(&wanted, &[], "no signature was found");
    let useless = Candidate {
        found: "sha256:1".into(),
        form: Form::Useless {
            why: "it is a signature of notation, which cannot be checked".into(),
        },
    };
    refused(
        &wanted,
        &[useless],
        "sha256:1: it is a signature of notation",
    );
    let no_rule = coracle::trust::Requirement { rules: vec![] };
    assert!(
        check(&no_rule, &[])
            .expect("nothing is demanded")
            .keys
            .is_empty()
    );
}

#[test]
fn the_bytes_are_checked_and_then_what_they_mean() {
    let bench = Bench::new();
    let signer = bench.signer("key", Kind::P256);
    let wanted = requirement(&[&signer], 1, Identity::IfNamed(None));
    let good = payload(&digest("manifest"), REPOSITORY);
    let twice = good.replace(
        r#""critical":"#,
        &format!(
            r#""critical":{{"image":"{}"}},"critical":"#,
            digest("other")
        ),
    );
    let deep = format!(r#"{{"optional":{}{}"#, "[".repeat(5000), "]".repeat(5000));
    for (text, why) in [
        (twice, "`critical` stands there twice"),
        (
            good.replace("cosign container", "atomic container"),
            "expected a `cosign container image signature`",
        ),
        (
            good.replace(r#""type":"#, r#""kind":"#),
            "unknown member `kind`",
        ),
        (
            good.replace(
                r#""type":"cosign container image signature""#,
                r#""image":1"#,
            ),
            "`image` stands there twice",
        ),
        (
            good.replace("docker-reference", "docker-Reference"),
            "unknown member `docker-Reference`",
        ),
        (
            good.replace("sha256:", "sha1:"),
            "its payload is wrong: digest algorithm `sha1` is not supported",
        ),
        (
            good.replace("null", r#"null,"more":1"#),
            "unknown member `more`",
        ),
        (
            good.replace(REPOSITORY, "registry.example/other"),
            "it is for `registry.example/other`, expected the repository",
        ),
        (
            good.replace(REPOSITORY, "\\u0007:"),
            "which is no image's name",
        ),
        (deep, "more than 32 levels"),
        ("[]".into(), "lacks `critical`"),
        (String::new(), "its payload is no JSON"),
    ] {
        let candidate = bench.simple(&signer, &text);
        refused(&wanted, &[candidate], why);
        // Unsigned, nobody reads it at all.
        let candidate = simple(&text, STANDARD.encode("no signature"));
        refused(
            &wanted,
            &[candidate],
            "it was not made with the trusted key",
        );
    }
    let free = good.replace("null", r#"{"creator":"x","timestamp":1}"#);
    check(&wanted, &[bench.simple(&signer, &free)]).expect("what is optional is free");
    for signature in ["", "%%%", "AAAA", &"A".repeat(5000)] {
        let error = check(&wanted, &[simple(&good, signature.into())]);
        assert!(error.is_err(), "{signature:.10}");
    }
}

#[test]
fn keys_are_counted_and_each_once() {
    let bench = Bench::new();
    let [a, b, c] = ["a", "b", "c"].map(|name| bench.signer(name, Kind::Ed25519));
    let text = payload(&digest("manifest"), REPOSITORY);
    let index = payload(&digest("index"), REPOSITORY);
    let wanted = requirement(&[&a, &b, &c], 2, Identity::Any);
    let twice = [
        bench.simple(&a, &text),
        bench.simple(&a, &index),
        bench.simple(&a, &text),
    ];
    refused(&wanted, &twice, "demands signatures by 2 trusted keys");
    refused(&wanted, &twice, "of 3 that were found those by 1 count");
    let both = [bench.simple(&a, &text), bench.simple(&b, &index)];
    let proof = check(&wanted, &both).expect("two of three");
    assert_eq!(proof.keys.len(), 2);
    // Two rules, of which each has its own keys.
    let mut rules = requirement(&[&a], 1, Identity::Any);
    rules
        .rules
        .extend(requirement(&[&c], 1, Identity::Any).rules);
    refused(&rules, &both, "it was not made with the trusted key");
    let all = [bench.simple(&c, &text), bench.simple(&a, &text)];
    assert_eq!(check(&rules, &all).expect("both rules").keys.len(), 2);
}

#[test]
fn a_moved_image_is_signed_under_its_old_name() {
    let bench = Bench::new();
    let signer = bench.signer("key", Kind::P256);
    let moved = |prefix: &str| {
        Identity::Repository(Some(SignedAs {
            prefix: prefix.into(),
            signed: "upstream.example/x".into(),
        }))
    };
    let old = bench.simple(
        &signer,
        &payload(&digest("manifest"), "upstream.example/x/app"),
    );
    let wanted = requirement(&[&signer], 1, moved("registry.example/team"));
    check(&wanted, std::slice::from_ref(&old)).expect("the prefix is replaced");
    let wanted = requirement(&[&signer], 1, moved("registry.example/tea"));
    refused(
        &wanted,
        &[old],
        "expected the repository `registry.example/team/app`",
    );
    let wanted = requirement(&[&signer], 1, Identity::TagOrRepository(None));
    let bare = bench.simple(&signer, &payload(&digest("manifest"), REPOSITORY));
    refused(
        &wanted,
        &[bare],
        "`matchRepository` accepts a signature without a tag",
    );
    let tagged = bench.simple(&signer, &payload(&digest("manifest"), IMAGE));
    check(&wanted, &[tagged]).expect("the same tag");
}

#[test]
fn what_strangers_send_is_bounded() {
    let bench = Bench::new();
    let signer = bench.signer("key", Kind::P256);
    let wanted = requirement(&[&signer], 1, Identity::Any);
    let good = bench.simple(&signer, &payload(&digest("manifest"), REPOSITORY));
    let bad = || simple("{}", STANDARD.encode("x"));
    let mut many: Vec<Candidate> = (1..MAX_CANDIDATES).map(|_| bad()).collect();
    many.push(good);
    check(&wanted, &many).expect("the last that is looked at");
    many.insert(0, bad());
    refused(&wanted, &many, "of 51 that were found none counts");
    refused(&wanted, &many, "more do not count either");
    let shown = check(&wanted, &many).expect_err("refused");
    assert!(super::whole(&shown).len() < 8192);
    let large = simple(&"x".repeat((4 << 20) + 1), STANDARD.encode("x"));
    refused(
        &wanted,
        &[large],
        "it has 4194305 bytes, expected at most 4194304",
    );
    let long = bench.simple(&signer, &" ".repeat(200 << 10));
    refused(&wanted, &[long], "what it signs has 204800 bytes");
}
