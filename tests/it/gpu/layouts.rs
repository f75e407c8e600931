//! Hosts of many kinds, each made of small files, and what is found of NVIDIA's driver on them.
//!
//! What is found on a host has to equal `golden/layouts/NAME.txt`, and the loader's caches of the hosts are
//! `golden/layouts/NAME.cache`, so that no test depends on this host's `ldconfig`. With `CORACLE_WRITE_GOLDEN=1` in the
//! environment the tests write both anew, the caches with `ldconfig -r`: look at what `git diff` shows before a commit.

mod hosts;
mod large;
mod old;
mod text;
mod world;

use std::path::{Path, PathBuf};
use std::process::Command;

use coracle::base::path::HostPath;
use coracle::gpu::nvidia;
use coracle::gpu::vantage::{NodeCheck, Vantage};

use crate::support::Sandbox;
use world::Host;

/// Set to write the expected texts and caches instead of comparing with them.
const WRITE: &str = "CORACLE_WRITE_GOLDEN";
/// Tells a child process which tree to look at, and in which file to say what it found.
const CHILD: [&str; 2] = ["CORACLE_LAYOUT_ROOT", "CORACLE_LAYOUT_TEXT"];

#[test]
fn what_is_found_on_each_kind_of_host_is_as_expected() {
    let made = hosts::HOSTS.iter().chain(large::HOSTS).chain(old::HOSTS);
    let wrong: Vec<String> = made.filter_map(|(name, make)| check(name, *make)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A container of a driver may bring `/proc`, `/sys` and `/dev`, and each of them may know nothing of NVIDIA.
#[test]
fn a_driver_root_has_kernel_files_of_its_own_where_they_tell_of_a_driver() {
    let signs = [
        "proc/driver/nvidia/version",
        "sys/module/nvidia/version",
        "dev/nvidiactl",
    ];
    let others = ["proc/uptime", "sys/module/loop/version", "dev/null"];
    let own = |present: &[&str]| {
        let sandbox = Sandbox::new();
        let host = Host::new(&sandbox.path("root"));
        for path in present {
            host.file(path, "");
        }
        let vantage = Vantage::of_root(HostPath::new(&host.root));
        let places = [vantage.proc, vantage.sys, vantage.dev].map(|path| path.to_string());
        places
            .join(" ")
            .replace(&host.root.display().to_string(), "ROOT")
    };
    assert_eq!(own(&others), "/proc /sys /dev");
    assert_eq!(own(&signs), "ROOT/proc ROOT/sys ROOT/dev");
    assert_eq!(own(&signs[1..2]), "/proc ROOT/sys /dev");
    assert_eq!(own(&signs[2..]), "/proc /sys ROOT/dev");
}

/// What a name in `/dev` leads to has to be a device, be it of another name.
#[test]
fn a_plain_file_is_no_node() {
    let sandbox = Sandbox::new();
    let host = Host::new(&sandbox.path("root"));
    host.nodes(&["nvidiactl", "nvidia1"]);
    host.folder("dev/nvidia2");
    host.link("dev/nvidia3", "/dev/null");
    host.link("dev/nvidia4", "nothing");
    let mut vantage = host.vantage();
    vantage.node_check = NodeCheck::Device;
    let found = nvidia::discover(&vantage).nodes;
    let names: Vec<String> = found.iter().map(|node| node.path.to_string()).collect();
    assert_eq!(names, ["/dev/nvidia3"]);
}

/// Root may open any node, so a plain user looks.
#[test]
fn a_node_that_cannot_be_opened_has_no_index() {
    let sandbox = Sandbox::new();
    let mut host = Host::new(&sandbox.path("root"));
    large::three_processors(&mut host);
    host.allow("dev/nvidia1", 0);
    let text = sandbox.path("tmp/text");
    let program = sandbox.path("tests");
    let tests = std::env::current_exe().expect("a test binary has a path");
    let copied = Command::new("install")
        .arg("-m755")
        .args([&tests, &program])
        .status();
    assert!(
        copied.is_ok_and(|status| status.success()),
        "cannot copy the tests"
    );
    let name = "gpu::layouts::a_child_looks_at_a_tree";
    let run = sandbox
        .command([
            program.as_os_str(),
            "--exact".as_ref(),
            name.as_ref(),
            "--ignored".as_ref(),
        ])
        .env(CHILD[0], &host.root)
        .env(CHILD[1], &text);
    run.run().success();
    let found = std::fs::read_to_string(&text).expect("the child wrote it");
    assert_eq!(compare("denied", &found), None);
}

#[test]
#[ignore = "the part of a child process that another test starts"]
fn a_child_looks_at_a_tree() {
    let [root, text] = CHILD.map(|name| std::env::var_os(name).expect("the parent set it"));
    let host = Host::new(Path::new(&root));
    std::fs::write(text, look(&host)).expect("the parent made the folder");
}

/// How one host differs from what is expected.
fn check(name: &str, make: fn(&mut Host)) -> Option<String> {
    let sandbox = Sandbox::new();
    let mut host = Host::new(&sandbox.path("root"));
    make(&mut host);
    if let Some(format) = host.cache_format {
        let cache = golden(&format!("{name}.cache"));
        if std::env::var_os(WRITE).is_some() {
            let bytes = host.ldconfig(format);
            std::fs::write(&cache, bytes).expect("the source tree can be written");
        }
        let bytes = std::fs::read(&cache).expect("every cache was committed");
        host.file("etc/ld.so.cache", bytes);
    }
    // What went away after the cache was written.
    for path in std::mem::take(&mut host.gone) {
        std::fs::remove_file(host.root.join(path)).expect("it was made above");
    }
    compare(name, &look(&host))
}

fn look(host: &Host) -> String {
    let vantage: Vantage = host.vantage();
    text::of(&nvidia::discover(&vantage), &host.root)
}

fn compare(name: &str, found: &str) -> Option<String> {
    let path = golden(&format!("{name}.txt"));
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, found).expect("the source tree can be written");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    (expected != found).then(|| format!("{name}: expected\n{expected}\n{name}: found\n{found}"))
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/gpu/golden/layouts")
        .join(name)
}
