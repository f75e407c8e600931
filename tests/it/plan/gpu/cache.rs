//! The loader cache that a plan writes: what is in it, in which order, and where none is made.

use std::collections::BTreeSet;

use coracle::base::path::GuestPath;
use coracle::gpu::Findings;
use coracle::gpu::compat::CudaCompat;
use coracle::gpu::guest::{Compat, Libc, OWN_CONF};
use coracle::gpu::ldcache::{Cache, Entry};
use coracle::gpu::vantage::Machine;
use coracle::plan::RunPlan;
use coracle::plan::wish::GpuWish;

use super::Scene;

fn content<'a>(plan: &'a RunPlan, path: &str) -> Option<&'a [u8]> {
    let mut found = plan.files.iter().filter(|file| file.path.as_path() == path);
    let content = found.next().map(|file| file.content.as_slice());
    assert!(found.next().is_none(), "{path} is written twice");
    content
}

/// The entries of the cache that a plan writes, as `name path`.
fn cache(plan: &RunPlan) -> Vec<String> {
    let cache = Cache::parse(content(plan, "/etc/ld.so.cache").expect("a cache"));
    let entries = cache.expect("a cache that can be read").entries;
    let text = |entry: &Entry| {
        let words =
            [&entry.name, &entry.path].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        words.join(" ")
    };
    entries.iter().map(text).collect()
}

fn entry(name: &str, path: &str) -> Entry {
    Entry::of(Machine::HERE, name, path)
}

#[test]
fn the_guests_cache_has_ours_first_and_nothing_of_an_earlier_run() {
    let plan = Scene::new().plan().expect("a sound scene");
    let farm = "/usr/local/nvidia/lib64";
    let ours: BTreeSet<String> = ["libcuda.so", "libcuda.so.1", "libcuda.so.580.1"]
        .iter()
        .map(|name| format!("{name} {farm}/{name}"))
        .collect();
    let of_cuda = |lines: &[String]| -> BTreeSet<String> {
        lines
            .iter()
            .filter(|line| line.starts_with("libcuda"))
            .cloned()
            .collect()
    };
    assert_eq!(of_cuda(&cache(&plan)), ours, "a guest without a cache");
    assert_eq!(
        content(&plan, "/etc/ld.so.conf"),
        None,
        "it includes ours already"
    );
    let conf = content(&plan, OWN_CONF).expect("a line for ldconfig");
    assert!(String::from_utf8_lossy(conf).ends_with(&format!("\n{farm}\n")));

    let mut old = Scene::new();
    let entries = [
        entry("libz.so.1", "/lib/libz.so.1"),
        entry("libcuda.so.1", "/usr/local/nvidia/lib64/libcuda.so.1"),
        entry("libcuda.so.1", "/cdi/libcuda.so.1"),
        entry("libcuda.so.1", "/image/libcuda.so.1"),
        entry("libGone.so.1", "/usr/local/nvidia/lib64/libGone.so.1"),
    ];
    old.found.guest.cache = Some(Cache::default().with_first(entries).write());
    old.found.guest.own_conf =
        Some(b"# said\n/usr/local/nvidia/lib64\n# /cdi/libcuda.so.1\n".to_vec());
    old.found.guest.loader_conf = Some(b"/own\n".to_vec());
    let without = Findings {
        nvidia: None,
        ..old.found.clone()
    };
    let plan = old.plan().expect("a sound scene");
    let lines = cache(&plan);
    let found: Vec<&String> = lines
        .iter()
        .filter(|line| line.starts_with("libcuda.so.1 "))
        .collect();
    assert_eq!(
        found,
        [
            "libcuda.so.1 /usr/local/nvidia/lib64/libcuda.so.1",
            "libcuda.so.1 /image/libcuda.so.1"
        ]
    );
    assert!(lines.contains(&"libz.so.1 /lib/libz.so.1".to_owned()));
    assert!(
        !lines.iter().any(|line| line.starts_with("libGone")),
        "{lines:?}"
    );
    let conf = content(&plan, "/etc/ld.so.conf").map(String::from_utf8_lossy);
    assert_eq!(
        conf.as_deref(),
        Some("include /etc/ld.so.conf.d/*.conf\n/own\n")
    );

    // The next run of that container, without a driver.
    let mut later = Scene::new();
    later.wish.gpu = GpuWish::default();
    later.found = without;
    let plan = later.plan().expect("a sound scene");
    assert_eq!(
        cache(&plan),
        [
            "libz.so.1 /lib/libz.so.1",
            "libcuda.so.1 /image/libcuda.so.1"
        ]
    );
    let conf = content(&plan, OWN_CONF).expect("it is emptied");
    assert!(!String::from_utf8_lossy(conf).contains("nvidia"));
}

#[test]
fn no_cache_is_made_for_loaders_without_one() {
    for (libc, machine) in [
        (Libc::Musl, Some(Ok(Machine::HERE))),
        (Libc::None, None),
        (Libc::Glibc(None), Some(Err(22))),
    ] {
        let mut scene = Scene::new().gpus("none");
        scene.found.guest.libc = libc;
        scene.found.guest.machine = machine;
        let plan = scene.plan().expect("files alone are no fault");
        assert!(plan.files.is_empty(), "{:?}", plan.files);
    }
    let mut musl = Scene::new();
    musl.found.guest.libc = Libc::Musl;
    let notes = musl.lines(&["warning"]);
    assert!(
        matches!(&notes[..], [note] if note.contains("musl")),
        "{notes:?}"
    );
}

#[test]
fn the_images_newer_libcuda_comes_first_where_nvidias_rule_says_so() {
    let scene = || {
        let mut scene = Scene::new();
        scene.found.guest.compat.push(Compat {
            path: GuestPath::root().join("usr/local/cuda/compat"),
            version: "590.1".to_owned(),
            accepts: Vec::new(),
        });
        scene
    };
    let path = "/usr/local/cuda/compat:/usr/local/nvidia/lib64";
    scene().check("LD_LIBRARY_PATH", Some(path));
    let plan = scene().plan().expect("a sound scene");
    let lines = cache(&plan);
    let first = lines.iter().find(|line| line.starts_with("libcuda.so.1 "));
    assert_eq!(
        first.map(String::as_str),
        Some("libcuda.so.1 /usr/local/cuda/compat/libcuda.so.1")
    );
    let mut off = scene();
    off.wish.gpu.cuda_compat = CudaCompat::Off;
    off.check("LD_LIBRARY_PATH", None);
}
