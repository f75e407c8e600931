//! Docker's groups of commands, and its commands that are not here.

use super::container;
use crate::support::{Sandbox, require};

#[test]
fn a_group_is_a_way_to_its_commands() {
    require!(Fixtures);
    let sandbox = container();
    let said = |words: &[&str]| sandbox.coracle(words).run().success().stdout;
    let ids = said(&["ps", "-aq"]);
    assert!(!ids.is_empty());
    assert_eq!(said(&["container", "ls", "-aq"]), ids);
    assert_eq!(said(&["--quiet", "container", "list", "-a"]), ids);
    let home = sandbox.store().display().to_string();
    assert_eq!(said(&["--home", &home, "container", "ps", "-aq"]), ids);
    assert_eq!(said(&["image", "ls"]), said(&["images"]));
    assert_eq!(said(&["container", "diff", "box"]), "");
    assert_eq!(said(&["info", "--help"]), said(&["doctor", "--help"]));
    // A container that is called like a group is no group.
    sandbox.coracle(["rename", "box", "image"]).run().success();
    assert_eq!(said(&["diff", "image"]), "");
}

#[test]
fn what_only_docker_has_says_what_to_do_instead() {
    let sandbox = Sandbox::new();
    let says = |line: &str, error: &str, hint: &str| {
        let output = sandbox.coracle(line.split(' ')).run().exits(2);
        output.prints("").complains(error).complains(hint);
    };
    says("build .", "there is no `build` here", "podman build");
    says("image push x", "there is no `push` here", "skopeo copy");
    says(
        "network create n",
        "there is no `network` here",
        "--network=none",
    );
    says("compose up", "there is no `compose` here", "coracle run -d");
    says("container", "`container` needs one of its commands", "`ls`");
    says(
        "system dance",
        "`system` needs one of its commands",
        "`prune`",
    );
}
