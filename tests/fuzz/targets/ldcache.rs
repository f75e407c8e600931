//! Any bytes as a cache of the dynamic loader: what can be read comes out of writing and reading as it was.
#![no_main]

use coracle::gpu::ldcache::{Cache, Entry};
use coracle::gpu::vantage::Machine;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(cache) = Cache::parse(bytes) else {
        return;
    };
    let written = cache.write();
    assert_eq!(Cache::parse(&written).as_ref(), Some(&cache));
    // What is written of what was written has the same bytes: there is one form.
    assert_eq!(Cache::parse(&written).map(|cache| cache.write()), Some(written));

    let n_entries = cache.entries.len();
    let ours = Entry::of(Machine::X86_64, "libcuda.so.1", "/x/libcuda.so.1");
    let merged = cache.with_first([ours.clone()]);
    assert_eq!(merged.entries.len(), n_entries + 1);
    assert!(merged.find(Machine::X86_64, b"libcuda.so.1").is_some());
    assert_eq!(Cache::parse(&merged.write()), Some(merged));
});
