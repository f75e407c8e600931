//! Any text as the name of an image: what is one prints to itself, and its file lies where the store keeps names.
#![no_main]

use std::path::Component;

use coracle::base::path::HostPath;
use coracle::oci::reference::{Reference, parse_registry};
use coracle::oci::source::Source;
use coracle::store::Layout;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _either_is_fine = parse_registry(text);
    if let Ok(reference) = text.parse::<Reference>() {
        for printed in [reference.to_string(), reference.familiar()] {
            assert_eq!(
                printed.parse::<Reference>().as_ref().ok(),
                Some(&reference),
                "{printed}"
            );
        }
        assert!(!reference.registry().is_empty() && !reference.repository().is_empty());
        assert!(reference.tag().is_some() || reference.digest().is_some());
        let asked = [
            reference.registry(),
            reference.repository(),
            &reference.selector(),
        ]
        .concat();
        let is_url_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:/[]".contains(&byte);
        assert!(
            asked.bytes().all(is_url_safe) && !asked.contains(".."),
            "{asked}"
        );
        assert_eq!(
            parse_registry(reference.registry()).ok().as_deref(),
            Some(reference.registry())
        );
    }
    match text.parse::<Source>() {
        Ok(source) => {
            let printed = source.to_string();
            assert_eq!(
                printed.parse::<Source>().as_ref().ok(),
                Some(&source),
                "{printed}"
            );
            assert_file(&source);
        }
        Err(error) => assert!(error.to_string().len() < 4096),
    }
});

fn assert_file(source: &Source) {
    let home = HostPath::new("/home/me/.coracle");
    let file = Layout::new(home.clone()).reference(source);
    let below = file
        .strip_prefix(home.join("refs"))
        .expect("a name's file lies below `refs`");
    let mut n_components = 0;
    for component in below.components() {
        let Component::Normal(name) = component else {
            panic!("{}", file.display());
        };
        let name = name.as_encoded_bytes();
        assert!(
            name.len() <= 255 && name.is_ascii() && !name.starts_with(b"."),
            "{}",
            file.display()
        );
        n_components += 1;
    }
    assert!(n_components >= 2);
    assert!(file.extension().is_some_and(|it| it == "json"));
}
