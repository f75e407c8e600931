//! What a driver adds to a plan: lines of `run --explain`, for hosts and images that are described.

mod cache;
mod variables;

use coracle::base::path::{GuestPath, HostPath};
use coracle::gpu::Findings;
use coracle::gpu::cdi::{self, CdiNode};
use coracle::gpu::guest::{Guest, Libc, Provider};
use coracle::gpu::nvidia::{
    Access, DriverFile, DriverVersion, FileKind, Group, Node, NodeRole, Nvidia, Processor, Verdict,
    Wants,
};
use coracle::gpu::vantage::Machine;
use coracle::plan::farm::{Farm, Piece};
use coracle::plan::wish::{GpuWish, Via, Wish};
use coracle::plan::{RunPlan, explain};

use super::{World, pairs, strings, texts};

const VERSION: &str = "580.1";

/// A host with two processors, and an image with glibc.
struct Scene {
    world: World,
    wish: Wish,
    found: Findings,
}

impl Scene {
    fn new() -> Scene {
        let guest = Guest {
            libc: Libc::Glibc(Some("2.36".into())),
            machine: Some(Ok(Machine::HERE)),
            loader_conf: Some(b"include /etc/ld.so.conf.d/*.conf\n".to_vec()),
            ..Guest::default()
        };
        let wish = Wish {
            gpu: GpuWish {
                nvidia: Some(Via::Discovery),
                ..GpuWish::default()
            },
            ..Wish::default()
        };
        Scene {
            world: World::new(),
            wish,
            found: Findings {
                nvidia: Some(driver()),
                guest,
                ..Findings::default()
            },
        }
    }

    fn driver(&mut self) -> &mut Nvidia {
        self.found
            .nvidia
            .as_mut()
            .expect("a scene begins with a driver")
    }

    /// The caller's environment.
    fn caller(mut self, variables: &[(&str, &str)]) -> Scene {
        self.world.environment.extend(pairs(variables));
        self
    }

    fn image(mut self, variables: &[&str]) -> Scene {
        self.world.image.env = strings(variables);
        self
    }

    fn typed(mut self, variables: &[&str]) -> Scene {
        self.wish.environment = texts(variables);
        self
    }

    fn gpus(mut self, choice: &str) -> Scene {
        self.wish.gpu.gpus = Some(choice.to_owned());
        self
    }

    fn plan(mut self) -> Result<RunPlan, String> {
        self.world.gpu = Some(self.found);
        self.world
            .plan(&self.wish)
            .map_err(|error| error.to_string())
    }

    /// The lines of the explained plan that begin with one of `subjects`.
    fn lines(self, subjects: &[&str]) -> Vec<String> {
        let text = explain::text(&self.plan().expect("a sound scene"));
        let is_meant = |line: &&str| subjects.iter().any(|subject| line.starts_with(subject));
        let tidy = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        text.lines().filter(is_meant).map(tidy).collect()
    }

    /// Checks one variable of the guest's environment.
    #[track_caller]
    fn check(self, name: &str, expected: Option<&str>) {
        let plan = self.plan().expect("a sound scene");
        assert_eq!(super::value(&plan, name), expected, "{name}");
    }
}

fn driver() -> Nvidia {
    let library = |stem: &str, soname: &str, group| {
        let name = format!("lib64/{stem}.so.{VERSION}");
        file(FileKind::Library, group, &name, &[soname])
    };
    let mut cuda = library("libcuda", "libcuda.so.1", Group::Compute);
    cuda.links.push("libcuda.so".to_owned());
    cuda.required = true;
    Nvidia {
        driver: Some(DriverVersion {
            version: VERSION.to_owned(),
            source: HostPath::new("/sys/module/nvidia/version"),
            from_kernel: true,
        }),
        files: vec![
            cuda,
            library("libnvidia-ml", "libnvidia-ml.so.1", Group::Utility),
            library(
                "libnvidia-ptxjitcompiler",
                "libnvidia-ptxjitcompiler.so.1",
                Group::Compute,
            ),
            library("libGLX_nvidia", "libGLX_nvidia.so.0", Group::Graphics),
            file(FileKind::Program, Group::Utility, "bin/nvidia-smi", &[]),
        ],
        processors: (0..2).map(processor).collect(),
        nodes: [
            ("nvidiactl", NodeRole::Control),
            ("nvidia0", NodeRole::Processor),
            ("nvidia1", NodeRole::Processor),
            ("nvidia-uvm", NodeRole::Uvm),
        ]
        .map(|(name, role)| node(name, role))
        .to_vec(),
        uvm_loaded: Some(true),
        ..Nvidia::default()
    }
}

