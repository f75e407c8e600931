//! One file in an empty home: that it works there, when many start at once, and after any number of sudden deaths.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::{Registry, Run, Sandbox, require};

/// The store's folders for what is in the making; between commands they are empty.
const PASSING: [&str; 4] = ["ingest", "leases", "tmp", "trash"];

/// The names in a folder; none where it is absent.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

#[track_caller]
fn assert_nothing_passing(sandbox: &Sandbox) {
    for folder in PASSING {
        let left = names(&sandbox.store().join(folder));
        assert!(left.is_empty(), "left in {folder}: {left:?}");
    }
    assert!(
        names(&sandbox.path("tmp")).is_empty(),
        "left in TMPDIR: {:?}",
        names(&sandbox.path("tmp"))
    );
}

#[test]
fn alone_in_an_empty_home() {
    require!(UserNamespaces);
    let sandbox = Sandbox::new();
    sandbox.binary_in("home");
    let home = format!("HOME={}", sandbox.home().display());
    let run = sandbox.command(["env", "-i", &home, "./coracle", "run", "--rm", "hello"]);
    run.run().success().mentions("ns");
    assert_eq!(
        names(&sandbox.home()),
        [".coracle", "coracle"].map(String::from).into()
    );
}

#[test]
fn alone_in_an_empty_root() {
    require!(UserNamespaces, StaticBinary);
    let sandbox = Sandbox::new();
    let root = sandbox.folder("root");
    sandbox.binary_in("root");
    let root = root.display().to_string();
    sandbox
        .command(["unshare", "-Ur", "chroot", &root, "/coracle", "version"])
        .run()
        .success();
}

#[test]
fn one_small_static_file() {
    require!(StaticBinary);
    let sandbox = Sandbox::new();
    let binary = sandbox.binary();
    let size = binary.metadata().expect("it was copied").len();
    assert!(size < 8 << 20, "{size} bytes");
    sandbox
        .command(["ldd".as_ref(), binary.as_os_str()])
        .run()
        .mentions("statically linked");
}

#[test]
fn thirty_two_first_runs_at_once() {
    require!(UserNamespaces, Ptrace);
    for engine in ["ns", "proot"] {
        let sandbox = Sandbox::new();
        let run = sandbox.coracle(["run", "--rm", "--engine", engine, "hello"]);
        let runs: Vec<_> = (0..32).map(|_| run.clone().start()).collect();
        runs.into_iter()
            .for_each(|running| drop(running.finish().success().mentions(engine)));
        let unpacked = names(&sandbox.store().join("lib"));
        assert!(unpacked.len() <= 1, "more than one payload: {unpacked:?}");
        assert_nothing_passing(&sandbox);
        sandbox
            .coracle(["ps", "--all", "--quiet"])
            .run()
            .success()
            .prints("");
    }
}

#[test]
fn killed_at_any_moment_of_a_pull() {
    require!(Fixtures, DockerRegistry);
    let registry = Registry::start();
    let image = registry.image("debian");
    let prepared = |sandbox: &Sandbox| {
        registry.login(sandbox).run().success();
        sandbox
            .coracle(["pull", "--tls-ca"])
            .arguments([Registry::authority()])
            .arguments([&image])
    };
    survives_kills(&prepared, &image);
}

#[test]
fn killed_at_any_moment_of_the_first_run() {
    require!(Ptrace);
    survives_kills(
        &|sandbox| sandbox.coracle(["run", "--rm", "--engine", "proot", "hello"]),
        "hello",
    );
}

/// Kills a command at random moments of its duration; then it must succeed, and leave what one undisturbed run leaves.
fn survives_kills(prepared: &dyn Fn(&Sandbox) -> Run, image: &str) {
    let undisturbed = Sandbox::new();
    let run = prepared(&undisturbed);
    let begin = Instant::now();
    run.run().success();
    let duration = begin.elapsed();

    let sandbox = Sandbox::new();
    let run = prepared(&sandbox);
    let count: u32 = std::env::var("CORACLE_KILLS")
        .map_or(20, |text| text.parse().expect("CORACLE_KILLS is a number"));
    for index in 0..count {
        let running = run.clone().start();
        std::thread::sleep(moment(index).mul_f64(duration.as_secs_f64()));
        running.signal(Signal::SIGKILL);
        running.finish();
    }
    run.run().success();
    sandbox
        .coracle(["verify", "--all"])
        .run()
        .success()
        .mentions("damaged: 0");
    sandbox.coracle(["gc"]).run().success();
    assert_nothing_passing(&sandbox);
    for folder in ["blobs/sha256", "trees", "lib", "containers"] {
        let kept = [&undisturbed, &sandbox].map(|sandbox| names(&sandbox.store().join(folder)));
        assert_eq!(
            kept[0], kept[1],
            "{folder} after {count} kills of `{image}`, against one undisturbed run"
        );
    }
}

/// A moment between 0 and 1.1 seconds: the golden ratio's multiples are spread evenly, whatever their number, and the
/// same in every run.
fn moment(index: u32) -> Duration {
    Duration::from_secs_f64((f64::from(index) * 0.618_033_988_749_895).fract() * 1.1)
}

/// `install` puts the program and its payload where they are wanted; `--purge` takes all of it away.
#[test]
fn install_and_purge() {
    let sandbox = Sandbox::new();
    let prefix = sandbox.path("home/prefix").display().to_string();
    sandbox
        .coracle(["install", "--prefix", &prefix])
        .run()
        .success();
    assert_eq!(
        names(&sandbox.path("home/prefix/bin")),
        ["coracle".to_string()].into()
    );
    let payload = names(&sandbox.store().join("lib"));
    assert!(
        !payload.is_empty() && payload.iter().all(|name| !name.starts_with('.')),
        "{payload:?}"
    );
    sandbox
        .command([format!("{prefix}/bin/coracle").as_str(), "version"])
        .run()
        .success();
    sandbox.coracle(["install", "--purge"]).run().success();
    let left = names(&sandbox.store().join("lib"));
    assert!(left.is_empty(), "left: {left:?}");
    assert!(names(&sandbox.path("home/prefix/bin")).is_empty());
}

/// A damaged file of the payload is noticed and replaced.
#[test]
fn a_damaged_payload_is_replaced() {
    require!(Ptrace);
    let sandbox = Sandbox::new();
    let run = sandbox.coracle(["run", "--rm", "--engine", "proot", "hello"]);
    run.clone().run().success();
    let lib = sandbox.store().join("lib");
    let version = names(&lib).pop_first().expect("the payload was unpacked");
    let proot = lib.join(version).join("proot");
    std::fs::remove_file(&proot).expect("the payload has it");
    std::fs::write(&proot, "torn").expect("its folder can be written");
    run.run().success();
}

/// Where nothing can be written, the message names the way out.
#[test]
fn a_home_that_cannot_be_written() {
    let sandbox = Sandbox::new();
    for home in ["/proc/nowhere", "/"] {
        let output = sandbox
            .coracle(["run", "--rm", "hello"])
            .env("CORACLE_HOME", home)
            .run();
        output.exits(125).complains("CORACLE_HOME");
    }
}
