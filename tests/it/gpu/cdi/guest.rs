//! A specification as older toolkits write it, in a real guest on each engine: no link by SONAME is in it.

use crate::support::{Sandbox, fixture, require};

/// `{file}` is a `libcuda` that a real loader loads.
const SPECIFICATION: &str = "\
cdiVersion: 0.5.0
kind: nvidia.com/gpu
devices:
- name: all
  containerEdits:
    env: [MADE_BY=cdi]
    mounts:
    - {hostPath: '{file}', containerPath: /opt/driver/libcuda.so.999.88.77, options: [ro, nosuid, nodev, bind]}
    hooks:
    - hookName: createContainer
      path: /usr/bin/nvidia-ctk
      args: [nvidia-ctk, hook, update-ldcache, --folder, /opt/driver]
";

fn check(engine: &str) {
    let sandbox = Sandbox::new();
    let directory = sandbox.folder("cdi");
    let library = fixture::path(&format!(
        "gpu/driver-41/usr/lib/{}-linux-gnu/libcuda.so.999.88.77",
        std::env::consts::ARCH
    ));
    sandbox.file(
        "cdi/nvidia.yaml",
        SPECIFICATION.replace("{file}", &library.display().to_string()),
    );
    let programs = format!("{}:/t", fixture::path("gpu/bin").display());
    let run = |options: &[&str]| {
        sandbox
            .coracle([
                "--quiet", "run", "--rm", "--engine", engine, "-v", &programs,
            ])
            .arguments(options)
            .arguments([
                &fixture::image("debian"),
                "sh",
                "-c",
                "env -i /t/cuda-init; echo $MADE_BY; readlink /opt/driver/libcuda.so.1",
            ])
            .env("CORACLE_CDI_DIRS", &directory)
            .run()
    };
    run(&["--nvidia=cdi"])
        .success()
        .prints("41\ncdi\nlibcuda.so.999.88.77");
    run(&["--device", "example.com/gpu=7"])
        .exits(125)
        .complains("no CDI specification describes the device `example.com/gpu=7`")
        .complains("hint: there are `nvidia.com/gpu=all`");
    keeps_nothing(&sandbox, engine);
}

/// A file that the caller may change appears itself, whatever its size, and nothing of it stays in a kept container.
fn keeps_nothing(sandbox: &Sandbox, engine: &str) {
    let directory = sandbox.folder("cdi");
    let large = sandbox.file("large", vec![b'x'; 2 << 20]);
    sandbox.file(
        "cdi/nvidia.yaml",
        SPECIFICATION.replace("{file}", &large.display().to_string()),
    );
    let coracle = |arguments: &[&str]| {
        let run = sandbox.coracle(["--quiet"]).arguments(arguments);
        run.env("CORACLE_CDI_DIRS", &directory).run()
    };
    coracle(&["create", "--name", "box", &fixture::image("debian")]).success();
    let count = "wc -c < /opt/driver/libcuda.so.999.88.77";
    let script = ["box", "sh", "-c", count];
    coracle(&[&["run", "--engine", engine, "--nvidia=cdi"][..], &script].concat())
        .success()
        .prints("2097152");
    coracle(&[&["run", "--engine", engine][..], &script].concat())
        .success()
        .prints("0");
}

#[test]
fn a_library_gets_its_soname_in_namespaces() {
    require!(Fixtures, UserNamespaces);
    check("ns");
}

#[test]
fn a_library_gets_its_soname_under_proot() {
    require!(Fixtures, Ptrace);
    check("proot");
}
