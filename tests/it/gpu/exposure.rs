//! A driver in a guest, from end to end: libraries that a real loader loads, in a real image, on each engine.
//!
//! No processor is needed: `--gpus none` gives a guest the driver's files alone, and `cuInit` of a driver that
//! `ci/fixtures` made answers with a number by which it is known.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Output, Run, Sandbox, fixture, require, tree, with_mounts};

/// Asks for a driver's files in every way in which a program may be started; `ldconfig` comes between.
const ALL_WAYS: &str = "/t/cuda-init; env -i /t/cuda-init; env -i /t/exec-static /t/cuda-init; \
     ldconfig; echo ldconfig $?; /t/cuda-init; env -i /t/cuda-init";
/// What [`ALL_WAYS`] prints with the driver 41.
const FOUND: &str = "41\n41\n41\nldconfig 0\n41\n41";
/// What a guest without a driver gets to see.
const NONE: &str = "libcuda.so.1: cannot open shared object file: No such file or directory";

/// A home with Debian's image in it, and the engine under test.
struct Bench {
    sandbox: Sandbox,
    engine: &'static str,
}

impl Bench {
    fn new(engine: &'static str) -> Bench {
        let sandbox = Sandbox::new();
        let bench = Bench { sandbox, engine };
        bench.coracle(&["pull", &debian()]).run().success();
        bench
    }

    fn coracle(&self, arguments: &[&str]) -> Run {
        self.sandbox.coracle(["--quiet"]).arguments(arguments)
    }

    /// `coracle run --engine=ENGINE -v PROGRAMS:/t OPTION... TARGET sh -c SCRIPT`
    fn run(&self, options: &[&str], target: &str, script: &str) -> Run {
        let programs = format!("{}:/t", fixture::path("gpu/bin").display());
        self.coracle(&["run", "--engine", self.engine, "-v", &programs])
            .arguments(options)
            .arguments([target, "sh", "-c", script])
    }

    /// The same in the container `box`, with the driver `answer` or with none.
    fn kept(&self, answer: Option<u32>, script: &str) -> Output {
        let root = answer.map(driver);
        let options = root.iter().flat_map(|root| files_of(root));
        let options: Vec<&str> = options.collect();
        self.run(&options, "box", script).run()
    }
}

fn debian() -> String {
    fixture::image("debian")
}

/// The tree of the driver whose `cuInit` answers so.
fn driver(answer: u32) -> String {
    fixture::path(&format!("gpu/driver-{answer}"))
        .display()
        .to_string()
}

/// Options for the files of the driver in `root`.
fn files_of(root: &str) -> [&str; 4] {
    ["--gpus", "none", "--driver-root", root]
}

/// The shared tree of Debian's image.
fn rootfs(sandbox: &Sandbox) -> PathBuf {
    let trees = std::fs::read_dir(sandbox.store().join("trees")).expect("an image was pulled");
    let roots = trees.flatten().map(|tree| tree.path().join("rootfs"));
    let mut debian = roots.filter(|root| root.join("usr/bin/apt").exists());
    debian.next().expect("it is unpacked")
}

fn removed(bench: &Bench) {
    let root = driver(41);
    let options = [&["--rm"][..], &files_of(&root)].concat();
    // The host's files, and in namespaces what they lie in, are not the guest's to change.
    let mut names = vec!["lib64/libcuda.so.1"];
    if bench.engine == "ns" {
        names.extend(["new", "lib64/new", "lib64/libcuda.so"]);
    }
    let script = format!(
        "{ALL_WAYS}; nvidia-smi; command -v nvidia-smi; \
         for name in {}; do (: > /usr/local/nvidia/$name) 2>/dev/null || echo no; done",
        names.join(" ")
    );
    let refused = "no\n".repeat(names.len());
    let expected = format!(
        "{FOUND}\nnvidia-smi of driver 999.88.77\n/usr/local/nvidia/bin/nvidia-smi\n{refused}"
    );
    bench
        .run(&options, &debian(), &script)
        .run()
        .success()
        .prints(&expected);
}

fn kept(bench: &Bench) {
    bench
        .coracle(&["create", "--name", "box", &debian()])
        .run()
        .success();
    bench.kept(Some(41), ALL_WAYS).success().prints(FOUND);
    // Another driver takes the place of the first, whatever the guest's own ldconfig wrote meanwhile.
    let versions = "ls /usr/local/nvidia/lib64 | grep -c 999; env -i /t/cuda-init";
    bench.kept(Some(42), versions).success().prints("0\n42");
    // And nothing of it stays for a run without one.
    let traces = "env -i /t/cuda-init; ldconfig -p | grep -c nvidia; ldconfig; echo ldconfig $?; env -i /t/cuda-init";
    bench
        .kept(None, traces)
        .exits(1)
        .prints(&format!("{NONE}\n0\nldconfig 0\n{NONE}"));
    // A guest without cache, and one whose configuration includes nothing.
    bench
        .kept(None, "rm /etc/ld.so.cache; echo /opt > /etc/ld.so.conf")
        .success();
    bench.kept(Some(41), ALL_WAYS).success().prints(FOUND);
    // A pipe in its place, whose other end nobody has.
    bench
        .kept(None, "rm /etc/ld.so.cache; mkfifo /etc/ld.so.cache")
        .success();
    bench.kept(Some(41), ALL_WAYS).success().prints(FOUND);
}

