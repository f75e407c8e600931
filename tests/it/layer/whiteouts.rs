//! Whiteouts: what they remove, and what they must not (W of the list).

use super::attack::Becomes::{Refused, Tree};
use super::attack::{check, one};
use super::craft::Craft;

/// An empty layer.
fn new() -> Craft {
    Craft::new()
}

/// A lower layer for whiteouts.
fn lower() -> Craft {
    let layer = new().file("d/a", "1").file("d/b", "2");
    layer.symlink("l", "d").file("top", "t")
}

const NAMELESS: &str = "expected `.wh.` and a name";

/// W01, W11: a whiteout names something, in one component.
#[test]
fn whiteouts_name_something() {
    let of = |name: &str| vec![lower(), new().file(name, "")];
    check(vec![
        ("W01 .wh. alone", of(".wh."), Refused(NAMELESS)),
        ("W01 .wh..", of("d/.wh.."), Refused(NAMELESS)),
        ("W01 .wh...", of("d/.wh..."), Refused(NAMELESS)),
        (
            "W01 .wh..wh.",
            of(".wh..wh."),
            Tree(&["d/", "d/a=1", "d/b=2", "l->d", "top=t"]),
        ),
        ("W01 .wh./x", of(".wh./x"), Refused(NAMELESS)),
        ("W01 .wh.d/x", of(".wh.d/x"), Refused(NAMELESS)),
        ("W11 of the root .wh..", of(".wh.."), Refused(NAMELESS)),
        (
            "W11 of dev",
            vec![
                new().of(b'3', "dev/null", "", 0o666, b"").file("dev/x", ""),
                new().file(".wh.dev", ""),
            ],
            Tree(&[]),
        ),
        (
            "W02 .wh.foo at the root",
            of(".wh.top"),
            Tree(&["d/", "d/a=1", "d/b=2", "l->d"]),
        ),
        (
            "W03 of a missing path",
            vec![
                new().file("a", ""),
                new().file(".wh.b", "").file("x/.wh.y", ""),
            ],
            Tree(&["a="]),
        ),
    ]);
}

#[test]
fn whiteouts_act_on_names_not_on_targets() {
    check(vec![
        (
            "W04 of a non-empty directory",
            vec![lower(), new().file(".wh.d", "")],
            Tree(&["l->d", "top=t"]),
        ),
        (
            "W04 of a symlink",
            vec![lower(), new().file(".wh.l", "")],
            Tree(&["d/", "d/a=1", "d/b=2", "top=t"]),
        ),
        (
            "W04 through a symlinked parent",
            vec![lower(), new().file("l/.wh.a", "")],
            Tree(&["d/", "d/b=2", "l->d", "top=t"]),
        ),
        (
            "W04 through the layer's own directory over a lower link",
            vec![lower(), new().dir("l").file("l/.wh.a", "")],
            Tree(&["d/", "d/a=1", "d/b=2", "l/", "top=t"]),
        ),
        (
            "W05 after an addition",
            vec![lower(), new().file("d/a", "new").file("d/.wh.a", "")],
            Tree(&["d/", "d/a=new", "d/b=2", "l->d", "top=t"]),
        ),
    ]);
}

/// W06: opaque directories hide the layers below, wherever the marker stands, and nothing of their own layer.
#[test]
fn opaque_directories_hide_lower_layers() {
    let opaque = "d/.wh..wh..opq";
    let emptied = || Tree(&["d/", "d/c=3", "l->d", "top=t"]);
    check(vec![
        (
            "W06 before the siblings",
            vec![lower(), new().file(opaque, "").file("d/c", "3")],
            emptied(),
        ),
        (
            "W06 after the siblings",
            vec![lower(), new().file("d/c", "3").file(opaque, "")],
            emptied(),
        ),
        (
            "W06 between the siblings",
            vec![
                lower(),
                new().file("d/c", "3").file(opaque, "").file("d/e", "5"),
            ],
            Tree(&["d/", "d/c=3", "d/e=5", "l->d", "top=t"]),
        ),
        (
            "W06 nested",
            vec![
                new()
                    .file("d/a", "1")
                    .file("d/in/b", "2")
                    .file("d/in/c", "3"),
                new().file("d/in/x", "4").file("d/in/.wh..wh..opq", ""),
                new()
                    .file("d/y", "5")
                    .file(opaque, "")
                    .file("d/in/.wh..wh..opq", ""),
            ],
            Tree(&["d/", "d/y=5"]),
        ),
        (
            "W06 in a missing directory",
            vec![lower(), new().file("n/.wh..wh..opq", "")],
            Tree(&["d/", "d/a=1", "d/b=2", "l->d", "top=t"]),
        ),
        (
            "W06 on a lower symlink",
            vec![
                lower(),
                new().dir("l").file("l/.wh..wh..opq", "").file("l/x", ""),
            ],
            Tree(&["d/", "d/a=1", "d/b=2", "l/", "l/x=", "top=t"]),
        ),
        (
            "W06 of the root",
            vec![lower(), new().file("x", "").file(".wh..wh..opq", "")],
            Tree(&["x="]),
        ),
    ]);
}

#[test]
fn whiteouts_of_any_kind_and_layer_count() {
    let all_but_a = || Tree(&["d/", "d/b=2", "l->d", "top=t"]);
    check(vec![
        (
            "W07 as hard link",
            vec![lower(), new().hardlink("d/.wh.a", "top")],
            all_but_a(),
        ),
        (
            "W07 as directory",
            vec![lower(), new().dir("d/.wh.a")],
            all_but_a(),
        ),
        (
            "W07 with a body",
            vec![lower(), new().file("d/.wh.a", "body")],
            all_but_a(),
        ),
        (
            "W08 file, directory, file",
            vec![
                new().file("x", "1"),
                new().dir("x").file("x/y", "2"),
                new().file("x", "3"),
            ],
            Tree(&["x=3"]),
        ),
        (
            "W09 .wh..wh.plnk",
            one(new()
                .dir(".wh..wh.plnk")
                .file(".wh..wh.plnk/1.2", "")
                .file("a/.wh..wh.plnk/.wh.b", "")),
            Tree(&[]),
        ),
        (
            "W09 .wh..wh.aufs",
            one(new().file(".wh..wh.aufs", "").file("d/.wh..wh.orph/x", "")),
            Tree(&[]),
        ),
    ]);
}

/// W10: whiteouts count also where layers are read at the same time, in every order.
#[test]
fn whiteouts_hold_in_every_order_of_layers() {
    super::list::tried("W10 whiteouts and layers in parallel");
    let layers = [
        lower(),
        new().file("d/.wh.a", ""),
        new().file("d/a", "again"),
        new()
            .file("d/.wh.b", "")
            .file("top/x", "")
            .file(".wh.l", ""),
    ];
    let layers = layers.map(Craft::build);
    for seed in 0..24 {
        let lab = super::Lab::new();
        lab.extract_at_once(seed, &layers).expect("they are fine");
        assert_eq!(lab.listing(), ["d/", "d/a=again", "top/", "top/x="]);
        lab.assert_canary_lives();
    }
}
