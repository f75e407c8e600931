//! udocker's list of verbs, T001 to T053, each under its number and against a registry of our own.

use std::path::Path;

use serde_json::Value;

use super::{Harness, registry};
use crate::support::{Output, fixture, require};

#[test]
fn t001_install() {
    let harness = Harness::new();
    harness.line("install").run().success().prints("");
}

#[test]
fn t002_install_force() {
    let harness = Harness::new();
    harness.line("install").run().success();
    harness.line("install --force").run().success().prints("");
    harness.line("install --purge").run().success().prints("");
}

/// The whole help, on stdout.
fn is_help(output: Output) {
    output
        .success()
        .mentions("Usage: udocker")
        .mentions("  setup ")
        .mentions("--allow-root");
}

#[test]
fn t003_no_arguments() {
    is_help(Harness::new().udocker([""; 0]).run());
}

#[test]
fn t004_help() {
    is_help(Harness::new().line("help").run());
    is_help(Harness::new().line("--help").run());
}

#[test]
fn t005_h() {
    is_help(Harness::new().line("-h").run());
}

#[test]
fn t006_showconf() {
    let output = Harness::new().line("showconf").run().success();
    let ruler = "-".repeat(80);
    assert!(output.stdout.starts_with(&ruler) && output.stdout.trim_end().ends_with(&ruler));
    output
        .mentions("\nverbose_level = 3 ")
        .mentions("\ndockerio_registry_url = ");
}

/// Three lines, and nothing else.
fn is_version(line: &str) {
    let output = Harness::new().line(line).run().success();
    let version = env!("CARGO_PKG_VERSION");
    let lines: Vec<&str> = output.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{output}");
    assert_eq!(lines[0], format!("version: {version}"), "{output}");
    assert!(lines[1].starts_with("tarball: "), "{output}");
    assert_eq!(lines[2], format!("tarball_release: {version}"), "{output}");
}

#[test]
fn t007_version() {
    is_version("version");
}

#[test]
fn t008_debug_version() {
    is_version("-D version");
}

#[test]
fn t009_quiet_version() {
    is_version("--quiet version");
}

#[test]
fn t010_q_version() {
    is_version("-q version");
}

#[test]
fn t011_long_debug_version() {
    is_version("--debug version");
}

#[test]
fn t012_upper_v() {
    is_version("-V");
}

#[test]
fn t013_long_version() {
    is_version("--version");
}

#[test]
fn t015_pull() {
    require!(Fixtures, DockerRegistry);
    let registry = registry();
    let harness = Harness::logged_in(&registry);
    let image = registry.image("guest");
    let output = harness.trusting(["pull", &image]).run().success();
    output.prints("");
    harness.line("images").run().success().mentions(&image);
}

#[test]
fn t016_insecure_pull() {
    require!(Fixtures, DockerRegistry);
    let registry = registry();
    let harness = Harness::logged_in(&registry);
    let image = registry.image("guest");
    harness
        .udocker(["pull", &image])
        .run()
        .exits(1)
        .complains("certificate");
    harness
        .udocker(["--insecure", "pull", &image])
        .run()
        .success();
    // As users of udocker name another registry: the name stays without it.
    let other = format!("--registry=https://{}", registry.host());
    harness
        .udocker(["--insecure", "pull", &other, "boats/guest:latest"])
        .run()
        .success();
    let images = harness.line("images").run().success();
    images.mentions("\nboats/guest:latest    .");
}

#[test]
fn t017_verify() {
    require!(Fixtures);
    let harness = Harness::with_container();
    let output = harness.line("verify IMAGE").run().success();
    output
        .mentions("Info: layer ok: sha256:")
        .mentions("Info: image Ok");
}

#[test]
fn t018_images() {
    require!(Fixtures);
    let harness = Harness::with_container();
    let image = fixture::image("guest");
    let output = harness.line("images").run().success();
    output.prints(&format!("REPOSITORY\n{image}    ."));
}

#[test]
fn t019_inspect_an_image() {
    require!(Fixtures);
    let harness = Harness::with_container();
    let output = harness.line("inspect IMAGE").run().success();
    let config: Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert_eq!(config["config"]["WorkingDir"], "/srv/work");
    assert!(
        output.stdout.starts_with("{\n    \"architecture\""),
        "{output}"
    );
    let tree = harness.line("inspect -p IMAGE").run().success();
    assert!(Path::new(tree.stdout.trim()).join("bin").is_dir(), "{tree}");
}

