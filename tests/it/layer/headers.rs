//! Headers that contradict themselves or ask for too much (H of the list of attacks).

use super::craft::{Craft, Fields};
use super::hostile::Becomes::{Refused, Tree};
use super::hostile::{check, one};
use super::{Lab, whole_message};

#[test]
fn ambiguous_headers_are_refused() {
    let new = Craft::new;
    let size = |records: &[(&str, &[u8])]| one(new().pax(records).file("a", "x"));
    check(vec![
        (
            "PAX path twice",
            size(&[("path", b"b"), ("path", b"c")]),
            Refused("a PAX path twice"),
        ),
        (
            "PAX size twice",
            size(&[("size", b"1"), ("size", b"1")]),
            Refused("a PAX size twice"),
        ),
        (
            "negative PAX size",
            size(&[("size", b"-1")]),
            Refused("as size, expected a number"),
        ),
        (
            "PAX size over all",
            size(&[("size", b"99999999999999999999")]),
            Refused("as size"),
        ),
        (
            "NUL in PAX path",
            size(&[("path", b"b\0c")]),
            Refused("a NUL byte in path"),
        ),
        (
            "PAX sparse",
            size(&[("GNU.sparse.major", b"1")]),
            Refused("a sparse file"),
        ),
        (
            "two PAX headers",
            one(new()
                .pax(&[("uid", b"1")])
                .pax(&[("uid", b"2")])
                .file("a", "")),
            Refused("a PAX header twice"),
        ),
        (
            "PAX and GNU disagree",
            one(new().pax(&[("path", b"b")]).long(b'L', "c").file("a", "")),
            Refused("`c` and `b` for one entry"),
        ),
        (
            "PAX and GNU agree",
            one(new().pax(&[("path", b"b")]).long(b'L', "b").file("a", "")),
            Tree(&["b="]),
        ),
        (
            "PAX is not for the long name before the entry",
            one(new().pax(&[("size", b"1")]).long(b'L', "b").file("a", "x")),
            Tree(&["b=x"]),
        ),
        (
            "bad PAX length",
            one(new().of(b'x', "x", "", 0, b"99 path=b\n").file("a", "")),
            Refused("expected `length key=value`"),
        ),
        ("empty PAX value", size(&[("path", b"")]), Tree(&["a=x"])),
        (
            "global header is ignored",
            one(new().of(b'g', "g", "", 0, b"11 path=bb\n").file("a", "x")),
            Tree(&["a=x"]),
        ),
    ]);
}

#[test]
fn headers_are_bounded() {
    let new = Craft::new;
    let link_with_size = Fields {
        flag: b'2',
        name: b"l",
        link: b"t",
        size: 7,
        ..Fields::default()
    };
    check(vec![
        (
            "H02 long name without end",
            one(new().header(&Fields {
                flag: b'L',
                name: b"l",
                size: 512 << 20,
                ..Fields::default()
            })),
            Refused("long name of 536870912 bytes"),
        ),
        (
            "H03 extensions without end",
            one((0..5).fold(new(), |craft, _| craft.of(b'g', "g", "", 0, b""))),
            Refused("more than 4 extension headers"),
        ),
        (
            "extension for nothing",
            one(new().pax(&[("path", b"b")])),
            Refused("inside extension headers"),
        ),
        (
            "unknown type",
            one(new().of(b'M', "a", "", 0, b"")),
            Refused("entry type `M`"),
        ),
        (
            "sparse",
            one(new().of(b'S', "a", "", 0, b"")),
            Refused("a sparse file"),
        ),
        (
            "H06 owner beyond 32 bits",
            one(new().entry(
                &Fields {
                    name: b"a",
                    owner: (1 << 33, 0),
                    ..Fields::default()
                },
                b"",
            )),
            Refused("as user id"),
        ),
        (
            "size on a link",
            one(new().header(&link_with_size).file("a", "x")),
            Tree(&["a=x", "l->t"]),
        ),
    ]);
}

#[test]
fn types_of_old_are_read() {
    let new = Craft::new;
    check(vec![
        (
            "H08 directory by its slash",
            one(new().file("d/", "")),
            Tree(&["d/"]),
        ),
        (
            "H09 contiguous file",
            one(new().of(b'7', "a", "", 0o644, b"x")),
            Tree(&["a=x"]),
        ),
        (
            "M11 the last wins",
            one(new().file("a", "1").file("a", "2")),
            Tree(&["a=2"]),
        ),
    ]);
}

#[test]
fn a_wrong_checksum_is_refused() {
    let mut bytes = Craft::new().file("a", "x").build();
    bytes[0] ^= 1;
    let error = Lab::new().extract(&[bytes]).expect_err("a bit was flipped");
    let message = whole_message(&error);
    assert!(message.contains("header checksum"), "{message}");
}
