//! What is typed about graphics processors: the flags of `run` and `create`, and `setup --nvidia`.

use coracle::ops::options::{GpuOptions, Options};
use serde_json::{Value, json};

use super::list::driver_root;
use crate::support::Sandbox;

/// The wish that flags amount to, as a container would remember it: graphics processors, then volumes.
fn wish(gpu: GpuOptions) -> Result<(Value, Value), String> {
    let options = Options {
        gpu,
        ..Options::default()
    };
    let wish = options.into_wish().map_err(|fault| fault.to_string())?;
    let mut wish = serde_json::to_value(wish).expect("a wish is JSON");
    Ok((wish["gpu"].take(), wish["volumes"].take()))
}

fn devices(names: &[&str]) -> GpuOptions {
    GpuOptions {
        device: names.iter().map(Into::into).collect(),
        ..GpuOptions::default()
    }
}

#[test]
fn devices_become_processors_names_or_volumes() {
    let check = |names: &[&str], gpus: Value, cdi: Value, volumes: Value| {
        let (gpu, got) = wish(devices(names)).expect("sound");
        assert_eq!((&gpu["gpus"], &gpu["devices"]), (&gpus, &cdi), "{names:?}");
        assert_eq!(got, volumes, "{names:?}");
    };
    check(
        &["nvidia.com/gpu=0", "nvidia.com/gpu=GPU-aa"],
        json!("nvidia.com/gpu=0,nvidia.com/gpu=GPU-aa"),
        json!([]),
        json!([]),
    );
    check(
        &["amd.com/gpu=1", "nvidia.com/gpu=all", "x/y=a:b"],
        json!("nvidia.com/gpu=all"),
        json!(["amd.com/gpu=1", "x/y=a:b"]),
        json!([]),
    );
    check(
        &[
            "/dev/null",
            "/dev/null:/dev/zero",
            "/dev/null:/dev/full:rwm",
            "/dev/tty:rw",
            "/dev/not-here",
        ],
        json!(null),
        json!([]),
        json!([
            "/dev/null:/dev/null",
            "/dev/null:/dev/zero",
            "/dev/null:/dev/full",
            "/dev/tty:/dev/tty",
            "/dev/not-here:/dev/not-here",
        ]),
    );
    let refused = |name: &str, part: &str| {
        let error = wish(devices(&[name])).expect_err(name);
        assert!(
            error.starts_with("got `") && error.contains("for `--device`"),
            "{error}"
        );
        assert!(error.contains(part), "{name}: {error}");
    };
    for name in [
        "",
        "dev/null",
        "a=b",
        "nvidia.com/gpu",
        "/dev/null:/a:rw:x",
        "/dev/null:",
    ] {
        refused(
            name,
            "expected `/dev/NODE[:/dev/NODE]` or a CDI name such as",
        );
    }
    refused(
        "nvidia.com/gpu=0,1",
        "expected one device; `--device` can be repeated",
    );
    refused("/dev/null:r", "its own permissions decide");
    refused("/dev/null:/dev/zero:m", "its own permissions decide");
    refused("/dev/null:/dev/no-such-node", "or a place outside of it");
    refused("/etc/passwd", "`-v` takes other files");
}

#[test]
fn flags_are_remembered_as_typed() {
    let gpu = GpuOptions {
        nvidia: Some("host".to_owned()),
        gpus: Some("device=0,1".to_owned()),
        rocm: true,
        driver_root: Some("run/driver".into()),
        cuda_compat: Some("off".to_owned()),
        ..GpuOptions::default()
    };
    let here = std::env::current_dir().expect("tests run somewhere");
    let (gpu, _) = wish(gpu).expect("sound");
    let expected = json!({
        "nvidia": "discovery",
        "gpus": "device=0,1",
        "devices": [],
        "rocm": true,
        "intel": false,
        "dri": false,
        "driver_root": here.join("run/driver"),
        "cuda_compat": "off",
    });
    assert_eq!(gpu, expected);
}

