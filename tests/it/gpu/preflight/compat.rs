//! When an image's package for forward compatibility comes first.

use coracle::gpu::compat::CudaCompat::{self, Auto, Off, On};
use coracle::gpu::compat::{choose, is_for_data_centres};
use coracle::gpu::guest::Compat;

use super::world::guest;

const H200: &[&str] = &["NVIDIA H200"];

/// Which directory comes first of `packages` (version and the majors that its note names) on a host with `driver`.
#[track_caller]
fn check(
    packages: &[(&str, &[u32])],
    driver: &str,
    models: &[&str],
    wish: CudaCompat,
    wanted: Option<&str>,
) {
    let package = |(version, accepts): &(&str, &[u32])| Compat {
        path: guest("/compat").join(version),
        version: (*version).to_owned(),
        accepts: accepts.to_vec(),
    };
    let packages: Vec<Compat> = packages.iter().map(package).collect();
    let chosen = choose(&packages, driver, models, wish).map(|path| path.to_string());
    let wanted = wanted.map(|version| format!("/compat/{version}"));
    assert_eq!(chosen, wanted, "{driver} {models:?} {wish:?}");
}

#[test]
fn a_greater_major_version_comes_first() {
    check(
        &[("590.44.01", &[])],
        "580.159.04",
        H200,
        Auto,
        Some("590.44.01"),
    );
    check(&[("580.200.01", &[])], "580.159.04", H200, Auto, None);
    check(&[("550.54.15", &[])], "580.159.04", H200, Auto, None);
    // As text, 99 would be greater.
    check(&[("1000.1", &[])], "99.1", H200, Auto, Some("1000.1"));
    check(&[], "580.159.04", H200, Auto, None);
}

#[test]
fn a_note_lets_a_newer_one_of_the_same_branch_come_first() {
    check(
        &[("580.200.01", &[570, 580])],
        "580.159.04",
        H200,
        Auto,
        Some("580.200.01"),
    );
    check(&[("580.159.04", &[580])], "580.159.04", H200, Auto, None);
    check(&[("580.200.01", &[570])], "580.159.04", H200, Auto, None);
    check(&[("570.1", &[580])], "580.159.04", H200, Auto, None);
}

#[test]
fn the_newest_of_several_is_taken() {
    let several: &[(&str, &[u32])] = &[("590.9", &[]), ("600.10", &[]), ("600.9", &[])];
    check(several, "580.159.04", H200, Auto, Some("600.10"));
}

#[test]
fn a_wish_wins_over_the_rule() {
    check(
        &[("550.1", &[])],
        "580.1",
        &["NVIDIA GeForce RTX 4090"],
        On,
        Some("550.1"),
    );
    check(&[("590.1", &[])], "580.1", H200, Off, None);
    // Wished for, and no version could be read of the host.
    check(&[("590.1", &[])], "", H200, On, Some("590.1"));
    check(&[("590.1", &[])], "", H200, Auto, None);
    check(&[("rubbish", &[])], "580.1", H200, On, None);
}

#[test]
fn one_processor_that_is_none_for_data_centres_is_enough_to_refuse() {
    check(
        &[("590.1", &[])],
        "580.1",
        &["NVIDIA H200", "Quadro P400"],
        Auto,
        None,
    );
    // Nothing is known of the processors: NVIDIA's tool does not ask either.
    check(&[("590.1", &[])], "580.1", &[], Auto, Some("590.1"));
}

#[test]
fn models_are_told_apart_by_name() {
    let for_them = [
        "NVIDIA H200",
        "NVIDIA A100-SXM4-80GB",
        "Tesla T4",
        "Tesla V100-PCIE-16GB",
        "NVIDIA L40S",
        "NVIDIA A10",
        "NVIDIA GH200 480GB",
        "NVIDIA B200",
        "GRID A100D-40C",
    ];
    let others = [
        "NVIDIA GeForce RTX 4090",
        "GeForce GTX 1080 Ti",
        "Quadro RTX 8000",
        "NVIDIA RTX A6000",
        "NVIDIA TITAN V",
        "NVIDIA T1000 8GB",
        "NVIDIA RTX 6000 Ada Generation",
        "Quadro P400",
        "NVIDIA GeForce MX450",
        "NVIDIA T400 4GB",
    ];
    for model in for_them {
        assert!(is_for_data_centres(model), "{model}");
    }
    for model in others {
        assert!(!is_for_data_centres(model), "{model}");
    }
}
