//! Which trees and containers are in use by guests that run on this host.
//!
//! Asked of the kernel, because a run leaves no record: it turns into its guest, which
//! nobody outlives to clean up, and a lease per start would cost every start a write
//! on a shared file system. Guests on other hosts are not seen.
//!
//! A digest is the same in every home, and a copy of a home has the same ids, so a name says
//! nothing: it is the very directory that counts. A bind mount tells it by device and path in
//! the file system, whatever path led there. An overlay tells only what stands in its source
//! and options, as it was typed; such a path is looked up, and compared by device and inode.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::Pid;

use crate::base::fsx;
use crate::base::path::HostPath;

/// Bytes read of one process's mounts or arguments.
const PROC_LIMIT: u64 = 16 << 20;

/// What may stand around a path in the options of a mount, or among arguments.
const DELIMITERS: &[u8] = b":=,\0";

/// A process that runs from something in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its number.
    pub pid: Pid,
    /// Its program's name, as far as that is known.
    pub command: String,
}

impl User {
    fn of(pid: Pid) -> User {
        let name = fsx::read(format!("/proc/{pid}/comm"), PROC_LIMIT).unwrap_or_default();
        let name = String::from_utf8_lossy(&name);
        User {
            pid,
            command: name.trim_end().escape_debug().collect(),
        }
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} (`{}`)", self.pid, self.command)
    }
}

/// Those of `names`, paths below `home`, that a running process has mounted or was given by
/// its PRoot, which mounts nothing; each with the first such process.
///
/// Fails where that cannot be told, of want of descriptors or memory: nothing may be removed then.
pub(super) fn in_use(
    home: &HostPath,
    names: &BTreeSet<String>,
) -> fsx::Result<BTreeMap<String, User>> {
    let mut used = BTreeMap::new();
    let places: Vec<Place> = names.iter().map(|name| Place::of(home, name)).collect();
    if places.is_empty() {
        return Ok(used);
    }
    for process in Process::others()? {
        let Some(process) = process? else {
            continue;
        };
        for place in &places {
            if !used.contains_key(&place.name) && process.is_in(place) {
                used.insert(place.name.clone(), User::of(process.pid));
            }
        }
    }
    Ok(used)
}

/// The processes of this host in whose root something of `name`, a path below `home`, is mounted that is not in ours,
/// and PRoots whose guest's root is in it. Somebody who only works on the files there, or has them as an argument, is
/// none.
pub(super) fn processes(home: &HostPath, name: &str) -> Vec<Pid> {
    let place = Place::of(home, name);
    let others = Process::others().into_iter().flatten();
    let others = others.filter_map(|process| process.ok().flatten());
    let users = others.filter(|process| process.is_in(&place));
    users.map(|process| process.pid).collect()
}

/// A directory of a store.
struct Place {
    name: String,
    /// Its device and inode; none where it is not there.
    identity: Option<(u64, u64)>,
    /// The device of its file system and the path in that, as mountinfo has them.
    in_file_system: Option<(String, PathBuf)>,
}

impl Place {
    fn of(home: &HostPath, name: &str) -> Place {
        let path = home.join(name);
        let real = fsx::canonicalize(&path).ok();
        Place {
            name: name.to_owned(),
            identity: identity(&path),
            in_file_system: real.and_then(|real| in_file_system(&real)),
        }
    }

    /// Whether something below it is mounted by this line.
    fn is_mounted_by(&self, mount: &Mounted) -> bool {
        let own = self.in_file_system.as_ref();
        own.is_some_and(|(device, path)| *device == mount.device && mount.root.starts_with(path))
            || self.is_named_in(&mount.named)
    }

