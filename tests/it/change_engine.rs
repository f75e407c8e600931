//! A container that changes its engine keeps what was written in it.

use crate::support::{Output, Sandbox, fixture, require};

/// Adds, changes, removes and replaces things of the image.
const WRITE: &str = "set -e
echo new > /root/new; ln /root/new /root/linked; ln -s new /root/soft; mkfifo /root/pipe
echo more >> /etc/hostname-like; chmod 640 /root/new
rm /etc/shells
rm -r /usr/share/doc; mkdir /usr/share/doc; echo only > /usr/share/doc/only
rm -r /usr/share/man; echo file > /usr/share/man
mkdir -m 555 /root/closed
mkdir /root/secret; echo none > /root/secret/shadow; chmod 0 /root/secret/shadow /root/secret";

/// Says what came of it.
const READ: &str = "cat /root/new /root/soft
stat -c '%a %h' /root/new
stat -c '%a %F' /root/pipe /root/closed /root/secret
ls /etc/shells
ls /usr/share/doc
cat /usr/share/man
cat /etc/hostname-like
test -x /usr/bin/dpkg && echo the rest";

const WANTED: &str =
    "new\nnew\n640 2\n644 fifo\n555 directory\n0 directory\nonly\nfile\nmore\nthe rest\n";

fn in_container(sandbox: &Sandbox, engine: &str, script: &str) -> Output {
    let typed = ["--quiet", "run", "--engine", engine, "box", "sh", "-c"];
    sandbox.coracle(typed).arguments([script]).run()
}

#[test]
fn from_namespaces_to_proot_and_back() {
    require!(Fixtures, UserNamespaces, Ptrace);
    let sandbox = Sandbox::new();
    let create = ["create", "--name", "box", &fixture::image("debian")];
    sandbox.coracle(create).run().success();
    in_container(&sandbox, "ns", WRITE).success();
    in_container(&sandbox, "ns", READ).prints(WANTED);
    in_container(&sandbox, "proot", READ)
        .prints(WANTED)
        .complains("cannot access '/etc/shells'");
    in_container(
        &sandbox,
        "proot",
        "chmod 700 /root/secret; stat -c %a /root/secret/shadow",
    )
    .success()
    .prints("0");
    in_container(&sandbox, "proot", "echo by proot > /root/new").success();
    in_container(&sandbox, "ns", "cat /root/linked")
        .success()
        .prints("by proot\n");
}
