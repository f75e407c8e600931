//! Documents: versions, values, both formats, and what hostile ones come to.

use super::World;

/// Asks for `v.com/c=one` of a document.
#[track_caller]
fn check(document: impl AsRef<[u8]>, expected: &[&str]) {
    let world = World::new();
    world
        .file("low/a.yaml", document)
        .check("v.com/c=one", expected);
}

/// Asks for the same device, and expects that the document cannot be used, for this reason.
#[track_caller]
fn refused(document: impl AsRef<[u8]>, reason: &str) {
    check(
        document,
        &[
            "error: no CDI specification describes the device `v.com/c=one`",
            &format!("hint: `@/low/a.yaml` cannot be used: {reason}"),
            "hint: no other device is described in `@/low`, `@/high`; vendors' tools write specifications, such as \
             `nvidia-ctk cdi generate`",
        ],
    );
}

/// A document of this version whose one device has these edits, as one line of YAML.
fn with(version: &str, edits: &str) -> String {
    format!(
        "cdiVersion: {version}\nkind: v.com/c\ndevices: [{{name: one, containerEdits: {{{edits}}}}}]\n"
    )
}

#[test]
fn a_field_needs_its_version() {
    let rows = [
        (
            "mounts: [{hostPath: /dev, containerPath: /x, type: none}]",
            "0.3.0",
            "0.4.0",
            "`type` of a mount",
        ),
        (
            "deviceNodes: [{path: /dev/x, hostPath: /dev/null}]",
            "0.4.0",
            "0.5.0",
            "`hostPath` of a device node",
        ),
        ("intelRdt: {closID: x}", "0.6.0", "0.7.0", "`intelRdt`"),
        ("additionalGids: [44]", "0.6.0", "0.7.0", "`additionalGids`"),
        (
            "intelRdt: {schemata: [x]}",
            "1.0.0",
            "1.1.0",
            "`schemata` or `enableMonitoring` of `intelRdt`",
        ),
        (
            "netDevices: [{hostInterfaceName: a, name: b}]",
            "1.0.0",
            "1.1.0",
            "`netDevices`",
        ),
    ];
    for (edits, older, needed, what) in rows {
        refused(
            with(older, edits),
            &format!("{what} needs cdiVersion {needed}, and the file says {older}"),
        );
        let world = World::new();
        world.file("low/a.yaml", with(needed, edits));
        assert!(
            world.resolve("v.com/c=one").is_ok(),
            "{edits}: {}",
            world.told("v.com/c=one")
        );
    }
    let annotated = with("0.5.0", "env: [A=b]") + "annotations: {a: b}\n";
    refused(
        &annotated,
        "`annotations` needs cdiVersion 0.6.0, and the file says 0.5.0",
    );
    let dotted = with("0.5.0", "env: [A=b]").replace("v.com/c", "v.com/c.d");
    refused(
        &dotted,
        "a dot in the class needs cdiVersion 0.6.0, and the file says 0.5.0",
    );
    let digit = with("0.4.0", "env: [A=b]").replace("name: one", "name: 1ne");
    refused(
        &digit,
        "a device name that begins with a digit needs cdiVersion 0.5.0, and the file says 0.4.0",
    );
}

#[test]
fn versions_are_those_of_the_interface() {
    for version in ["0.3.0", "0.5.0", "v0.6.0", "1.0.1", "1.1.0"] {
        check(with(version, "env: [A=b]"), &["env A=b"]);
    }
    let newer = "warning: `@/low/a.yaml`: cdiVersion 1.2.0 is newer than 1.1.0; what it brought is passed over";
    check(with("1.2.0", "env: [A=b]"), &["env A=b", newer]);
    refused(
        with("2.0.0", "env: [A=b]"),
        "cdiVersion 2.0.0 is not one that coracle knows; the newest is 1.1.0",
    );
    refused(
        with("0.2.0", "env: [A=b]"),
        "cdiVersion 0.2.0 is older than 0.3.0, the first release",
    );
    for version in [
        "x",
        "1.0",
        "1..0.0",
        "-1.0.0",
        "1.0.0-rc1",
        "4294967296.0.0",
        "''",
    ] {
        let shown = version.trim_matches('\'');
        refused(
            with(version, ""),
            &format!("cdiVersion `{shown}` is no version: expected three numbers, such as `0.6.0`"),
        );
    }
}

#[test]
fn unknown_fields_are_told_of() {
    let document = "cdiVersion: 0.6.0\nkind: v.com/c\nolder: [1, {a: b}]\ndevices:\n- name: one\n  what: ever\n  containerEdits:\n    \
                    env: [A=b]\n    deviceNodes: [{path: /dev/null, colour: red}]\n";
    let warning =
        |field: &str| format!("warning: `@/low/a.yaml`: the field `{field}` is not known");
    let (colour, older, what) = (warning("colour"), warning("older"), warning("what"));
    check(
        document,
        &[
            "env A=b",
            "node /dev/null at /dev/null",
            &colour,
            &older,
            &what,
        ],
    );
}

