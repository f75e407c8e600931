//! The engine table again, on imitated hosts: `auto` takes an engine that works there, and `doctor` says why.

use serde_json::Value;

use crate::engine::{Stage, check};
use crate::support::{Sandbox, fixture, require, with_mounts};

/// A host that refuses something, as the command which imitates it. `home` is the user's.
fn denying(profile: &str) -> Vec<String> {
    vec![
        fixture::path("bin/host/deny").display().to_string(),
        profile.into(),
    ]
}

/// A host with mounts of its own, made by a line of shell in which `$0` is the user's home.
fn mounting(line: &str, sandbox: &Sandbox) -> Vec<String> {
    let home = sandbox.home().display().to_string();
    let line = format!("set -e; {line}; exec \"$@\"");
    with_mounts(&line, &home)
}

/// What `doctor --json` says on that host.
fn doctor(sandbox: &Sandbox, host: &[String]) -> Value {
    let output = sandbox.coracle(["doctor", "--json"]).behind(host).run();
    serde_json::from_str(&output.stdout)
        .unwrap_or_else(|error| panic!("no JSON: {error}\n{output}"))
}

/// Asserts what doctor finds, and runs the table by what `auto` takes.
#[track_caller]
fn auto_takes(engine: &'static str, host: &[String]) {
    let stage = Stage::new("auto", engine, host);
    expect_verdict(&doctor(&stage.sandbox, host), Some(engine));
    check(&stage);
}

/// Asserts the engine that doctor names, and that it gives a reason and a remedy for each one that it passed over.
#[track_caller]
fn expect_verdict(report: &Value, engine: Option<&str>) {
    assert_eq!(report["auto"].as_str(), engine, "{report:#}");
    let verdicts = report["engines"]
        .as_array()
        .expect("doctor lists the engines");
    for verdict in verdicts
        .iter()
        .take_while(|verdict| verdict["engine"].as_str() != engine)
    {
        assert_eq!(verdict["works"], false, "{report:#}");
        assert!(
            verdict["reason"]
                .as_str()
                .is_some_and(|reason| !reason.is_empty()),
            "no reason: {verdict:#}"
        );
    }
}

#[test]
fn without_user_namespaces() {
    require!(Fixtures, Root, Ptrace);
    auto_takes("proot:P1", &denying("userns0"));
}

#[test]
fn inside_docker() {
    require!(Fixtures, Root, Ptrace);
    auto_takes("proot:P1", &denying("docker-like"));
}

#[test]
fn with_user_namespaces_that_cannot_mount() {
    require!(Fixtures, Root, Ptrace);
    auto_takes("proot:P1", &denying("nomount"));
}

#[test]
fn without_ptrace() {
    require!(Fixtures, Root, UserNamespaces);
    auto_takes("ns", &denying("noptrace"));
}

#[test]
fn on_enterprise_linux_7() {
    require!(Fixtures, Root, UserNamespaces);
    auto_takes("ns", &denying("el7"));
}

#[test]
fn on_enterprise_linux_8() {
    require!(Fixtures, Root, UserNamespaces);
    auto_takes("ns", &denying("el8"));
}

#[test]
fn without_a_fuse_device() {
    require!(Fixtures, Root, UserNamespaces);
    let host = mounting(
        "[ ! -e /dev/fuse ] || mount --bind /dev/null /dev/fuse",
        &Sandbox::new(),
    );
    auto_takes("ns", &host);
}

/// An overlay of our own over a `noexec` tree executes; PRoot has no way around it and must say so.
#[test]
fn with_a_noexec_home() {
    require!(Fixtures, Root, UserNamespaces);
    let mut stage = Stage::new("auto", "ns", &[]);
    let noexec = "mount --bind \"$0\" \"$0\"; mount -o remount,bind,noexec \"$0\"";
    stage.host = mounting(noexec, &stage.sandbox);
    expect_verdict(&doctor(&stage.sandbox, &stage.host), Some("ns"));
    check(&stage);
    stage.engine = "proot";
    let output = stage
        .run(&["--rm"], &["true"])
        .run()
        .exits(125)
        .complains("noexec");
    output.complains("CORACLE_HOME");
}

/// Where no engine works, the message names what an administrator would have to change.
#[test]
fn where_nothing_is_allowed() {
    require!(Fixtures, Root);
    let stage = Stage::new("auto", "none", &denying("userns0,noptrace"));
    expect_verdict(&doctor(&stage.sandbox, &stage.host), None);
    let output = stage
        .run(&["--rm"], &["echo", "ran"])
        .run()
        .exits(125)
        .prints("");
    output
        .complains("user.max_user_namespaces")
        .complains("ptrace")
        .complains("hint:");
}
