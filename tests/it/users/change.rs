//! Programs that start as root and go on as somebody else: gosu, su-exec, setpriv, useradd, su.

use crate::support::{Run, Sandbox, fixture, require};

fn run(sandbox: &Sandbox, options: &[&str], image: &str, words: &[&str]) -> Run {
    let run = sandbox.coracle(["--quiet", "run", "--rm"]);
    let run = run.arguments(options).arguments([fixture::service(image)]);
    run.arguments(words)
}

#[test]
fn become_somebody_else_where_other_ids_exist_or_are_pretended() {
    require!(Fixtures, UserNamespaces, SubIds, Ptrace);
    let sandbox = Sandbox::new();
    for engine in ["--engine=ns", "--userns=subids", "--engine=proot"] {
        let line = "su-exec server id -u; su-exec server:dialout id -g";
        run(&sandbox, &[engine], "alpine", &["sh", "-c", line])
            .run()
            .success()
            .prints("100\n20");
    }
    let typed = ["--userns=single"];
    run(
        &sandbox,
        &typed,
        "alpine",
        &["su-exec", "server", "id", "-u"],
    )
    .run()
    .success()
    .prints("0");
}

#[test]
fn what_is_theirs_in_the_image_is_theirs_in_the_guest() {
    require!(Fixtures, UserNamespaces, SubIds);
    let sandbox = Sandbox::new();
    let script = "stat -c '%U:%G %a' /data /etc/shadow /usr/bin/chage /usr/bin/su
        gosu redis touch /data/x && stat -c %U /data/x; chown root /data";
    let owners = "redis:redis 755\nroot:shadow 640\nroot:shadow 2755\nroot:root 4755\nredis\n";
    sandbox
        .coracle(["--quiet", "run", "--name=box", &fixture::service("redis")])
        .arguments(["sh", "-c", script])
        .run()
        .success()
        .prints(owners);
    // A later run has the same ids, and finds what the guest has changed as it left it.
    let again = |options: &[&str]| {
        let run = sandbox.coracle(["--quiet", "run"]).arguments(options);
        run.arguments(["box", "stat", "-c", "%U", "/data", "/data/x"])
            .run()
    };
    again(&[]).success().prints("root\nredis");
    again(&["-u", "nginx"]).success().prints("root\nredis");
    again(&["--userns=single"])
        .exits(125)
        .complains("`--userns` is for new containers");
    again(&["--engine=proot"])
        .exits(125)
        .complains("ids from /etc/subuid");
    sandbox.coracle(["rm", "box"]).run().success();
    sandbox.coracle(["gc"]).run().success();
    for folder in ["containers", "trash"] {
        let left = std::fs::read_dir(sandbox.store().join(folder)).map(Iterator::count);
        assert_eq!(left.ok(), Some(0), "left in {folder}");
    }
}

#[test]
fn without_other_ids_the_image_runs_and_a_warning_says_how() {
    require!(Fixtures, Root, UserNamespaces);
    let sandbox = Sandbox::new();
    let empty = sandbox.file("none", "");
    let host = [
        "unshare",
        "--mount",
        "sh",
        "-ec",
        "mount --bind \"$0\" /etc/subuid; exec \"$@\"",
    ];
    sandbox
        .coracle(["run", "--rm", &fixture::service("alpine"), "id", "-u"])
        .behind(
            host.map(std::ffi::OsString::from)
                .into_iter()
                .chain([empty.into_os_string()]),
        )
        .run()
        .success()
        .prints("0")
        .complains("/sbin/su-exec")
        .complains("`-u NAME`");
}
