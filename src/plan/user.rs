//! Who the guest believes to be: the image's `User`, `-u`, or the caller.
//!
//! The forms and their meaning are runc's (moby/sys, `user.GetExecUser`). Names are
//! those of the image, never the host's.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use crate::base::path::GuestPath;
use crate::plan::fault::{PlanError, shown};
use crate::plan::wish::{Caller, Facts, Userns, Wish};
use crate::plan::{GuestFile, Ids, Mount, UserView};

/// Who the guest is, and where it is at home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The ids.
    pub view: UserView,
    /// The home directory in the guest.
    pub home: OsString,
    /// `/etc/passwd` and `/etc/group` with a line added, where the image's lack one.
    pub files: Vec<GuestFile>,
}

/// One line of passwd(5).
struct User<'a> {
    name: &'a [u8],
    uid: u32,
    gid: u32,
    home: &'a [u8],
}

/// One line of group(5).
struct Group<'a> {
    name: &'a [u8],
    gid: u32,
    members: &'a [u8],
}

/// Who the guest is. `mounts` tell whether the caller's home is visible to it.
pub fn identity(wish: &Wish, facts: &Facts<'_>, mounts: &[Mount]) -> Result<Identity, PlanError> {
    let keeps_id = match (wish.userns, &wish.user) {
        (Some(Userns::KeepId), Some(user)) => return Err(PlanError::UserAndKeepId(shown(user))),
        (Some(Userns::KeepId), None) => true,
        // PMIx compares user ids, so a rank must keep its own; who says -u knows better.
        (None, None) => facts.in_pmi_launch,
        _ => false,
    };
    let who = if keeps_id {
        Resolved {
            uid: facts.caller.uid,
            gid: facts.caller.gid,
            groups: Vec::new(),
            home: user_of(facts.passwd, facts.caller.uid).map(|user| user.home.to_vec()),
        }
    } else {
        let spec = wish.user.as_deref().unwrap_or(&facts.image.user);
        resolve(spec, facts.passwd, facts.group)?
    };
    let home = who.home.filter(|home| !home.is_empty());
    let home = home.unwrap_or_else(|| home_without_entry(keeps_id, facts.caller, mounts));
    let named_after = facts.caller.name.as_deref().filter(|_| keeps_id);
    let passwd = passwd_with(facts.passwd, who.uid, who.gid, named_after, &home);
    let group = group_with(facts.group, who.gid, named_after);
    Ok(Identity {
        view: UserView {
            uid: who.uid,
            gid: who.gid,
            groups: who.groups,
            ids: match wish.userns {
                Some(Userns::Subids) => Ids::Ranges,
                _ => Ids::Single,
            },
        },
        home: OsString::from_vec(home),
        files: [("/etc/passwd", passwd), ("/etc/group", group)]
            .into_iter()
            .filter_map(|(path, content)| {
                Some(GuestFile {
                    path: GuestPath::root().join(path),
                    content: content?,
                    mode: 0o644,
                })
            })
            .collect(),
    })
}

struct Resolved {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
    home: Option<Vec<u8>>,
}

/// Reads `[user][:group]` against the image's own files. A number needs no entry.
fn resolve(spec: &str, passwd: &[u8], group: &[u8]) -> Result<Resolved, PlanError> {
    let (user_text, group_text) = spec.split_once(':').unwrap_or((spec, ""));
    let user_text = if user_text.is_empty() { "0" } else { user_text };
    let number = id("user", user_text)?;
    let entry =
        users(passwd).find(|user| user.name == user_text.as_bytes() || Some(user.uid) == number);
    let uid = entry.as_ref().map(|user| user.uid).or(number);
    let uid = uid.ok_or_else(|| unknown("user", user_text))?;
    let mut gid = entry.as_ref().map_or(0, |user| user.gid);
    let mut member_of = Vec::new();
    if group_text.is_empty() {
        let name = entry.as_ref().map(|user| user.name);
        let lists = |group: &Group<'_>| {
            let mut members = group.members.split(|byte| *byte == b',');
            name.is_some_and(|name| members.any(|member| member == name))
        };
        member_of.extend(groups(group).filter(lists).map(|group| group.gid));
        member_of.dedup();
    } else {
        let number = id("group", group_text)?;
        let entry = groups(group)
            .find(|group| group.name == group_text.as_bytes() || Some(group.gid) == number);
        let found = entry.map(|group| group.gid).or(number);
        gid = found.ok_or_else(|| unknown("group", group_text))?;
    }
    Ok(Resolved {
        uid,
        gid,
        groups: member_of,
        home: entry.map(|user| user.home.to_vec()),
    })
}

