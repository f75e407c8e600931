//! What is mounted over the root: the defaults, `-v`, `--mount`, `--tmpfs`.
//!
//! docker-run(1), "--volume", "--mount" and "--tmpfs". What we cannot do is refused by
//! name: a mount that is quietly writable, or quietly private, is worse than none.

mod csv;
mod mount;
mod size;
mod tmpfs;
mod volume;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::base::env;
use crate::base::path::{GuestPath, HostPath};
use crate::plan::fault::{PlanError, shown};
use crate::plan::wish::{Facts, Wish};
use crate::plan::{Mount, Source, surroundings};

pub use mount::{anchored_mount, mount};
pub use size::size;
pub use tmpfs::tmpfs;
pub use volume::{anchored_volume, volume};

/// Directories of the host that every guest sees, with all that is mounted in them;
/// `/dev/shm`, which parallel programs share, comes with `/dev`.
const HOST_DIRS: [&str; 3] = ["/proc", "/sys", "/dev"];
/// Files of the host that every guest sees, if there are any. Read-only: a caller who is
/// root must not change the host by `apt-get install`.
pub const HOST_FILES: [&str; 3] = ["/etc/resolv.conf", "/etc/hosts", "/etc/localtime"];

/// Something that was asked for by a flag, as far as the flag itself says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// From where.
    pub origin: Origin,
    /// Where it appears.
    pub target: GuestPath,
    /// Whether writes through it fail.
    pub read_only: bool,
}

/// From where something comes that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file or directory of the host.
    Host(HostPath),
    /// A directory of the store that has a name.
    Volume {
        /// Its name.
        name: String,
        /// Whether it begins with what the image has at its place.
        copies: bool,
    },
    /// Memory.
    Memory {
        /// The limit in bytes.
        size: Option<u64>,
        /// Permission bits.
        mode: u32,
        /// Whether nothing in it can be executed.
        noexec: bool,
    },
}

/// All mounts of a run, outer ones first. One that the user wants takes the place of
/// a default one at the same target; two wanted at one place are an error. A text of
/// the guest's own (`files`) takes the place of the host's file.
pub fn mounts(
    wish: &Wish,
    facts: &Facts<'_>,
    files: &[GuestPath],
) -> Result<Vec<Mount>, PlanError> {
    let mut omitted = Omitted::of(wish)?;
    let mut mounts = Vec::new();
    for wanted in wanted(wish)? {
        let mount = wanted.into_mount(facts)?;
        if !omitted.takes(&mount) {
            mounts.push(mount);
        }
    }
    for more in surroundings::mounts(wish, facts)? {
        let taken = |known: &Mount| known.target == more.target;
        if !omitted.takes(&more) && !mounts.iter().any(taken) {
            mounts.push(more);
        }
    }
    for default in defaults(wish, facts) {
        let target = default.target.as_path();
        let taken = |known: &Mount| match default.read_only {
            // A directory that the user mounts at /etc stays as it is: no file is put into it.
            true => target.starts_with(known.target.as_path()),
            false => target == known.target.as_path(),
        };
        let is_own = files.contains(&default.target);
        if !omitted.takes(&default) && !is_own && !mounts.iter().any(taken) {
            mounts.push(default);
        }
    }
    mounts.extend(home(wish, facts, &mounts)?);
    omitted.check()?;
    Ok(with_more(mounts, Vec::new()))
}

/// `mounts` and `more`, outer ones first: an outer mount would hide an inner one that came before it.
pub(super) fn with_more(mut mounts: Vec<Mount>, more: Vec<Mount>) -> Vec<Mount> {
    mounts.extend(more);
    mounts.sort_by_key(|mount| mount.target.relative().components().count());
    mounts
}

/// What flags ask for, each target once.
pub fn wanted(wish: &Wish) -> Result<Vec<Wanted>, PlanError> {
    let mut all: Vec<Wanted> = Vec::new();
    let volumes = wish.volumes.iter().map(|text| volume(&text.0));
    let mounts = wish.mounts.iter().map(|text| mount(&text.0));
    let tmpfs = wish.tmpfs.iter().map(|text| tmpfs(&text.0));
    for wanted in volumes.chain(mounts).chain(tmpfs) {
        let wanted = wanted?;
        if all.iter().any(|known| known.target == wanted.target) {
            return Err(PlanError::TwoMounts(wanted.target.to_string()));
        }
        all.push(wanted);
    }
    Ok(all)
}

/// A named volume of a wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Where the guest sees it.
    pub target: GuestPath,
    /// Whether it begins with what the image has there.
    pub copies: bool,
}

/// The named volumes of a wish, also those that a profile adds.
pub fn named(wish: &Wish) -> Result<Vec<Named>, PlanError> {
    let mut all = wanted(wish)?;
    for text in &wish.surroundings.volumes {
        all.push(volume(&text.0)?);
    }
    let named = |wanted: Wanted| match wanted.origin {
        Origin::Volume { name, copies } => Some(Named {
            name,
            target: wanted.target,
            copies,
        }),
        _ => None,
    };
    Ok(all.into_iter().filter_map(named).collect())
}