/// An image may have something of its own where the driver's files appear.
fn something_there(bench: &Bench) {
    let make = [
        "rm -rf /usr/local/nvidia; mkdir /usr/local/nvidia; echo own > /usr/local/nvidia/file",
        "rm -rf /usr/local/nvidia; ln -s /usr/lib /usr/local/nvidia",
        "rm -rf /usr/local/nvidia; ln -s /nowhere/at/all /usr/local/nvidia",
        "rm -rf /usr/local/nvidia; echo file > /usr/local/nvidia",
    ];
    for line in make {
        bench.kept(None, line).success();
        let look = "env -i /t/cuda-init; nvidia-smi; ls /usr/lib/os-release; ls /usr/local/nvidia";
        bench
            .kept(Some(41), look)
            .success()
            .prints("41\nnvidia-smi of driver 999.88.77\n/usr/lib/os-release\nbin\nlib64");
    }
    bench.coracle(&["rm", "box"]).run().success();
}

/// Two drivers at once, as on nodes with a common home.
fn side_by_side(bench: &Bench) {
    let script = "echo ready; read line; env -i /t/cuda-init; nvidia-smi";
    let started = [(41, "999.88.77"), (42, "1000.1")].map(|(answer, version)| {
        let root = driver(answer);
        let options = [&["--rm", "-i"][..], &files_of(&root)].concat();
        let running = bench.run(&options, &debian(), script).start();
        running.wait_for("ready");
        (
            running,
            format!("ready\n{answer}\nnvidia-smi of driver {version}"),
        )
    });
    for (running, expected) in started {
        running.finish().success().prints(&expected);
    }
}

/// A guest that removes what it sees of a driver, which the caller may do on the host.
fn taken_away(bench: &Bench) {
    let own = bench.sandbox.path("driver");
    let copy = ["cp", "-R", &driver(41), &own.display().to_string()];
    bench.sandbox.command(copy).run().success();
    let before = tree::list(&own);
    let own_text = own.display().to_string();
    let script = "rm -rf /usr/local/nvidia 2>/dev/null; echo removed";
    let removing = bench.run(
        &[&["--rm"][..], &files_of(&own_text)].concat(),
        &debian(),
        script,
    );
    removing.run().success().prints("removed");
    assert!(tree::differences(&before, &tree::list(&own)).is_empty());
}

fn check(engine: &'static str) {
    let bench = Bench::new(engine);
    let rootfs = rootfs(&bench.sandbox);
    let before = tree::list(&rootfs);
    removed(&bench);
    kept(&bench);
    something_there(&bench);
    side_by_side(&bench);
    taken_away(&bench);
    let differences = tree::differences(&before, &tree::list(&rootfs));
    assert!(
        differences.is_empty(),
        "the shared tree has changed: {differences:#?}"
    );
    let scratch = std::fs::read_dir(bench.sandbox.store().join("tmp"));
    let left: Vec<_> = scratch.into_iter().flatten().flatten().collect();
    assert!(left.is_empty(), "left behind: {left:?}");
    crate::support::leftover::assert_no_mount(&bench.sandbox.path(""));
}

#[test]
fn a_driver_is_found_by_every_program_in_namespaces() {
    require!(Fixtures, UserNamespaces);
    check("ns");
}

#[test]
fn a_driver_is_found_by_every_program_under_proot() {
    require!(Fixtures, Ptrace);
    check("proot");
}

#[test]
fn a_driver_is_found_in_a_read_only_root() {
    require!(Fixtures, UserNamespaces);
    let bench = Bench::new("ns");
    let root = driver(41);
    let options = [&["--rm", "--read-only"][..], &files_of(&root)].concat();
    bench
        .run(&options, &debian(), "env -i /t/cuda-init; nvidia-smi")
        .run()
        .success()
        .prints("41\nnvidia-smi of driver 999.88.77");
}

/// A program whose loader does not trust the environment, as that of a set-user-id program.
///
/// With one id in the guest nobody can change his, so set-id bits mean nothing. A capability on a file means the same
/// to the loader (AT_SECURE, getauxval(3)): here a real root has given one, and the guest is not root.
#[test]
fn a_driver_is_found_by_a_program_with_privileges() {
    require!(Fixtures, UserNamespaces, Root);
    let bench = Bench::new("ns");
    let program = bench.sandbox.path("privileged");
    std::fs::copy(fixture::path("gpu/bin/cuda-init"), &program)
        .expect("the sandbox can be written");
    // VFS_CAP_REVISION_2 with the effective bit, and CAP_CHOWN permitted. linux/capability.h
    let capability = "0x0100000201000000000000000000000000000000";
    give_attribute(&program, "security.capability", capability);
    let root = driver(41);
    let mount = format!("{}:/privileged", program.display());
    let options = [
        &["--rm", "-u", "1000:1000", "-v", &mount][..],
        &files_of(&root),
    ]
    .concat();
    bench
        .run(&options, &debian(), "/privileged")
        .run()
        .success()
        .prints("secure 41");
}

