//! Any bytes as a bundle, a statement and a simple payload: what is no signature by a trusted key proves nothing.
#![no_main]

use coracle::base::digest::Digest;
use coracle::base::path::HostPath;
use coracle::oci::source::Source;
use coracle::trust::{Candidate, Form, Identity, Requirement, Rule, TrustedKey, bundle, simple};
use libfuzzer_sys::fuzz_target;

/// A key of which nobody has the private half.
const KEY: &[u8] = include_bytes!("../../it/trust/golden/sigstore-js.pub");

fuzz_target!(|bytes: &[u8]| {
    if let Ok(envelope) = bundle::open(bytes) {
        assert!(envelope.signed_bytes().ends_with(&envelope.payload));
        assert!(envelope.signatures.len() <= 8);
        let _any = envelope.subjects();
    }
    let _any = bundle::subjects(bytes);
    let source: Source = "registry.example/team/app:1".parse().expect("a name");
    if let Ok(payload) = simple::parse(bytes) {
        let named = Identity::Repository(None).check(&source, Some(&payload.name));
        assert!(named.is_err() || payload.name.contains("team/app"));
    }
    let rule = Rule {
        keys: vec![TrustedKey::from_pem(KEY).expect("a key")],
        threshold: 1,
        identity: Identity::Any,
        by: HostPath::new("/etc/coracle/trust.toml"),
        scope: "default".into(),
    };
    let candidate = |form: Form| Candidate {
        found: "here".into(),
        form,
    };
    let candidates = [
        candidate(Form::Bundle { json: bytes.to_vec() }),
        candidate(Form::Simple {
            payload: bytes.to_vec(),
            signature: "AAAA".into(),
        }),
    ];
    // The one image that this key signed is not asked for.
    let images = [Digest::of(b"image")];
    let wanted = Requirement { rules: vec![rule] };
    assert!(wanted.check(&source, &images, &candidates).is_err());
});
