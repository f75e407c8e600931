//! Whether a driver's file works in a guest: what the loader there would miss first.

use std::collections::BTreeSet;

use coracle::gpu::fit::{farm, misfit, sift, sonames};
use coracle::gpu::guest::Libc;
use coracle::gpu::nvidia::{DriverFile, Group};

use super::world::{debian, library, provider};

/// Says what misses first for a file that wants this (`library` or `library:version`), beside a farm with that.
#[track_caller]
fn check(wants: &[&str], in_farm: &[&str], missed: Option<&str>) {
    let file = library("libcuda.so.1", Group::Compute, wants);
    let in_farm: BTreeSet<String> = in_farm.iter().map(|&name| name.to_owned()).collect();
    let mut guest = debian();
    guest.providers.insert(
        "libplain.so.1".to_owned(),
        provider("/lib/libplain.so.1", &[]),
    );
    let misfit = misfit(&file.wants, &in_farm, &guest).map(|misfit| misfit.to_string());
    assert_eq!(misfit.as_deref(), missed, "{wants:?}");
}

#[test]
fn versions_are_compared_by_name() {
    check(&["libc.so.6:GLIBC_2.9", "libm.so.6:GLIBC_2.2.5"], &[], None);
    let old = "needs `GLIBC_2.38` of `libc.so.6`, which the image's `/lib/x86_64-linux-gnu/libc.so.6` (glibc 2.36) does not define";
    check(
        &["libc.so.6:GLIBC_2.9", "libc.so.6:GLIBC_2.38"],
        &[],
        Some(old),
    );
    // Lower than others that are there, and yet absent.
    let absent = "needs `GLIBC_2.8` of `libm.so.6`, which the image's `/lib/x86_64-linux-gnu/libm.so.6` (glibc 2.36) does not define";
    check(&["libm.so.6:GLIBC_2.8"], &[], Some(absent));
    let mark = "needs `GLIBC_ABI_DT_RELR` of `libc.so.6`, which the image's `/lib/x86_64-linux-gnu/libc.so.6` (glibc 2.36) does not define";
    check(&["libc.so.6:GLIBC_ABI_DT_RELR"], &[], Some(mark));
}

#[test]
fn a_library_without_versions_satisfies_all() {
    check(&["libplain.so.1:PLAIN_9"], &[], None);
}

#[test]
fn libraries_are_looked_for_in_farm_and_guest() {
    check(
        &["libcrypto.so.3"],
        &[],
        Some("needs `libcrypto.so.3`, which the image does not have"),
    );
    check(&["libcrypto.so.3"], &["libcrypto.so.3"], None);
    check(&["libX11.so.6"], &[], None);
    // The driver's own comes first in the loader's path.
    check(&["libm.so.6:NOT_THERE"], &["libm.so.6"], None);
}

#[test]
fn a_version_is_said_before_a_library() {
    let old = "needs `NOT_THERE` of `libc.so.6`, which the image's `/lib/x86_64-linux-gnu/libc.so.6` (glibc 2.36) does not define";
    check(&["libcrypto.so.3", "libc.so.6:NOT_THERE"], &[], Some(old));
}

#[test]
fn names_in_the_farm_are_those_that_a_loader_asks_for() {
    let files = [library(
        "libcuda.so.1",
        Group::Compute,
        &["libc.so.6:GLIBC_2.9", "libm.so.6"],
    )];
    let joined = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(joined(farm(&files)), "libcuda.so.1 libcuda.so.580.159.04");
    assert_eq!(joined(sonames(&files)), "libc.so.6 libm.so.6");
}

/// Names of the files that fit, that do not, and that lack something of the image.
fn sifted(files: &[DriverFile], libc: Libc) -> [String; 3] {
    let mut guest = debian();
    guest.libc = libc;
    let files: Vec<&DriverFile> = files.iter().collect();
    let sifted = sift(&files, &guest);
    let name = |file: &DriverFile| file.links[0].clone();
    let with_why = |(file, why): &(&DriverFile, _)| format!("{} {why}", name(file));
    [
        sifted
            .fits
            .iter()
            .map(|file| name(file))
            .collect::<Vec<_>>()
            .join(" "),
        sifted
            .misfits
            .iter()
            .map(with_why)
            .collect::<Vec<_>>()
            .join("; "),
        sifted
            .lacking
            .iter()
            .map(with_why)
            .collect::<Vec<_>>()
            .join("; "),
    ]
}

#[test]
fn what_wants_a_file_that_is_left_out_is_left_out_too() {
    let files = [
        library("libtop.so.1", Group::Graphics, &["libmiddle.so.1"]),
        library(
            "libmiddle.so.1",
            Group::Graphics,
            &["libnew.so.1", "libXext.so.6"],
        ),
        library("libnew.so.1", Group::Graphics, &["libc.so.6:GLIBC_2.99"]),
        library("libbare.so.1", Group::Graphics, &["libXext.so.6"]),
    ];
    let new = "libnew.so.1 needs `GLIBC_2.99` of `libc.so.6`, which the image's `/lib/x86_64-linux-gnu/libc.so.6` (glibc 2.36) does not define";
    let rest = "libmiddle.so.1 needs the driver's `libnew.so.1`, which does not work in this image; libtop.so.1 needs the driver's `libmiddle.so.1`, which does not work in this image";
    assert_eq!(
        sifted(&files, Libc::Glibc(Some("2.36".to_owned()))),
        [
            "libbare.so.1".to_owned(),
            format!("{new}; {rest}"),
            "libbare.so.1 needs `libXext.so.6`, which the image does not have".to_owned(),
        ]
    );
}

#[test]
fn a_guest_without_glibc_is_not_asked() {
    let files = [library(
        "libnew.so.1",
        Group::Compute,
        &["libc.so.6:GLIBC_2.99", "libXext.so.6"],
    )];
    for libc in [Libc::Musl, Libc::None] {
        assert_eq!(
            sifted(&files, libc),
            ["libnew.so.1", "", ""].map(str::to_owned)
        );
    }
}