#[test]
fn values_are_checked() {
    let rows = [
        ("env: [novalue]", "env `novalue` is not `NAME=value`"),
        ("env: ['=x']", "env `=x` is not `NAME=value`"),
        ("env: [\"A=\\0\"]", "env `A=\\0` has a NUL in it"),
        (
            "deviceNodes: [{path: dev/x}]",
            "the device node `dev/x` is not absolute",
        ),
        (
            "deviceNodes: [{hostPath: /dev/null}]",
            "the device node `` is not absolute",
        ),
        (
            "deviceNodes: [{path: /dev/null, type: x}]",
            "the type `x` of a device node is none of `b`, `c`, `u`, `p`",
        ),
        (
            "mounts: [{hostPath: /x}]",
            "containerPath `` is not absolute",
        ),
        (
            "mounts: [{containerPath: /x}]",
            "hostPath `` of a mount is empty",
        ),
        (
            "mounts: [{hostPath: \"/a\\0b\", containerPath: /x}]",
            "hostPath `/a\\0b` has a NUL in it",
        ),
        (
            "hooks: [{hookName: never, path: /x}]",
            "hookName `never` is no moment of a container's life",
        ),
        (
            "hooks: [{hookName: poststop}]",
            "the hook's path `` is not absolute",
        ),
        (
            "env: text",
            "line 3: invalid type: string \"text\", expected a sequence",
        ),
        (
            "additionalGids: [-1]",
            "line 3: invalid value: integer `-1`, expected u32",
        ),
    ];
    for (edits, reason) in rows {
        refused(with("0.7.0", edits), reason);
    }
    refused(
        "cdiVersion: 0.6.0\nkind: v.com/c\ndevices: []\n",
        "it describes no device",
    );
    refused(
        "cdiVersion: 0.6.0\nkind: v.com/c\n",
        "it describes no device",
    );
    refused(
        "cdiVersion: 0.6.0\nkind: v\ndevices: []\n",
        "`v` names no kind of devices: expected `vendor/class`, such as `nvidia.com/gpu`",
    );
    refused("kind: v.com/c\n", "line 1: missing field `cdiVersion`");
    let twice = "cdiVersion: 0.6.0\nkind: v.com/c\ndevices: [{name: one}, {name: one}]\n";
    refused(twice, "it describes the device `one` twice");
}

#[test]
fn mounts_have_options() {
    let mount = |rest: &str| with("0.6.0", &format!("mounts: [{{containerPath: /x, {rest}}}]"));
    check(mount("hostPath: /dev"), &["rw /dev at /x"]);
    check(
        mount("hostPath: /dev, options: [rbind, ro, rprivate, noatime]"),
        &["ro /dev at /x"],
    );
    check(
        mount("hostPath: tmpfs, type: tmpfs"),
        &["rw tmpfs None 1777 at /x"],
    );
    let sized = mount("hostPath: tmpfs, type: tmpfs, options: [size=64m, mode=0700, ro]");
    check(sized, &["ro tmpfs Some(67108864) 700 at /x"]);
    let odd = "warning: `@/low/a.yaml`: the option `size=many` of the mount at `/x` is left out";
    check(
        mount("hostPath: t, type: tmpfs, options: [size=many]"),
        &["rw tmpfs None 1777 at /x", odd],
    );
    let shared = "warning: `@/low/a.yaml`: the option `rshared` of the mount at `/x` is left out";
    check(
        mount("hostPath: /dev, options: [rshared]"),
        &["rw /dev at /x", shared],
    );
    let other = "warning: `@/low/a.yaml`: the mount at `/x` is left out: its type is `nfs`";
    check(mount("hostPath: server, type: nfs"), &[other]);
    let hint = "hint: correct the file, or make it anew with the vendor's tool";
    check(
        mount("hostPath: here"),
        &[
            "error: `@/low/a.yaml`: the path `here` to be mounted is not absolute",
            hint,
        ],
    );
    // Nothing takes the place of the container's root.
    let root = with(
        "0.6.0",
        "mounts: [{hostPath: /dev, containerPath: /a/../..}]",
    );
    check(
        root,
        &[
            "error: `@/low/a.yaml`: containerPath `/a/../..` is no place in a container",
            hint,
        ],
    );
    let inside = with(
        "0.6.0",
        "mounts: [{hostPath: /dev, containerPath: /../../etc/x}]",
    );
    check(inside, &["rw /dev at /etc/x"]);
}