fn give_attribute(path: &Path, name: &str, value: &str) {
    let status = Command::new("setfattr")
        .args(["-n", name, "-v", value])
        .arg(path)
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "cannot set {name}"
    );
}

/// A host with two processors, whose nodes are null devices.
const TWO_NODES: &str = "set -e; mount -t tmpfs -o mode=755 dev /dev; \
     for name in null nvidiactl nvidia0 nvidia1 nvidia-uvm; do mknod -m 666 /dev/$name c 1 3; done; exec \"$@\"";

fn masked(engine: &'static str, refused: &str) {
    let bench = Bench::new(engine);
    let root = driver(41);
    // Root of the guest overrides permission bits; what is closed is closed to him, too.
    let open = "for node in nvidiactl nvidia0 nvidia1 nvidia-uvm; do dd if=/dev/$node count=0 2>&1 | grep -o 'failed to open.*'; \
         echo $node; done; echo $CUDA_VISIBLE_DEVICES.";
    let options = ["--rm", "--gpus", "1", "--driver-root", &root];
    let host = with_mounts(TWO_NODES, "sh");
    bench
        .run(&options, &debian(), open)
        .env("CUDA_VISIBLE_DEVICES", "1")
        .behind(host)
        .run()
        .success()
        .prints(&format!(
            "nvidiactl\nfailed to open '/dev/nvidia0': {refused}\nnvidia0\nnvidia1\nnvidia-uvm\n."
        ));
}

#[test]
fn processors_that_were_not_chosen_cannot_be_opened() {
    require!(Fixtures, UserNamespaces, Root);
    masked("ns", "Permission denied");
}

#[test]
fn processors_that_were_not_chosen_cannot_be_opened_under_proot() {
    require!(Fixtures, Ptrace, Root);
    masked("proot", "No such device or address");
}

/// A specification that brings a library to a place of its own, as NVIDIA's toolkit writes it: `{file}` is the library.
const SPECIFICATION: &str = r#"{
    "cdiVersion": "0.5.0",
    "kind": "example.com/driver",
    "devices": [{"name": "a", "containerEdits": {
        "env": ["MADE_BY=cdi"],
        "mounts": [{"hostPath": "{file}", "containerPath": "/opt/driver/libcuda.so.999.88.77", "options": ["ro", "bind"]}],
        "hooks": [
            {"hookName": "createContainer", "path": "/usr/bin/nvidia-cdi-hook", "args":
                ["nvidia-cdi-hook", "create-symlinks", "--link", "libcuda.so.999.88.77::/opt/driver/libcuda.so.1"]},
            {"hookName": "createContainer", "path": "/usr/bin/nvidia-cdi-hook", "args":
                ["nvidia-cdi-hook", "update-ldcache", "--folder", "/opt/driver"]}
        ]
    }}]
}"#;

fn specified(engine: &'static str) {
    let bench = Bench::new(engine);
    let directory = bench.sandbox.folder("cdi");
    let libraries = format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    let library = Path::new(&driver(41))
        .join(libraries)
        .join("libcuda.so.999.88.77");
    let text = SPECIFICATION.replace("{file}", &library.display().to_string());
    bench.sandbox.file("cdi/example.json", text);
    bench
        .coracle(&["create", "--name", "box", &debian()])
        .run()
        .success();
    let run = |script: &str| {
        let device = ["--device", "example.com/driver=a"];
        let run = bench.run(&device, "box", script);
        run.env("CORACLE_CDI_DIRS", &directory).run()
    };
    // A link takes the place of a file, but not of a directory with all that is in it.
    let link = "/opt/driver/libcuda.so.1";
    bench.kept(None, &format!("mkdir -p {link}")).success();
    run("true")
        .exits(125)
        .complains(&format!("cannot make the link `{link}`"));
    bench
        .kept(None, &format!("rmdir {link}; echo old > {link}"))
        .success();
    run(&format!("{ALL_WAYS}; echo $MADE_BY"))
        .success()
        .prints(&format!("{FOUND}\ncdi"));
    // The next run has no such device, and its loader looks for none.
    bench
        .kept(None, "ldconfig -p | grep cuda; env -i /t/cuda-init")
        .exits(1)
        .prints(NONE);
}

#[test]
fn a_specified_library_is_found_in_namespaces() {
    require!(Fixtures, UserNamespaces);
    specified("ns");
}

#[test]
fn a_specified_library_is_found_under_proot() {
    require!(Fixtures, Ptrace);
    specified("proot");
}

#[test]
fn an_image_with_musl_is_told_of() {
    require!(Fixtures, UserNamespaces);
    let sandbox = Sandbox::new();
    let image = format!("oci:{}:musl", fixture::path("gpu/oci").display());
    sandbox.coracle(["--quiet", "pull", &image]).run().success();
    let root = driver(41);
    sandbox
        .coracle(["run", "--rm"])
        .arguments(files_of(&root))
        .arguments([&image, "ls", "/etc/ld.so.cache"])
        .run()
        .exits(1)
        .complains("the image uses musl");
}
