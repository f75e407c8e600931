//! Paths and links that want out of the tree (E of the list).

use super::attack::Becomes::{Refused, Tree};
use super::attack::{check, check_aimed, one};
use super::craft::Craft;

/// An empty layer.
fn new() -> Craft {
    Craft::new()
}

#[test]
fn paths_stay_inside() {
    check(vec![
        (
            "E01 ../evil",
            one(new().file("../evil", "x")),
            Refused("without `..`"),
        ),
        (
            "E01 a/../../evil",
            one(new().file("a/../../evil", "x")),
            Refused("without `..`"),
        ),
        ("E01 /abs", one(new().file("/abs", "x")), Tree(&["abs=x"])),
        ("E01 //abs", one(new().file("//abs", "x")), Tree(&["abs=x"])),
        (
            "E01 ./././x",
            one(new().file("./././x", "x")),
            Tree(&["x=x"]),
        ),
        (
            "E01 trailing /.",
            one(new().dir("d/.").file("f/.", "x")),
            Tree(&["d/", "f=x"]),
        ),
        (
            "E13 proc/self/root",
            one(new().file("proc/self/root/x", "x")),
            Tree(&[
                "proc/",
                "proc/self/",
                "proc/self/root/",
                "proc/self/root/x=x",
            ]),
        ),
        (
            "E13 dev/fd",
            one(new()
                .symlink("dev/fd", "/proc/self/fd")
                .file("dev/fd/0", "y")),
            Tree(&[
                "dev/",
                "dev/fd->/proc/self/fd",
                "proc/",
                "proc/self/",
                "proc/self/fd/",
                "proc/self/fd/0=y",
            ]),
        ),
    ]);
}

/// E08: whatever stands for the root is a directory.
#[test]
fn the_root_stays_a_directory() {
    let refused = || Refused("as the root of the image, expected a directory");
    let file = |name| one(new().file(name, "x"));
    let symlink = |name| one(new().symlink(name, "/tmp"));
    let hardlink = |name| one(new().file("a", "").hardlink(name, "a"));
    check(vec![
        ("E08 /. as symlink", symlink("/."), refused()),
        ("E08 . as symlink", symlink("."), refused()),
        ("E08 ./ as symlink", symlink("./"), refused()),
        (
            "E08 empty name as symlink",
            symlink(""),
            Refused("an empty path"),
        ),
        ("E08 /. as file", file("/."), refused()),
        ("E08 . as file", file("."), refused()),
        // By the slash a directory of V7, with a body that directories do not have.
        ("E08 ./ as file", file("./"), Refused("header checksum")),
        ("E08 empty name as file", file(""), Refused("an empty path")),
        ("E08 /. as hard link", hardlink("/."), refused()),
        ("E08 . as hard link", hardlink("."), refused()),
        ("E08 ./ as hard link", hardlink("./"), refused()),
        (
            "E08 empty name as hard link",
            hardlink(""),
            Refused("an empty path"),
        ),
        (
            "E08 root with mode 000",
            vec![
                new().mode(b'5', "./", 0).file("a", "x"),
                new().mode(b'5', "/.", 0).file("b", "y"),
            ],
            Tree(&["a=x", "b=y"]),
        ),
    ]);
}

#[test]
fn names_are_bounded() {
    let part = "n".repeat(255);
    let deep = [part.as_str(); 17].join("/");
    let half = [part.as_str(); 9].join("/");
    let target = format!("{half}/{half}");
    check(vec![
        (
            "E09 path beyond PATH_MAX",
            one(new()
                .symlink("esc", "/canary")
                .pax(&[("path", deep.as_bytes())])
                .file("n", "")),
            Refused("got path of 4351 bytes, expected at most 4095"),
        ),
        (
            "E09 link target beyond PATH_MAX",
            one(new()
                .pax(&[("linkpath", target.as_bytes())])
                .symlink("l", "x")),
            Refused("got link target of 4607 bytes, expected at most 4095"),
        ),
        (
            "E09 beyond PATH_MAX through a link",
            one(new()
                .pax(&[("linkpath", half.as_bytes())])
                .symlink("l", "x")
                .pax(&[("path", format!("l/{half}/f").as_bytes())])
                .file("n", "")),
            Refused("path behind symbolic links of"),
        ),
        (
            "E10 component of 256 bytes",
            one(new().long(b'L', &"n".repeat(256)).file("n", "")),
            Refused("path component of 256 bytes, expected at most 255"),
        ),
        (
            "E10 component of 256 bytes in a link target",
            one(new()
                .long(b'K', &"n".repeat(256))
                .symlink("l", "x")
                .file("l/f", "")),
            Refused("path component of 256 bytes, expected at most 255"),
        ),
    ]);
}