    /// Whether a path in `text` leads to it or below it.
    fn is_named_in(&self, text: &[u8]) -> bool {
        let name = self.name.as_bytes();
        let mut from = 0;
        while let Some(at) = find(&text[from..], name).map(|at| from + at) {
            let end = at + name.len();
            let is_whole = text
                .get(end)
                .is_none_or(|next| *next == b'/' || DELIMITERS.contains(next));
            let begins = |start: &usize| {
                text[*start] == b'/' && (*start == 0 || DELIMITERS.contains(&text[*start - 1]))
            };
            let mut starts = (0..at).filter(begins);
            let leads_here = |start| {
                let path = Path::new(OsStr::from_bytes(&text[start..end]));
                self.identity.is_some() && identity(path) == self.identity
            };
            if is_whole && starts.any(leads_here) {
                return true;
            }
            from = end;
        }
        false
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let meta = fsx::metadata(path).ok()?;
    Some((meta.dev(), meta.ino()))
}

/// Where `path`, which has no links, is in its file system: by the mount that shows it here.
fn in_file_system(path: &Path) -> Option<(String, PathBuf)> {
    let mounts = mounts("self").ok()?;
    let shows = mounts.iter().filter(|mount| path.starts_with(&mount.at));
    // The last one of several at one place hides the others.
    let mount = shows.max_by_key(|mount| mount.at.as_os_str().len())?;
    let below = path.strip_prefix(&mount.at).ok()?;
    let root = if below.as_os_str().is_empty() {
        mount.root.clone()
    } else {
        mount.root.join(below)
    };
    Some((mount.device.clone(), root))
}

/// A process other than this one, with what may tell from where it runs.
struct Process {
    pid: Pid,
    mounts: Vec<Mounted>,
    /// The arguments of a PRoot.
    arguments: Vec<u8>,
}

impl Process {
    /// Those that have mounts of their own, and PRoots; `None` for any other.
    fn others() -> fsx::Result<impl Iterator<Item = fsx::Result<Option<Process>>>> {
        let mut pids = Vec::new();
        seen(fsx::each_entry("/proc", |name, _| {
            let pid = name.to_str().and_then(|name| name.parse().ok());
            pids.extend(pid.map(Pid::from_raw).filter(|pid| *pid != Pid::this()));
        }))?;
        let own = seen(fsx::read_link("/proc/self/ns/mnt"))?;
        Ok(pids.into_iter().map(move |pid| Process::look(pid, &own)))
    }

    /// The process `pid`, if it tells from where it runs; `own` is our mount namespace.
    fn look(pid: Pid, own: &Path) -> fsx::Result<Option<Process>> {
        let is_elsewhere = seen(fsx::read_link(format!("/proc/{pid}/ns/mnt")))? != *own;
        let process = Process {
            pid,
            mounts: match is_elsewhere {
                true => mounts(&pid.to_string())?,
                false => Vec::new(),
            },
            arguments: match is_proot(pid)? {
                true => seen(fsx::read(format!("/proc/{pid}/cmdline"), PROC_LIMIT))?,
                false => Vec::new(),
            },
        };
        let is_telling = !process.mounts.is_empty() || !process.arguments.is_empty();
        Ok(is_telling.then_some(process))
    }

    fn is_in(&self, place: &Place) -> bool {
        self.mounts.iter().any(|mount| place.is_mounted_by(mount))
            || place.is_named_in(&self.arguments)
    }
}

/// Whether it is a PRoot; one whose file was replaced since has ` (deleted)` behind its name.
fn is_proot(pid: Pid) -> fsx::Result<bool> {
    let program = seen(fsx::read_link(format!("/proc/{pid}/exe")))?;
    let name = program.file_name().unwrap_or_default().as_bytes();
    Ok(name == b"proot" || name == b"proot (deleted)")
}

/// What procfs told; nothing of a process that is not ours to read, or that ends just now, which has several errors.
fn seen<T: Default>(told: fsx::Result<T>) -> fsx::Result<T> {
    told.or_else(|error| match error.source.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::EIO) => Err(error),
        _ => Ok(T::default()),
    })
}

/// What one line of mountinfo says. proc_pid_mountinfo(5).
struct Mounted {
    device: String,
    root: PathBuf,
    at: PathBuf,
    /// Source and options of the file system.
    named: Vec<u8>,
}

/// The mounts of a process.
fn mounts(process: &str) -> fsx::Result<Vec<Mounted>> {
    let bytes = seen(fsx::read(format!("/proc/{process}/mountinfo"), PROC_LIMIT))?;
    let lines = bytes.split(|byte| *byte == b'\n');
    Ok(lines.filter_map(mounted).collect())
}

fn mounted(line: &[u8]) -> Option<Mounted> {
    let mut fields = line.split(|byte| *byte == b' ').skip(2);
    let path = |field| PathBuf::from(OsStr::from_bytes(&unescaped(field)));
    let device = String::from_utf8_lossy(fields.next()?).into_owned();
    let (root, at) = (path(fields.next()?), path(fields.next()?));
    let behind = fields.skip_while(|field| *field != b"-").skip(2);
    let named: Vec<Vec<u8>> = behind.map(unescaped).collect();
    Some(Mounted {
        device,
        root,
        at,
        named: named.join(&b'\0'),
    })
}

/// The text that mountinfo writes with `\` and three octal digits for what would end a field.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..3).filter(|_| *first == b'\\');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                text.push(byte);
                rest = &behind[3..];
            }
            None => {
                text.push(*first);
                rest = behind;
            }
        }
    }
    text
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|part| part == wanted)
}