fn file(kind: FileKind, group: Group, name: &str, links: &[&str]) -> DriverFile {
    let own = name.rsplit('/').next().expect("a name has a last part");
    DriverFile {
        kind,
        group,
        path: GuestPath::root().join("drv").join(own),
        host: HostPath::new("/drv").join(own),
        name: name.to_owned(),
        links: strings(links),
        text: None,
        required: false,
        verdict: Verdict::Taken,
        wants: Wants::default(),
    }
}

fn processor(number: usize) -> Processor {
    Processor {
        index: Some(number),
        bus_id: format!("0000:0{number}:00.0"),
        uuid: Some(format!("GPU-{number}")),
        minor: u32::try_from(number).ok(),
        model: Some("NVIDIA H200".to_owned()),
        mig: Vec::new(),
        dri: Vec::new(),
    }
}

fn node(name: &str, role: NodeRole) -> Node {
    Node {
        path: GuestPath::root().join("dev").join(name),
        host: HostPath::new("/dev").join(name),
        role,
        access: Access::Granted,
    }
}

#[test]
fn the_farm_holds_files_and_the_names_that_lead_to_them() {
    assert_eq!(
        Scene::new().lines(&["mount        /usr", "   "]),
        [
            "mount /usr/local/nvidia from a directory of this run's own, read-only",
            "bin/nvidia-smi from /drv/nvidia-smi",
            "lib64/libGLX_nvidia.so.0 -> libGLX_nvidia.so.580.1",
            "lib64/libGLX_nvidia.so.580.1 from /drv/libGLX_nvidia.so.580.1",
            "lib64/libcuda.so -> libcuda.so.580.1",
            "lib64/libcuda.so.1 -> libcuda.so.580.1",
            "lib64/libcuda.so.580.1 from /drv/libcuda.so.580.1",
            "lib64/libnvidia-ml.so.1 -> libnvidia-ml.so.580.1",
            "lib64/libnvidia-ml.so.580.1 from /drv/libnvidia-ml.so.580.1",
            "lib64/libnvidia-ptxjitcompiler.so.1 -> libnvidia-ptxjitcompiler.so.580.1",
            "lib64/libnvidia-ptxjitcompiler.so.580.1 from /drv/libnvidia-ptxjitcompiler.so.580.1",
        ]
    );
    // The user's own mount stays, and the farm goes where it changes nothing of the host.
    for target in [
        "/usr/local",
        "/usr/local/nvidia",
        "/usr/local/nvidia/lib64",
        "/usr/local/nvidia/mine",
    ] {
        let mut elsewhere = Scene::new();
        elsewhere.wish.volumes = texts(&[&format!("/opt:{target}")]);
        let mut lines = elsewhere.lines(&["mount        /usr", "mount        /.c"]);
        lines.sort();
        assert_eq!(
            lines,
            [
                "mount /.coracle/nvidia from a directory of this run's own, read-only",
                &format!("mount {target} from /opt"),
            ]
        );
    }
}

#[test]
fn programs_can_read_what_is_added() {
    let plan = Scene::new().gpus("1").plan().expect("a sound scene");
    let json = explain::json(&plan);
    let mounts = json["mounts"].as_array().expect("a list");
    let at = |target: &str| mounts.iter().find(|mount| mount["target"] == target);
    let farm = &at("/usr/local/nvidia").expect("a farm")["source"]["farm"];
    assert_eq!(farm["lib64/libcuda.so.1"]["link"], "libcuda.so.580.1");
    assert_eq!(farm["bin/nvidia-smi"]["bind"], "/drv/nvidia-smi");
    let mask = at("/dev/nvidia0").expect("a closed device");
    assert_eq!(mask["source"], "masked");
    assert_eq!(
        json["notes"].as_array().map(Vec::len),
        Some(plan.notes.len())
    );
}

