//! `prune`, `df`, `top` and `port`.

use super::container;
use crate::support::{fixture, require};

#[test]
fn prune_leaves_what_runs() {
    require!(Fixtures, UserNamespaces);
    let sandbox = container();
    let image = fixture::image("guest");
    let said = |words: &[&str]| sandbox.coracle(words).run().success();
    let running: Vec<_> = [&["ro", "--read-only"][..], &["rw"]]
        .into_iter()
        .map(|words| {
            let typed = ["--quiet", "run", "--name"].iter().chain(words);
            let waits = [&*image, "sh", "-c", "echo ready; read x"];
            let running = sandbox.coracle(typed).arguments(waits).start();
            running.wait_for("ready");
            running
        })
        .collect();
    said(&["create", "--name", "safe", &image]);
    said(&["protect", "safe"]);
    // Without a terminal somebody has to say that he means it.
    let asked = sandbox.coracle(["prune"]).run().exits(2);
    asked
        .complains("no terminal to ask on")
        .complains("--force");
    sandbox
        .coracle(["prune", "-f", "--filter", "label=x"])
        .run()
        .exits(2)
        .complains("until=");
    // Nothing is a day old.
    said(&["prune", "-f", "--filter", "until=24h"]).prints("freed 0 B");
    let names = || said(&["ps", "-a", "--json"]).stdout;
    assert!(names().contains("box"));
    said(&["container", "prune", "-af"]).mentions("freed");
    let left = names();
    assert!(!left.contains("\"box\"") && left.contains("safe"), "{left}");
    assert!(left.contains("\"ro\"") && left.contains("\"rw\""), "{left}");
    // An image of which there is a container stays, the others go.
    said(&["pull", &fixture::image("guest-entry")]);
    said(&["prune", "-af"]).mentions("guest-entry");
    assert!(said(&["images"]).stdout.contains(&image));
    for guest in running {
        guest.finish();
    }
    said(&["prune", "-f"]);
    let left = names();
    assert!(left.contains("safe") && !left.contains("\"rw\""), "{left}");
}

#[test]
fn df_counts_what_is_there() {
    require!(Fixtures);
    let sandbox = container();
    let df = sandbox.coracle(["df"]).run().success();
    let lines: Vec<Vec<&str>> = df
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        lines[0],
        ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"],
        "{df}"
    );
    assert_eq!(lines[1][..3], ["Images", "1", "1"], "{df}");
    assert_eq!(lines[2][..3], ["Containers", "1", "0"], "{df}");
    assert_eq!(lines[3][0], "Caches", "{df}");
    sandbox
        .coracle(["system", "df", "-v"])
        .run()
        .success()
        .mentions("UNIQUE SIZE")
        .mentions("box");
}

fn tops(engine: &str, user: &str) {
    let sandbox = container();
    let token = format!("85{:05}", std::process::id() % 100_000);
    let waits = format!("sleep {token} & echo ready; read x; kill $!");
    let typed = [
        "--quiet", "run", "--engine", engine, "box", "sh", "-c", &waits,
    ];
    let running = sandbox.coracle(typed).start();
    running.wait_for("ready");
    let top = sandbox.coracle(["top", "box"]).run().success();
    let sleeps: Vec<_> = top
        .stdout
        .lines()
        .filter(|line| line.ends_with(&format!(" sleep {token}")))
        .collect();
    assert_eq!(sleeps.len(), 1, "{top}");
    let fields: Vec<_> = sleeps[0].split_whitespace().collect();
    assert_eq!(fields[1..3], [user, "00:00:00"], "{top}");
    let line = std::fs::read_to_string(format!("/proc/{}/cmdline", fields[0])).expect("it lives");
    assert_eq!(line, format!("sleep\0{token}\0"));
    // The two processes of the guest, and nobody who only stays beside it.
    assert_eq!(top.stdout.lines().count(), 3, "{top}");
    running.finish();
    sandbox
        .coracle(["top", "box"])
        .run()
        .exits(1)
        .complains("container `box` is not running");
}

#[test]
fn top_in_namespaces() {
    require!(Fixtures, UserNamespaces);
    tops("ns", "root");
}

#[test]
fn top_through_proot() {
    require!(Fixtures, Ptrace);
    let uid = crate::support::Sandbox::new().ids().0.to_string();
    tops("proot", &uid);
}

#[test]
fn ports_are_the_hosts_unless_mapped() {
    require!(Fixtures);
    let sandbox = container();
    let port = |words: &[&str]| sandbox.coracle(["port"]).arguments(words).run();
    port(&["box"])
        .success()
        .prints("")
        .complains("its ports are the host's");
    let image = fixture::image("guest");
    let create = [
        "create",
        "--name",
        "web",
        "-p",
        "8080:80",
        "-p",
        "127.0.0.1:5353:53/udp",
        &image,
    ];
    sandbox.coracle(create).run().success();
    port(&["web"])
        .success()
        .prints("80/tcp -> 0.0.0.0:8080\n53/udp -> 127.0.0.1:5353");
    port(&["web", "80"]).success().prints("0.0.0.0:8080");
    port(&["web", "81"])
        .exits(2)
        .complains("publishes no port `81/tcp`");
}
