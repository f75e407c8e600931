//! What programs are told by their environment: where the driver is, and which processors are meant.

use coracle::plan::explain;

use coracle::gpu::guest::Libc;

use super::{FileKind, Group, Scene, VERSION, file};
use crate::plan::{strings, value};

#[test]
fn opencl_is_told_of_a_library_that_came_without_its_file() {
    let mut scene = Scene::new();
    let name = format!("lib64/libnvidia-opencl.so.{VERSION}");
    let library = file(
        FileKind::Library,
        Group::Compute,
        &name,
        &["libnvidia-opencl.so.1"],
    );
    scene.driver().files.push(library);
    let plan = scene.plan().expect("a sound scene");
    assert_eq!(
        value(&plan, "OCL_ICD_VENDORS"),
        Some("/usr/local/nvidia/share/OpenCL/vendors")
    );
    let json = explain::json(&plan);
    let mounts = json["mounts"].as_array().expect("a list");
    let farm = mounts
        .iter()
        .find(|mount| mount["target"] == "/usr/local/nvidia");
    let farm = &farm.expect("a farm")["source"]["farm"];
    assert_eq!(
        farm["share/OpenCL/vendors/nvidia.icd"]["content"],
        "libnvidia-opencl.so.1\n"
    );
}

#[test]
fn the_callers_choice_among_processors_reaches_the_guest() {
    for name in [
        "CUDA_VISIBLE_DEVICES",
        "CUDA_DEVICE_ORDER",
        "ROCR_VISIBLE_DEVICES",
        "ZE_AFFINITY_MASK",
        "CUDA_MPS_PIPE_DIRECTORY",
    ] {
        let image = format!("{name}=7");
        let typed = format!("{name}=2");
        let scene = || Scene::new().caller(&[(name, "1")]).image(&[&image]);
        scene().check(name, Some("1"));
        scene().typed(&[&typed]).check(name, Some("2"));
        Scene::new().image(&[&image]).check(name, Some("7"));
    }
    let cuda = "CUDA_VISIBLE_DEVICES";
    // Numbers would count other processors than the caller meant, UUIDs name the same.
    Scene::new()
        .caller(&[(cuda, "1")])
        .gpus("1")
        .check(cuda, None);
    Scene::new()
        .caller(&[(cuda, "GPU-1")])
        .gpus("1")
        .check(cuda, Some("GPU-1"));
    Scene::new()
        .caller(&[(cuda, "1")])
        .gpus("0,1")
        .check(cuda, Some("1"));
    let notes = Scene::new()
        .caller(&[(cuda, "1")])
        .gpus("1")
        .lines(&["warning"]);
    assert!(
        matches!(&notes[..], [note] if note.contains("CUDA_VISIBLE_DEVICES=1 is left out")),
        "{notes:?}"
    );
}

/// What is named in it is searched at every exec, so the cache has to do where it can.
#[test]
fn the_path_of_libraries_is_set_only_where_the_cache_is_not_enough() {
    let name = "LD_LIBRARY_PATH";
    let own = Some("/usr/local/nvidia/lib64");
    Scene::new().check(name, None);
    let image = |value: &str, wanted: &str| {
        let text = format!("{name}={value}");
        Scene::new().image(&[&text]).check(name, Some(wanted));
        Scene::new().typed(&[&text]).check(name, Some(wanted));
    };
    // NVIDIA's own images name where a driver will be; nothing else is there.
    let theirs = "/usr/local/nvidia/lib:/usr/local/nvidia/lib64";
    image(theirs, theirs);
    image("", "");
    // Stubs, or whatever else is searched before the cache, do not win.
    for value in [
        "/usr/local/cuda/lib64/stubs",
        "/usr/local/nvidia/lib64:/b",
        "lib",
        "/usr/local/nvidia/lib64:",
    ] {
        image(value, &format!("/usr/local/nvidia/lib64:{value}"));
    }
    let mut musl = Scene::new();
    musl.found.guest.libc = Libc::Musl;
    musl.check(name, own);
    let mut covered = Scene::new();
    covered.wish.volumes.push("/a:/etc".into());
    covered.check(name, own);
    let mut aside = Scene::new();
    aside.wish.volumes.push("/a:/usr/local/nvidia/lib64".into());
    aside.check(name, None);
}

#[test]
fn loaders_and_shells_are_led_to_the_farm() {
    Scene::new()
        .image(&["LD_LIBRARY_PATH=/a:/b"])
        .check("LD_LIBRARY_PATH", Some("/usr/local/nvidia/lib64:/a:/b"));
    Scene::new()
        .image(&["PATH=/bin"])
        .check("PATH", Some("/bin:/usr/local/nvidia/bin"));
    let there = "PATH=/usr/local/nvidia/bin:/bin";
    Scene::new()
        .image(&[there])
        .check("PATH", Some(&there[5..]));
    let graphics = || {
        let mut scene = Scene::new();
        let data = [
            "glvnd/egl_vendor.d/10_nvidia.json",
            "vulkan/icd.d/nvidia_icd.json",
            "OpenCL/vendors/nvidia.icd",
        ];
        let data = data.map(|name| {
            file(
                FileKind::Data,
                Group::Graphics,
                &format!("share/{name}"),
                &[],
            )
        });
        scene.driver().files.extend(data);
        scene.found.guest.opencl_vendors = strings(&["nvidia.icd", "pocl.icd"]);
        scene
    };
    let share = "/usr/local/nvidia/share";
    let vulkan = format!("{share}/vulkan/icd.d/nvidia_icd.json");
    graphics().check("VK_ADD_DRIVER_FILES", Some(&vulkan));
    let both = format!("{vulkan}:/x.json");
    graphics()
        .image(&["VK_ADD_DRIVER_FILES=/x.json"])
        .check("VK_ADD_DRIVER_FILES", Some(&both));
    graphics()
        .typed(&["VK_ADD_DRIVER_FILES=/y"])
        .check("VK_ADD_DRIVER_FILES", Some("/y"));
    let egl = "__EGL_VENDOR_LIBRARY_DIRS";
    let defaults = "/etc/glvnd/egl_vendor.d:/usr/share/glvnd/egl_vendor.d";
    graphics().check(egl, Some(&format!("{share}/glvnd/egl_vendor.d:{defaults}")));
    Scene::new().check(egl, None);
    graphics().check("OCL_ICD_VENDORS", Some(&format!("{share}/OpenCL/vendors")));
    graphics()
        .image(&["OCL_ICD_VENDORS=/v"])
        .check("OCL_ICD_VENDORS", Some("/v"));
    let vendors = graphics().lines(&["               share/OpenCL"]);
    assert_eq!(
        vendors,
        [
            "share/OpenCL/vendors/nvidia.icd from /drv/nvidia.icd",
            "share/OpenCL/vendors/pocl.icd -> /etc/OpenCL/vendors/pocl.icd",
        ]
    );
}
