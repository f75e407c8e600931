//! Whether a driver's file works with what a guest has: versions and libraries, without running anything.
//!
//! A driver's libraries meet the C library of the image. What its loader would say at run time, "version
//! `GLIBC_2.34' not found", is found here first, by the same comparison: ELF's symbol versioning, Linux Standard
//! Base Core 5.0, chapter 10.7.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::base::path::GuestPath;
use crate::gpu::guest::{Guest, Libc};
use crate::gpu::nvidia::{DriverFile, FileKind, Wants};

/// The SONAME of the C library, which both glibc and stand-ins for it have.
const C_LIBRARY: &str = "libc.so.6";

/// Why the guest's loader would refuse a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(untagged)]
pub enum Misfit {
    /// A library of the guest lacks a version.
    #[error(
        "needs `{version}` of `{library}`, which the image's `{provider}`{} does not define",
        of_glibc(glibc)
    )]
    Version {
        /// The version's name, such as `GLIBC_2.34`.
        version: String,
        /// The SONAME that the file wants it of.
        library: String,
        /// The guest's file of that SONAME.
        provider: GuestPath,
        /// The version of the guest's glibc, where it is that one which is too old and it says so.
        glibc: Option<String>,
    },
    /// A library is neither the driver's nor in the guest.
    #[error("needs `{library}`, which the image does not have")]
    Library {
        /// Its SONAME.
        library: String,
    },
    /// Another file of the driver does not work in the guest.
    #[error("needs the driver's `{library}`, which does not work in this image")]
    Companion {
        /// Its SONAME.
        library: String,
    },
}

fn of_glibc(glibc: &Option<String>) -> String {
    let known = glibc.as_ref().map(|version| format!(" (glibc {version})"));
    known.unwrap_or_default()
}

/// The files of a driver, parted by what the guest's loader would say.
#[derive(Clone, Debug, Default)]
pub struct Sifted<'a> {
    /// Those that may appear in the guest.
    pub fits: Vec<&'a DriverFile>,
    /// Those that cannot be loaded there, whatever is installed in it.
    pub misfits: Vec<(&'a DriverFile, Misfit)>,
    /// Those of `fits` that want one more library of the image, which its user could still install.
    pub lacking: Vec<(&'a DriverFile, Misfit)>,
}

/// The SONAMEs and other names by which `files` are found in the farm's directory of libraries.
pub fn farm<'a>(files: impl IntoIterator<Item = &'a DriverFile>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in files {
        if file.kind == FileKind::Library {
            let own = file.name.rsplit('/').next().unwrap_or(&file.name);
            names.insert(own.to_owned());
            names.extend(file.links.iter().cloned());
        }
    }
    names
}

/// The SONAMEs that a guest has to be asked for, so that `files` can be sifted: [`crate::gpu::guest`].
pub fn sonames<'a>(files: impl IntoIterator<Item = &'a DriverFile>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in files {
        names.extend(file.wants.libraries.iter().cloned());
        names.extend(
            file.wants
                .versions
                .iter()
                .map(|(library, _)| library.clone()),
        );
    }
    names
}

/// Parts `files` by whether `guest` can load them. A guest without glibc is not asked: with musl, a stand-in for
/// glibc may take libraries that say more than they need (gcompat runs `nvidia-smi`), and static programs load none.
pub fn sift<'a>(files: &[&'a DriverFile], guest: &Guest) -> Sifted<'a> {
    let mut sifted = Sifted {
        fits: files.to_vec(),
        ..Sifted::default()
    };
    if !matches!(guest.libc, Libc::Glibc(_)) {
        return sifted;
    }
    let whole = farm(files.iter().copied());
    // Each round but the last takes a file away, so there are at most as many rounds as files.
    loop {
        let names = farm(sifted.fits.iter().copied());
        let mut left = Vec::new();
        sifted.lacking.clear();
        sifted
            .fits
            .retain(|file| match misfit(&file.wants, &names, guest) {
                None => true,
                Some(Misfit::Library { library }) if whole.contains(&library) => {
                    left.push((*file, Misfit::Companion { library }));
                    false
                }
                Some(misfit @ Misfit::Library { .. }) => {
                    sifted.lacking.push((*file, misfit));
                    true
                }
                Some(misfit) => {
                    left.push((*file, misfit));
                    false
                }
            });
        if left.is_empty() {
            return sifted;
        }
        sifted.misfits.append(&mut left);
    }
}

/// What the guest's loader would miss first for a file that `wants` this, beside a farm with these SONAMEs. Names of
/// versions are compared, never their numbers: `GLIBC_ABI_DT_RELR` has none, and vendors backport single versions.
pub fn misfit(wants: &Wants, farm: &BTreeSet<String>, guest: &Guest) -> Option<Misfit> {
    let version = wants.versions.iter().find_map(|(library, version)| {
        // What the farm has under that name comes first in the loader's path, and is of the same driver.
        if farm.contains(library) {
            return None;
        }
        let provider = guest.providers.get(library)?;
        // A library without any version satisfies every wish for one; glibc, elf/dl-version.c, `match_symbol`.
        if provider.versions.is_empty() || provider.versions.contains(version) {
            return None;
        }
        Some(Misfit::Version {
            version: version.clone(),
            library: library.clone(),
            provider: provider.path.clone(),
            glibc: glibc(library, guest),
        })
    });
    version.or_else(|| {
        let absent =
            |library: &&String| !farm.contains(*library) && !guest.providers.contains_key(*library);
        let library = wants.libraries.iter().find(absent)?;
        Some(Misfit::Library {
            library: library.clone(),
        })
    })
}

/// The version of the guest's glibc, if `library` is part of it.
fn glibc(library: &str, guest: &Guest) -> Option<String> {
    let parts = [
        C_LIBRARY,
        "libm.so.6",
        "libdl.so.2",
        "libpthread.so.0",
        "librt.so.1",
    ];
    match &guest.libc {
        Libc::Glibc(version) if parts.contains(&library) || library.starts_with("ld-linux") => {
            version.clone()
        }
        _ => None,
    }
}
