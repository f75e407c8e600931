//! Layers that want out, that contradict themselves, or that ask for too much.
//!
//! The names are those of the list of attacks that the project keeps: E for
//! escapes, W for whiteouts; H, for headers, are in `headers`.

use super::craft::Craft;
use super::{Lab, whole_message};

/// What a stack of layers becomes.
pub(super) enum Becomes {
    /// The tree of these lines, see [`Lab::listing`].
    Tree(&'static [&'static str]),
    /// An error whose message has this part.
    Refused(&'static str),
}
use Becomes::{Refused, Tree};

/// A name from the list, the layers, and what they become.
pub(super) type Case = (&'static str, Vec<Craft>, Becomes);

/// Extracts every case and compares; the canary outside is untouched by each.
pub(super) fn check(cases: Vec<Case>) {
    for (name, layers, becomes) in cases {
        let lab = Lab::new();
        let canary = lab.canary().display().to_string();
        let layers: Vec<_> = layers.into_iter().map(Craft::build).collect();
        match (lab.extract(&layers), becomes) {
            (Ok(_), Tree(expected)) => {
                let listing = lab.listing();
                let listing: Vec<_> = listing
                    .iter()
                    .map(|line| line.replace(&canary, "CANARY"))
                    .collect();
                assert_eq!(listing, expected, "{name}");
            }
            (Err(error), Refused(part)) => {
                let message = whole_message(&error);
                assert!(
                    message.contains(part),
                    "{name}: got `{message}`, expected `{part}`"
                );
                assert!(
                    lab.listing_if_any().is_empty(),
                    "{name}: refused, yet something was written"
                );
            }
            (Ok(_), Refused(part)) => panic!("{name}: got {:?}, expected `{part}`", lab.listing()),
            (Err(error), Tree(_)) => panic!("{name}: {}", whole_message(&error)),
        }
        lab.assert_canary_lives();
    }
}

impl Lab {
    fn listing_if_any(&self) -> Vec<String> {
        if self.tree().exists() {
            self.listing()
        } else {
            Vec::new()
        }
    }
}

/// A stack of one layer.
pub(super) fn one(craft: Craft) -> Vec<Craft> {
    vec![craft]
}

/// An empty layer.
fn new() -> Craft {
    Craft::new()
}

/// A link to `target`, and a file through it.
fn canary(name: &str, target: &str) -> Craft {
    let layer = new().symlink("esc", target);
    layer.file(&format!("esc/{name}"), "pwned")
}

/// A lower layer for whiteouts.
fn lower() -> Craft {
    let layer = new().file("d/a", "1").file("d/b", "2");
    layer.symlink("l", "d").file("top", "t")
}

#[test]
fn paths_stay_inside() {
    check(vec![
        (
            "E01 climbing",
            one(new().file("../evil", "x")),
            Refused("without `..`"),
        ),
        (
            "E01 climbing inside",
            one(new().file("a/../../evil", "x")),
            Refused("without `..`"),
        ),
        (
            "E01 absolute",
            one(new().file("/abs", "x").file("//two", "y")),
            Tree(&["abs=x", "two=y"]),
        ),
        (
            "E01 dots",
            one(new().file("./././x", "x").dir("d/.")),
            Tree(&["d/", "x=x"]),
        ),
    ]);
}

#[test]
fn the_root_stays_a_directory() {
    check(vec![
        (
            "E08 root as file",
            one(new().file("/.", "x")),
            Refused("as the root of the image"),
        ),
        (
            "E08 root as link",
            one(new().symlink(".", "/tmp")),
            Refused("as the root of the image"),
        ),
        (
            "E08 root as hard link",
            one(new().file("a", "").hardlink("./", "a")),
            Refused("as the root of the image"),
        ),
        (
            "E08 no name",
            one(new().file("", "x")),
            Refused("an empty path"),
        ),
        (
            "E08 closed root",
            one(new().mode(b'5', "./", 0).file("a", "x")),
            Tree(&["a=x"]),
        ),
    ]);
}

#[test]
fn names_are_bounded() {
    check(vec![
        (
            "E10 long component",
            one(new().long(b'L', &"n".repeat(256)).file("n", "")),
            Refused("path component of 256 bytes"),
        ),
        (
            "E09 long path",
            one(new().long(b'L', &"abc/".repeat(1024)).file("n", "")),
            Refused("at most"),
        ),
        (
            "E13 magic links",
            one(new().file("proc/self/root/x", "x").file("dev/fd/0", "y")),
            Tree(&[
                "dev/",
                "dev/fd/",
                "dev/fd/0=y",
                "proc/",
                "proc/self/",
                "proc/self/root/",
                "proc/self/root/x=x",
            ]),
        ),
    ]);
}

#[test]
fn links_lead_nowhere_outside() {
    check(vec![
        (
            "E02 absolute link to a host path",
            one(canary("pwn", "/canary")),
            Tree(&["canary/", "canary/pwn=pwned", "esc->/canary"]),
        ),
        (
            "E03 climbing link",
            one(canary("file", "../canary")),
            Tree(&["canary/", "canary/file=pwned", "esc->../canary"]),
        ),
        (
            "E03 climbing far",
            one(canary("file", "../../../../../../canary")),
            Tree(&[
                "canary/",
                "canary/file=pwned",
                "esc->../../../../../../canary",
            ]),
        ),
        (
            "E04 chain to the root",
            one(new()
                .symlink("a", "b")
                .symlink("b", "c")
                .symlink("c", "/")
                .file("a/x", "x")),
            Tree(&["a->b", "b->c", "c->/", "x=x"]),
        ),
        (
            "E05 circle",
            one(new().symlink("a", "b").symlink("b", "a").file("a/x", "")),
            Refused("more than 40 symbolic links"),
        ),
    ]);
}

#[test]
fn links_of_other_entries_are_not_followed_out() {
    check(vec![
        (
            "E06 through a lower layer's link",
            vec![new().symlink("l", "/d"), new().file("l/x", "x")],
            Tree(&["d/", "d/x=x", "l->/d"]),
        ),
        (
            "E07 swapped in between",
            one(new()
                .dir("p")
                .file("p/a", "1")
                .symlink("p", "../canary")
                .file("p/b", "2")
                .dir("p")
                .file("p/c", "3")),
            Tree(&["canary/", "canary/b=2", "p/", "p/c=3"]),
        ),
        (
            "E12 file over link",
            one(new().symlink("a", "../canary/file").file("a", "new")),
            Tree(&["a=new"]),
        ),
        (
            "E12 directory over link",
            vec![
                new().symlink("a", "../canary"),
                new().mode(b'5', "a", 0o777).file("a/x", "x"),
            ],
            Tree(&["a/", "a/x=x"]),
        ),
    ]);
}

#[test]
fn hard_links_share_or_fail() {
    check(vec![
        (
            "E11 of the host",
            one(new().hardlink("a", "/etc/passwd")),
            Refused("which does not exist"),
        ),
        (
            "E11 climbing",
            one(new().hardlink("a", "../../etc/passwd")),
            Refused("without `..`"),
        ),
        (
            "E11 absolute",
            one(new().file("a", "x").hardlink("b", "/a")),
            Tree(&["a=x", "b=x"]),
        ),
        (
            "E11 through a link",
            one(new()
                .file("d/a", "x")
                .symlink("l", "d")
                .hardlink("b", "l/a")),
            Tree(&["b=x", "d/", "d/a=x", "l->d"]),
        ),
        (
            "E11 to a link",
            one(new().symlink("l", "t").hardlink("b", "l")),
            Tree(&["b->t", "l->t"]),
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
            "E11 of a lower layer",
            vec![new().file("a", "x"), new().hardlink("b", "a")],
            Tree(&["a=x", "b=x"]),
        ),
        (
            "E11 to a later entry",
            one(new().hardlink("b", "a").file("a", "")),
            Refused("which does not exist"),
        ),
        (
            "target replaced",
            vec![
                new().file("a", "old").hardlink("b", "a"),
                new().file("a", "new"),
            ],
            Tree(&["a=new", "b=old"]),
        ),
        (
            "target removed",
            vec![
                new().file("a", "x").hardlink("b", "a"),
                new().file(".wh.a", ""),
            ],
            Tree(&["b=x"]),
        ),
        (
            "M10 into nothing",
            one(new()
                .file("a", "x")
                .hardlink("n/b", "a")
                .symlink("m/l", "t")
                .file("k/f", "")),
            Tree(&["a=x", "k/", "k/f=", "m/", "m/l->t", "n/", "n/b=x"]),
        ),
    ]);
}

#[test]
fn whiteouts_speak_of_lower_layers() {
    check(vec![
        (
            "W01 no name",
            one(new().file(".wh.", "")),
            Refused("expected `.wh.` and a name"),
        ),
        (
            "W01 one dot",
            one(new().file("d/.wh..", "")),
            Refused("expected `.wh.` and a name"),
        ),
        (
            "W01 two dots, W11",
            one(new().file(".wh...", "")),
            Refused("expected `.wh.` and a name"),
        ),
        (
            "W01 with something below",
            one(new().file(".wh.d/x", "")),
            Refused("expected `.wh.` and a name"),
        ),
        (
            "W02 at the root, of a directory",
            vec![lower(), new().file(".wh.d", "").file(".wh.top", "")],
            Tree(&["l->d"]),
        ),
        (
            "W03 of nothing",
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
            "W04 of a link",
            vec![lower(), new().file(".wh.l", "")],
            Tree(&["d/", "d/a=1", "d/b=2", "top=t"]),
        ),
        (
            "W04 through a link",
            vec![lower(), new().file("l/.wh.a", "")],
            Tree(&["d/", "d/b=2", "l->d", "top=t"]),
        ),
        (
            "W05 after an addition",
            vec![lower(), new().file("d/a", "new").file("d/.wh.a", "")],
            Tree(&["d/", "d/a=new", "d/b=2", "l->d", "top=t"]),
        ),
        (
            "W06 before",
            vec![lower(), new().file("d/.wh..wh..opq", "").file("d/c", "3")],
            Tree(&["d/", "d/c=3", "l->d", "top=t"]),
        ),
        (
            "W06 after",
            vec![lower(), new().file("d/c", "3").file("d/.wh..wh..opq", "")],
            Tree(&["d/", "d/c=3", "l->d", "top=t"]),
        ),
        (
            "W06 in nothing",
            vec![lower(), new().file("n/.wh..wh..opq", "")],
            Tree(&["d/", "d/a=1", "d/b=2", "l->d", "top=t"]),
        ),
        (
            "W06 on a lower link",
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
    check(vec![
        (
            "W07 as directory, link and with content",
            vec![
                lower(),
                new()
                    .dir("d/.wh.a")
                    .hardlink("d/.wh.b", "top")
                    .file(".wh.l", "body"),
            ],
            Tree(&["d/", "top=t"]),
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
            "W09 aufs's own",
            one(new()
                .dir(".wh..wh.plnk")
                .file(".wh..wh.plnk/1.2", "")
                .file(".wh..wh.aufs", "")),
            Tree(&[]),
        ),
        (
            "W10 several layers",
            vec![
                lower(),
                new().file("d/.wh.a", ""),
                new().file("d/a", "again"),
                new().file("d/.wh.b", ""),
            ],
            Tree(&["d/", "d/a=again", "l->d", "top=t"]),
        ),
        (
            "the layer's own directory over a lower link",
            vec![lower(), new().dir("l").file("l/.wh.a", "")],
            Tree(&["d/", "d/a=1", "d/b=2", "l/", "top=t"]),
        ),
    ]);
}
