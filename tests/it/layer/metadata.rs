//! Owners, modes, times, attributes and names: what the disk says, and what the sidecar adds.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use coracle::base::fsx;
use coracle::layer::{EntryKind, Extraction, Sidecar, Truth, Xattr};
use coracle::sys::xattr;

use super::Lab;
use super::attack::Becomes::Tree;
use super::attack::check;
use super::craft::{Craft, Fields};
use super::list::tried;

fn mode(lab: &Lab, path: &str) -> u32 {
    let data = lab.tree().join(path).symlink_metadata();
    data.expect("it was extracted").mode() & 0o7777
}

fn truth<'a>(sidecar: &'a Sidecar, path: &str) -> Option<&'a Truth> {
    sidecar
        .truths
        .iter()
        .find(|truth| truth.path == path.as_bytes())
}

/// M01, M02: what is closed to its owner can be filled by later layers, read and removed.
#[test]
fn closed_directories_stay_usable() {
    tried("M01 directory with mode 0555, then children");
    tried("M01 directory with mode 0111, then children");
    tried("M01 directory with mode 0000, then children");
    tried("M01 the next layer writes into it");
    tried("M01 the image is deleted");
    tried("M02 file with mode 0000, then a hard link");
    tried("M02 file with mode 0000, then overwritten");
    let lower = [0o555, 0o111, 0o000]
        .iter()
        .fold(Craft::new(), |craft, mode| {
            let dir = format!("d{mode:o}");
            craft.mode(b'5', &dir, *mode).file(&format!("{dir}/a"), "1")
        });
    let lower = lower.mode(b'0', "shut", 0).hardlink("other", "shut");
    let upper = Craft::new()
        .file("d555/b", "2")
        .file("d111/b", "2")
        .file("d0/b", "2")
        .file("shut", "open");
    let lab = Lab::new();
    let sidecar = lab.extract_well(&[lower.build(), upper.build()]);
    for (path, on_disk, true_mode) in [
        ("d555", 0o755, Some(0o555)),
        ("d111", 0o711, Some(0o111)),
        ("d0", 0o700, Some(0)),
        ("other", 0o400, Some(0)),
        ("shut", 0o644, None),
    ] {
        assert_eq!(mode(&lab, path), on_disk, "{path}");
        assert_eq!(
            truth(&sidecar, path).map(|truth| truth.mode),
            true_mode,
            "{path}"
        );
    }
    fsx::remove_tree(lab.tree()).expect("a tree of ours can be removed");
}

/// M03, M05, M09: what a plain user cannot make is written down.
#[test]
fn what_the_disk_cannot_say_is_in_the_sidecar() {
    tried("M03 setuid");
    tried("M03 setgid");
    tried("M03 sticky");
    tried("M05 owner in the sidecar");
    tried("M09 character device");
    tried("M09 block device");
    tried("M09 FIFO");
    let device = Fields {
        flag: b'3',
        name: b"dev/null",
        mode: 0o666,
        device: (1, 3),
        ..Fields::default()
    };
    let block = Fields {
        flag: b'4',
        name: b"dev/vda",
        mode: 0o660,
        device: (253, 70_000),
        ..Fields::default()
    };
    let owned = Fields {
        name: b"owned",
        owner: (33, 34),
        ..Fields::default()
    };
    let layer = Craft::new()
        .mode(b'0', "su", 0o4755)
        .mode(b'0', "sg", 0o2755)
        .mode(b'0', "st", 0o1755)
        .mode(b'5', "tmp", 0o1777)
        .mode(b'5', "mail", 0o2775)
        .mode(b'6', "pipe", 0o600)
        .file("plain", "x")
        .entry(&device, b"")
        .entry(&block, b"")
        .entry(&owned, b"x");
    let lab = Lab::new();
    let sidecar = lab.extract_well(&[layer.build()]);
    for file in ["su", "sg", "st"] {
        assert_eq!(mode(&lab, file), 0o755, "{file}");
    }
    assert_eq!((mode(&lab, "tmp"), mode(&lab, "mail")), (0o1777, 0o2775));
    let listing = lab.listing();
    assert_eq!(
        listing,
        [
            "dev/", "mail/", "owned=x", "pipe|", "plain=x", "sg=", "st=", "su=", "tmp/"
        ]
    );
    let paths: Vec<_> = sidecar.truths.iter().map(|truth| &truth.path[..]).collect();
    let expected = [&b"dev/null"[..], b"dev/vda", b"owned", b"sg", b"st", b"su"];
    assert_eq!(paths, expected);
    let null = truth(&sidecar, "dev/null").expect("it is listed");
    assert_eq!(
        (null.kind, null.device, null.mode),
        (EntryKind::CharDevice, (1, 3), 0o666)
    );
    let block = truth(&sidecar, "dev/vda").expect("it is listed");
    assert_eq!(
        (block.kind, block.device),
        (EntryKind::BlockDevice, (253, 70_000))
    );
    let owned = truth(&sidecar, "owned").expect("it is listed");
    assert_eq!((owned.uid, owned.gid), (33, 34));
    for (file, mode) in [("su", 0o4755), ("sg", 0o2755), ("st", 0o1755)] {
        assert_eq!(truth(&sidecar, file).expect("it is listed").mode, mode);
    }
}

