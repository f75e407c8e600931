//! What a container holds, from outside: `diff`, `cp`, and what the groups of Docker's commands lead to.

mod cp;
mod diff;
mod groups;
mod space;

use crate::support::{Output, Sandbox, fixture};

/// A container called `box`, of the guest image.
fn container() -> Sandbox {
    let sandbox = Sandbox::new();
    let create = ["create", "--name", "box", &fixture::image("guest")];
    sandbox.coracle(create).run().success();
    sandbox
}

/// Runs a script in it.
fn script(sandbox: &Sandbox, engine: &str, text: &str) -> Output {
    let typed = [
        "--quiet", "run", "--engine", engine, "box", "sh", "-ec", text,
    ];
    sandbox.coracle(typed).run()
}
