//! udocker's list of runs, T001 to T050 without the F modes: three containers, each set up for a mode and run in it.
//!
//! udocker takes openjdk:8-jdk-alpine, centos:7 and ubuntu:22.04. Here `jv` is an image of busybox and musl, whose shell
//! stands for java; `c7` and `ub22` are a Debian, as gzip and as zstd, with the same coreutils.

use super::Harness;
use crate::support::{fixture, require};

/// Container, image, command, and what it says.
fn containers() -> [(&'static str, String, [&'static str; 2], &'static str); 3] {
    [
        (
            "jv",
            fixture::service("alpine"),
            ["cat", "/etc/alpine-release"],
            "3.20.0",
        ),
        (
            "c7",
            fixture::image("debian"),
            ["ls", "--version"],
            "coreutils",
        ),
        (
            "ub22",
            fixture::image("debian-zstd"),
            ["ls", "--version"],
            "coreutils",
        ),
    ]
}

/// Runs all three in each mode; `first` is the number of its first test in udocker's list.
fn check(modes: &[(&str, usize, &str)]) {
    let harness = Harness::new();
    for (name, image, ..) in containers() {
        harness.udocker(["pull", &image]).run().success();
        let name = format!("--name={name}");
        harness.udocker(["create", &name, &image]).run().success();
    }
    for (mode, first, engine) in modes {
        for (at, (name, _, command, says)) in containers().into_iter().enumerate() {
            let setup = first + 2 * at;
            let execmode = format!("--execmode={mode}");
            let output = harness.udocker(["setup", &execmode, name]).run();
            assert_eq!(output.code(), Some(0), "T{setup:03} setup\n{output}");
            let run = ["run", "--env=LANG=C", name];
            let output = harness.udocker(run).arguments(command).run();
            assert!(
                output.code() == Some(0) && output.stdout.contains(says),
                "T{:03} run\n{output}",
                setup + 1
            );
            harness
                .udocker(["run", name, "sh", "-c", "echo $CORACLE_ENGINE; exit 3"])
                .run()
                .exits(3)
                .prints(engine);
        }
    }
}

#[test]
fn t001_to_t012_run_in_p1_and_p2() {
    require!(Fixtures, Ptrace);
    check(&[("P1", 1, "proot:P1"), ("P2", 7, "proot:P2")]);
}

#[test]
fn t033_to_t050_run_in_r1_r2_and_r3() {
    require!(Fixtures, UserNamespaces);
    check(&[("R1", 33, "ns"), ("R2", 39, "ns"), ("R3", 45, "ns")]);
}
