//! Causes from end to end: `coracle run` says what is wrong, and the guest is not started.

use std::path::Path;

use super::super::elf_file::{ElfFile, Target};
use super::tree::{LIBRARIES, Tree};
use super::world::DRIVER;
use crate::support::{Output, Sandbox, fixture, require};

/// What the guest prints if it is started after all.
const STARTED: &str = "started";

/// What is wrong with a host, and what is said of it.
type Row = (fn(&Tree), &'static str, &'static str);

const ROWS: &[Row] = &[
    (
        |tree| {
            ["sys", "proc", "dev", "usr"]
                .iter()
                .for_each(|name| tree.remove(name))
        },
        "`libcuda.so`",
        "`--driver-root`",
    ),
    (
        |tree| tree.remove("dev/nvidia0"),
        "there is no `/dev/nvidia0`: this host or job has no NVIDIA processor (error 100)",
        "--gres=gpu:1",
    ),
    (
        |tree| tree.remove("sys/module/nvidia_uvm"),
        "the kernel module nvidia_uvm is not loaded: CUDA would fail with error 999",
        "nvidia-modprobe -u -c=0",
    ),
    (
        |tree| tree.file("sys/module/nvidia/version", "535.261.03\n"),
        "the kernel runs NVIDIA's driver 535.261.03, the libraries on disk are of 580.159.04",
        "reboot the host",
    ),
    (
        |tree| tree.library("libcuda", DRIVER, Target::I386),
        "the host's `libcuda.so` is for 32-bit programs only",
        "64-bit libraries",
    ),
    (
        |tree| new_libcuda(tree),
        "the image is too old for the host's driver: `libcuda.so.580.159.04` needs `GLIBC_2.99` of `libc.so.6`",
        "newer release",
    ),
];

/// Makes the driver want a C library that nobody has.
fn new_libcuda(tree: &Tree) {
    let file = ElfFile::library(Target::X86_64).soname("libcuda.so.1");
    let file = file.needs("libc.so.6", &["GLIBC_2.2.5", "GLIBC_2.99"]);
    tree.file(&format!("{LIBRARIES}/libcuda.so.{DRIVER}"), file.bytes());
}

/// A home with Debian's image in it.
fn home() -> Sandbox {
    let sandbox = Sandbox::new();
    let image = fixture::image("debian");
    sandbox.coracle(["--quiet", "pull", &image]).run().success();
    sandbox
}

/// `coracle run --nvidia OPTION... IMAGE sh -c SCRIPT` with the driver in `root`.
fn run(sandbox: &Sandbox, root: &Path, options: &[&str], image: &str, script: &str) -> Output {
    let run = sandbox.coracle(["run", "--engine=ns", "--nvidia", "--driver-root"]);
    let run = run.arguments([root]).arguments(options);
    run.arguments([image, "sh", "-c", script]).run()
}

#[test]
fn causes_are_named_before_a_guest_starts() {
    require!(Fixtures, UserNamespaces);
    let sandbox = home();
    stopped(&sandbox);
    the_loader_agrees(&sandbox);
    what_an_image_brings(&sandbox);
    warned(&sandbox);
}

fn stopped(sandbox: &Sandbox) {
    let image = fixture::image("debian");
    let healthy = Tree::healthy(sandbox, "healthy").path();
    let script = format!("echo {STARTED}");
    run(sandbox, &healthy, &["--rm"], &image, &script)
        .success()
        .prints(STARTED);
    for (change, message, remedy) in ROWS {
        let tree = Tree::healthy(sandbox, "host");
        change(&tree);
        let output = run(sandbox, &tree.path(), &["--rm"], &image, &script);
        let output = output
            .exits(125)
            .prints("")
            .complains(message)
            .complains(remedy);
        assert!(output.stderr.starts_with("error: "), "{output}");
        // That one is not there has the same cause.
        let chosen = ["--rm", "--gpus", "7"];
        if !message.contains("too old") {
            let output = run(sandbox, &tree.path(), &chosen, &image, &script);
            output.exits(125).prints("").complains(message);
        }
        // Without a processor, the driver's files are better than nothing.
        let script = format!("echo {STARTED}");
        let output = run(
            sandbox,
            &tree.path(),
            &["--rm", "--gpus", "none"],
            &image,
            &script,
        );
        output.success().prints(STARTED);
        std::fs::remove_dir_all(tree.path()).expect("it is ours");
    }
}

