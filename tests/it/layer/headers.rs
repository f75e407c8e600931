//! Headers that contradict themselves or ask for too much (H of the list).

use super::attack::Becomes::{Refused, Tree};
use super::attack::{check, one};
use super::craft::{Craft, Fields};
use super::{Lab, list, whole_message};

/// An empty layer.
fn new() -> Craft {
    Craft::new()
}

/// A file `a` that contains `x`, after a PAX header.
fn after(records: &[(&str, &[u8])]) -> Vec<Craft> {
    one(new().pax(records).file("a", "x"))
}

/// The fields of an empty file `a`.
fn a() -> Fields<'static> {
    Fields {
        name: b"a",
        ..Fields::default()
    }
}

/// A file `a` with `content`, whose header says that it has `size` bytes.
fn sized(craft: Craft, size: u64, content: &[u8]) -> Craft {
    craft.header(&Fields { size, ..a() }).content(content)
}

/// What two readers could understand differently is refused.
#[test]
fn sizes_and_names_have_one_source() {
    let size = |size| new().pax(&[("size", size)]);
    check(vec![
        (
            "H01 PAX size, ustar size 0",
            one(sized(size(b"5"), 0, b"hello").file("b", "y")),
            Tree(&["a=hello", "b=y"]),
        ),
        (
            "H01 PAX size, another ustar size",
            one(sized(size(b"3"), 700, b"abc").file("b", "y")),
            Tree(&["a=abc", "b=y"]),
        ),
        (
            "H01 PAX path twice",
            after(&[("path", b"b"), ("path", b"c")]),
            Refused("a PAX path twice"),
        ),
        (
            "H01 PAX linkpath twice",
            one(new()
                .pax(&[("linkpath", b"b"), ("linkpath", b"c")])
                .symlink("a", "b")),
            Refused("a PAX linkpath twice"),
        ),
        (
            "H01 PAX size twice",
            after(&[("size", b"1"), ("size", b"1")]),
            Refused("a PAX size twice"),
        ),
        (
            "H01 PAX path, then long name",
            one(new().pax(&[("path", b"b")]).long(b'L', "c").file("a", "")),
            Refused("`c` and `b` for one entry"),
        ),
        (
            "H01 long name, then PAX path",
            one(new().long(b'L', "c").pax(&[("path", b"b")]).file("a", "")),
            Refused("`c` and `b` for one entry"),
        ),
        (
            "H01 PAX path and long name that agree",
            one(new().pax(&[("path", b"b")]).long(b'L', "b").file("a", "")),
            Tree(&["b="]),
        ),
        (
            "H01 global path",
            one(new().of(b'g', "g", "", 0, b"11 path=bb\n").file("a", "x")),
            Tree(&["a=x"]),
        ),
        (
            "H01 global size",
            one(new().of(b'g', "g", "", 0, b"10 size=0\n").file("a", "x")),
            Tree(&["a=x"]),
        ),
        (
            "H01 two PAX headers",
            one(new()
                .pax(&[("uid", b"1")])
                .pax(&[("uid", b"2")])
                .file("a", "")),
            Refused("a PAX header twice"),
        ),
        (
            "H01 long name between PAX header and entry",
            one(new().pax(&[("size", b"1")]).long(b'L', "b").file("a", "x")),
            Tree(&["b=x"]),
        ),
        (
            "H01 two long names",
            one(new().long(b'L', "b").long(b'L', "c").file("a", "x")),
            Refused("a long name twice"),
        ),
    ]);
}

