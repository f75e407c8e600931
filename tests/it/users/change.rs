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
    for engine in ["--userns=subids", "--engine=proot"] {
        run(
            &sandbox,
            &[engine],
            "redis",
            &["gosu", "redis", "id", "-un"],
        )
        .run()
        .success()
        .prints("redis");
        let line = "su-exec server id -u; su-exec server:dialout id -g";
        run(&sandbox, &[engine], "alpine", &["sh", "-c", line])
            .run()
            .success()
            .prints("100\n20");
    }
}