/// The message about an image that is too old says what the image's own loader would.
fn the_loader_agrees(sandbox: &Sandbox) {
    let tree = Tree::healthy(sandbox, "new");
    new_libcuda(&tree);
    let image = fixture::image("debian");
    let message = run(sandbox, &tree.path(), &["--rm"], &image, "true")
        .exits(125)
        .stderr;
    let (_, provider) = message
        .split_once("which the image's `")
        .expect("the provider is named");
    let (provider, _) = provider.split_once('`').expect("its name ends");
    // The loader's cache has the name by which Debian's `/lib`, a link, was read.
    let provider = provider.trim_start_matches("/usr");
    let mount = format!("{}:/d", tree.path().join(LIBRARIES).display());
    let loader = sandbox.coracle(["run", "--rm", "--engine=ns", "-v", &mount, &image]);
    let loader = loader
        .arguments(["env", "LD_PRELOAD=/d/libcuda.so.1", "/bin/true"])
        .run()
        .exits(1);
    loader.complains(&format!(
        "{provider}: version `GLIBC_2.99' not found (required by /d/libcuda.so.1)"
    ));
}

fn what_an_image_brings(sandbox: &Sandbox) {
    let tree = Tree::healthy(sandbox, "whole");
    let own = ElfFile::library(Target::X86_64)
        .soname("libcuda.so.1")
        .bytes();
    sandbox.folder("files");
    sandbox.file("files/libcuda.so.1", own);
    let foreign = ElfFile::program(Target::Aarch64, "/lib/ld-linux-aarch64.so.1").bytes();
    sandbox.file("files/sh", foreign);
    let create = [
        "--quiet",
        "create",
        "--name",
        "box",
        &fixture::image("debian"),
    ];
    sandbox.coracle(create).run().success();
    let mount = format!("{}:/files", sandbox.path("files").display());
    let change = |script: &str| {
        let run = sandbox.coracle([
            "--quiet",
            "run",
            "--engine=ns",
            "-v",
            &mount,
            "box",
            "sh",
            "-c",
            script,
        ]);
        run.run().success();
    };
    change("cp /files/libcuda.so.1 /usr/lib/x86_64-linux-gnu/libcuda.so.535.261.03");
    change("ln -s libcuda.so.535.261.03 /usr/lib/x86_64-linux-gnu/libcuda.so.1; ldconfig");
    let script = format!("echo {STARTED}");
    run(sandbox, &tree.path(), &[], "box", &script)
        .success()
        .prints(STARTED)
        .complains("warning: the image brings driver 535.261.03, the host's is 580.159.04: `/usr/lib/x86_64-linux-gnu/libcuda.so.535.261.03`");
    change("cp --remove-destination /files/sh /bin/sh");
    run(sandbox, &tree.path(), &[], "box", &script)
        .exits(125)
        .prints("")
        .complains("the image is for aarch64, the host's driver for x86_64: an emulated program cannot load it");
}

/// Programs that cannot load any library run all the same.
fn warned(sandbox: &Sandbox) {
    let tree = Tree::healthy(sandbox, "unused").path();
    let musl = format!("oci:{}:musl", fixture::path("gpu/oci").display());
    for (image, message) in [
        (
            musl,
            "warning: the image uses musl, NVIDIA's libraries are made for glibc",
        ),
        (
            fixture::image("guest"),
            "warning: the image has no C library: its programs are static",
        ),
    ] {
        let script = format!("echo {STARTED}");
        let output = run(sandbox, &tree, &["--rm"], &image, &script);
        output.success().prints(STARTED).complains(message);
    }
}