/// The id that `create` printed.
pub(super) fn id(output: &Output) -> String {
    let id = output.stdout.trim_end().to_owned();
    assert!(
        id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{output}"
    );
    id
}

#[test]
fn t020_quiet_create() {
    require!(Fixtures);
    let harness = Harness::new();
    harness
        .line("create IMAGE")
        .run()
        .exits(1)
        .complains("there is no image");
    harness.line("-q pull IMAGE").run().success();
    let output = harness.line("-q create IMAGE").run().success();
    let id = id(&output);
    harness
        .udocker(["run", &id, "args", "x"])
        .run()
        .success()
        .prints("1:x");
}

#[test]
fn t021_create_with_a_name() {
    require!(Fixtures);
    let harness = Harness::with_container();
    harness.line("create --name=c IMAGE").run().exits(1);
    let second = harness
        .line("create --name=c --force IMAGE")
        .run()
        .success();
    let names = harness.line("-q ps").run().success();
    let line = names
        .stdout
        .lines()
        .find(|line| line.starts_with(&id(&second)));
    assert!(line.is_some_and(|line| line.contains(" c ")), "{names}");
}

#[test]
fn t022_ps() {
    require!(Fixtures);
    let harness = Harness::with_container();
    let output = harness.line("ps").run().success();
    let lines: Vec<&str> = output.stdout.lines().collect();
    let heading = "CONTAINER ID                         P M NAMES              IMAGE";
    assert_eq!(lines[0], heading);
    let image = fixture::image("guest");
    assert!(
        lines[1].ends_with(&format!(" . W c                  {image}")),
        "{output}"
    );
}

#[test]
fn t023_t024_name_and_rmname() {
    require!(Fixtures);
    let harness = Harness::with_container();
    harness.line("name c d").run().success().prints("");
    harness.line("ps").run().success().mentions(" c,d ");
    harness.line("rename d e").run().success().prints("");
    harness.line("rmname c").run().success().prints("");
    harness.line("ps").run().success().mentions(" W e ");
    harness.line("name e bad/name").run().exits(1);
}

#[test]
fn t025_inspect_a_container() {
    require!(Fixtures);
    let harness = Harness::with_container();
    let output = harness.line("inspect c").run().success();
    let config: Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert_eq!(config["config"]["Env"][1], "GREETING=ahoy");
    harness.line("inspect -p c").run().success();
}

#[test]
fn t026_clone_with_a_name() {
    require!(Fixtures);
    let harness = Harness::with_container();
    let write = ["run", "c", "sh", "-c", "echo kept > /srv/note"];
    harness.udocker(write).run().success();
    let output = harness.line("clone --name=copy c").run().success();
    id(&output);
    harness
        .line("run copy cat /srv/note")
        .run()
        .success()
        .prints("kept");
}

#[test]
fn t027_export() {
    require!(Fixtures);
    let harness = Harness::with_container();
    harness.line("export -o c.tar c").run().success().prints("");
    let list = |archive: &str| {
        let run = harness.sandbox.command(["tar", "-tf", archive]);
        run.run().success().mentions("bin/args")
    };
    list("c.tar");
    let line = "\"$0\" export - c > d.tar && \"$0\" export c > e.tar && cmp d.tar c.tar && cmp e.tar c.tar";
    let run = harness.sandbox.command(["sh", "-c", line]);
    run.arguments([harness.sandbox.path("udocker")])
        .run()
        .success();
}

#[test]
fn t028_rm() {
    require!(Fixtures);
    let harness = Harness::with_container();
    harness.line("rm c").run().success().prints("");
    harness.line("rm c").run().exits(1);
    let id = id(&harness.line("create --name=f IMAGE").run().success());
    harness.udocker(["rm", "-f", &id]).run().success();
    harness.line("create --name=g IMAGE").run().success();
    harness
        .line("run --rm g args x")
        .run()
        .success()
        .prints("1:x");
    harness.line("rm g").run().exits(1);
}

#[test]
fn t029_setup_prints() {
    require!(Fixtures);
    let harness = Harness::with_container();
    let output = harness.line("setup c").run().success();
    output.prints("execmode: auto\nnvidiamode: False");
    harness
        .line("setup --execmode=P2 --force c")
        .run()
        .success();
    let output = harness.line("setup c").run().success();
    output.prints("execmode: P2\nnvidiamode: False");
    harness.line("ps -m").run().success().mentions(" W P2   c ");
    harness
        .line("setup --execmode=F3 c")
        .run()
        .exits(1)
        .complains("`F3` is not in this version");
    harness.line("setup --execmode=X9 c").run().exits(1);
}

