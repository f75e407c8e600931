//! Any bytes as a file of credentials and as a helper's answer: what is secret is in no error, and no other program runs.
#![no_main]

use coracle::base::path::HostPath;
use coracle::registry::Helper;
use coracle::registry::credentials::{Secret, helper_of, key_name, written_in};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let path = HostPath::new("/home/me/.docker/config.json");
    for (registry, repository) in [
        ("docker.io", "library/a"),
        ("h.example:5000", "a/b"),
        ("h.example", ""),
    ] {
        match helper_of(bytes, &path, registry) {
            Ok(None) => {}
            Ok(Some(helper)) => {
                let program = helper.program();
                let name = program
                    .strip_prefix("docker-credential-")
                    .expect("a helper's name");
                let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
                assert!(
                    (1..=64).contains(&name.len()) && name.bytes().all(is_plain),
                    "{program}"
                );
            }
            Err(error) => assert!(error.to_string().len() < 4096),
        }
        match written_in(bytes, &path, registry, repository) {
            Ok(secret) => assert_hidden(secret.as_ref()),
            // Where the file is no JSON, an error has the line alone.
            Err(error) => assert!(error.to_string().len() < 256, "{error}"),
        }
    }
    match Helper::secret_in(bytes) {
        Ok(secret) => assert_hidden(secret.as_ref()),
        Err(how) => assert!(how.starts_with("its answer")),
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let key = key_name(text);
        assert!(key.len() <= text.len().max("docker.io".len()) && !key.starts_with("http://"));
    }
});

fn assert_hidden(secret: Option<&Secret>) {
    assert!(matches!(
        format!("{secret:?}").as_str(),
        "None" | "Some(Secret(..))"
    ));
    if let Some(Secret::Password(found)) = secret {
        assert_eq!(format!("{found:?}"), "Credential(..)");
    }
}