impl Wanted {
    pub(super) fn into_mount(self, facts: &Facts<'_>) -> Result<Mount, PlanError> {
        let source = match self.origin {
            Origin::Host(path) => Source::Bind(path),
            Origin::Memory { size, mode, noexec } => Source::Tmpfs { size, mode, noexec },
            Origin::Volume { name, .. } => match facts.around.volumes.get(&name) {
                Some(path) => Source::Bind(path.clone()),
                None => return Err(PlanError::NoVolume(name)),
            },
        };
        Ok(Mount {
            source,
            target: self.target,
            read_only: self.read_only,
            optional: false,
        })
    }
}

fn defaults(wish: &Wish, facts: &Facts<'_>) -> Vec<Mount> {
    if wish.bare {
        return Vec::new();
    }
    let same = |path: &OsStr, read_only, optional| {
        Some(Mount {
            source: Source::Bind(HostPath::new(path)),
            target: GuestPath::new(path)?,
            read_only,
            optional,
        })
    };
    let dirs = HOST_DIRS.iter().map(|dir| same(dir.as_ref(), false, false));
    let files = HOST_FILES
        .iter()
        .map(|file| same(file.as_ref(), true, true));
    // Where a PMIx client finds its server; it keeps lock files there, so writable.
    let names = facts.environment.iter();
    let pmix = names
        .filter(|(name, _)| facts.in_pmi_launch && name == env::PMIX_SERVER_TMPDIR)
        .map(|(_, dir)| same(dir, false, true));
    dirs.chain(files).chain(pmix).flatten().collect()
}

/// The caller's home at its own place, unless it is seen there already.
fn home(wish: &Wish, facts: &Facts<'_>, known: &[Mount]) -> Result<Option<Mount>, PlanError> {
    if !wish.home {
        return Ok(None);
    }
    let home = facts.caller.home.clone();
    let target = home.as_deref().and_then(GuestPath::new);
    let (Some(home), Some(target)) = (home, target) else {
        return Err(PlanError::Homeless);
    };
    if target == GuestPath::root() || known.iter().any(|mount| mount.target == target) {
        return Ok(None);
    }
    Ok(Some(Mount {
        source: Source::Bind(home),
        target,
        read_only: false,
        optional: false,
    }))
}

/// `--novol`: what is left out, by its path on the host or in the guest.
struct Omitted {
    paths: Vec<(GuestPath, bool)>,
}

impl Omitted {
    fn of(wish: &Wish) -> Result<Omitted, PlanError> {
        let path = |text: &OsStr| match GuestPath::new(text) {
            Some(path) => Ok((path, false)),
            None => Err(PlanError::Omitted(shown(text))),
        };
        let texts = wish.omitted.iter().flat_map(|text| fields(&text.0, b','));
        Ok(Omitted {
            paths: texts.map(path).collect::<Result<_, _>>()?,
        })
    }

    fn takes(&mut self, mount: &Mount) -> bool {
        let source = match &mount.source {
            Source::Bind(path) => GuestPath::new(path.as_os_str()),
            _ => None,
        };
        let mut takes = false;
        for (path, is_used) in &mut self.paths {
            if *path == mount.target || Some(&*path) == source.as_ref() {
                (*is_used, takes) = (true, true);
            }
        }
        takes
    }

    /// Nothing there to leave out is a typing error.
    fn check(&self) -> Result<(), PlanError> {
        match self.paths.iter().find(|(_, is_used)| !is_used) {
            Some((path, _)) => Err(PlanError::Omitted(path.to_string())),
            None => Ok(()),
        }
    }
}

fn fields(text: &OsStr, separator: u8) -> impl Iterator<Item = &OsStr> {
    let parts = text.as_bytes().split(move |byte| *byte == separator);
    parts.map(OsStr::from_bytes)
}

fn key_and_value(field: &OsStr) -> (&OsStr, Option<&OsStr>) {
    let bytes = field.as_bytes();
    match bytes.iter().position(|byte| *byte == b'=') {
        Some(at) => (
            OsStr::from_bytes(&bytes[..at]),
            Some(OsStr::from_bytes(&bytes[at + 1..])),
        ),
        None => (field, None),
    }
}

fn host(source: &OsStr) -> Result<HostPath, String> {
    if source.as_bytes().starts_with(b"/") {
        return Ok(HostPath::new(source));
    }
    Err(match source.is_empty() {
        true => "the source is empty".to_owned(),
        false => format!("source `{}` is not an absolute path", shown(source)),
    })
}

fn guest(target: &OsStr) -> Result<GuestPath, String> {
    match GuestPath::new(target) {
        Some(root) if root == GuestPath::root() => Err("the target cannot be `/`".to_owned()),
        Some(target) => Ok(target),
        None => Err(format!(
            "target `{}` is not an absolute path",
            shown(target)
        )),
    }
}

/// Checks how mounts made later are to spread. The guest shares no mount with the host, and sees what is mounted on
/// the host later where the host shares it.
fn check_propagation(word: &OsStr) -> Result<(), String> {
    match word.as_bytes() {
        b"rprivate" | b"private" | b"rslave" | b"slave" => Ok(()),
        _ => Err(format!(
            "got `{}`: what the guest mounts never appears on the host, expected `rslave` or `rprivate`",
            shown(word)
        )),
    }
}

/// Whether a text can name a volume. moby, `names.RestrictedNamePattern`.
pub fn is_volume_name(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let starts_well = text
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphanumeric());
    starts_well && (2..=128).contains(&text.len()) && text.bytes().all(word)
}
