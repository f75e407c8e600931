//! Any bytes as `registries.conf`: endpoints are names of registries, the registry itself last, and a digest stays.
#![no_main]

use coracle::base::path::HostPath;
use coracle::oci::reference::Reference;
use coracle::registry::registries::{File, Registries};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let path = HostPath::new("/etc/containers/registries.conf");
    let file = match File::parse(bytes, &path) {
        Ok(file) => file,
        Err(error) => {
            assert!(error.to_string().len() < 4096, "{error}");
            return;
        }
    };
    let names_a_digest = bytes.contains(&b'@');
    let mut all = Registries::default();
    all.add(file.clone());
    let digest = format!("sha256:{}", "0".repeat(64));
    for name in [
        "debian",
        "a.example/b/c:1",
        "h.example:5000/x@",
        "sub.a.example/team/x@",
    ] {
        let name = name.replace('@', &format!("@{digest}"));
        let reference: Reference = name.parse().expect("a name");
        let Ok(endpoints) = all.endpoints(&reference) else {
            continue;
        };
        let (last, mirrors) = endpoints.split_last().expect("there is an endpoint");
        assert!(!last.is_mirror && mirrors.iter().all(|it| it.is_mirror));
        assert!(endpoints.len() <= 101);
        for endpoint in &endpoints {
            let printed = endpoint.reference.to_string();
            assert_eq!(
                printed.parse::<Reference>().as_ref().ok(),
                Some(&endpoint.reference)
            );
            assert!(names_a_digest || endpoint.reference.digest() == reference.digest());
        }
    }
    for note in all.notes() {
        assert!(note.to_string().len() < 4096);
    }
    // The same file once more changes nothing.
    let reference: Reference = "a.example/b/c:1".parse().expect("a name");
    let before = all.endpoints(&reference).ok();
    all.add(file);
    assert_eq!(all.endpoints(&reference).ok(), before);
});
