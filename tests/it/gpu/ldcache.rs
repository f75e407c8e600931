//! Caches of the dynamic loader.

use coracle::gpu::ldcache::Cache;

#[test]
fn what_ldconfig_wrote_comes_out_as_it_was() {
    let bytes = std::fs::read("/etc/ld.so.cache").expect("a host with glibc has a cache");
    let cache = Cache::parse(&bytes).expect("and it can be read");
    assert!(cache.write() == bytes);
}