#[test]
fn nodes_are_those_of_the_host() {
    let node = |rest: &str| with("0.6.0", &format!("deviceNodes: [{{path: /dev/x, {rest}}}]"));
    check(
        node("hostPath: /dev/null, major: 1, minor: 3"),
        &["node /dev/null at /dev/x"],
    );
    let moved = "warning: `@/low/a.yaml`: `/dev/null` should be the device 195:0 and is 1:3; the driver may have changed \
                 since: make it anew with the tool of `v.com`";
    check(
        node("hostPath: /dev/null, major: 195"),
        &["node /dev/null at /dev/x", moved],
    );
    let hint = "hint: the driver may have changed since: make it anew with the tool of `v.com`";
    check(
        node("hostPath: /dev"),
        &[
            "error: `@/low/a.yaml` wants the device node `/dev`, which is no device",
            hint,
        ],
    );
    let absent = [
        "error: `@/low/a.yaml` wants the device node `/dev/x` of this host",
        "  caused by: cannot stat `/dev/x`",
        "  caused by: No such file or directory (os error 2)",
        hint,
    ];
    check(node("permissions: rwm"), &absent);
}

#[test]
fn what_cannot_be_done_is_told_of() {
    let document = with(
        "1.1.0",
        "intelRdt: {closID: x}, netDevices: [{hostInterfaceName: a, name: b}], additionalGids: [0, 44, 44]",
    );
    check(
        document,
        &[
            "group 44",
            "warning: `@/low/a.yaml`: `intelRdt` is left out: only an administrator can reserve cache and memory bandwidth",
            "warning: `@/low/a.yaml`: `netDevices` are left out: the guest has the host's network",
        ],
    );
}

#[test]
fn yaml_means_what_it_means_elsewhere() {
    // A number is text where text is wanted; anchors stand for what they name; a mode may be octal.
    let document = "%YAML 1.2\n---\n# a comment\ncdiVersion: \"0.6.0\"\nkind: 'v.com/c'\ndevices:\n- name: &n one\n  containerEdits: &e\n    \
                    env:\n    - A=1\n    - !!str B=~\n    - >-\n      C=two\n      words\n    deviceNodes:\n    - path: /dev/null\n      \
                    fileMode: 0660\n- {name: 7, containerEdits: *e}\n...\n";
    let expected = [
        "env A=1",
        "env B=~",
        "env C=two words",
        "node /dev/null at /dev/null",
    ];
    let world = World::new();
    world.file("low/a.yaml", document);
    world.check("v.com/c=one", &expected);
    world.check("v.com/c=7", &expected);
    refused(
        "a: &a {b: *a}\n",
        "line 1: an alias stands for what contains it",
    );
    refused(
        "<<: {a: b}\n",
        "line 1: merge keys (`<<`) are not supported",
    );
    refused(
        "a: !vendor b\n",
        "line 1: a tag that is not in YAML's core schema",
    );
    refused("? [a]\n: b\n", "line 1: a key that is no text");
    refused("--- a\n--- b\n", "line 2: a second document begins");
    refused("", "line 1: the document is empty");
    refused("kind: a\nkind: b\n", "line 1: duplicate field `kind`");
    refused(
        b"kind: \xff\n",
        "invalid utf-8 sequence of 1 bytes from index 6",
    );
}

#[test]
fn hostile_documents_end_soon() {
    let deep = |open: &str, times: usize| open.repeat(times);
    refused(deep("[", 1 << 20), "line 1: recursion limit exceeded");
    refused(deep("{a: ", 1 << 18), "line 1: recursion limit exceeded");
    refused(deep("- ", 1 << 20), "line 1: recursion limit exceeded");
    let world = World::new();
    world
        .file("low/a.json", deep("[", 1 << 20))
        .file("high/b.json", deep("{\"a\":", 1 << 19));
    let told = world.told("v.com/c=one");
    assert!(told.contains("`@/low/a.json` cannot be used"), "{told}");
    assert!(
        told.contains("`@/high/b.json` cannot be used: recursion limit exceeded"),
        "{told}"
    );
    // Each line doubles what the one before it stands for.
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let below = level - 1;
        bomb.push_str(&format!("a{level}: &a{level} [*a{below}, *a{below}, *a{below}, *a{below}, *a{below}, *a{below}]\n"));
    }
    refused(
        &bomb,
        "line 7: the document grows too large, probably by its aliases",
    );
    let long = format!(
        "a: &a {}\nb: [{}]\n",
        "x".repeat(1 << 20),
        "*a, ".repeat(1 << 10)
    );
    refused(
        &long,
        "line 2: the document grows too large, probably by its aliases",
    );
    refused(vec![b'#'; 5 << 20], "larger than 4194304 bytes");
}
