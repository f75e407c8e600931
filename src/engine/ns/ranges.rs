//! A map of many ids: the caller is root, and his range of sub-ids are the others.
//!
//! Only newuidmap(1) and newgidmap(1), set-id programs of the host, may write such a
//! map, and they must run outside the new namespace: so a child is made before it is
//! entered, and told when.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{
    ForkResult, Gid, Pid, Uid, User, getegid, geteuid, setgroups, setresgid, setresuid,
};

use super::error::{NsError, Step};
use super::identity::forbidden;
use crate::base::{env, fsx};
use crate::engine::Stop;
use crate::plan::UserView;
use crate::sys::namespace::{self, Uts};
use crate::sys::process;

/// A larger `/etc/subuid` than this is not read (bytes).
const MAX_TABLE: u64 = 16 << 20;

/// The ids that the host grants to one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    first: u32,
    count: u32,
}

/// Enters new namespaces in which the caller is root and his sub-ids are 1, 2, ….
pub(super) fn enter(uts: Uts) -> Result<(), Stop> {
    let uids = granted("/etc/subuid")?;
    let gids = granted("/etc/subgid")?;
    let (mut told, tell) = io::pipe().step("make a pipe for", "newuidmap")?;
    let entering = Pid::this();
    match process::fork().step("make a process for", "newuidmap")? {
        ForkResult::Child => {
            drop(tell);
            // The end of file alone means that the namespace was not entered.
            let entered = told.read_exact(&mut [0]).is_ok();
            let maps = [
                ("newuidmap", geteuid().as_raw(), uids),
                ("newgidmap", getegid().as_raw(), gids),
            ];
            let mapped = entered
                && maps
                    .into_iter()
                    .all(|(name, own, range)| map(name, entering, own, range));
            process::exit(i32::from(!mapped))
        }
        ForkResult::Parent { child } => {
            drop(told);
            let entered = namespace::enter(uts).map_err(forbidden);
            let informed = if entered.is_ok() {
                (&tell).write_all(b"!")
            } else {
                Ok(())
            };
            drop(tell);
            let ended = waitpid(child, None);
            entered?;
            informed.step("wake", "newuidmap")?;
            match ended {
                Ok(WaitStatus::Exited(_, 0)) => Ok(()),
                _ => Err(io::Error::other("it refused, see its message above"))
                    .step("map the sub-ids of this user with", "newuidmap")
                    .map_err(Stop::from),
            }
        }
    }
}

/// Runs newuidmap or newgidmap for `process`: 0 is the caller, the rest is the range.
fn map(program: &str, process: Pid, own: u32, range: Range) -> bool {
    let numbers = [0, own, 1, 1, range.first, range.count].map(|number| number.to_string());
    let mut command = Command::new(program);
    command
        .arg(process.to_string())
        .args(numbers)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The range of this user in `table`, whose lines are `name-or-uid:first:count`. subuid(5).
fn granted(table: &str) -> Result<Range, Stop> {
    let uid = geteuid();
    let name = env::get(env::USER).map(|name| name.to_string_lossy().into_owned());
    let name = name
        .or_else(|| Some(User::from_uid(uid).ok()??.name))
        .unwrap_or_default();
    let text = fsx::read_if_there(Path::new(table), MAX_TABLE)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    range_of(&text, &name, uid.as_raw()).ok_or_else(|| {
        Stop::NotHere(format!(
            "{table} grants no range of ids to user `{name}` ({uid})"
        ))
    })
}

fn range_of(table: &str, name: &str, uid: u32) -> Option<Range> {
    let parse = |line: &str| {
        let mut fields = line.split(':');
        let owner = fields.next()?.to_owned();
        let range = Range {
            first: fields.next()?.parse().ok()?,
            count: fields.next()?.trim().parse().ok()?,
        };
        (owner == name || owner == uid.to_string()).then_some(range)
    };
    table.lines().find_map(parse)
}

/// Becomes `user` inside; the last step before exec, as it gives up the rights of root.
pub(super) fn become_user(user: &UserView) -> Result<(), NsError> {
    if user.uid == 0 && user.gid == 0 {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    let groups: Vec<_> = user.groups.iter().copied().map(Gid::from_raw).collect();
    let became = setgroups(&groups)
        .and_then(|()| setresgid(gid, gid, gid))
        .and_then(|()| setresuid(uid, uid, uid));
    became
        .map_err(io::Error::from)
        .step("become user", user.uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_found_by_name_or_number() {
        let table = "a:100000:65536\nbad line\n1001:200000:10\nc:x:1\n";
        let range = |first, count| Some(Range { first, count });
        assert_eq!(range_of(table, "a", 7), range(100_000, 65_536));
        assert_eq!(range_of(table, "b", 1001), range(200_000, 10));
        assert_eq!(range_of(table, "c", 9), None);
    }
}