/// M04: attributes of the user go to disk where it takes them, all others never.
#[test]
fn extended_attributes_are_set_or_written_down() {
    tried("M04 user attributes");
    tried("M04 security.capability");
    tried("M04 trusted.overlay.opaque");
    tried("M04 system.posix_acl_access");
    let attributes: [(&str, &[u8]); 5] = [
        ("SCHILY.xattr.user.wicker", b"willow"),
        ("SCHILY.xattr.user.overlay.opaque", b"y"),
        ("SCHILY.xattr.security.capability", b"\x01\0\0\x02"),
        ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
        ("SCHILY.xattr.system.posix_acl_access", b"\x02"),
    ];
    let layer = Craft::new().pax(&attributes).of(b'0', "f", "", 0o444, b"x");
    let lab = Lab::new();
    let sidecar = lab.extract_well(&[layer.build()]);
    let file = lab.tree().join("f");
    let takes_them = xattr::user_attributes_work(&lab.canary());
    let on_disk = xattr::names(&file).unwrap_or_default();
    let ours: Vec<_> = on_disk
        .iter()
        .filter(|name| name.to_bytes().starts_with(b"user."))
        .collect();
    assert_eq!(ours.len(), usize::from(takes_them), "{on_disk:?}");
    let missing = &truth(&sidecar, "f").expect("it is listed").xattrs;
    let written_down = |name: &str| missing.iter().any(|xattr| xattr.name == name.as_bytes());
    assert_eq!(written_down("user.wicker"), !takes_them);
    assert_eq!(missing.len(), 5 - usize::from(takes_them));
    let capability = Xattr {
        name: b"security.capability".into(),
        value: b"\x01\0\0\x02".into(),
    };
    assert!(missing.contains(&capability));
}

/// M06, H06: times are those of the layer, also of directories that were filled later and of links.
#[test]
fn times_are_kept() {
    tried("M06 times of directories after their children");
    tried("M06 year 2040");
    tried("M06 year 1900");
    tried("H06 negative time");
    tried("H06 time 2^62");
    tried("H06 nanoseconds in a PAX time");
    let far = Fields {
        name: b"d/far",
        mtime: 1 << 62,
        ..Fields::default()
    };
    let before = Fields {
        name: b"d/before",
        ..Fields::default()
    };
    let layer = Craft::new()
        .dir("d")
        .file("d/f", "x")
        .pax(&[("mtime", b"-1.25")])
        .file("d/old", "x")
        .pax(&[("mtime", b"2208988800.000000001")])
        .symlink("d/l", "t")
        .pax(&[("mtime", b"-2208988800")])
        .file("d/1900", "x")
        .entry(&far, b"x")
        .header_but(&before, |header| {
            header[136..148].copy_from_slice(&[&[0xff; 11][..], &[0xfb]].concat());
        })
        .file("implied/f", "x");
    let lab = Lab::new();
    lab.extract_well(&[layer.build()]);
    let time = |path: &str| {
        let data = lab.tree().join(path).symlink_metadata();
        let data = data.expect("it was extracted");
        (data.mtime(), data.mtime_nsec())
    };
    // What a file system cannot say it cuts to what it can.
    let marked = |name: &str, seconds: i64| {
        let path = lab.canary().join(name);
        let file = std::fs::File::create(&path).expect("the lab takes files");
        let spec = nix::sys::time::TimeSpec::new(seconds, 0);
        nix::sys::stat::futimens(&file, &spec, &spec).expect("it is ours");
        file.metadata().expect("it is open").mtime()
    };
    let (year_1900, farthest) = (marked("1900", -2_208_988_800), marked("far", 1 << 62));
    for (path, expected) in [
        ("d", (1_600_000_000, 0)),
        ("d/f", (1_600_000_000, 0)),
        ("d/old", (-2, 750_000_000)),
        ("d/l", (2_208_988_800, 1)),
        ("d/1900", (year_1900, 0)),
        ("d/far", (farthest, 0)),
        ("d/before", (-5, 0)),
        ("implied", (0, 0)),
    ] {
        assert_eq!(time(path), expected, "{path}");
    }
}

