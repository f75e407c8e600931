//! Any bytes as a device specification, in both formats: what can be read is the same after writing and reading.
#![no_main]

use coracle::gpu::cdi::{Format, Spec};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for format in [Format::Json, Format::Yaml] {
        let Ok(checked) = Spec::parse(bytes, format) else {
            continue;
        };
        let written = checked.spec.to_json();
        // JSON is YAML too, but for keys that are longer than YAML's 1024 letters; ours are not.
        let again = Spec::parse(written.as_bytes(), Format::Json).expect("what was checked stays right");
        assert_eq!(again.spec.to_json(), written);
        assert_eq!(again.devices, checked.devices);
    }
});
