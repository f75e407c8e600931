//! What is mounted over the root: the defaults, `-v` and `--mount`.
//!
//! docker-run(1), "--volume" and "--mount". What we cannot do is refused by name: a
//! mount that is quietly writable, or quietly private, is worse than none.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::base::env;
use crate::base::path::{GuestPath, HostPath};
use crate::plan::fault::{PlanError, shown};
use crate::plan::wish::{Facts, Text, Wish};
use crate::plan::{Mount, Source, surroundings};

/// Directories of the host that every guest sees, with all that is mounted in them;
/// `/dev/shm`, which parallel programs share, comes with `/dev`.
const HOST_DIRS: [&str; 3] = ["/proc", "/sys", "/dev"];
/// Files of the host that every guest sees, if there are any. Read-only: a caller who is
/// root must not change the host by `apt-get install`.
pub const HOST_FILES: [&str; 3] = ["/etc/resolv.conf", "/etc/hosts", "/etc/localtime"];

/// Permission bits of a tmpfs that says nothing else, as Docker's.
const TMPFS_MODE: u32 = 0o1777;

const VOLUME_HINT: &str = "write `-v /host/path:/path/in/guest`, with `:ro` behind it if wanted";
const MOUNT_HINT: &str = "write `--mount type=bind,source=/host/path,target=/path/in/guest[,readonly]` or \
     `--mount type=tmpfs,target=/path[,tmpfs-size=64m][,tmpfs-mode=1777]`";

/// All mounts of a run, outer ones first. One that the user wants takes the place of
/// a default one at the same target; two wanted at one place are an error.
pub fn mounts(wish: &Wish, facts: &Facts<'_>) -> Result<Vec<Mount>, PlanError> {
    let mut mounts = wanted(wish)?;
    for more in surroundings::mounts(wish, facts)? {
        if !mounts.iter().any(|known| known.target == more.target) {
            mounts.push(more);
        }
    }
    for default in defaults(facts) {
        let target = default.target.as_path();
        let taken = |known: &Mount| match default.read_only {
            // A directory that the user mounts at /etc stays as it is: no file is put into it.
            true => target.starts_with(known.target.as_path()),
            false => target == known.target.as_path(),
        };
        if !mounts.iter().any(taken) {
            mounts.push(default);
        }
    }
    Ok(with_more(mounts, Vec::new()))
}

/// `mounts` and `more`, outer ones first: an outer mount would hide an inner one that came before it.
pub(super) fn with_more(mut mounts: Vec<Mount>, more: Vec<Mount>) -> Vec<Mount> {
    mounts.extend(more);
    mounts.sort_by_key(|mount| mount.target.relative().components().count());
    mounts
}

/// The mounts that were asked for.
pub(super) fn wanted(wish: &Wish) -> Result<Vec<Mount>, PlanError> {
    let mut mounts: Vec<Mount> = Vec::new();
    let volumes = wish.volumes.iter().map(|text| volume(&text.0));
    for wanted in volumes.chain(wish.mounts.iter().map(|text| mount(&text.0))) {
        let wanted = wanted?;
        if mounts.iter().any(|known| known.target == wanted.target) {
            return Err(PlanError::TwoMounts(wanted.target.to_string()));
        }
        mounts.push(wanted);
    }
    Ok(mounts)
}

