//! What of the caller's own world comes along, where a profile asks for it: his directories, his environment.
//!
//! Clusters expect programs to find the working directory, scratch space and the job's variables where they are on the
//! node. Nothing here is insisted on: a directory that is not there is left out, and what was typed wins.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::base::env;
use crate::base::path::{GuestPath, HostPath};
use crate::plan::fault::PlanError;
use crate::plan::wish::{Facts, Text, Wish};
use crate::plan::{Mount, Source, binds};

/// Directories that are the image's, or every guest's: a working directory in one of them is not shown over them.
const NOT_SHOWN: [&str; 12] = [
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/run", "/sbin", "/sys",
    "/usr",
];

/// What PMIx's server says to its clients by one name and clients read by another; enroot has the same pairs in its
/// hook 50-slurm-pmi.
const PMIX: [(&str, &str); 2] = [
    (env::PMIX_SECURITY_MODE, env::PMIX_MCA_PSEC),
    (env::PMIX_GDS_MODULE, env::PMIX_MCA_GDS),
];

/// The mounts: each yields to one that was typed for the same place, and only volumes must be there.
pub(super) fn mounts(wish: &Wish, facts: &Facts<'_>) -> Result<Vec<Mount>, PlanError> {
    let around = &wish.surroundings;
    let mut mounts = Vec::new();
    // Of two for one place the later counts: it was typed, the other stands in a file.
    for Text(volume) in around.volumes.iter().rev() {
        mounts.push(binds::volume(volume)?.into_mount(facts)?);
    }
    let paths = around.paths.iter();
    let paths = paths.filter_map(|Text(path)| expanded(path, facts));
    for path in cwd(wish, facts).into_iter().chain(paths) {
        let Some(target) = GuestPath::new(path.as_os_str()) else {
            continue;
        };
        let seen = |mount: &Mount| shows(mount, &path);
        if target != GuestPath::root() && !mounts.iter().any(seen) {
            mounts.push(Mount {
                source: Source::Bind(path),
                target,
                read_only: false,
                optional: true,
            });
        }
    }
    Ok(mounts)
}

/// The working directory of the guest, where it is to be the caller's.
pub(super) fn workdir(wish: &Wish, facts: &Facts<'_>) -> Option<GuestPath> {
    GuestPath::new(cwd(wish, facts)?.as_os_str())
}

/// The caller's working directory, where it is to be shown and can be.
fn cwd(wish: &Wish, facts: &Facts<'_>) -> Option<HostPath> {
    let cwd = facts.cwd.filter(|_| wish.surroundings.cwd)?;
    let hides = NOT_SHOWN.iter().any(|dir| cwd.starts_with(dir)) || *cwd.as_os_str() == *"/";
    (!hides).then(|| cwd.clone())
}

/// Whether `mount` shows `path` of the host at its own place already.
fn shows(mount: &Mount, path: &Path) -> bool {
    match &mount.source {
        Source::Bind(source) => mount.target.as_path() == &**source && path.starts_with(&**source),
        _ => false,
    }
}

/// What of the host's environment lies below the image's.
pub(super) fn below<'a>(
    wish: &'a Wish,
    facts: &Facts<'a>,
) -> impl Iterator<Item = (&'a OsString, &'a OsString)> {
    let around = &wish.surroundings;
    let environment = facts.environment.iter().filter(|_| around.host_environment);
    // A home that is not shown is no home for the guest.
    let is_homeless = |name: &OsStr| name == env::HOME && !wish.home;
    environment
        .filter(move |(name, _)| !is_homeless(name) && !is_one_of(name, &around.dropped))
        .map(|(name, value)| (name, value))
}

/// What of the host's environment wins over the image's.
pub(super) fn above(wish: &Wish, facts: &Facts<'_>) -> Vec<(OsString, OsString)> {
    let wanted = &wish.surroundings.environment;
    if wanted.is_empty() {
        return Vec::new();
    }
    let environment = facts.environment.iter();
    let mut above: Vec<_> = environment
        .filter(|(name, _)| is_one_of(name, wanted))
        .cloned()
        .collect();
    for (said, read) in PMIX {
        let find = |name: &str| above.iter().find(|(known, _)| known == name);
        if let Some((_, value)) = find(said)
            && find(read).is_none()
        {
            let value = value.clone();
            above.push((read.into(), value));
        }
    }
    above
}

/// Whether `name` is one of these names, or begins like one that has a star behind it.
fn is_one_of(name: &OsStr, families: &[Text]) -> bool {
    families
        .iter()
        .any(|Text(family)| match family.as_bytes().strip_suffix(b"*") {
            Some(beginning) => name.as_bytes().starts_with(beginning),
            None => name == family,
        })
}

/// A path with the caller's variables in the place of `$NAME`; `None` where one is not set, or no path comes of it.
fn expanded(path: &OsStr, facts: &Facts<'_>) -> Option<HostPath> {
    let mut done = Vec::new();
    let mut rest = path.as_bytes();
    while let Some(at) = rest.iter().position(|byte| *byte == b'$') {
        done.extend(&rest[..at]);
        rest = rest[at + 1..].strip_prefix(b"{").unwrap_or(&rest[at + 1..]);
        let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let end = rest.iter().position(|byte| !word(byte));
        let (name, more) = rest.split_at(end.unwrap_or(rest.len()));
        let mut named = facts.environment.iter();
        let (_, value) = named.find(|(known, _)| known.as_bytes() == name)?;
        done.extend(value.as_bytes());
        rest = more.strip_prefix(b"}").unwrap_or(more);
    }
    done.extend(rest);
    let path = HostPath::new(OsStr::from_bytes(&done));
    path.is_absolute().then_some(path)
}
