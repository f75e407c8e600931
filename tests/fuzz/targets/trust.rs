//! Any bytes as `trust.toml`, and as a key: an answer or an error of bounded length.
#![no_main]

use coracle::base::path::HostPath;
use coracle::trust::{TrustFile, TrustedKey, Whose};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let path = HostPath::new("/etc/coracle/trust.toml");
    for whose in [Whose::System, Whose::User] {
        if let Err(error) = TrustFile::parse(bytes, &path, whose) {
            assert!(error.to_string().len() < 4096, "{error}");
        }
    }
    let keys = [TrustedKey::from_pem(bytes), TrustedKey::from_spki(bytes)];
    for key in keys.into_iter().flatten() {
        assert!(!key.signed(b"message", b"signature"));
        assert_eq!(key.fingerprint().len(), "sha256:".len() + 64);
    }
});
