//! passwd(5) and group(5): reading what an image or a host has, and adding a line that breaks nothing.
//!
//! What is read comes from strangers. What is written is their text as it is, and at most one line more: for the user
//! or the group that has none.

use std::borrow::Cow;

use crate::plan::wish::{Accounts, Facts, Wish};

/// One line of passwd(5).
pub struct User<'a> {
    /// What it is called; not empty.
    pub name: &'a [u8],
    /// Its id.
    pub uid: u32,
    /// The id of its own group.
    pub gid: u32,
    /// Its home directory; empty where none is named.
    pub home: &'a [u8],
}

/// One line of group(5).
pub struct Group<'a> {
    /// What it is called; not empty.
    pub name: &'a [u8],
    /// Its id.
    pub gid: u32,
    /// Names of users with commas between.
    pub members: &'a [u8],
}

/// The users and groups that the guest knows.
pub(super) struct Known<'a> {
    pub(super) passwd: Cow<'a, [u8]>,
    pub(super) group: Cow<'a, [u8]>,
}

impl<'a> Known<'a> {
    /// The image's, or the host's where these were asked for. The caller is among the host's even where a directory
    /// service has him and no file.
    pub(super) fn of(wish: &Wish, facts: &Facts<'a>) -> Known<'a> {
        if wish.accounts != Some(Accounts::Host) {
            return Known {
                passwd: facts.passwd.into(),
                group: facts.group.into(),
            };
        }
        let caller = facts.caller;
        let (name, home) = (caller.name.as_deref(), caller.home.as_ref());
        let home = home.map_or(&b"/"[..], |home| home.as_os_str().as_encoded_bytes());
        let (passwd, group) = facts.host_accounts;
        let with_caller = passwd_with(passwd, caller.uid, caller.gid, name, home);
        let with_his_group = group_with(group, caller.gid, name);
        Known {
            passwd: with_caller.map_or(passwd.into(), Cow::Owned),
            group: with_his_group.map_or(group.into(), Cow::Owned),
        }
    }

    /// The user with this id.
    pub(super) fn user(&self, uid: u32) -> Option<User<'_>> {
        users(&self.passwd).find(|user| user.uid == uid)
    }
}

/// The lines that name a user. What the C library would skip is skipped.
pub fn users(passwd: &[u8]) -> impl Iterator<Item = User<'_>> {
    lines(passwd).filter_map(|line| {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
        Some(User {
            name: fields.first().filter(|name| !name.is_empty())?,
            uid: decimal(fields.get(2)?)?,
            gid: decimal(fields.get(3)?)?,
            home: fields.get(5).copied().unwrap_or_default(),
        })
    })
}

/// The lines that name a group.
pub fn groups(group: &[u8]) -> impl Iterator<Item = Group<'_>> {
    lines(group).filter_map(|line| {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
        Some(Group {
            name: fields.first().filter(|name| !name.is_empty())?,
            gid: decimal(fields.get(2)?)?,
            members: fields.get(3).copied().unwrap_or_default(),
        })
    })
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii)
}

fn decimal(field: &[u8]) -> Option<u32> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// `passwd` with a line for `uid`, called `wanted` where that can be; `None` where it has one already.
pub fn passwd_with(
    passwd: &[u8],
    uid: u32,
    gid: u32,
    wanted: Option<&str>,
    home: &[u8],
) -> Option<Vec<u8>> {
    if users(passwd).any(|user| user.uid == uid) {
        return None;
    }
    let wanted = if uid == 0 { Some("root") } else { wanted };
    let name = free_name(passwd, wanted, "user", uid);
    // A colon or line break would forge a field or a line, and a NUL end the line early.
    let is_sane = !home
        .iter()
        .any(|byte| matches!(byte, b':' | b'\n' | b'\r' | 0));
    let home = if is_sane { home } else { b"/" };
    let mut line = format!("{name}:x:{uid}:{gid}:{name}:").into_bytes();
    line.extend_from_slice(home);
    line.extend_from_slice(b":/bin/sh\n");
    Some(appended(passwd, &line))
}

/// `group` with a line for `gid`, called `wanted` where that can be; `None` where it has one already.
pub fn group_with(group: &[u8], gid: u32, wanted: Option<&str>) -> Option<Vec<u8>> {
    if groups(group).any(|group| group.gid == gid) {
        return None;
    }
    let wanted = if gid == 0 { Some("root") } else { wanted };
    let name = free_name(group, wanted, "group", gid);
    Some(appended(group, format!("{name}:x:{gid}:\n").as_bytes()))
}

/// `wanted` if it is a portable name and free, else `user1000`, with as many `_` as it takes. A name is taken also by
/// a line that is broken otherwise: programs differ in what they read of it.
fn free_name(database: &[u8], wanted: Option<&str>, prefix: &str, id: u32) -> String {
    let is_free = |name: &str| {
        let first =
            |line: &'_ [u8]| line.split(|byte| *byte == b':').next() == Some(name.as_bytes());
        !lines(database).any(first)
    };
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
