//! Sub-ids: the ids that the host grants this user beside his own, and a user namespace that has them.
//!
//! Only newuidmap(1) and newgidmap(1), set-id programs of the host, may write such a
//! map, and they must run outside the new namespace: so a child is made before it is
//! entered, and told when.

use std::io::{self, Read, Write};
use std::os::unix::fs::{PermissionsExt, lchown};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, User, getegid, geteuid};

use crate::base::env;
use crate::base::fault::{Fault, Kind};
use crate::base::fsx::{self, Context, PathError};
use crate::base::merged;
use crate::base::path::HostPath;
use crate::sys::namespace::{self, Uts};
use crate::sys::{probe, process};

/// The tables of users and of groups. subuid(5), subgid(5).
pub const TABLES: [&str; 2] = ["/etc/subuid", "/etc/subgid"];

/// A larger table than this is not read (bytes).
const MAX_TABLE: u64 = 16 << 20;

/// A range of ids of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    first: u32,
    count: u32,
}

/// Why a namespace with sub-ids was not entered.
#[derive(Debug, thiserror::Error)]
pub enum SubidError {
    /// No line of a table is this user's.
    #[error("no line for this user in {0}")]
    NotGranted(&'static str),
    /// The host forbids user namespaces; nothing has changed in this process.
    #[error("cannot make a user namespace: {0}")]
    Forbidden(Errno),
    /// The namespace exists and its ids have no meaning.
    #[error("cannot map the sub-ids of this user with newuidmap and newgidmap")]
    Map(#[source] io::Error),
    /// A table cannot be read.
    #[error(transparent)]
    Table(#[from] PathError),
}

impl Fault for SubidError {
    fn kind(&self) -> Kind {
        match self {
            SubidError::Table(error) => error.kind(),
            _ => Kind::Refused,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            SubidError::Table(error) => error.hints(),
            _ => vec!["`coracle doctor` tells whether this host grants sub-ids".to_owned()],
        }
    }
}

/// The range of this user in `table`, whose lines are `name-or-uid:first:count`. subuid(5).
pub fn granted(table: &'static str) -> Result<Range, SubidError> {
    let uid = geteuid();
    // newuidmap looks users up as getpwuid(3) does; $USER helps where musl sees fewer than it.
    let listed = User::from_uid(uid).ok().flatten().map(|user| user.name);
    let told = || Some(env::get(env::USER)?.to_string_lossy().into_owned());
    let name = listed.or_else(told).unwrap_or_default();
    let text = fsx::read_if_there(Path::new(table), MAX_TABLE)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    range_of(&text, &name, uid.as_raw()).ok_or(SubidError::NotGranted(table))
}

fn range_of(table: &str, name: &str, uid: u32) -> Option<Range> {
    let parse = |line: &str| {
        let mut fields = line.split(':');
        let owner = fields.next()?.to_owned();
        let range = Range {
            first: fields.next()?.parse().ok()?,
            count: fields.next()?.trim().parse().ok()?,
        };
        let is_ours = !owner.is_empty() && (owner == name || owner == uid.to_string());
        is_ours.then_some(range)
    };
    table.lines().find_map(parse)
}

/// What came of trying [`enter`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trial {
    /// It works here.
    Works,
    /// User namespaces work here and other ids do not, for this reason.
    Lacking(String),
    /// User namespaces do not work here.
    NoNamespaces,
}

/// Tries [`enter`] in a child. A line in a table is no proof: newuidmap(1) may have lost its rights.
pub fn trial() -> Trial {
    const FORBIDDEN: &str = "forbidden";
    let lacking = TABLES.map(granted).into_iter().find_map(Result::err);
    let tried = probe::in_child(|| {
        let entered = match &lacking {
            Some(_) => namespace::enter(Uts::Keep).map_err(SubidError::Forbidden),
            None => enter_with(Uts::Keep, Stdio::null),
        };
        match entered {
            Ok(()) => Ok(String::new()),
            Err(SubidError::Forbidden(_)) => Err(FORBIDDEN.to_owned()),
            Err(error) => Err(error.to_string()),
        }
    });
    match (tried, lacking) {
        (Ok(_), None) => Trial::Works,
        (Ok(_), Some(error)) => Trial::Lacking(error.to_string()),
        (Err(report), _) if report == FORBIDDEN => Trial::NoNamespaces,
        (Err(report), _) => Trial::Lacking(report),
    }
}

/// Enters new user and mount namespaces, and a uts one if asked to, in which the caller
/// is root and his sub-ids are 1, 2, …. Must be called while there is one thread.
pub fn enter(uts: Uts) -> Result<(), SubidError> {
    enter_with(uts, Stdio::inherit)
}

/// `complaints` is where newuidmap(1) and newgidmap(1) say what they do not like.
fn enter_with(uts: Uts, complaints: fn() -> Stdio) -> Result<(), SubidError> {
    let [uids, gids] = TABLES.map(granted);
    let (uids, gids) = (uids?, gids?);
    let (mut told, mut tell) = io::pipe().map_err(SubidError::Map)?;
    let entering = Pid::this();
    match process::fork().map_err(SubidError::Map)? {
        ForkResult::Child => {
            drop(tell);
            // The end of file alone means that the namespace was not entered.
            let entered = told.read_exact(&mut [0]).is_ok();
            let maps = [
                ("newuidmap", geteuid().as_raw(), uids),
                ("newgidmap", getegid().as_raw(), gids),
            ];
            let mut maps = maps.into_iter();
            let mapped = entered
                && maps.all(|(name, own, range)| {
                    map(name, entering, own, range)
                        .stderr(complaints())
                        .status()
                        .is_ok_and(|status| status.success())
                });
            process::exit(i32::from(!mapped))
        }
        ForkResult::Parent { child } => {
            drop(told);
            let entered = namespace::enter(uts).map_err(SubidError::Forbidden);
            let informed = match entered {
                Ok(()) => tell.write_all(b"!"),
                Err(_) => Ok(()),
            };
            drop(tell);
            let ended = waitpid(child, None);
            entered?;
            informed.map_err(SubidError::Map)?;
            match ended {
                Ok(WaitStatus::Exited(_, 0)) => Ok(()),
                _ => {
                    let refused = io::Error::other("refused, see the message above");
                    Err(SubidError::Map(refused))
                }
            }
        }
    }
}

/// newuidmap or newgidmap for `process`: 0 is the caller, the rest is the range.
fn map(program: &str, process: Pid, own: u32, range: Range) -> Command {
    let numbers = [0, own, 1, 1, range.first, range.count].map(|number| number.to_string());
    let mut command = Command::new(program);
    command
        .arg(process.to_string())
        .args(numbers)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

/// Enters namespaces in which this process may read what a guest has made as one of the caller's sub-ids, and sees its
/// owners as that guest does. Must be called while there is one thread.
pub fn become_root() -> Result<(), SubidError> {
    enter(Uts::Keep)
}

/// Copies a tree as [`merged::copy`] does, also one in which a guest has made files as one of the caller's sub-ids:
/// only root of a namespace that has them may, and gives the copies to the same ids. A child does that.
pub fn copy_tree(from: &HostPath, to: &HostPath) -> fsx::Result<()> {
    let refused = match merged::copy(from, to) {
        Err(error) if error.is_denied() => error,
        done => return done,
    };
    remove_tree(to)?;
    let copied = probe::in_child(|| {
        enter(Uts::Keep).map_err(|error| error.to_string())?;
        let copied = merged::copy(from, to).map_err(|error| error.to_string());
        copied.map(|()| String::new())
    });
    copied.map(drop).or(Err(refused))
}

/// Removes a tree as [`fsx::remove_tree`] does, also where a guest has made directories
/// in it as one of the caller's sub-ids: only root of a namespace that has them may.
///
/// A child does it. From inside, this process could not see any more which guests run.
pub fn remove_tree(path: &Path) -> fsx::Result<()> {
    let refused = match fsx::remove_tree(path) {
        Err(error) if error.source.kind() == io::ErrorKind::PermissionDenied => error,
        done => return done,
    };
    let removed = probe::in_child(|| {
        enter(Uts::Keep).map_err(|error| error.to_string())?;
        let removed = fsx::remove_tree(path).map_err(|error| error.to_string());
        removed.map(|()| String::new())
    });
    removed.map(drop).or(Err(refused))
}

/// Makes everything below `path` the caller's own and lets him read and write it, also what a guest has made as one of
/// his sub-ids: only root of a namespace that has them may. Links stay as they are, but for their owner.
pub fn take_over(path: &Path) -> fsx::Result<()> {
    let refused = match own(path, Owner::Kept) {
        Err(error) if error.source.kind() == io::ErrorKind::PermissionDenied => error,
        done => return done,
    };
    let taken = probe::in_child(|| {
        enter(Uts::Keep).map_err(|error| error.to_string())?;
        let taken = own(path, Owner::Root).map_err(|error| error.to_string());
        taken.map(|()| String::new())
    });
    taken.map(drop).or(Err(refused))
}

/// Whose the files are to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// Whose they are; a mode that only he may change tells of somebody else.
    Kept,
    /// Root's, who is the caller in a namespace of his.
    Root,
}

fn own(path: &Path, owner: Owner) -> fsx::Result<()> {
    let mut todo = vec![path.to_owned()];
    while let Some(path) = todo.pop() {
        if owner == Owner::Root {
            lchown(&path, Some(0), Some(0)).context("take over", &path)?;
        }
        let meta = fsx::symlink_metadata(&path)?;
        if meta.is_symlink() {
            continue;
        }
        let least = if meta.is_dir() { 0o700 } else { 0o600 };
        // Set even where nothing changes: somebody else's file refuses it.
        fsx::set_mode(&path, meta.permissions().mode() & 0o7777 | least)?;
        if meta.is_dir() {
            todo.extend(fsx::read_dir(&path)?.into_iter().map(|entry| entry.path()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_found_by_name_or_number() {
        let table = "a:100000:65536\nbad line\n1001:200000:10\nc:x:1\n:1:1\n";
        let range = |first, count| Some(Range { first, count });
        assert_eq!(range_of(table, "a", 7), range(100_000, 65_536));
        assert_eq!(range_of(table, "b", 1001), range(200_000, 10));
        assert_eq!(range_of(table, "c", 9), None);
        assert_eq!(range_of(table, "", 9), None);
    }
}
