//! Which runs need more than one id: an image with a program that changes its user, a container that had other ids.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::base::env;
use crate::base::fault::BoxFault;
use crate::base::fsx;
use crate::base::path::{GuestPath, HostPath, RootDir};
use crate::base::subids::{self, Trial};
use crate::engine::select::Mode;
use crate::layer::{EntryKind, Sidecar, Truth};
use crate::oci::config::RunConfig;
use crate::ops::setup;
use crate::plan::Owner;
use crate::plan::wish::{Changer, OtherIds, Userns, Wish};
use crate::store::{Container, Store};

/// Programs by which entry points give up being root. Of others such as su(1) most images have one and need none.
const PROGRAMS: [&str; 2] = ["gosu", "su-exec"];

/// The largest list of owners that is read (bytes).
const MAX_SIDECAR: u64 = 1 << 30;

/// Where images have them.
const DIRECTORIES: [&str; 6] = [
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/bin",
    "/usr/sbin",
    "/bin",
    "/sbin",
];

/// The program for which a run of an image with these `trees` needs more than one id; `None` where it needs no more,
/// where it was said what ids there are to be, and where no engine of `modes` would have a use for them: PRoot keeps
/// account of each process's ids itself.
pub(super) fn changer(
    trees: &[RootDir],
    wish: &Wish,
    image: &RunConfig,
    modes: &[Mode],
) -> Option<Changer> {
    let is_open = wish.userns.is_none() && modes.contains(&Mode::Ns) && !env::in_pmi_launch();
    let user = wish.user.as_deref().unwrap_or(&image.user);
    let starts_as_root = matches!(user.split(':').next(), None | Some("" | "0" | "root"));
    if !is_open || !starts_as_root {
        return None;
    }
    let program = find(trees)?;
    let others = match subids::trial() {
        Trial::Works => OtherIds::Granted,
        Trial::Lacking(why) => OtherIds::Lacking(why),
        Trial::NoNamespaces => return None,
    };
    Some(Changer { program, others })
}

/// Has a container remember that its guest has other ids behind its own: from then on there are files of these ids in
/// it, which a guest with a single id could not read.
pub(super) fn remember(store: &Store, container: &Container) -> Result<(), BoxFault> {
    let mut wish = setup::wish_of(&container.record)?;
    if wish.userns == Some(Userns::Subids) {
        return Ok(());
    }
    wish.userns = Some(Userns::Subids);
    Ok(store.set_options(container.record.clone(), wish.to_options())?)
}

/// What of an image's tree belongs to others than root, or runs as its owner whoever starts it.
pub(super) fn owners(sidecar: &HostPath) -> Result<Vec<Owner>, BoxFault> {
    let bytes = fsx::read_if_there(sidecar, MAX_SIDECAR)?;
    let sidecar = bytes.map(|bytes| Sidecar::decode(&bytes)).transpose()?;
    let truths = sidecar.unwrap_or_default().truths.into_iter();
    let is_told = |truth: &Truth| {
        let on_disk = !matches!(truth.kind, EntryKind::CharDevice | EntryKind::BlockDevice);
        let acts = truth.kind == EntryKind::File && truth.mode & 0o6000 != 0;
        on_disk && (acts || (truth.uid, truth.gid) != (0, 0))
    };
    let owner = |truth: Truth| Owner {
        path: GuestPath::root().join(OsStr::from_bytes(&truth.path)),
        uid: truth.uid,
        gid: truth.gid,
        mode: truth.mode,
    };
    Ok(truths.filter(is_told).map(owner).collect())
}

/// The first of [`PROGRAMS`] that is there. Each directory is walked to once, and `/bin`, a link to `usr/bin` in most
/// images, is not looked into twice: every start of an image pays for this.
fn find(trees: &[RootDir]) -> Option<String> {
    let mut seen: Vec<HostPath> = Vec::new();
    for directory in DIRECTORIES {
        let guest = GuestPath::root().join(directory);
        for tree in trees {
            let Ok(host) = tree.resolve(&guest) else {
                continue;
            };
            if seen.contains(&host) || !host.is_dir() {
                continue;
            }
            let is_there = |program: &&str| {
                let path = guest.join(program);
                tree.resolve(&path).is_ok_and(|file| file.is_file())
            };
            let found = PROGRAMS.iter().find(|program| {
                fsx::symlink_metadata(host.join(program)).is_ok() && is_there(program)
            });
            if let Some(program) = found {
                return Some(format!("{directory}/{program}"));
            }
            seen.push(host);
        }
    }
    None
}