/// M07: a name is any bytes but slash and NUL, and none of them reaches a terminal as such.
#[test]
fn names_are_bytes() {
    tried("M07 name that is not UTF-8");
    tried("M07 newline");
    tried("M07 tab");
    tried("M07 ESC");
    tried("M07 backslash");
    tried("M07 leading dash");
    tried("M07 name of 255 bytes");
    tried("M07 escaped when printed");
    let longest = [b'n'; 255];
    let names: [&[u8]; 7] = [
        b"caf\xe9\xff",
        b"a\nb",
        b"a\tb",
        b"\x1b[31mred",
        b"back\\slash",
        b"-rf",
        b"\xf0\x9f\x9b\xb6",
    ];
    let craft = names.iter().fold(Craft::new(), |craft, name| {
        craft.entry(
            &Fields {
                name,
                ..Fields::default()
            },
            b"x",
        )
    });
    let long = std::str::from_utf8(&longest).expect("it is ASCII");
    let craft = craft.long(b'L', long).file("n", "x");
    let lab = Lab::new();
    lab.extract_well(&[craft.build()]);
    for name in names.iter().copied().chain([&longest[..]]) {
        let path = lab.tree().join(OsStr::from_bytes(name));
        assert!(path.is_file(), "{}", name.escape_ascii());
    }
    let evil = Craft::new().entry(
        &Fields {
            name: b"\x1b[31m/../x",
            ..Fields::default()
        },
        b"",
    );
    let error = Lab::new().extract(&[evil.build()]).expect_err("it climbs");
    assert!(!error.to_string().contains('\x1b'), "{error}");
}

/// M05, M09, M10, M13: what goes into the tree in spite of, or without, what headers say.
#[test]
fn odd_entries_are_what_they_can_be() {
    let new = Craft::new;
    let named = new().header_but(
        &Fields {
            name: b"a",
            owner: (7, 8),
            ..Fields::default()
        },
        |header| header[265..270].copy_from_slice(b"games"),
    );
    check(vec![
        (
            "M05 number and name of an owner",
            vec![named.clone()],
            Tree(&["a="]),
        ),
        (
            "M10 file without a parent",
            vec![new().file("k/f", "")],
            Tree(&["k/", "k/f="]),
        ),
        (
            "M10 symlink without a parent",
            vec![new().symlink("m/l", "t")],
            Tree(&["m/", "m/l->t"]),
        ),
        (
            "M10 hard link without a parent",
            vec![new().file("a", "x").hardlink("n/b", "a")],
            Tree(&["a=x", "n/", "n/b=x"]),
        ),
        (
            "M13 SCHILY.fflags",
            vec![
                new()
                    .pax(&[("SCHILY.fflags", b"schg,uappnd")])
                    .file("a", "x"),
                new().file("a", "y"),
            ],
            Tree(&["a=y"]),
        ),
        // tar has no type for one. GNU tar leaves sockets out, and some letter there would be unknown.
        (
            "M09 socket",
            vec![new().of(b's', "a", "", 0o644, b"")],
            super::attack::Becomes::Refused("entry type `s`"),
        ),
    ]);
    let sidecar = Lab::new().extract_well(&[named.build()]);
    let owner = truth(&sidecar, "a").map(|truth| (truth.uid, truth.gid));
    assert_eq!(owner, Some((7, 8)), "the number counts");
}

/// A sidecar survives being kept, and a damaged one is noticed.
#[test]
fn a_damaged_sidecar_is_noticed() {
    let owned = |name: &'static [u8]| Fields {
        name,
        owner: (1, 2),
        ..Fields::default()
    };
    let layer = Craft::new()
        .entry(&owned(b"some/where"), b"")
        .entry(&owned(b"some/place"), b"");
    let sidecar = Lab::new().extract_well(&[layer.build()]);
    assert_eq!(sidecar.truths.len(), 2);
    let file = sidecar.encode();
    assert_eq!(Sidecar::decode(&file).expect("it is whole"), sidecar);
    for at in 0..file.len() {
        let mut damaged = file.clone();
        damaged[at] ^= 0x01;
        Sidecar::decode(&damaged).expect_err("a bit was flipped");
    }
}

/// What is there already is neither written into nor removed.
#[test]
fn a_tree_is_begun_where_nothing_is() {
    let lab = Lab::new();
    let again = Extraction::begin(&lab.canary(), 0).expect_err("it exists already");
    assert!(again.is_already_there(), "{again}");
    lab.assert_canary_lives();
}