#[test]
fn names_in_a_farm_do_not_collide() {
    let mut farm = Farm::default();
    let mut add = |name: &str| farm.add(name, Piece::Text(Vec::new()));
    for (name, expected) in [
        ("lib64/a", true),
        ("lib64/a", false),
        ("lib64/a/b", false),
        ("lib64", false),
        ("lib64/a.so", true),
        ("../../lib64/b", true),
        ("lib64/b/c", false),
    ] {
        assert_eq!(add(name), expected, "{name}");
    }
    let names: Vec<_> = farm
        .pieces()
        .map(|(name, _)| name.display().to_string())
        .collect();
    assert_eq!(names, ["lib64/a", "lib64/a.so", "lib64/b"]);
}

#[test]
fn groups_are_left_out_when_the_user_says_so_and_not_when_the_image_does() {
    let graphics = |scene: Scene| {
        let lines = scene.lines(&["   "]);
        lines.iter().any(|line| line.contains("libGLX_nvidia"))
    };
    const NAME: &str = "NVIDIA_DRIVER_CAPABILITIES";
    let compute = "NVIDIA_DRIVER_CAPABILITIES=compute,utility";
    assert!(graphics(Scene::new().image(&[compute])));
    assert!(!graphics(Scene::new().typed(&[compute])));
    assert!(!graphics(Scene::new().caller(&[(NAME, "compute")])));
    assert!(graphics(
        Scene::new()
            .caller(&[(NAME, "compute")])
            .typed(&["NVIDIA_DRIVER_CAPABILITIES=all"])
    ));
    assert!(!graphics(
        Scene::new()
            .gpus("all,capabilities=compute")
            .image(&[compute])
    ));
    Scene::new()
        .image(&[compute])
        .check(NAME, Some("compute,graphics,ngx,utility,video"));
    Scene::new()
        .typed(&[compute])
        .check(NAME, Some("compute,utility"));
    let unknown = Scene::new()
        .typed(&["NVIDIA_DRIVER_CAPABILITIES=magic"])
        .plan();
    assert!(unknown.expect_err("an unknown word").contains("`magic`"));
}

#[test]
fn a_group_brings_what_its_files_want_of_other_groups() {
    let library = |stem: &str, group, wants: &[&str]| {
        let mut library = file(
            FileKind::Library,
            group,
            &format!("lib64/{stem}.so.{VERSION}"),
            &[],
        );
        library.wants.libraries = strings(wants);
        library
    };
    let mut scene = Scene::new().typed(&["NVIDIA_DRIVER_CAPABILITIES=graphics"]);
    scene.driver().files.extend([
        library(
            "libnvidia-glcore",
            Group::Graphics,
            &["libnvidia-gpucomp.so.580.1"],
        ),
        library(
            "libnvidia-gpucomp",
            Group::Compute,
            &["libnvidia-ml.so.1", "libc.so.6"],
        ),
        library(
            "libnvidia-pkcs11",
            Group::Compute,
            &["libnvidia-glcore.so.580.1"],
        ),
    ]);
    assert_eq!(
        scene.lines(&["               lib64/"]),
        [
            "lib64/libGLX_nvidia.so.0 -> libGLX_nvidia.so.580.1",
            "lib64/libGLX_nvidia.so.580.1 from /drv/libGLX_nvidia.so.580.1",
            "lib64/libnvidia-glcore.so.580.1 from /drv/libnvidia-glcore.so.580.1",
            "lib64/libnvidia-gpucomp.so.580.1 from /drv/libnvidia-gpucomp.so.580.1",
            "lib64/libnvidia-ml.so.1 -> libnvidia-ml.so.580.1",
            "lib64/libnvidia-ml.so.580.1 from /drv/libnvidia-ml.so.580.1",
        ]
    );
}

