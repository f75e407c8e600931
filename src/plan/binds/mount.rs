//! `--mount`: the same as `-v` and `--tmpfs`, in words.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::tmpfs::Memory;
use super::volume::no_name;
use super::{
    Origin, Wanted, check_propagation, csv, fields, guest, host, is_volume_name, key_and_value,
};
use crate::base::path::HostPath;
use crate::plan::fault::{PlanError, shown};
use crate::plan::wish::Text;

const HINT: &str = "write `--mount type=bind,source=/host/path,target=/path/in/guest[,readonly]`, \
     `--mount source=NAME,target=/path` for a volume, or \
     `--mount type=tmpfs,target=/path[,tmpfs-size=64m][,tmpfs-mode=1777]`";

/// Reads Docker's `--mount type=bind|volume|tmpfs,key=value,…`.
pub fn mount(text: &OsStr) -> Result<Wanted, PlanError> {
    let wrong = |reason: String| PlanError::Mount {
        flag: "--mount",
        text: shown(text),
        reason,
        hint: HINT,
    };
    let mut keys = Keys::default();
    for field in csv::split(text.as_bytes()).map_err(wrong)? {
        keys.take(OsStr::from_bytes(&field)).map_err(wrong)?;
    }
    keys.into_wanted().map_err(wrong)
}

/// The keys of one `--mount`.
#[derive(Default)]
struct Keys {
    kind: Option<OsString>,
    source: Option<OsString>,
    target: Option<OsString>,
    read_only: bool,
    nocopy: bool,
    memory: Memory,
    /// The first key that belongs to one type only, and that type.
    bound_to: Option<(String, &'static str)>,
}

impl Keys {
    fn take(&mut self, field: &OsStr) -> Result<(), String> {
        let (key, value) = key_and_value(field);
        let key = key.to_ascii_lowercase();
        let given = || value.map(OsStr::to_owned).filter(|value| !value.is_empty());
        let needed = || given().ok_or_else(|| format!("`{}` needs a value", shown(&key)));
        let yes = || truth(value).ok_or_else(|| bad(field, "`true` or `false`"));
        let mut only = |kind| {
            let first = (shown(&key), kind);
            self.bound_to.get_or_insert(first);
        };
        match key.as_bytes() {
            b"type" => self.kind = Some(needed()?.to_ascii_lowercase()),
            b"source" | b"src" => self.source = Some(needed()?),
            b"target" | b"dst" | b"destination" => self.target = Some(needed()?),
            b"readonly" | b"ro" => self.read_only = yes()?,
            // Only Docker Desktop has a copy of the host's files that could be older.
            b"consistency" => match needed()?.as_bytes() {
                b"default" | b"consistent" | b"cached" | b"delegated" => {}
                _ => return Err(bad(field, "`consistent`, `cached` or `delegated`")),
            },
            b"bind-propagation" => {
                only("bind");
                check_propagation(&needed()?)?;
            }
            b"bind-nonrecursive" => {
                only("bind");
                if yes()? {
                    return Err(whole(field));
                }
            }
            b"bind-recursive" => {
                only("bind");
                match needed()?.as_bytes() {
                    b"enabled" | b"readonly" => {}
                    _ => return Err(whole(field)),
                }
            }
            b"volume-nocopy" => {
                only("volume");
                self.nocopy = yes()?;
            }
            b"volume-driver" => {
                only("volume");
                if needed()?.as_bytes() != b"local" {
                    return Err(bad(field, "`local`, as there are no plugins"));
                }
            }
            b"tmpfs-size" => {
                only("tmpfs");
                self.memory.set_size(&needed()?, field)?;
            }
            b"tmpfs-mode" => {
                only("tmpfs");
                self.memory.set_mode(&needed()?, field)?;
            }
            b"tmpfs-options" => {
                only("tmpfs");
                for word in fields(&needed()?, b';') {
                    self.memory.take(word)?;
                }
            }
            _ => return Err(format!("`{}` is not supported", shown(&key))),
        }
        Ok(())
    }

