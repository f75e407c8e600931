//! What of an image keeps its programs from the processors: its machine, its C library, driver files of its own.

use std::collections::BTreeSet;

use super::cause::Cause;
use super::{Setting, Wanted};
use crate::base::path::GuestPath;
use crate::gpu::compat;
use crate::gpu::fit::{self, Misfit};
use crate::gpu::guest::{Guest, Libc, Shipped};
use crate::gpu::nvidia::{DriverFile, Group, Nvidia};
use crate::gpu::vantage::Machine;

pub(super) fn check(
    nvidia: &Nvidia,
    guest: &Guest,
    setting: &Setting,
    wanted: &Wanted,
) -> Vec<Cause> {
    if let Some(cause) = machine(guest, setting.machine) {
        // Nothing else that could be said of such an image would help.
        return vec![cause];
    }
    let mut causes = match guest.libc {
        Libc::Glibc(_) => glibc(guest, setting),
        Libc::Musl => vec![Cause::Musl],
        Libc::None => vec![Cause::NoLibc],
    };
    causes.extend(shipped(nvidia, guest));
    causes.extend(stubs(setting));
    causes.extend(forward(nvidia, guest, setting, wanted));
    causes
}

fn machine(guest: &Guest, driver: Machine) -> Option<Cause> {
    let machine = guest.machine.filter(|machine| *machine != Ok(driver))?;
    Some(Cause::ImageOfOtherMachine {
        guest: name(machine),
        host: name(Ok(driver)),
    })
}

/// By the numbers of elf(5) and of the System V ABI's list of machines.
fn name(machine: Result<Machine, u16>) -> String {
    let known = match machine {
        Ok(Machine::X86_64) => "x86_64",
        Ok(Machine::Aarch64) => "aarch64",
        Err(3) => "i386 (32 bit)",
        Err(20) => "ppc",
        Err(21) => "ppc64",
        Err(22) => "s390x",
        Err(40) => "arm (32 bit)",
        Err(8) => "mips",
        Err(243) => "riscv",
        Err(258) => "loongarch",
        Err(other) => return format!("machine {other} of the ELF standard"),
    };
    known.to_owned()
}

fn glibc(guest: &Guest, setting: &Setting) -> Vec<Cause> {
    let sifted = fit::sift(setting.files, guest);
    let mut causes = Vec::new();
    for (file, misfit) in sifted.misfits {
        let (required, file, misfit) = (file.required, own_name(file), misfit);
        causes.push(match required {
            true => Cause::ImageTooOld { file, misfit },
            false => Cause::LeftOut { file, misfit },
        });
    }
    let (required, optional): (Vec<_>, Vec<_>) = sifted
        .lacking
        .into_iter()
        .partition(|(file, _)| file.required);
    causes.extend(
        required
            .into_iter()
            .map(|(file, misfit)| Cause::ImageLacks {
                file: own_name(file),
                misfit,
            }),
    );
    causes.extend(features(&optional));
    causes
}

fn own_name(file: &DriverFile) -> String {
    file.name
        .rsplit('/')
        .next()
        .unwrap_or(&file.name)
        .to_owned()
}

/// One cause for each group of files; which library of several wants a thing is of no interest.
fn features(lacking: &[(&DriverFile, Misfit)]) -> Vec<Cause> {
    let groups: BTreeSet<Group> = lacking.iter().map(|(file, _)| file.group).collect();
    let cause = |group: Group| {
        let of_group = lacking.iter().filter(|(file, _)| file.group == group);
        let libraries: BTreeSet<String> = of_group
            .filter_map(|(_, misfit)| match misfit {
                Misfit::Library { library } | Misfit::Companion { library } => {
                    Some(library.clone())
                }
                Misfit::Version { .. } => None,
            })
            .collect();
        Cause::FeatureLacks {
            feature: feature(group),
            libraries: libraries.into_iter().collect(),
        }
    };
    groups.into_iter().map(cause).collect()
}

fn feature(group: Group) -> &'static str {
    match group {
        Group::Utility => "a tool of the driver",
        Group::Compute => "a part of CUDA or OpenCL",
        Group::Video => "video coding",
        Group::Graphics => "graphics",
        Group::Display => "an X server",
        Group::Ngx => "NGX",
    }
}

/// Driver libraries in the image of another version than the host's. The host's comes first in the loader's cache
/// and in its path, so that this spoils only programs that name the image's own directory.
fn shipped(nvidia: &Nvidia, guest: &Guest) -> Option<Cause> {
    let driver = &nvidia.driver.as_ref()?.version;
    let in_compat = |file: &&Shipped| {
        let mut packages = guest.compat.iter();
        packages.any(|package| file.path.as_path().starts_with(package.path.as_path()))
    };
    let others = guest
        .shipped
        .iter()
        .filter(|file| !in_compat(file) && !is_stub(&file.path));
    let mut others = others.filter_map(|file| {
        let version = file.version.as_ref().filter(|version| *version != driver)?;
        Some((&file.path, version))
    });
    let (path, version) = others.next()?;
    Some(Cause::ShippedDriver {
        path: path.clone(),
        version: version.clone(),
        driver: driver.clone(),
        others: others.count(),
    })
}

/// Whether a path leads into a directory of the CUDA toolkit's stubs.
fn is_stub(path: &GuestPath) -> bool {
    path.as_path().iter().any(|part| part == "stubs")
}

fn stubs(setting: &Setting) -> Option<Cause> {
    let path = setting.library_path.iter().find(|path| is_stub(path))?;
    Some(Cause::StubInImage { path: path.clone() })
}

fn forward(nvidia: &Nvidia, guest: &Guest, setting: &Setting, wanted: &Wanted) -> Option<Cause> {
    let driver = &nvidia.driver.as_ref()?.version;
    let Some(path) = setting.compat else {
        let named = |path: &&GuestPath| guest.compat.iter().any(|package| package.path == **path);
        let path = setting.library_path.iter().find(named)?.clone();
        return Some(Cause::CompatOvertaken { path });
    };
    let chosen = wanted.processors.unwrap_or_default().iter();
    let mut models = chosen.filter_map(|position| nvidia.processors.get(*position)?.model.as_ref());
    if let Some(model) = models.find(|model| !compat::is_for_data_centres(model)) {
        return Some(Cause::CompatRefused {
            path: path.clone(),
            model: model.clone(),
        });
    }
    let package = guest.compat.iter().find(|package| package.path == *path)?;
    Some(Cause::CompatTaken {
        path: path.clone(),
        version: package.version.clone(),
        driver: driver.clone(),
    })
}
