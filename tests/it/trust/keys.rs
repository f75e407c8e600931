//! Keys: which are read, and which signatures are theirs.

use coracle::trust::{Identity, TrustedKey};

use super::{Bench, Kind, REPOSITORY, check, digest, payload, refused, requirement, statement};

#[test]
fn every_kind_of_key_signs_in_both_forms() {
    let bench = Bench::new();
    let manifest = digest("manifest");
    for kind in [
        Kind::P256,
        Kind::P384,
        Kind::P384Sha256,
        Kind::Ed25519,
        Kind::Rsa(2048),
        Kind::RsaPss(3072),
    ] {
        let signer = bench.signer("key", kind);
        let wanted = requirement(&[&signer], 1, Identity::IfNamed(None));
        let simple = bench.simple(&signer, &payload(&manifest, REPOSITORY));
        let bundle = bench.bundle(&[&signer], &statement(&[&manifest]));
        for candidate in [simple, bundle] {
            let proof = check(&wanted, &[candidate]).unwrap_or_else(|error| {
                panic!("{kind:?}: {}", super::whole(&error));
            });
            assert_eq!(proof.signed, std::slice::from_ref(&manifest));
            assert_eq!(proof.keys, [wanted.rules[0].keys[0].fingerprint()]);
        }
    }
}

#[test]
fn a_fingerprint_is_that_of_openssl() {
    let bench = Bench::new();
    let signer = bench.signer("key", Kind::P256);
    let pem = std::fs::read(&signer.public).expect("a public key");
    let key = TrustedKey::from_pem(&pem).expect("a key");
    let public = signer.public.display();
    let der = bench.bytes("pkey", &format!("-pubin -in {public} -outform DER"));
    let hash = coracle::base::digest::Digest::of(&der);
    assert_eq!(key.fingerprint(), hash.to_string());
}

#[test]
fn a_signature_by_another_key_or_algorithm_does_not_count() {
    let bench = Bench::new();
    let payload = payload(&digest("manifest"), REPOSITORY);
    let small = bench.signer("small", Kind::P256);
    let other = bench.signer("other", Kind::P256);
    let large = bench.signer("large", Kind::P384);
    let wanted = requirement(&[&small], 1, Identity::Any);
    for signer in [&other, &large] {
        let candidate = bench.simple(signer, &payload);
        refused(
            &wanted,
            &[candidate],
            "it was not made with the trusted key sha256:",
        );
    }
    let wanted = requirement(&[&small, &other], 1, Identity::Any);
    let candidate = bench.simple(&large, &payload);
    refused(
        &wanted,
        &[candidate],
        "it was made with none of the 2 trusted keys",
    );
}

#[test]
fn what_is_no_key_that_can_be_trusted_says_why() {
    let bench = Bench::new();
    let read = |path: &std::path::Path| std::fs::read(path).expect("a file");
    let weak = bench.signer("weak", Kind::Rsa(1024));
    let huge = bench.signer("huge", Kind::P521);
    let good = bench.signer("good", Kind::P256);
    let pem = String::from_utf8(read(&good.public)).expect("PEM");
    let twice = format!("{pem}{pem}");
    let cut = pem.replacen("END", "ENT", 1);
    let private = good.private.display();
    let point = bench.bytes(
        "ec",
        &format!("-in {private} -pubout -conv_form compressed"),
    );
    let bit = |text: &str| {
        // The last line of base64 is the end of the point; a byte more there is one after the key.
        text.replacen("-----END", "AAAA\n-----END", 1).into_bytes()
    };
    for (text, why) in [
        (
            read(&weak.public),
            "got an RSA key of 1024 bits, expected 2048 to 8192",
        ),
        (read(&huge.public), "got a P-521 key"),
        (
            read(&good.private),
            "got `PRIVATE KEY` as PEM, expected `PUBLIC KEY`",
        ),
        (twice.into_bytes(), "more than one block"),
        (cut.into_bytes(), "damaged"),
        (point, "damaged"),
        (bit(&pem), "damaged"),
        (Vec::new(), "as PEM"),
        (b"ssh-ed25519 AAAA".to_vec(), "as PEM"),
        (vec![b'x'; 20_000], "got 20000 bytes"),
    ] {
        let error = TrustedKey::from_pem(&text).expect_err(why).to_string();
        assert!(error.contains(why), "{error:?} lacks {why:?}");
        assert!(!error.contains("MII"), "{error}");
    }
    // RFC 7468: words before a key are no part of it.
    let with_words = format!("our key\n\n{pem}");
    assert!(TrustedKey::from_pem(with_words.as_bytes()).is_ok());
}
