//! Any text as `Content-Range`: only what says exactly the rest of the blob is taken for it.
#![no_main]

use coracle::registry::is_rest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u64, u64, &str)| {
    let (offset, size, text) = input;
    if is_rest(text, offset, size) {
        let (range, total) = text
            .strip_prefix("bytes ")
            .and_then(|it| it.split_once('/'))
            .expect("a range of bytes");
        let (first, last) = range.split_once('-').expect("from and to");
        assert_eq!(
            (first.parse(), last.parse()),
            (Ok(offset), Ok(size.saturating_sub(1)))
        );
        assert!(total == "*" || total.parse() == Ok(size));
    }
    let last = size.saturating_sub(1);
    for total in [size.to_string(), "*".to_owned()] {
        let right = format!("bytes {offset}-{last}/{total}");
        assert!(is_rest(&right, offset, size));
        assert!(!is_rest(&right, offset ^ 1, size));
        assert!(!is_rest(&format!("{right}0"), offset, size) || right.is_empty());
    }
});