#[test]
fn t030_to_t033_repositories() {
    require!(Fixtures, DockerRegistry);
    let registry = registry();
    let harness = Harness::logged_in(&registry);
    let image = registry.image("guest");
    let place = harness.sandbox.path("home/place");
    let place = place.to_str().expect("a plain path");
    harness.udocker(["mkrepo", place]).run().success();
    harness
        .udocker(["mkrepo", place])
        .run()
        .exits(1)
        .complains("is there already");
    let repo = format!("--repo={place}");
    harness.trusting([&repo, "pull", &image]).run().success();
    let verify = harness.udocker([&repo, "verify", &image]).run();
    verify.success().mentions("image Ok");
    let verify = harness.udocker(["verify", &image]);
    let verify = verify.env("UDOCKER_DIR", place).run();
    verify.success().mentions("image Ok");
    assert!(!harness.sandbox.store().exists());
}

#[test]
fn t035_to_t038_protect() {
    require!(Fixtures);
    let harness = Harness::with_container();
    harness.line("protect c").run().success().prints("");
    harness.line("ps").run().success().mentions(" P W c ");
    harness.line("rm c").run().exits(1).complains("protected");
    harness.line("rm -f c").run().exits(1);
    harness.line("setup --execmode=P1 c").run().exits(1);
    harness.line("protect IMAGE").run().success();
    harness.line("images").run().success().mentions("    P");
    harness.line("unprotect c").run().success().prints("");
    harness.line("rm c").run().success();
    harness.line("rmi IMAGE").run().exits(1);
    harness.line("unprotect IMAGE").run().success();
    harness.line("rmi IMAGE").run().success();
}

#[test]
fn t042_rmi() {
    require!(Fixtures);
    let harness = Harness::with_container();
    harness.line("rmi IMAGE").run().exits(1);
    harness.line("rm c").run().success();
    harness.line("rmi IMAGE").run().success().prints("");
    harness
        .line("rmi IMAGE")
        .run()
        .exits(1)
        .complains("there is no image");
}

#[test]
fn t043_t044_ps_with_mode_and_size() {
    require!(Fixtures);
    let harness = Harness::with_container();
    let output = harness.line("ps -m").run().success();
    output.mentions(" P M MOD  NAMES ").mentions(" . W auto c ");
    let output = harness.line("ps -s -m").run().success();
    output.mentions(" P M MOD  SIZE    NAMES ");
    let output = harness.line("ps -p").run().success();
    output.mentions(" linux/");
}

#[test]
fn t045_images_long() {
    require!(Fixtures);
    let harness = Harness::with_container();
    let output = harness.line("images -l").run().success();
    let blobs = harness.sandbox.store().join("blobs");
    output
        .mentions(&format!("\n  {}\n    /sha256:", blobs.display()))
        .mentions(" MB)");
    let output = harness.line("images -p").run().success();
    output.mentions("linux/").mentions(" . oci:");
}

#[test]
fn t046_to_t051_python_and_redis() {
    require!(Fixtures, DockerRegistry);
    let registry = registry();
    let harness = Harness::logged_in(&registry);
    // One Debian tree with python and redis stands for both images of udocker's list.
    let image = registry.image("services");
    harness.trusting(["pull", &image]).run().success();
    let output = harness.udocker(["create", "--name=py", &image]).run();
    id(&output.success());
    harness
        .line("run py python3 --version")
        .run()
        .success()
        .mentions("Python 3");
    harness
        .udocker(["create", "--name=redis", &image])
        .run()
        .success();
    harness
        .line("run redis redis-server --version")
        .run()
        .success()
        .mentions("Redis server");
}

#[test]
fn t052_t053_login_and_logout() {
    require!(Fixtures, DockerRegistry);
    let registry = registry();
    let harness = Harness::new();
    harness.login(&registry).run().success().prints("");
    harness
        .login(&registry)
        .input("wrong")
        .run()
        .exits(1)
        .complains("error: ");
    let image = registry.image("guest");
    harness.trusting(["pull", &image]).run().success();
    harness.line("logout -a").run().success().prints("");
    let second = registry.image("guest-entry");
    harness.trusting(["pull", &second]).run().exits(1);
    harness.line("logout -a").run().success();
}