#[test]
fn devices_that_were_not_chosen_are_closed() {
    let masks = |scene: Scene| scene.lines(&["mount        /dev/"]);
    let none: &[&str] = &[];
    let one = ["mount /dev/nvidia0 cannot be opened"];
    let visible = "NVIDIA_VISIBLE_DEVICES";
    assert_eq!(masks(Scene::new()), none);
    assert_eq!(masks(Scene::new().gpus("1")), one);
    assert_eq!(
        masks(Scene::new().typed(&["NVIDIA_VISIBLE_DEVICES=1"])),
        one
    );
    assert_eq!(masks(Scene::new().caller(&[(visible, "GPU-1")])), one);
    assert_eq!(
        masks(Scene::new().image(&["NVIDIA_VISIBLE_DEVICES=1"])),
        none
    );
    assert_eq!(masks(Scene::new().caller(&[(visible, "void")])), none);
    assert_eq!(masks(Scene::new().caller(&[(visible, "0")]).gpus("1")), one);
    // Left behind by a surrounding container, whose own host has more.
    let strange = Scene::new().caller(&[(visible, "7")]);
    let notes = strange.lines(&["warning", "mount        /dev/"]);
    assert!(
        matches!(&notes[..], [note] if note.contains("is not followed")),
        "{notes:?}"
    );
    let unknown = Scene::new()
        .gpus("7")
        .plan()
        .expect_err("no such processor");
    assert!(unknown.contains("`7`"), "{unknown}");
    Scene::new().check(visible, Some("all"));
    Scene::new().gpus("1").check(visible, Some("GPU-1"));
    Scene::new().gpus("none").check(visible, Some("none"));
}

#[test]
fn devices_that_no_specification_named_are_closed() {
    let scene = |named: &[(&str, &str)]| {
        let mut scene = Scene::new().caller(&[("CUDA_VISIBLE_DEVICES", "1")]);
        let nodes = named.iter().map(|(host, target)| CdiNode {
            host: HostPath::new(*host),
            target: GuestPath::root().join(target),
        });
        scene.found.cdi = Some(cdi::Edits {
            nodes: nodes.collect(),
            ..cdi::Edits::default()
        });
        let nvidia = scene.found.nvidia.take().expect("every scene has it");
        scene.found.nodes = nvidia.nodes;
        scene.lines(&["mount        /dev/", "environment  CUDA"])
    };
    let (first, second) = (
        ("/dev/nvidia0", "/dev/nvidia0"),
        ("/dev/nvidia1", "/dev/nvidia1"),
    );
    let all = ["environment CUDA_VISIBLE_DEVICES=1"];
    assert_eq!(
        scene(&[second, ("/dev/nvidiactl", "/dev/nvidiactl")]),
        ["mount /dev/nvidia0 cannot be opened"]
    );
    assert_eq!(scene(&[first, second]), all);
    assert_eq!(scene(&[("/dev/other", "/dev/other")]), all);
    // The second one, under the name of the first.
    assert_eq!(
        scene(&[("/dev/nvidia1", "/dev/nvidia0")]),
        ["mount /dev/nvidia0 from /dev/nvidia1"]
    );
}

#[test]
fn files_that_the_guest_cannot_load_stay_out_or_stop_the_run() {
    let needs = |stem: &str| {
        let mut scene = Scene::new();
        let mut files = scene.driver().files.iter_mut();
        let file = files
            .find(|file| file.name.contains(stem))
            .expect("it is there");
        file.wants
            .versions
            .push(("libc.so.6".into(), "GLIBC_9.9".into()));
        let provider = Provider {
            path: GuestPath::root().join("lib/libc.so.6"),
            versions: strings(&["GLIBC_2.2.5"]),
        };
        scene
            .found
            .guest
            .providers
            .insert("libc.so.6".into(), provider);
        scene
    };
    let optional = needs("libGLX_nvidia").lines(&["   ", "detail"]);
    assert!(
        !optional.iter().any(|line| line.starts_with("lib64/libGLX")),
        "{optional:?}"
    );
    assert!(
        optional
            .iter()
            .any(|line| line.contains("is left out: it needs `GLIBC_9.9`")),
        "{optional:?}"
    );
    let required = needs("libcuda.").plan().expect_err("CUDA cannot work");
    for part in ["libcuda.so", "GLIBC_9.9", "2.36"] {
        assert!(required.contains(part), "{part}: {required}");
    }
}
