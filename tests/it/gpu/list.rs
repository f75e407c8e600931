//! `coracle gpu`: its text, the form of its JSON, and what is typed wrongly.

use std::path::Path;

use coracle::gpu::vantage::Machine;
use serde_json::{Value, json};

use super::elf_file::{ElfFile, Target};
use crate::support::Sandbox;

/// The root of a driver container, with a processor and its files, on a host where nobody may make device nodes.
pub(crate) fn driver_root(sandbox: &Sandbox) -> String {
    let write = |name: &str, content: &[u8]| {
        let folder = Path::new(name).parent().and_then(Path::to_str);
        sandbox.folder(&format!("root/{}", folder.expect("a relative path")));
        sandbox.file(&format!("root/{name}"), content);
    };
    write("sys/module/nvidia/version", b"550.54.15\n");
    write("sys/module/nvidia_uvm/refcnt", b"0\n");
    write("dev/nvidiactl", b"");
    let information =
        "Model: \t\t NVIDIA \x1b[31mH200\nGPU UUID: \t GPU-6e6f0000-1111\nDevice Minor: \t 3\n";
    let processor = "proc/driver/nvidia/gpus/0000:1b:00.0/information";
    write(processor, information.as_bytes());
    let libraries = format!("usr/lib/{}", Machine::HERE.triplet());
    for (name, soname) in [
        ("libcuda.so.550.54.15", "libcuda.so.1"),
        ("libcuda.so.535.1.2", "libcuda.so.1"),
        ("libnvidia-ml.so.550.54.15", "libnvidia-ml.so.1"),
        (
            "libnvidia-ptxjitcompiler.so.550.54.15",
            "libnvidia-ptxjitcompiler.so.1",
        ),
    ] {
        let file = ElfFile::library(Machine::HERE).soname(soname);
        write(&format!("{libraries}/{name}"), &file.bytes());
    }
    let small = ElfFile::library(Target::I386).soname("libnvidia-nvvm.so.4");
    write(
        &format!("{libraries}/libnvidia-nvvm.so.550.54.15"),
        &small.bytes(),
    );
    let link = sandbox.path("root").join(&libraries).join("libcuda.so.1");
    std::os::unix::fs::symlink("libcuda.so.550.54.15", link).expect("a new link");
    sandbox.path("root").display().to_string()
}

#[test]
fn gpu_list_shows_what_is_taken_and_why_not() {
    let sandbox = Sandbox::new();
    let root = driver_root(&sandbox);
    let output = sandbox
        .coracle(["gpu", "list"])
        .env("CORACLE_DRIVER_ROOT", &root)
        .run();
    let output = output.success();
    let text = output
        .stdout
        .replace(&root, "ROOT")
        .replace(Machine::HERE.triplet(), "TRIPLET");
    let (text, findings) = text
        .split_once("a run would be refused: ")
        .expect("nodes are missing");
    // Widths of columns are those of this sandbox's name.
    let lines = text.lines().map(|line| {
        let cells = line
            .split("   ")
            .map(str::trim)
            .filter(|cell| !cell.is_empty());
        cells.collect::<Vec<_>>().join(" | ") + "\n"
    });
    let expected = include_str!("golden/terminal/list.txt");
    assert_eq!(lines.collect::<String>(), expected, "{output}");
    assert!(
        findings.starts_with("there is no `/dev/nvidiactl`"),
        "{output}"
    );
    assert!(
        findings.contains("\n  to change that: run `nvidia-smi` once"),
        "{output}"
    );
    // The flag says the same as the variable, and wins.
    let flag = sandbox.coracle(["gpu", "list", "--driver-root", &root]);
    let flag = flag
        .env("CORACLE_DRIVER_ROOT", "/nothing/there")
        .run()
        .success();
    assert_eq!(flag.stdout, output.stdout);
}

#[test]
fn gpu_list_as_json_keeps_its_form() {
    let sandbox = Sandbox::new();
    let root = driver_root(&sandbox);
    let list = sandbox
        .coracle(["gpu", "list", "--json", "--driver-root", &root])
        .run();
    let report: Value = serde_json::from_str(&list.success().stdout).expect("JSON");
    let keys = |value: &Value| {
        let object = value
            .as_object()
            .unwrap_or_else(|| panic!("no object: {value}"));
        object
            .keys()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        keys(&report),
        "cards driver files findings gpus nodes platform schema searched sockets trees uvm_loaded"
    );
    assert_eq!(report["schema"], json!(1));
    let expected = json!({"version": "550.54.15", "from_kernel": true, "source": format!("{root}/sys/module/nvidia/version")});
    assert_eq!(report["driver"], expected);
    assert_eq!(
        keys(&report["gpus"][0]),
        "access bus_id dri index mig minor model uuid"
    );
    assert_eq!(report["gpus"][0]["index"], json!(null));
    assert_eq!(
        keys(&report["files"][0]),
        "group guest host kind links path reason required taken"
    );
    let files = report["files"].as_array().expect("a list");
    let cuda = files
        .iter()
        .find(|file| file["guest"] == json!("/usr/local/nvidia/lib64/libcuda.so.550.54.15"));
    let cuda = cuda.expect("it is taken");
    assert_eq!(
        (&cuda["taken"], &cuda["reason"], &cuda["required"]),
        (&json!(true), &json!(null), &json!(true))
    );
    let left = files.iter().find(|file| file["taken"] == json!(false));
    assert_eq!(left.expect("some are left")["guest"], json!(null));
    assert_eq!(
        keys(&report["searched"][0]),
        "because holds_driver other_versions path"
    );
    assert_eq!(
        keys(&report["findings"][0]),
        "cause message remedy severity"
    );
}

#[test]
fn gpu_needs_to_be_told_what_and_says_what_it_cannot_find() {
    let sandbox = Sandbox::new();
    for (words, status, part) in [
        ("gpu", 2, "missing one of `list`, `cdi`"),
        (
            "gpu lst",
            2,
            "unknown command `lst`\nhint: did you mean `list`?",
        ),
        ("gpu list --driver-root", 2, "needs a value"),
        ("gpu list x", 2, "one argument too many: `x`"),
        (
            "gpu cdi --driver-root /etc/ssl",
            1,
            "no NVIDIA processor was found",
        ),
        (
            "gpu list --driver-root /nothing/there",
            1,
            "cannot look for NVIDIA's driver in `/nothing/there`",
        ),
        (
            "doctor --driver-root /etc/passwd",
            1,
            "cannot look for NVIDIA's driver in `/etc/passwd`",
        ),
    ] {
        sandbox
            .coracle(words.split(' '))
            .run()
            .exits(status)
            .complains(part);
    }
    let help = sandbox.coracle(["gpu", "list", "--help"]).run().success();
    help.mentions("Usage: coracle gpu list [FLAGS]")
        .mentions("`schema` 1");
    let nothing = sandbox.coracle(["gpu", "list", "--driver-root", "/etc/ssl"]);
    nothing.run().success().mentions("NVIDIA driver");
    assert!(!sandbox.store().exists());
}
