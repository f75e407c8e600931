//! Any bytes as `policy.json`: an answer or an error, and what names something twice is never an answer.
#![no_main]

use coracle::base::path::HostPath;
use coracle::trust::Containers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let path = HostPath::new("/etc/containers/policy.json");
    match Containers::parse(bytes, &path) {
        Ok(_) => {
            // Twice the same member is an error, whatever it says.
            let text = String::from_utf8(bytes.to_vec()).expect("JSON is UTF-8");
            let twice = text.replacen('{', "{\"default\":0,\"default\":0,", 1);
            assert!(Containers::parse(twice.as_bytes(), &path).is_err());
        }
        Err(error) => assert!(error.to_string().len() < 4096),
    }
});