#[test]
fn links_lead_nowhere_outside() {
    check_aimed(vec![
        (
            "E02 absolute link to a host path",
            |canary| {
                let layer = new().symlink("esc", &format!("/{canary}"));
                one(layer.file("esc/pwn", "x").file("esc/file", "y"))
            },
            Tree(&["CANARY/", "CANARY/file=y", "CANARY/pwn=x", "esc->/CANARY"]),
        ),
        (
            "E03 climbing link",
            |_| one(new().symlink("esc", "../canary").file("esc/file", "x")),
            Tree(&["canary/", "canary/file=x", "esc->../canary"]),
        ),
        (
            "E03 ../../../..",
            |canary| {
                let layer = new().symlink("esc", &format!("../../../../../../{canary}"));
                one(layer.file("esc/file", "x"))
            },
            Tree(&["CANARY/", "CANARY/file=x", "esc->../../../../../../CANARY"]),
        ),
        (
            "E04 chain to the root",
            |canary| {
                let chain = new().symlink("a", "b").symlink("b", "c").symlink("c", "/");
                one(chain.file(&format!("a/{canary}/file"), "x"))
            },
            Tree(&["CANARY/", "CANARY/file=x", "a->b", "b->c", "c->/"]),
        ),
        (
            "E05 loop",
            |_| one(new().symlink("a", "b").symlink("b", "a").file("a/x", "")),
            Refused("more than 40 symbolic links"),
        ),
        (
            "E05 link to itself",
            |_| one(new().symlink("a", "a").dir("a/b/c")),
            Refused("more than 40 symbolic links"),
        ),
    ]);
}

#[test]
fn links_of_other_entries_are_not_followed_out() {
    check_aimed(vec![
        (
            "E06 through a lower layer's link",
            |canary| {
                vec![
                    new().symlink("l", &format!("/{canary}")),
                    new().file("l/x", "x"),
                ]
            },
            Tree(&["CANARY/", "CANARY/x=x", "l->/CANARY"]),
        ),
        (
            "E06 link in the upper layer over files of the lower",
            |canary| {
                vec![
                    new().file("l/x", "x"),
                    new().symlink("l", &format!("/{canary}")),
                ]
            },
            Tree(&["l->/CANARY"]),
        ),
        (
            "E07 link, directory, link",
            |canary| {
                let to = format!("/{canary}");
                let layer = new()
                    .symlink("p", &to)
                    .file("p/a", "1")
                    .dir("p")
                    .file("p/b", "2");
                one(layer.symlink("p", &to).file("p/c", "3"))
            },
            Tree(&["CANARY/", "CANARY/a=1", "CANARY/c=3", "p->/CANARY"]),
        ),
        (
            "E07 directory, link, directory",
            |canary| {
                let layer = new()
                    .dir("p")
                    .file("p/a", "1")
                    .symlink("p", &format!("/{canary}"));
                one(layer.file("p/b", "2").dir("p").file("p/c", "3"))
            },
            Tree(&["CANARY/", "CANARY/b=2", "p/", "p/c=3"]),
        ),
    ]);
}

/// E12: an entry replaces a link of its name; nothing is written, changed or dated through it.
#[test]
fn links_are_replaced_not_followed() {
    check_aimed(vec![
        (
            "E12 file over link",
            |canary| {
                one(new()
                    .symlink("a", &format!("/{canary}/file"))
                    .file("a", "new"))
            },
            Tree(&["a=new"]),
        ),
        (
            "E12 file over link of a lower layer",
            |canary| {
                vec![
                    new().symlink("a", &format!("/{canary}/file")),
                    new().file("a", "new"),
                ]
            },
            Tree(&["a=new"]),
        ),
        (
            "E12 directory over link, chmod 777",
            |canary| {
                let upper = new().mode(b'5', "a", 0o777).file("a/x", "x");
                vec![new().symlink("a", &format!("/{canary}")), upper]
            },
            Tree(&["a/", "a/x=x"]),
        ),
        (
            "E12 chmod",
            |canary| one(new().of(b'2', "a", &format!("/{canary}/file"), 0o4777, b"")),
            Tree(&["a->/CANARY/file"]),
        ),
        (
            "E12 utimes",
            |canary| {
                let dated = new().pax(&[("mtime", b"12345.5"), ("atime", b"1")]);
                one(dated.symlink("a", &format!("/{canary}/file")))
            },
            Tree(&["a->/CANARY/file"]),
        ),
        (
            "E12 xattr",
            |canary| {
                let marked = new().pax(&[("SCHILY.xattr.user.evil", b"1")]);
                one(marked.symlink("a", &format!("/{canary}/file")))
            },
            Tree(&["a->/CANARY/file"]),
        ),
        (
            "E12 pipe over link, link over pipe",
            |canary| {
                let to = format!("/{canary}/file");
                let lower = new().symlink("a", &to).mode(b'6', "b", 0o777);
                vec![lower, new().mode(b'6', "a", 0o777).symlink("b", &to)]
            },
            Tree(&["a|", "b->/CANARY/file"]),
        ),
    ]);
}

