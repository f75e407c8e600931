//! What the toolkit's hooks do is done; what others do is told of.

use super::World;

/// Asks for a device with one hook.
#[track_caller]
fn check(path: &str, arguments: &[&str], expected: &[&str]) {
    let world = World::new();
    let arguments: Vec<String> = arguments
        .iter()
        .map(|argument| format!("{argument:?}"))
        .collect();
    let spec = format!(
        "cdiVersion: 0.6.0\nkind: v.com/c\ndevices:\n- name: one\n  containerEdits:\n    hooks:\n    - hookName: createContainer\n      \
         path: {path}\n      args: [{}]\n",
        arguments.join(", ")
    );
    world
        .text("low/a.yaml", &spec)
        .check("v.com/c=one", expected);
}

const HOOK: &str = "/usr/bin/nvidia-cdi-hook";

#[test]
fn programs_are_known_by_their_names() {
    let link = ["link /usr/lib/b -> a"];
    let words = ["create-symlinks", "--link", "a::/usr/lib/b"];
    let new = |argument: &'static str| [&[argument][..], &words].concat();
    let old = |argument: &'static str| [&[argument, "hook"][..], &words].concat();
    check(HOOK, &new("nvidia-cdi-hook"), &link);
    check(
        "/nix/store/x-toolkit/bin/nvidia-cdi-hook",
        &new("nvidia-cdi-hook"),
        &link,
    );
    check("/usr/bin/nvidia-ctk", &old("nvidia-ctk"), &link);
    check(
        "/usr/local/nvidia/toolkit/nvidia-ctk.real",
        &old("/usr/local/nvidia/toolkit/nvidia-ctk"),
        &link,
    );
    check("/opt/.nvidia-ctk-wrapped", &old("x"), &link);
    check("/opt/wrapper", &new("nvidia-cdi-hook"), &link);
    let other = "warning: the hook `/opt/vendor-hook create-symlinks --link a::/usr/lib/b` is not run: coracle knows NVIDIA's only";
    check("/opt/vendor-hook", &new("vendor-hook"), &[other]);
    check(
        HOOK,
        &[],
        &["warning: the hook `/usr/bin/nvidia-cdi-hook` is not run: coracle knows NVIDIA's only"],
    );
    check(
        HOOK,
        &["nvidia-cdi-hook"],
        &["warning: the hook `/usr/bin/nvidia-cdi-hook` is not run: coracle knows NVIDIA's only"],
    );
    let unknown = "warning: the hook `/usr/bin/nvidia-cdi-hook fly --high` is not run: coracle does not know what it does";
    check(HOOK, &["nvidia-cdi-hook", "fly", "--high"], &[unknown]);
}

#[test]
fn flags_have_two_spellings() {
    let rows: [(&[&str], &[&str]); 8] = [
        (
            &["create-symlinks", "--link=a::/b", "-link", "../x::/c/d"],
            &["link /b -> a", "link /c/d -> ../x"],
        ),
        // The last of two links at one place counts, and a relative place counts from the root.
        (
            &["create-symlinks", "--link", "a::/b", "--link", "c::b"],
            &["link /b -> c"],
        ),
        // Places stay inside the container; targets are only text.
        (
            &["create-symlinks", "--link", "../../../etc/shadow::/../../x"],
            &["link /x -> ../../../etc/shadow"],
        ),
        (
            &[
                "update-ldcache",
                "--folder",
                "/a",
                "--folder=/b",
                "--folder",
                "/a",
            ],
            &["folder /a", "folder /b"],
        ),
        (
            &[
                "update-ldcache",
                "--ldconfig-path",
                "/sbin/ldconfig",
                "--folder",
                "/a",
            ],
            &["folder /a"],
        ),
        (
            &["create-soname-symlinks", "--folder", "/a"],
            &["folder /a"],
        ),
        (
            &["enable-cuda-compat", "--host-driver-version", "570.1"],
            &["compat 570.1"],
        ),
        (
            &["enable-cuda-compat", "--cuda-compat-container-root=/usr"],
            &[],
        ),
    ];
    for (arguments, expected) in rows {
        check(HOOK, &[&["nvidia-cdi-hook"], arguments].concat(), expected);
    }
}

#[test]
fn what_makes_no_difference_is_noted() {
    let rows: [(&[&str], &str); 4] = [
        (
            &["disable-device-node-modification"],
            "note: the hook `disable-device-node-modification` is not needed: no guest can make device nodes",
        ),
        (
            &["update-application-profile"],
            "note: the hook `update-application-profile` is not needed: EGL skips what it cannot open",
        ),
        (
            &["chmod", "--mode", "0755", "--path", "/dev/dri"],
            "note: the hook `chmod` is not needed: directories have that mode",
        ),
        (
            &["chmod", "--mode", "777", "--path", "/dev/dri"],
            "warning: the hook `/usr/bin/nvidia-cdi-hook chmod --mode 777 --path /dev/dri` is not run: coracle does not know what it does",
        ),
    ];
    for (arguments, expected) in rows {
        check(
            HOOK,
            &[&["nvidia-cdi-hook"], arguments].concat(),
            &[expected],
        );
    }
}

#[test]
fn wrong_arguments_stop_the_run() {
    let rows: [(&[&str], &str); 5] = [
        (
            &["create-symlinks", "--link", "a:/b"],
            "`a:/b` is not `TARGET::LINK`",
        ),
        (
            &["create-symlinks", "--link", "::/b"],
            "`::/b` has no target",
        ),
        (
            &["create-symlinks", "--link", "a::"],
            "`` is no place in a container",
        ),
        (&["create-symlinks", "--link"], "`` is not `TARGET::LINK`"),
        (
            &["update-ldcache", "--folder", "/.."],
            "`/..` is no place in a container",
        ),
    ];
    for (arguments, reason) in rows {
        let error = format!("error: `@/low/a.yaml`: the hook's argument {reason}");
        let hint = "hint: correct the file, or make it anew with the vendor's tool";
        check(
            HOOK,
            &[&["nvidia-cdi-hook"], arguments].concat(),
            &[&error, hint],
        );
    }
}
