//! One test per defect that got out, named after what was seen.

use crate::support::{Sandbox, fixture, require};

/// `rm` failed for want of permission, and every `gc` after it.
#[test]
fn a_container_with_files_of_sub_ids_can_be_removed() {
    require!(Fixtures, Root, UserNamespaces);
    let sandbox = Sandbox::new();
    let granted = format!("{}:700000:65536\n", sandbox.ids().0);
    let table = sandbox.file("granted", granted);
    let mounts = "for table in uid gid; do mount --bind \"$0\" /etc/sub$table; done; exec \"$@\"";
    let host = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-ec",
    ];
    let host: Vec<std::ffi::OsString> = host
        .into_iter()
        .chain([mounts])
        .map(Into::into)
        .chain([table.into_os_string()])
        .collect();
    let script = "mkdir -m 700 /own && touch /own/file && chown -R 77:77 /own";
    sandbox
        .coracle(["--quiet", "run", "--name=many", "--userns=subids"])
        .arguments([&fixture::image("guest"), "sh", "-c", script])
        .behind(&host)
        .run()
        .success();
    sandbox
        .coracle(["rm", "many"])
        .behind(&host)
        .run()
        .success();
    for folder in ["containers", "trash"] {
        let left = std::fs::read_dir(sandbox.store().join(folder)).map(Iterator::count);
        assert_eq!(left.ok(), Some(0), "left in {folder}");
    }
}

/// The advice was to set CORACLE_HOME.
#[test]
fn a_prefix_that_will_not_do_is_called_that() {
    let sandbox = Sandbox::new();
    sandbox
        .coracle(["install", "--prefix=/proc/self"])
        .run()
        .exits(1)
        .complains("cannot install into `/proc/self/bin`")
        .complains("--prefix");
}

#[test]
fn a_mistyped_container_is_called_that() {
    let sandbox = Sandbox::new();
    sandbox
        .coracle(["run", "--pull=never", "k1"])
        .run()
        .exits(125)
        .complains("there is no container `k1`")
        .complains("coracle ps");
}