#[test]
fn hard_links_share_or_fail() {
    check_aimed(vec![
        (
            "E11 /etc/passwd",
            |_| one(new().hardlink("a", "/etc/passwd")),
            Refused("`etc/passwd`, which does not exist"),
        ),
        (
            "E11 of the host by its path",
            |canary| one(new().hardlink("a", &format!("/{canary}/file"))),
            Refused("which does not exist"),
        ),
        (
            "E11 ../../etc/passwd",
            |_| one(new().hardlink("a", "../../etc/passwd")),
            Refused("without `..`"),
        ),
        (
            "E11 absolute /a",
            |_| one(new().file("a", "x").hardlink("b", "/a")),
            Tree(&["a=x", "b=x"]),
        ),
        (
            "E11 through a symlink parent",
            |_| {
                one(new()
                    .file("d/a", "x")
                    .symlink("l", "d")
                    .hardlink("b", "l/a"))
            },
            Tree(&["b=x", "d/", "d/a=x", "l->d"]),
        ),
        (
            "E11 through a symlink parent out of the image",
            |canary| {
                one(new()
                    .symlink("l", &format!("/{canary}"))
                    .hardlink("b", "l/file"))
            },
            Refused("which does not exist"),
        ),
        (
            "E11 to a symlink",
            |canary| {
                one(new()
                    .symlink("l", &format!("/{canary}/file"))
                    .hardlink("b", "l"))
            },
            Tree(&["b->/CANARY/file", "l->/CANARY/file"]),
        ),
    ]);
}

#[test]
fn hard_links_need_a_file_that_is_there() {
    check(vec![
        (
            "E11 to a directory",
            one(new().dir("d").hardlink("b", "d")),
            Refused("which is a directory"),
        ),
        (
            "E11 to itself",
            one(new().file("a", "").hardlink("a", "a")),
            Refused("which is itself"),
        ),
        (
            "E11 to a whiteout",
            vec![
                new().file("a", ""),
                new().file(".wh.a", "").hardlink("b", "a"),
            ],
            Refused("which does not exist"),
        ),
        (
            "E11 to a whiteout's own name",
            vec![
                new().file("a", ""),
                new().file(".wh.a", "").hardlink("b", ".wh.a"),
            ],
            Refused("which does not exist"),
        ),
        (
            "E11 before a whiteout of its target",
            vec![
                new().file("a", "x").file("d/a", "y"),
                new()
                    .hardlink("b", "a")
                    .hardlink("c", "d/a")
                    .file(".wh.a", "")
                    .file(".wh.d", ""),
            ],
            Tree(&["b=x", "c=y"]),
        ),
        (
            "E11 into what is opaque",
            vec![
                new().file("d/a", ""),
                new().file("d/.wh..wh..opq", "").hardlink("b", "d/a"),
            ],
            Refused("which does not exist"),
        ),
        (
            "E11 to a path in a lower layer",
            vec![new().file("a", "x"), new().hardlink("b", "a")],
            Tree(&["a=x", "b=x"]),
        ),
        (
            "E11 to a later entry",
            one(new().hardlink("b", "a").file("a", "")),
            Refused("which does not exist at that point"),
        ),
        (
            "E11 whose target is replaced",
            vec![
                new().file("a", "old").hardlink("b", "a"),
                new().file("a", "new"),
            ],
            Tree(&["a=new", "b=old"]),
        ),
        (
            "E11 whose target is removed",
            vec![
                new().file("a", "x").hardlink("b", "a"),
                new().file(".wh.a", ""),
            ],
            Tree(&["b=x"]),
        ),
    ]);
}
