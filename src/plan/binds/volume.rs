//! `-v`: `SRC:DST[:OPTIONS]`, with a path or the name of a volume as source.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::{Origin, Wanted, check_propagation, fields, guest, host, is_volume_name};
use crate::base::path::HostPath;
use crate::plan::fault::{PlanError, shown};
use crate::plan::wish::Text;

const HINT: &str = "write `-v /host/path:/path/in/guest` or `-v ./here:/path/in/guest` for something of the host, \
     `-v NAME:/path/in/guest` for a volume, with `:ro` behind it if wanted";

/// What stands behind the second colon.
#[derive(Default)]
struct Options {
    read_only: Option<bool>,
    nocopy: bool,
}

/// Reads `SRC:DST[:OPTIONS]`, or `SRC` for the same path in the guest, as udocker does. A source without a slash is the
/// name of a volume, as for Docker.
pub fn volume(text: &OsStr) -> Result<Wanted, PlanError> {
    let wrong = |reason: String| PlanError::Mount {
        flag: "--volume",
        text: shown(text),
        reason,
        hint: HINT,
    };
    let parts: Vec<&OsStr> = fields(text, b':').collect();
    let (source, target, options) = match parts[..] {
        [both] => (both, both, None),
        [source, target] => (source, target, None),
        [source, target, options] => (source, target, Some(options)),
        _ => {
            return Err(PlanError::Mount {
                flag: "--volume",
                text: shown(text),
                reason: "more than two colons".to_owned(),
                hint: "where a path contains one, write `--mount type=bind,source=…,target=…`",
            });
        }
    };
    let mut read = Options::default();
    let words = options.into_iter().flat_map(|words| fields(words, b','));
    for word in words {
        read.take(word).map_err(wrong)?;
    }
    let name = source.to_str().filter(|source| is_volume_name(source));
    let origin = match name {
        Some(name) if parts.len() > 1 => Origin::Volume {
            name: name.to_owned(),
            copies: !read.nocopy,
        },
        _ if read.nocopy => return Err(wrong("`nocopy` is for named volumes".to_owned())),
        _ if parts.len() > 1 && is_word(source) => return Err(wrong(no_name(source))),
        _ => Origin::Host(host(source).map_err(wrong)?),
    };
    Ok(Wanted {
        origin,
        target: guest(target).map_err(wrong)?,
        read_only: read.read_only.unwrap_or(false),
    })
}

/// What is no path, and so can only be meant as a name.
fn is_word(source: &OsStr) -> bool {
    let bytes = source.as_bytes();
    !bytes.is_empty() && !bytes.contains(&b'/') && !matches!(bytes, b"." | b"..")
}

pub(super) fn no_name(source: &OsStr) -> String {
    format!(
        "`{}` cannot name a volume, expected 2 to 128 letters, digits, `_`, `.` and `-`",
        shown(source)
    )
}

impl Options {
    fn take(&mut self, word: &OsStr) -> Result<(), String> {
        let wanted = match word.as_bytes() {
            b"ro" => true,
            b"rw" => false,
            b"nocopy" => {
                self.nocopy = true;
                return Ok(());
            }
            // The guest has the caller's own SELinux label, for which nothing needs to be labelled anew; mounts below
            // always come along; and only Docker Desktop has a copy that could be older.
            b"z" | b"Z" | b"rbind" | b"consistent" | b"cached" | b"delegated" => return Ok(()),
            b"rprivate" | b"private" | b"rslave" | b"slave" | b"rshared" | b"shared" => {
                return check_propagation(word);
            }
            _ => return Err(format!("option `{}` is not supported", shown(word))),
        };
        if self.read_only.is_some_and(|known| known != wanted) {
            return Err("both `ro` and `rw`".to_owned());
        }
        self.read_only = Some(wanted);
        Ok(())
    }
}

/// A `-v` as it stays right in another working directory: a relative path is taken
/// from `cwd`. Only the source stands in front, so the text as a whole is joined.
pub fn anchored_volume(text: &OsStr, cwd: &HostPath) -> Text {
    let source = fields(text, b':').next().unwrap_or_default();
    let has_target = text.len() > source.len();
    let is_path = !source.is_empty() && !is_word(source);
    if is_path && has_target && !source.as_bytes().starts_with(b"/") {
        let here = text
            .as_bytes()
            .strip_prefix(b"./")
            .unwrap_or(text.as_bytes());
        return Text(cwd.join(OsStr::from_bytes(here)).as_os_str().to_owned());
    }
    Text(text.to_owned())
}