#[test]
fn fields_are_what_they_can_be() {
    let pax_block = |block: &[u8]| one(new().of(b'x', "x", "", 0, block).file("a", ""));
    check(vec![
        (
            "H01 size on a directory",
            one(new()
                .header(&Fields {
                    flag: b'5',
                    name: b"d",
                    size: 7,
                    ..a()
                })
                .file("a", "x")),
            Tree(&["a=x", "d/"]),
        ),
        (
            "H01 size on a link",
            one(new()
                .header(&Fields {
                    flag: b'2',
                    name: b"l",
                    link: b"t",
                    size: 7,
                    ..a()
                })
                .header(&Fields {
                    flag: b'1',
                    name: b"h",
                    link: b"l",
                    size: 7,
                    ..a()
                })
                .file("a", "x")),
            Tree(&["a=x", "h->t", "l->t"]),
        ),
        (
            "H01 PAX sparse 1.0",
            after(&[("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0")]),
            Refused("a sparse file"),
        ),
        (
            "H01 NUL in long name",
            one(Craft::new().long(b'L', "b\0c").file("a", "x")),
            Refused("a NUL byte in long name"),
        ),
        (
            "H01 NUL in PAX path",
            after(&[("path", b"b\0c")]),
            Refused("a NUL byte in path"),
        ),
        (
            "H01 negative PAX size",
            after(&[("size", b"-1")]),
            Refused("`-1` as size, expected a number"),
        ),
        (
            "H01 negative size in base 256",
            one(new().header_but(&a(), |header| header[124..136].fill(0xff))),
            Refused("-1 as size, expected 0 to"),
        ),
        (
            "H01 size beyond 64 bits",
            after(&[("size", b"99999999999999999999")]),
            Refused("as size"),
        ),
        (
            "H01 bad length of a PAX record",
            pax_block(b"99 path=b\n"),
            Refused("expected `length key=value`"),
        ),
        (
            "H01 PAX record of no length",
            pax_block(b"0 path=b\n"),
            Refused("expected `length key=value`"),
        ),
        (
            "H01 empty PAX path",
            after(&[("path", b"")]),
            Tree(&["a=x"]),
        ),
        (
            "H01 size in base 256",
            one(new()
                .header_but(&a(), |header| {
                    header[124..136].copy_from_slice(b"\x80\0\0\0\0\0\0\0\0\0\0\x02");
                })
                .content(b"xy")
                .file("b", "y")),
            Tree(&["a=xy", "b=y"]),
        ),
        (
            "H01 name that is not UTF-8",
            one(new().entry(
                &Fields {
                    name: b"\xff\xfe",
                    ..a()
                },
                b"x",
            )),
            Tree(&["\\xff\\xfe=x"]),
        ),
        (
            "H01 unknown type",
            one(new().of(b'Q', "a", "", 0, b"")),
            Refused("entry type `Q`"),
        ),
    ]);
}

#[test]
fn archives_end_where_they_say() {
    let file = || new().file("a", "x");
    check(vec![
        (
            "H01 two ends",
            one(file().raw(&[0; 1024]).file("b", "y")),
            Tree(&["a=x"]),
        ),
        (
            "H01 lone block of zeros",
            one(file().raw(&[0; 512]).file("b", "y")),
            Refused("a lone zero block"),
        ),
        ("H01 no end", one(file().open()), Tree(&["a=x"])),
        (
            "H01 truncated",
            one(file().cut(512).open()),
            Refused("the end of the archive inside an entry's content"),
        ),
        (
            "H01 extension for nothing",
            one(new().pax(&[("path", b"b")])),
            Refused("inside extension headers"),
        ),
    ]);
}

#[test]
fn headers_are_bounded() {
    check(vec![
        (
            "H02 long name of 512 MiB",
            one(new().header(&Fields {
                flag: b'L',
                size: 512 << 20,
                ..a()
            })),
            Refused("long name of 536870912 bytes, expected at most 4096"),
        ),
        (
            "H02 PAX header of 512 MiB",
            one(new().header(&Fields {
                flag: b'x',
                size: 512 << 20,
                ..a()
            })),
            Refused("PAX header of 536870912 bytes, expected at most 1048576"),
        ),
        (
            "H02 global PAX header of 512 MiB",
            one(new().header(&Fields {
                flag: b'g',
                size: 512 << 20,
                ..a()
            })),
            Refused("global PAX header of 536870912 bytes, expected at most 1048576"),
        ),
        (
            "H03 extension headers without end",
            one((0..5).fold(new(), |craft, _| craft.of(b'g', "g", "", 0, b""))),
            Refused("more than 4 extension headers before one entry"),
        ),
        (
            "H03 four extension headers",
            one((0..4)
                .fold(new(), |craft, _| craft.of(b'g', "g", "", 0, b""))
                .file("a", "x")),
            Tree(&["a=x"]),
        ),
        (
            "H04 sparse map",
            one(new().of(b'S', "a", "", 0o644, b"x")),
            Refused("a sparse file"),
        ),
        (
            "H04 PAX sparse map",
            after(&[
                ("GNU.sparse.map", b"0,1,2,1"),
                ("GNU.sparse.numblocks", b"10000000"),
            ]),
            Refused("a sparse file"),
        ),
    ]);
}

/// H05: both sums that were ever written are right, and no other.
#[test]
fn checksums_are_signed_or_unsigned() {
    let name: &[u8] = b"caf\xe9";
    let file = |craft: Craft| craft.content(b"x");
    let fields = || Fields {
        name,
        size: 1,
        ..a()
    };
    let unsigned = file(new().header(&fields()));
    let sum = |bytes: &[u8], of: fn(u8) -> i64| -> i64 {
        let blanked = bytes.iter().enumerate();
        blanked
            .map(|(at, byte)| {
                of(if (148..156).contains(&at) {
                    b' '
                } else {
                    *byte
                })
            })
            .sum()
    };
    let with_sum = |sum: i64| {
        let mut bytes = unsigned.clone().unended();
        bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        one(new().raw(&bytes))
    };
    let header = &unsigned.clone().unended()[..512];
    let right = sum(header, i64::from);
    let signed = sum(header, |byte| i64::from(byte as i8));
    assert_eq!(right - signed, 256);
    let tree = || Tree(&["caf\\xe9=x"]);
    check(vec![
        ("H05 unsigned checksum", with_sum(right), tree()),
        ("H05 signed checksum", with_sum(signed), tree()),
        (
            "H05 wrong checksum",
            with_sum(right + 1),
            Refused("got header checksum"),
        ),
    ]);
}