/// Flags before an image that is not looked for, and what stands in the `error:` and in the `hint:` lines.
const MISUSES: [(&str, &str, &str); 13] = [
    (
        "--nvidia=docker",
        "got `docker` for `--nvidia`, expected `host` or `cdi`",
        "",
    ),
    ("--nv=x", "got `x` for `--nvidia`", ""),
    (
        "--cuda-compat maybe",
        "got `maybe` for `--cuda-compat`, expected `auto`, `on` or `off`",
        "",
    ),
    ("--gpus=-1", "cannot choose GPUs by `-1`", "or `count=2`"),
    ("--gpus=", "got `` for `--gpus`, expected `all`, `none`", ""),
    ("--gpus void", "got `void` for `--gpus`", ""),
    ("--gpus all,0", "`all` stands alone or not at all", ""),
    (
        "--gpus amd.com/gpu=0",
        "which `--device amd.com/gpu=…` takes",
        "",
    ),
    (
        "--gpus capabilities=gpus",
        "got `gpus` as a driver capability",
        "",
    ),
    (
        "--gpus 0 --device nvidia.com/gpu=0",
        "each says which GPUs",
        "leave one of them away",
    ),
    (
        "--nvidia=cdi --driver-root /x",
        "`--nvidia=cdi` and `--driver-root` contradict",
        "leave one",
    ),
    (
        "--device nvidia.com/gpu=x",
        "cannot choose GPUs by `nvidia.com/gpu=x`",
        "or `count=2`",
    ),
    ("--device gpu", "got `gpu` for `--device`", ""),
];

#[test]
fn what_cannot_be_meant_is_refused_before_an_image_is_looked_for() {
    let sandbox = Sandbox::new();
    for (flags, error, hint) in MISUSES {
        for verb in ["run", "create"] {
            let words = [verb].into_iter().chain(flags.split(' '));
            let run = sandbox.coracle(words.chain(["oci:/nothing/there"])).run();
            let run = run.exits(if verb == "run" { 125 } else { 2 });
            run.complains(error).complains(hint);
        }
    }
    assert!(!sandbox.store().exists());
}

#[test]
fn a_flag_about_the_driver_needs_a_run_with_one() {
    let sandbox = Sandbox::new();
    sandbox
        .coracle(["create", "--name=c", "--driver-root=/x", "hello"])
        .run()
        .success();
    for (flag, target, part) in [
        (
            "--driver-root=/x",
            "hello",
            "`--driver-root` has no effect without `--nvidia`",
        ),
        (
            "--cuda-compat=off",
            "c",
            "`--cuda-compat` has no effect without `--nvidia`",
        ),
    ] {
        let run = sandbox.coracle(["run", flag, target]).run();
        run.exits(125)
            .complains(part)
            .complains("hint: add `--nvidia`");
    }
    sandbox
        .coracle(["run", "--explain", "--cuda-compat=auto", "c"])
        .run()
        .success();
}

#[test]
fn the_help_of_run_and_create_tells_of_all_vendors() {
    let sandbox = Sandbox::new();
    for verb in ["run", "create"] {
        let help = sandbox.coracle([verb, "--help"]).run().success();
        let help = help
            .mentions("Graphics processors:")
            .mentions("[alias: --nv]");
        let help = help
            .mentions("[alias: --amd]")
            .mentions("--nvidia[=<host|cdi>]");
        for flag in [
            "--gpus",
            "--device",
            "--intel",
            "--dri",
            "--driver-root",
            "--cuda-compat",
        ] {
            assert!(
                help.stdout.contains(flag),
                "{flag} is not in the help\n{help}"
            );
        }
    }
}