    fn into_wanted(self) -> Result<Wanted, String> {
        let target = guest(&self.target.ok_or("`target` is missing")?)?;
        let kind = match self.kind.as_ref().map(|kind| kind.as_bytes()) {
            Some(b"bind") => "bind",
            Some(b"tmpfs") => "tmpfs",
            // As Docker where it is not said.
            Some(b"volume") | None => "volume",
            Some(kind) => {
                let kind = shown(OsStr::from_bytes(kind));
                return Err(format!(
                    "type `{kind}` is not supported, expected `bind`, `volume` or `tmpfs`"
                ));
            }
        };
        if let Some((key, needs)) = self.bound_to.filter(|(_, needs)| *needs != kind) {
            return Err(format!("`{key}` needs `type={needs}`"));
        }
        let read_only = self.read_only || self.memory.read_only;
        let origin = match (kind, self.source) {
            ("tmpfs", None) => self.memory.into_origin(),
            ("tmpfs", Some(_)) => return Err("a tmpfs has no `source`".to_owned()),
            ("bind", Some(source)) => Origin::Host(host(&source)?),
            ("bind", None) => return Err("`source` is missing".to_owned()),
            (_, Some(source)) => volume(&source, !self.nocopy)?,
            (_, None) => {
                return Err(
                    "`source` is missing: what the guest writes is kept with its container, so that a volume is \
                     needed only for what several share, and has a name then"
                        .to_owned(),
                );
            }
        };
        Ok(Wanted {
            origin,
            target,
            read_only,
        })
    }
}

fn volume(source: &OsStr, copies: bool) -> Result<Origin, String> {
    let name = source.to_str().filter(|name| is_volume_name(name));
    match name {
        Some(name) => Ok(Origin::Volume {
            name: name.to_owned(),
            copies,
        }),
        None if source.as_bytes().contains(&b'/') => Err(format!(
            "`{}` is a path, which needs `type=bind`",
            shown(source)
        )),
        None => Err(no_name(source)),
    }
}

fn bad(field: &OsStr, expected: &str) -> String {
    format!("got `{}`, expected {expected}", shown(field))
}

/// Mounts that came to the guest together cannot be taken apart by it. mount_namespaces(7).
fn whole(field: &OsStr) -> String {
    format!(
        "got `{}`: mounts below the source always come along, and are read-only with it",
        shown(field)
    )
}

/// strconv.ParseBool, which Docker asks; a key alone is true.
fn truth(value: Option<&OsStr>) -> Option<bool> {
    match value.map(OsStrExt::as_bytes) {
        None | Some(b"1" | b"t" | b"T" | b"true" | b"TRUE" | b"True") => Some(true),
        Some(b"0" | b"f" | b"F" | b"false" | b"FALSE" | b"False") => Some(false),
        _ => None,
    }
}

impl Wanted {
    /// The `--mount` that asks for this; `None` for memory, which no two containers share.
    pub fn as_mount(&self) -> Option<Text> {
        let target = self.target.as_path().as_os_str().as_bytes();
        let mut fields: Vec<Vec<u8>> = match &self.origin {
            Origin::Host(path) => vec![
                b"type=bind".to_vec(),
                [b"source=", path.as_os_str().as_bytes()].concat(),
            ],
            Origin::Volume { name, copies } => vec![
                b"type=volume".to_vec(),
                [b"source=", name.as_bytes()].concat(),
                format!("volume-nocopy={}", !copies).into_bytes(),
            ],
            Origin::Memory { .. } => return None,
        };
        fields.push([b"target=", target].concat());
        if self.read_only {
            fields.push(b"readonly".to_vec());
        }
        Some(Text(OsString::from_vec(csv::join(&fields))))
    }
}

/// A `--mount` as it stays right in another working directory: a relative source of a bind is taken from `cwd`.
pub fn anchored_mount(text: &OsStr, cwd: &HostPath) -> Text {
    let Ok(fields) = csv::split(text.as_bytes()) else {
        return Text(text.to_owned());
    };
    let is_bind = |field: &Vec<u8>| field.eq_ignore_ascii_case(b"type=bind");
    if !fields.iter().any(is_bind) {
        return Text(text.to_owned());
    }
    let anchor = |field: Vec<u8>| match key_and_value(OsStr::from_bytes(&field)) {
        (key, Some(source)) if key == "source" || key == "src" => {
            let path = cwd.join(source);
            [key.as_bytes(), b"=", path.as_os_str().as_bytes()].concat()
        }
        _ => field,
    };
    let fields: Vec<Vec<u8>> = fields.into_iter().map(anchor).collect();
    Text(OsString::from_vec(csv::join(&fields)))
}
