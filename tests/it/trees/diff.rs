//! `diff`, compared with what is known to have been done.

use super::{container, script};
use crate::support::require;

/// Adds, changes, removes, replaces and renames.
const WRITE: &str = "echo new >/root/new; ln -s new /root/soft; mkfifo /root/pipe
rm /target/file
mv /target/folder /target/moved
echo more >>/etc/group
mkdir -p /opt/a/b
chmod 700 /srv/work
rm -r /home; mkdir /home; echo only >/home/only
rm -r /closed; echo file >/closed
mkdir /tmp/gone; rmdir /tmp/gone";

const WANTED: &str = "C /closed
C /etc
C /etc/group
C /home
A /home/only
D /home/worker
A /opt
A /opt/a
A /opt/a/b
C /root
A /root/new
A /root/pipe
A /root/soft
C /srv
C /srv/work
C /target
D /target/file
D /target/folder
A /target/moved
A /target/moved/below
C /tmp
";

fn check(engine: &str) {
    let sandbox = container();
    let diff = || sandbox.coracle(["diff", "box"]).run().success();
    diff().prints("");
    // What a run puts there by itself is nobody's change.
    script(&sandbox, engine, "true").success();
    diff().prints("");
    script(&sandbox, engine, WRITE).success();
    let output = diff();
    // A copy knows a renamed directory's time, an overlay made a new one: both say the same.
    let lines: Vec<_> = output.stdout.lines().collect();
    let wanted: Vec<_> = WANTED.lines().collect();
    assert_eq!(lines, wanted, "{output}");
}

#[test]
fn of_an_overlay() {
    require!(Fixtures, UserNamespaces);
    check("ns");
}

#[test]
fn of_a_copy() {
    require!(Fixtures, Ptrace);
    check("proot");
}

#[test]
fn of_files_of_other_ids() {
    require!(Fixtures, UserNamespaces);
    let sandbox = container();
    let make = "mkdir -m 700 /srv/theirs; echo x >/srv/theirs/file; chown -R 33 /srv/theirs";
    let run = [
        "--quiet", "run", "--userns", "subids", "box", "sh", "-ec", make,
    ];
    let ran = sandbox.coracle(run).run();
    if ran.stderr.contains("/etc/subuid") {
        return;
    }
    ran.success();
    let diff = sandbox.coracle(["diff", "box"]).run().success();
    diff.prints("C /srv\nA /srv/theirs\nA /srv/theirs/file");
    sandbox.coracle(["rm", "box"]).run().success();
}
