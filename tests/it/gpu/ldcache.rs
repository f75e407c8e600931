//! Caches of the dynamic loader: golden ones, ours, and damaged ones.

use coracle::gpu::ldcache::{Cache, Entry, order};
use coracle::gpu::vantage::Machine;

/// The files in tests/it/gpu/golden/ldcache: formats, and what `ldconfig -p` says of them.
pub(super) const GOLDEN: [(&str, &[u8], &str); 3] = [
    (
        "new",
        include_bytes!("golden/ldcache/new"),
        include_str!("golden/ldcache/new.txt"),
    ),
    (
        "old",
        include_bytes!("golden/ldcache/old"),
        include_str!("golden/ldcache/old.txt"),
    ),
    (
        "compat",
        include_bytes!("golden/ldcache/compat"),
        include_str!("golden/ldcache/compat.txt"),
    ),
];

pub(super) fn parse(bytes: &[u8]) -> Cache {
    Cache::parse(bytes).expect("it is a good cache")
}

/// A cache in the words of `ldconfig -p`.
pub(super) fn words(cache: &Cache) -> String {
    let line = |entry: &Entry| {
        let kind = match entry.flags {
            0x0303 => "libc6,x86-64",
            0x0a03 => "libc6,AArch64",
            0x0003 => "libc6",
            0x0001 => "ELF",
            _ => "unknown",
        };
        let hwcap = match (
            entry.hwcap >> 32,
            cache.hwcaps.get(entry.hwcap as u32 as usize),
        ) {
            (0, _) => String::new(),
            (_, Some(name)) => format!(", hwcap: \"{}\"", text(name)),
            (_, None) => ", hwcap: unknown".to_owned(),
        };
        format!(
            "{} ({kind}{hwcap}) => {}\n",
            text(&entry.name),
            text(&entry.path)
        )
    };
    cache.entries.iter().map(line).collect()
}

pub(super) fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

#[test]
fn golden_caches_say_what_ldconfig_says_of_them() {
    for (format, bytes, expected) in GOLDEN {
        let cache = parse(bytes);
        assert_eq!(words(&cache), expected, "{format}");
        let generator = (format != "old")
            .then_some("ldconfig (Debian GLIBC 2.36-9+deb12u14) stable release version 2.36");
        assert_eq!(cache.generator.as_deref(), generator, "{format}");
    }
}

#[test]
fn what_is_written_is_what_was_read() {
    for (format, bytes, _) in GOLDEN {
        let cache = parse(bytes);
        let written = cache.write();
        assert_eq!(parse(&written), cache, "{format}");
        // `compat` is both formats in one file, of which the new one is written.
        assert_eq!(written == bytes, format == "new", "{format}");
    }
    assert_eq!(parse(GOLDEN[2].1), parse(GOLDEN[0].1));
}

#[test]
fn names_are_compared_as_loaders_do() {
    let falling: [&[u8]; 14] = [
        b"lib2",
        b"lib1x",
        b"lib1",
        b"libz.so.10",
        b"libz.so.9",
        b"libz.so.1.10",
        b"libz.so.1.9",
        b"libz.so.1",
        b"libz.so",
        b"libz-1",
        b"libz",
        b"lib",
        b"",
        b"\xff",
    ];
    for (idx, name) in falling.iter().enumerate() {
        for other in &falling[idx + 1..] {
            assert!(
                order(name, other).is_gt(),
                "{} and {}",
                text(name),
                text(other)
            );
            assert!(
                order(other, name).is_lt(),
                "{} and {}",
                text(other),
                text(name)
            );
        }
    }
    assert!(order(b"libx.so.01", b"libx.so.1").is_eq());
    // 2^32 + 1 as an `int`.
    assert!(order(b"a4294967297", b"a1").is_eq());
}

