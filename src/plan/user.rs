//! Who the guest believes to be: the image's `User`, `-u`, or the caller.
//!
//! The forms and their meaning are runc's (moby/sys, `user.GetExecUser`). Names are those of the image, and of the host
//! only where its accounts were asked for.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use crate::base::path::GuestPath;
use crate::plan::accounts::{Group, Known, group_with, groups, passwd_with, users};
use crate::plan::fault::{PlanError, shown};
use crate::plan::wish::{Accounts, Caller, Facts, OtherIds, Userns, Wish};
use crate::plan::{GuestFile, Ids, Level, Mount, Note, UserView};

/// The word of `--group-add` for the caller's own groups. podman-run(1)
const KEEP_GROUPS: &str = "keep-groups";

/// Who the guest is, and where it is at home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The ids.
    pub view: UserView,
    /// The home directory in the guest.
    pub home: OsString,
    /// `/etc/passwd` and `/etc/group`: the host's, or the image's with a line added where it lacks one.
    pub files: Vec<GuestFile>,
    /// What was decided of ids.
    pub notes: Vec<Note>,
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
    let known = Known::of(wish, facts);
    let who = if keeps_id {
        Resolved {
            uid: facts.caller.uid,
            gid: facts.caller.gid,
            groups: Vec::new(),
            home: known.user(facts.caller.uid).map(|user| user.home.to_vec()),
        }
    } else {
        let spec = wish.user.as_deref().unwrap_or(&facts.image.user);
        resolve(spec, &known)?
    };
    let (ids, note) = backing(wish, facts, who.uid, keeps_id);
    let keeps_groups = wish.groups.iter().any(|group| group == KEEP_GROUPS);
    let groups = supplementary(wish, &who, ids, &known)?;
    let home = who.home.filter(|home| !home.is_empty());
    let home = home.unwrap_or_else(|| home_without_entry(keeps_id, facts.caller, mounts));
    let named_after = facts.caller.name.as_deref().filter(|_| keeps_id);
    Ok(Identity {
        files: files(wish, known, (who.uid, who.gid), named_after, &home),
        view: UserView {
            uid: who.uid,
            gid: who.gid,
            groups,
            keeps_groups,
            ids,
            owners: Vec::new(),
        },
        home: OsString::from_vec(home),
        notes: note.into_iter().collect(),
    })
}

/// Which ids of the host stand behind the guest's, and what there is to say of it.
///
/// Where nobody has chosen, a single id is enough for most images, and for all on hosts without more. An image that
/// starts as root to go on as somebody else is better off with real ids.
fn backing(wish: &Wish, facts: &Facts<'_>, uid: u32, keeps_id: bool) -> (Ids, Option<Note>) {
    let note = |level, text| Some(Note { level, text });
    match (wish.userns, facts.changer) {
        (Some(Userns::Subids), _) => (Ids::Ranges, None),
        (None, Some(changer)) if uid == 0 && !keeps_id => {
            let program = &changer.program;
            match &changer.others {
                OtherIds::Granted => {
                    let text =
                        format!("this image has `{program}` to change its user: with sub-ids");
                    (Ids::Ranges, note(Level::Detail, text))
                }
                OtherIds::Lacking(why) => {
                    let text = format!(
                        "this image has `{program}` to change its user, and here only one id exists ({why}): what \
                         fails for that runs with `-u NAME`, the user that it would become"
                    );
                    (Ids::Single, note(Level::Warning, text))
                }
            }
        }
        _ => (Ids::Single, None),
    }
}

/// The guest's supplementary groups: those of its user in the image, and those of `--group-add`.
///
/// Of root's own none is asked for: root needs none, and to set them would take away the caller's.
fn supplementary(
    wish: &Wish,
    who: &Resolved,
    ids: Ids,
    known: &Known<'_>,
) -> Result<Vec<u32>, PlanError> {
    let mut ids_wanted = if who.uid == 0 {
        Vec::new()
    } else {
        who.groups.clone()
    };
    for text in &wish.groups {
        if text == KEEP_GROUPS {
            match wish.groups.iter().find(|other| *other != KEEP_GROUPS) {
                Some(other) => return Err(PlanError::KeepGroups(shown(other))),
                None => continue,
            }
        }
        let gid = group_id(text, known)?;
        if ids == Ids::Single && gid != who.gid {
            return Err(PlanError::GroupNeedsIds(shown(text)));
        }
        if gid != who.gid && !ids_wanted.contains(&gid) {
            ids_wanted.push(gid);
        }
    }
    Ok(ids_wanted)
}

/// The files that make the guest know itself; none where the image's are to stay as they are.
fn files(
    wish: &Wish,
    known: Known<'_>,
    (uid, gid): (u32, u32),
    named_after: Option<&str>,
    home: &[u8],
) -> Vec<GuestFile> {
    let mut passwd = passwd_with(&known.passwd, uid, gid, named_after, home);
    let mut group = group_with(&known.group, gid, named_after);
    match wish.accounts {
        Some(Accounts::Image) => return Vec::new(),
        Some(Accounts::Host) => {
            passwd = Some(passwd.unwrap_or_else(|| known.passwd.into_owned()));
            group = Some(group.unwrap_or_else(|| known.group.into_owned()));
        }
        None => {}
    }
    let file = |(path, content): (&str, Option<Vec<u8>>)| {
        Some(GuestFile {
            path: GuestPath::root().join(path),
            content: content?,
            mode: 0o644,
        })
    };
    [("/etc/passwd", passwd), ("/etc/group", group)]
        .into_iter()
        .filter_map(file)
        .collect()
}

struct Resolved {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
    home: Option<Vec<u8>>,
}

/// Reads `[user][:group]` against the known users. A number is an id, also where somebody has it for a name, and needs
/// no entry.
fn resolve(spec: &str, known: &Known<'_>) -> Result<Resolved, PlanError> {
    let (user_text, group_text) = spec.split_once(':').unwrap_or((spec, ""));
    let user_text = if user_text.is_empty() { "0" } else { user_text };
    let number = id("user", user_text)?;
    let entry = users(&known.passwd).find(|user| match number {
        Some(number) => user.uid == number,
        None => user.name == user_text.as_bytes(),
    });
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
        for group in groups(&known.group).filter(lists) {
            if !member_of.contains(&group.gid) {
                member_of.push(group.gid);
            }
        }
    } else {
        gid = group_id(group_text, known)?;
    }
    Ok(Resolved {
        uid,
        gid,
        groups: member_of,
        home: entry.map(|user| user.home.to_vec()),
    })
}

/// The id of a group by name or number.
fn group_id(text: &str, known: &Known<'_>) -> Result<u32, PlanError> {
    let number = id("group", text)?;
    let entry = groups(&known.group).find(|group| match number {
        Some(number) => group.gid == number,
        None => group.name == text.as_bytes(),
    });
    let gid = entry.map(|group| group.gid).or(number);
    gid.ok_or_else(|| unknown("group", text))
}

/// A decimal id, or `None` for a name. Ids beyond `i32` are refused, as by runc:
/// -1 means "no change" to chown(2), and some systems take the rest for negative.
fn id(kind: &'static str, text: &str) -> Result<Option<u32>, PlanError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
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