fn defaults(facts: &Facts<'_>) -> Vec<Mount> {
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

/// Reads `SRC:DST[:ro|rw]`, or `SRC` for the same path in the guest, as udocker does.
pub fn volume(text: &OsStr) -> Result<Mount, PlanError> {
    let wrong = |reason: String| PlanError::Mount {
        flag: "--volume",
        text: shown(text),
        reason,
        hint: VOLUME_HINT,
    };
    let parts: Vec<&OsStr> = fields(text, b':').collect();
    let (source, target, options) = match parts[..] {
        [both] => (both, both, None),
        [source, target] => (source, target, None),
        [source, target, options] => (source, target, Some(options)),
        _ => {
            let hint = "more than two colons; `--mount` takes paths that contain one";
            return Err(wrong(hint.to_owned()));
        }
    };
    let mut read_only = None;
    for option in options
        .into_iter()
        .flat_map(|options| fields(options, b','))
    {
        let wanted = match option.as_bytes() {
            b"ro" => true,
            b"rw" => false,
            _ => {
                return Err(wrong(format!(
                    "option `{}` is not supported",
                    shown(option)
                )));
            }
        };
        if read_only.is_some_and(|known| known != wanted) {
            return Err(wrong("both `ro` and `rw`".to_owned()));
        }
        read_only = Some(wanted);
    }
    Ok(Mount {
        source: Source::Bind(host(source).map_err(wrong)?),
        target: guest(target).map_err(wrong)?,
        read_only: read_only.unwrap_or(false),
        optional: false,
    })
}

/// Reads Docker's `--mount type=bind|tmpfs,key=value,…`.
pub fn mount(text: &OsStr) -> Result<Mount, PlanError> {
    let wrong = |reason: String| PlanError::Mount {
        flag: "--mount",
        text: shown(text),
        reason,
        hint: MOUNT_HINT,
    };
    let mut keys = Keys::default();
    for field in fields(text, b',') {
        keys.take(field).map_err(wrong)?;
    }
    keys.into_mount().map_err(wrong)
}

/// The keys of one `--mount`.
#[derive(Default)]
struct Keys {
    kind: Option<OsString>,
    source: Option<OsString>,
    target: Option<OsString>,
    read_only: bool,
    size: Option<u64>,
    mode: Option<u32>,
}

impl Keys {
    fn take(&mut self, field: &OsStr) -> Result<(), String> {
        let (key, value) = key_and_value(field);
        let given = || value.map(OsStr::to_owned).filter(|value| !value.is_empty());
        let needed = || given().ok_or_else(|| format!("`{}` needs a value", shown(key)));
        let bad = |what| format!("got `{}`, expected {what}", shown(field));
        let text = value.and_then(OsStr::to_str).unwrap_or_default();
        match key.as_bytes() {
            b"type" => self.kind = Some(needed()?),
            b"source" | b"src" => self.source = Some(needed()?),
            b"target" | b"dst" | b"destination" => self.target = Some(needed()?),
            b"readonly" | b"ro" => {
                self.read_only = match text {
                    "" if value.is_none() => true,
                    "true" | "1" => true,
                    "false" | "0" => false,
                    _ => return Err(bad("`true` or `false`")),
                }
            }
            b"tmpfs-size" => self.size = Some(size(text).ok_or_else(|| bad("a size like `64m`"))?),
            b"tmpfs-mode" => {
                let mode = u32::from_str_radix(text, 8).ok();
                let mode = mode.filter(|mode| *mode <= 0o7777);
                self.mode = Some(mode.ok_or_else(|| bad("octal permission bits"))?);
            }
            _ => return Err(format!("`{}` is not supported", shown(key))),
        }
        Ok(())
    }

    fn into_mount(self) -> Result<Mount, String> {
        let target = self.target.ok_or("`target` is missing")?;
        let is_tmpfs = match self.kind.as_ref().map(|kind| kind.as_bytes()) {
            Some(b"bind") => false,
            Some(b"tmpfs") => true,
            // Docker takes it for a named volume, which we do not have.
            None => return Err("`type` is missing".to_owned()),
            Some(kind) => {
                let kind = shown(OsStr::from_bytes(kind));
                return Err(format!(
                    "type `{kind}` is not supported, expected `bind` or `tmpfs`"
                ));
            }
        };
        if is_tmpfs && self.source.is_some() {
            return Err("a tmpfs has no `source`".to_owned());
        }
        if !is_tmpfs && (self.size.is_some() || self.mode.is_some()) {
            return Err("`tmpfs-size` and `tmpfs-mode` need `type=tmpfs`".to_owned());
        }
        let source = if is_tmpfs {
            Source::Tmpfs {
                size: self.size,
                mode: self.mode.unwrap_or(TMPFS_MODE),
            }
        } else {
            Source::Bind(host(&self.source.ok_or("`source` is missing")?)?)
        };
        Ok(Mount {
            source,
            target: guest(&target)?,
            read_only: self.read_only,
            optional: false,
        })
    }
}

/// A `-v` as it stays right in another working directory: a relative source is taken
/// from `cwd`. Only the source stands in front, so the text as a whole is joined.
pub fn anchored_volume(text: &OsStr, cwd: &HostPath) -> Text {
    let is_relative = !text.as_bytes().starts_with(b"/");
    let has_target = text.as_bytes().contains(&b':');
    if is_relative && has_target && !text.as_bytes().starts_with(b":") {
        return Text(cwd.join(text).as_os_str().to_owned());
    }
    Text(text.to_owned())
}

/// The same for `--mount`.
pub fn anchored_mount(text: &OsStr, cwd: &HostPath) -> Text {
    let anchor = |field: &OsStr| match key_and_value(field) {
        (key, Some(source)) if key == "source" || key == "src" => {
            let path = cwd.join(source);
            [key.as_bytes(), b"=", path.as_os_str().as_bytes()].concat()
        }
        _ => field.as_bytes().to_vec(),
    };
    let fields: Vec<Vec<u8>> = fields(text, b',').map(anchor).collect();
    Text(OsString::from_vec(fields.join(&b',')))
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

/// A size in Docker's units: a number and `b`, `k`, `m` or `g`, powers of 1024.
fn size(text: &str) -> Option<u64> {
    let text = text.to_ascii_lowercase();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}