/// H06, H07: numbers are taken as they are or refused, never cut.
#[test]
fn numbers_are_not_cut() {
    let owner = |uid, gid| {
        one(new().entry(
            &Fields {
                owner: (uid, gid),
                ..a()
            },
            b"",
        ))
    };
    let pax_owner = |key, value: &[u8]| after(&[(key, value)]);
    let device = |at: usize| {
        let fields = Fields { flag: b'3', ..a() };
        one(new().header_but(&fields, |header| {
            header[at..at + 8].copy_from_slice(&(0x8000_0001_0000_0001_u64).to_be_bytes());
        }))
    };
    check(vec![
        (
            "H06 uid 2^32+1",
            owner((1 << 32) + 1, 0),
            Refused("got 4294967297 as user id"),
        ),
        (
            "H06 gid 2^32+1",
            owner(0, (1 << 32) + 1),
            Refused("got 4294967297 as group id"),
        ),
        (
            "H06 PAX uid 2^32+1",
            pax_owner("uid", b"4294967297"),
            Refused("got 4294967297 as user id"),
        ),
        (
            "H07 major number beyond 2^32",
            device(329),
            Refused("got 4294967297 as device number"),
        ),
        (
            "H07 minor number beyond 2^32",
            device(337),
            Refused("got 4294967297 as device number"),
        ),
    ]);
}

#[test]
fn types_of_old_are_read() {
    let old = |flag| one(new().of(flag, "a", "", 0o644, b"x"));
    check(vec![
        (
            "H08 V7 directory by its slash",
            one(new().file("d/", "").header_but(
                &Fields {
                    flag: 0,
                    name: b"e/",
                    ..a()
                },
                // Before POSIX there was no magic.
                |header| header[257..].fill(0),
            )),
            Tree(&["d/", "e/"]),
        ),
        ("H09 type 7, contiguous", old(b'7'), Tree(&["a=x"])),
        ("H09 type S, sparse", old(b'S'), Refused("a sparse file")),
        ("H09 type V, volume", old(b'V'), Refused("entry type `V`")),
        (
            "H09 type M, continued",
            old(b'M'),
            Refused("entry type `M`"),
        ),
        ("H09 type D, dumpdir", old(b'D'), Refused("entry type `D`")),
        (
            "M11 the last of two entries",
            one(new().file("a", "1").file("a", "2")),
            Tree(&["a=2"]),
        ),
        (
            "M11 the last of three kinds",
            one(new()
                .file("a", "1")
                .dir("a")
                .file("a/b", "2")
                .symlink("a", "t")),
            Tree(&["a->t"]),
        ),
    ]);
}

/// H10: an archive in an archive stays content, and our names are those that GNU tar lists.
#[test]
fn an_archive_inside_smuggles_nothing() {
    list::tried("H10 nested archive");
    let inner = new().file("smuggled", "evil").build();
    let size = inner.len().to_string();
    let pax = || new().pax(&[("size", size.as_bytes())]);
    let named = |craft: Craft, size: u64| {
        let fields = Fields {
            name: b"inner.tar",
            size,
            ..a()
        };
        craft.header(&fields).content(&inner)
    };
    // Sizes that send a reader who believes the wrong one into the inner archive.
    for size in [0, 512, 1024] {
        let layer = named(pax(), size).file("after", "x").build();
        let lab = Lab::new();
        let file = lab.dir.join("layer.tar");
        std::fs::write(&file, &layer).expect("the lab takes files");
        let listed = std::process::Command::new("tar")
            .arg("-tf")
            .arg(&file)
            .output();
        let listed = listed.expect("every Debian has tar").stdout;
        std::fs::remove_file(&file).expect("it was written");
        lab.extract_well(&[layer]);
        let ours = lab.listing().into_iter();
        let ours = ours.map(|line| line.split('=').next().unwrap_or("").to_owned());
        let mut listed: Vec<_> = String::from_utf8_lossy(&listed)
            .lines()
            .map(str::to_owned)
            .collect();
        listed.sort();
        assert_eq!(ours.collect::<Vec<_>>(), listed, "{size}");
        assert_eq!(listed, ["after", "inner.tar"]);
        lab.assert_canary_lives();
    }
}

#[test]
fn an_error_names_the_byte() {
    let mut bytes = new().file("a", "x").file("b", "y").build();
    bytes[1024] ^= 1;
    let error = Lab::new().extract(&[bytes]).expect_err("a bit was flipped");
    let message = whole_message(&error);
    assert!(
        message.contains("byte 1024 of the archive: got header checksum"),
        "{message}"
    );
}