#[test]
fn ours_come_before_those_of_the_same_name() {
    let base = parse(GOLDEN[0].1);
    let names = [
        "libcuda.so.1",
        "libnvidia-ml.so.1",
        "libz.so.1",
        "liba.so.1",
        "libzz.so.1",
    ];
    let ours = names.map(|name| Entry::of(Machine::X86_64, name, format!("/farm/{name}")));
    let merged = base.clone().with_first(ours);
    for pair in merged.entries.windows(2) {
        assert!(order(&pair[0].name, &pair[1].name).is_ge());
    }
    for name in names {
        let first = merged
            .entries
            .iter()
            .find(|entry| entry.name == name.as_bytes());
        assert_eq!(
            first.map(|entry| text(&entry.path)),
            Some(format!("/farm/{name}").into())
        );
        assert_eq!(merged.find(Machine::X86_64, name.as_bytes()), first);
        assert_eq!(merged.find(Machine::Aarch64, name.as_bytes()), None);
    }
    let kept: Vec<&Entry> = merged
        .entries
        .iter()
        .filter(|entry| !entry.path.starts_with(b"/farm"))
        .collect();
    assert_eq!(kept, base.entries.iter().collect::<Vec<_>>());
    assert_eq!(parse(&merged.write()), merged);
}

#[test]
fn another_machine_has_caches_too() {
    let ours = Entry::of(Machine::Aarch64, "libcuda.so.1", "/usr/lib/libcuda.so.1");
    let bytes = Cache::default().with_first([ours.clone()]).write();
    assert_eq!(
        words(&parse(&bytes)),
        "libcuda.so.1 (libc6,AArch64) => /usr/lib/libcuda.so.1\n"
    );
    assert_eq!(
        parse(&bytes).find(Machine::Aarch64, b"libcuda.so.1"),
        Some(&ours)
    );
    assert_eq!(parse(&Cache::default().write()), Cache::default());
}

/// `bytes` with the little-endian number `word` at `at`.
fn patched(bytes: &[u8], at: usize, word: u32) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
    bytes
}

#[test]
fn what_is_damaged_is_no_cache() {
    let (new, old) = (GOLDEN[0].1, GOLDEN[1].1);
    let refused = |bytes: &[u8], what: &str| assert_eq!(Cache::parse(bytes), None, "{what}");
    refused(b"", "nothing");
    refused(b"\x7fELF", "another file");
    for n_entries in [10, 1 << 20, u32::MAX] {
        refused(&patched(new, 20, n_entries), "more entries than bytes");
        refused(
            &patched(old, 12, n_entries.saturating_mul(8)),
            "more entries than bytes, in the old format",
        );
    }
    refused(&patched(new, 24, 1 << 16), "more strings than bytes");
    for at in [52, 56] {
        for offset in [new.len() as u32, u32::MAX] {
            refused(&patched(new, at, offset), "a name outside of the file");
        }
    }
    for flags in [1, 3] {
        refused(&patched(new, 28, flags), "a byte order that is not ours");
    }
    assert_eq!(
        parse(&patched(new, 28, 0)),
        parse(new),
        "writers before 2.33 do not say their byte order"
    );
    let mut endless = old.to_vec();
    endless.pop();
    endless.extend([b'x'; 8]);
    refused(&endless, "the last name has no end");
    let mut long = patched(&Cache::default().write(), 20, 1);
    long.extend([0u8; 24]);
    long[52] = 72;
    long[56] = 72;
    long.extend([b'x'; 5000]);
    long.push(0);
    refused(&long, "a name that is longer than a path can be");
}

#[test]
fn without_its_extensions_a_cache_is_what_loaders_still_see() {
    let new = GOLDEN[0].1;
    let cache = parse(new);
    let extension = u32::from_le_bytes(new[32..36].try_into().expect("four bytes")) as usize;
    let damages = [
        patched(new, extension, 7),
        patched(new, extension + 4, u32::MAX),
        patched(new, extension + 16, u32::MAX),
        patched(new, 32, 1),
        patched(new, 32, u32::MAX - 3),
        new[..new.len() - 1].to_vec(),
    ];
    for damaged in damages {
        let seen = parse(&damaged);
        assert_eq!((seen.generator, seen.hwcaps.len()), (None, 0));
        assert_eq!(seen.entries, cache.entries);
    }
}

#[test]
fn no_damage_is_too_much() {
    for (_, bytes, _) in GOLDEN {
        let whole = parse(bytes);
        for end in 0..bytes.len() {
            if let Some(cache) = Cache::parse(&bytes[..end]) {
                assert!(cache.entries == whole.entries || cache.generator.is_none());
            }
        }
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.to_vec();
            flipped[at / 8] ^= 1 << (at % 8);
            if let Some(cache) = Cache::parse(&flipped) {
                assert_eq!(Cache::parse(&cache.write()), Some(cache));
            }
        }
    }
}