/// A decimal id, or `None` for a name. Ids beyond `i32` are refused, as by runc:
/// -1 means "no change" to chown(2), and some systems take the rest for negative.
fn id(kind: &'static str, text: &str) -> Result<Option<u32>, PlanError> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    let number = text.parse::<u32>().ok();
    let number = number.filter(|id| i32::try_from(*id).is_ok());
    number.map(Some).ok_or_else(|| PlanError::Id {
        kind,
        id: shown(text),
    })
}

fn unknown(kind: &'static str, name: &str) -> PlanError {
    PlanError::Unknown {
        kind,
        name: shown(name),
    }
}

fn users(passwd: &[u8]) -> impl Iterator<Item = User<'_>> {
    lines(passwd).filter_map(|line| {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
        Some(User {
            name: fields.first()?,
            uid: decimal(fields.get(2)?)?,
            gid: decimal(fields.get(3)?)?,
            home: fields.get(5).copied().unwrap_or_default(),
        })
    })
}

fn groups(group: &[u8]) -> impl Iterator<Item = Group<'_>> {
    lines(group).filter_map(|line| {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
        Some(Group {
            name: fields.first()?,
            gid: decimal(fields.get(2)?)?,
            members: fields.get(3).copied().unwrap_or_default(),
        })
    })
}

fn user_of(passwd: &[u8], uid: u32) -> Option<User<'_>> {
    users(passwd).find(|user| user.uid == uid)
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii)
}

fn decimal(field: &[u8]) -> Option<u32> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// Home of an id without entry: `/`, as with Docker, or the caller's own where the guest
/// is the caller and can see it.
fn home_without_entry(keeps_id: bool, caller: &Caller, mounts: &[Mount]) -> Vec<u8> {
    let own = caller.home.as_ref().filter(|_| keeps_id);
    let seen = own.filter(|home| {
        let covers = |mount: &Mount| home.starts_with(mount.target.as_path());
        mounts.iter().any(covers)
    });
    match seen {
        Some(home) => OsString::from(home.as_os_str()).into_vec(),
        None => b"/".to_vec(),
    }
}

/// The image's passwd with a line for `uid`; `None` where it has one already.
fn passwd_with(
    passwd: &[u8],
    uid: u32,
    gid: u32,
    wanted: Option<&str>,
    home: &[u8],
) -> Option<Vec<u8>> {
    if user_of(passwd, uid).is_some() {
        return None;
    }
    let is_free = |name: &str| users(passwd).all(|user| user.name != name.as_bytes());
    let name = free_name(
        if uid == 0 { Some("root") } else { wanted },
        "user",
        uid,
        is_free,
    );
    // A colon or line break would forge a field or a line.
    let is_sane = !home.iter().any(|byte| matches!(byte, b':' | b'\n'));
    let home = if is_sane { home } else { b"/" };
    let mut line = format!("{name}:x:{uid}:{gid}:{name}:").into_bytes();
    line.extend_from_slice(home);
    line.extend_from_slice(b":/bin/sh\n");
    Some(appended(passwd, &line))
}

/// The image's group with a line for `gid`; `None` where it has one already.
fn group_with(group: &[u8], gid: u32, wanted: Option<&str>) -> Option<Vec<u8>> {
    if groups(group).any(|group| group.gid == gid) {
        return None;
    }
    let is_free = |name: &str| groups(group).all(|group| group.name != name.as_bytes());
    let name = free_name(
        if gid == 0 { Some("root") } else { wanted },
        "group",
        gid,
        is_free,
    );
    Some(appended(group, format!("{name}:x:{gid}:\n").as_bytes()))
}

/// `wanted` if it is a portable name and free, else `user1000`, with as many `_` as it takes.
fn free_name(
    wanted: Option<&str>,
    prefix: &str,
    id: u32,
    is_free: impl Fn(&str) -> bool,
) -> String {
    let portable = |name: &&str| {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        (1..=32).contains(&name.len())
            && name.bytes().all(word)
            && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
    };
    let mut name = match wanted.filter(portable) {
        Some(name) if is_free(name) => return name.to_owned(),
        _ => format!("{prefix}{id}"),
    };
    while !is_free(&name) {
        name.push('_');
    }
    name
}

fn appended(text: &[u8], line: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    if text.last().is_some_and(|byte| *byte != b'\n') {
        text.push(b'\n');
    }
    text.extend_from_slice(line);
    text
}