#[test]
fn a_container_remembers_what_it_was_set_up_with() {
    let sandbox = Sandbox::new();
    let create = ["create", "--name=c", "-e", "A=1", "--gpus=0", "hello"];
    sandbox.coracle(create).run().success();
    let setup = |words: &[&str]| sandbox.coracle(["setup"]).arguments(words).run();
    let options = || {
        let output = sandbox.coracle(["inspect", "c"]).run().success();
        let mut all: Value = serde_json::from_str(&output.stdout).expect("inspect prints JSON");
        all[0]["Coracle"]["Options"].take()
    };
    let mut expected = options();
    assert_eq!(expected["gpu"]["nvidia"], json!(null));
    setup(&["c"]).success().prints("nvidia: host\nengine: auto");

    for (flag, remembered, word) in [
        ("--nvidia=cdi", "cdi", "cdi"),
        ("--nvidia", "discovery", "host"),
    ] {
        setup(&[flag, "c"]).success().prints("");
        expected["gpu"]["nvidia"] = json!(remembered);
        assert_eq!(options(), expected, "{flag}");
        setup(&["c"])
            .success()
            .prints(&format!("nvidia: {word}\nengine: auto"));
    }
    setup(&["--nvidia", "--force", "c"]).success();
    setup(&["--nvidia=off", "c"]).success();
    expected["gpu"]["nvidia"] = json!(null);
    expected["gpu"]["gpus"] = json!(null);
    assert_eq!(options(), expected);
    setup(&["c"]).success().prints("nvidia: off\nengine: auto");

    // What was given with `-e` stays private, and nothing half-written is left.
    let script = "stat -c %a containers/*/container.json; ls -A ingest containers/*";
    let shell = sandbox.command(["sh", "-c", script]);
    let left = shell.folder(sandbox.store()).run().success();
    assert!(left.stdout.starts_with("600\n"), "{left}");
    assert!(!left.stdout.contains("record"), "{left}");
}

#[test]
fn setup_says_what_a_run_would_lack_here() {
    let sandbox = Sandbox::new();
    let root = driver_root(&sandbox);
    sandbox
        .coracle(["create", "--name=c", "hello"])
        .run()
        .success();
    let nodes = sandbox
        .coracle(["setup", "--nvidia", "c"])
        .env("CORACLE_DRIVER_ROOT", &root);
    let said = nodes.run().success();
    let missing = "warning: this is remembered, but on this host there is no `/dev/nvidiactl`";
    let said = said
        .complains(missing)
        .complains("; run `nvidia-smi` once on the host");
    assert_eq!(said.stdout, "");
    let cdi = sandbox
        .coracle(["setup", "--nvidia=off", "c"])
        .run()
        .success();
    assert_eq!(cdi.stderr, "");
}

#[test]
fn a_container_that_was_set_up_finds_the_driver_anew_at_each_run() {
    let sandbox = Sandbox::new();
    let root = driver_root(&sandbox);
    sandbox
        .coracle(["create", "--name=c", "hello"])
        .run()
        .success();
    let explained = |root: &str| {
        let run = sandbox.coracle(["run", "--explain", "--gpus=none", "c"]);
        run.env("CORACLE_DRIVER_ROOT", root).run()
    };
    let plain = sandbox.coracle(["run", "--explain", "c"]).run().success();
    assert!(!plain.stdout.contains("libcuda"), "{plain}");
    sandbox
        .coracle(["setup", "--nvidia", "c"])
        .env("CORACLE_DRIVER_ROOT", &root)
        .run()
        .success();
    explained(&root).success().mentions("libcuda.so.550.54.15");
    // The driver is updated, and the container is not told.
    let updated = sandbox.path("updated");
    std::fs::rename(sandbox.path("root"), &updated).expect("the sandbox is ours");
    explained(&root)
        .exits(125)
        .complains("cannot look for NVIDIA's driver in");
    let root = updated.display().to_string();
    explained(&root).success().mentions("libcuda.so.550.54.15");
    sandbox
        .coracle(["setup", "--nvidia=off", "c"])
        .run()
        .success();
    let off = sandbox
        .coracle(["run", "--explain", "c"])
        .env("CORACLE_DRIVER_ROOT", &root)
        .run();
    let off = off.success();
    assert!(!off.stdout.contains("libcuda"), "{off}");
}

#[test]
fn setup_refuses_what_it_does_not_do() {
    let sandbox = Sandbox::new();
    for (words, status, part) in [
        ("--nvidia nobody", 1, "`nobody`"),
        ("nobody", 1, "`nobody`"),
        (
            "--nvidia=x c",
            2,
            "got `x` for `--nvidia`, expected `host`, `cdi` or `off`",
        ),
        ("--execmode=F3 c", 2, "`F3` is not in this version"),
        ("--nvidia", 2, "missing `<CONTAINER>`"),
        ("--nvidia a b", 2, "one argument too many: `b`"),
    ] {
        let run = sandbox.coracle(["setup"]).arguments(words.split(' ')).run();
        run.exits(status).complains(part);
    }
}
