//! Causes in the image: its machine, its C library, driver files of its own.

use coracle::gpu::guest::{Compat, Libc, Shipped};
use coracle::gpu::nvidia::Group;
use coracle::gpu::vantage::Machine;

use super::Row;
use super::world::{World, guest, library, provider};

const COMPAT: &str = "/usr/local/cuda/compat";

fn ship(world: &mut World, path: &str, version: &str) {
    world.guest.shipped.push(Shipped {
        path: guest(path),
        version: Some(version.to_owned()),
    });
}

fn package(world: &mut World) {
    world.guest.compat.push(Compat {
        path: guest(COMPAT),
        version: "590.44.01".to_owned(),
        accepts: Vec::new(),
    });
    ship(
        world,
        "/usr/local/cuda/compat/libcuda.so.590.44.01",
        "590.44.01",
    );
}

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "an image for aarch64, which lacks everything else too",
        change: |world| {
            world.guest.machine = Some(Ok(Machine::Aarch64));
            world.guest.providers.clear();
        },
        said: &[
            "fatal: the image is for aarch64, the host's driver for x86_64: an emulated program cannot load it",
            "-> use the image for this host's machine (`--platform`)",
        ],
    },
    Row {
        name: "an image of a machine that no driver is for",
        change: |world| world.guest.machine = Some(Err(0xABCD)),
        said: &[
            "fatal: the image is for machine 43981 of the ELF standard, the host's driver for x86_64: an emulated program cannot load it",
            "-> use the image for this host's machine (`--platform`)",
        ],
    },
    Row {
        name: "Alpine",
        change: |world| {
            world.guest.libc = Libc::Musl;
            world.guest.providers.clear();
        },
        said: &[
            "warning: the image uses musl, NVIDIA's libraries are made for glibc: its programs cannot load them",
            "-> use an image with glibc, such as Debian's or Ubuntu's variant of the same image",
        ],
    },
    Row {
        name: "one static program",
        change: |world| {
            world.guest.libc = Libc::None;
            world.guest.providers.clear();
        },
        said: &[
            "warning: the image has no C library: its programs are static and cannot load the driver",
            "-> use an image with glibc, such as Debian's or Ubuntu's",
        ],
    },
    Row {
        name: "glibc too old for a required library",
        change: |world| {
            world.guest.libc = Libc::Glibc(Some("2.7".to_owned()));
            world.guest.providers.insert(
                "libc.so.6".to_owned(),
                provider(
                    "/lib64/libc-2.7.so",
                    &["GLIBC_2.2.5", "GLIBC_2.4", "GLIBC_2.7"],
                ),
            );
            world.without_files("libnvidia-ml");
            world.nvidia.files.push(library(
                "libnvidia-ml.so.1",
                Group::Utility,
                &["libc.so.6:GLIBC_2.4"],
            ));
        },
        said: &[
            "fatal: the image is too old for the host's driver: `libcuda.so.580.159.04` needs `GLIBC_2.9` of `libc.so.6`, which the image's `/lib64/libc-2.7.so` (glibc 2.7) does not define",
            "-> use a newer release of the image's distribution",
            "detail: `libcudadebugger.so.580.159.04` is left out: it needs `GLIBC_2.26` of `libc.so.6`, which the image's `/lib64/libc-2.7.so` (glibc 2.7) does not define",
        ],
    },
    Row {
        name: "a mark without a number, which only a backport has",
        change: |world| {
            let wants = &mut world.file("libcudadebugger.so").wants;
            wants
                .versions
                .push(("libc.so.6".to_owned(), "GLIBC_ABI_DT_RELR".to_owned()));
        },
        said: &[
            "detail: `libcudadebugger.so.580.159.04` is left out: it needs `GLIBC_ABI_DT_RELR` of `libc.so.6`, which the image's `/lib/x86_64-linux-gnu/libc.so.6` (glibc 2.36) does not define",
        ],
    },
    Row {
        name: "a library that a required file wants",
        change: |world| drop(world.guest.providers.remove("libm.so.6")),
        said: &[
            "fatal: the image lacks a library of the host's driver: `libcuda.so.580.159.04` needs `libm.so.6`, which the image does not have",
            "-> use an image that has it, or install it in the container",
        ],
    },
    Row {
        name: "graphics in an image without X",
        change: |world| {
            drop(world.guest.providers.remove("libX11.so.6"));
            let wanted = ["libX11.so.6", "libXext.so.6"];
            world
                .nvidia
                .files
                .push(library("libnvidia-fbc.so.1", Group::Graphics, &wanted));
            world.nvidia.files.push(library(
                "libnvidia-gtk.so.1",
                Group::Graphics,
                &["libXext.so.6"],
            ));
        },
        said: &[
            "detail: graphics needs `libX11.so.6`, `libXext.so.6` in the image",
            "-> install them in the image if you need it",
        ],
    },
    Row {
        name: "the image brings the driver of the machine that it was built on",
        change: |world| {
            ship(
                world,
                "/usr/lib/x86_64-linux-gnu/libcuda.so.535.261.03",
                "535.261.03",
            );
            ship(
                world,
                "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.535.261.03",
                "535.261.03",
            );
            ship(
                world,
                "/usr/lib/x86_64-linux-gnu/libnvidia-cfg.so.580.159.04",
                "580.159.04",
            );
        },
        said: &[
            "warning: the image brings driver 535.261.03, the host's is 580.159.04: `/usr/lib/x86_64-linux-gnu/libcuda.so.535.261.03` and 1 more; the host's comes first (else error 803)",
            "-> remove the driver's packages from the image: it must not bring any",
        ],
    },
    Row {
        name: "the image's path begins with stubs",
        change: |world| world.library_path = vec![guest("/usr/local/cuda/lib64/stubs")],
        said: &[
            "detail: the image's LD_LIBRARY_PATH names stubs to link against, `/usr/local/cuda/lib64/stubs`; the host's driver comes first (else error 34)",
        ],
    },
    Row {
        name: "a package for forward compatibility that nobody uses",
        change: package,
        said: &[],
    },
    Row {
        name: "the same, used",
        change: |world| {
            package(world);
            world.compat = Some(guest(COMPAT));
        },
        said: &[
            "detail: the image's `/usr/local/cuda/compat` (driver 590.44.01) comes before the host's 580.159.04, for CUDA's forward compatibility",
        ],
    },
    Row {
        name: "the same on a desktop",
        change: |world| {
            package(world);
            world.compat = Some(guest(COMPAT));
            world.nvidia.processors[1].model = Some("NVIDIA GeForce RTX 4090".to_owned());
        },
        said: &[
            "warning: the image's `/usr/local/cuda/compat` comes first although `NVIDIA GeForce RTX 4090` is none for data centres: CUDA may fail with error 804",
            "-> leave out `--cuda-compat=on`",
        ],
    },
    Row {
        name: "the image puts it first, the rule does not",
        change: |world| {
            package(world);
            world.library_path = vec![guest("/usr/lib"), guest(COMPAT)];
        },
        said: &[
            "detail: the image's LD_LIBRARY_PATH names `/usr/local/cuda/compat`, which does not suit this host (error 803 or 804); the host's driver comes first",
        ],
    },
];
