//! `install`: the payload unpacked and the binary copied on purpose, and both removed again.

use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::fsx::{self, PathError};
use crate::base::path::HostPath;
use crate::embed::{self, State};
use crate::store::Store;

/// Bytes of our own binary; it has about eight million.
const BINARY_LIMIT: u64 = 256 << 20;
/// Bytes of the list of copies.
const LIST_LIMIT: u64 = 1 << 20;

/// What becomes of something that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays; another program under our name is an error.
    Keep,
    /// It is replaced (`--force`).
    Replace,
}

/// Something else has our name.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` exists and is not this coracle")]
struct Occupied(HostPath);

impl Fault for Occupied {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec!["use `--force` to replace it".to_owned()]
    }
}

/// The place that `--prefix` names will not do; `CORACLE_HOME` has no part in that.
#[derive(Debug, thiserror::Error)]
#[error("cannot install into `{dir}`")]
struct Unplaced {
    dir: HostPath,
    source: PathError,
}

impl Fault for Unplaced {
    fn kind(&self) -> Kind {
        self.source.kind()
    }

    fn hints(&self) -> Vec<String> {
        vec!["choose with `--prefix` a directory that you can write, with room".to_owned()]
    }
}

/// Lets everybody read the images of the store at `home`, now and later.
pub fn share(home: &HostPath) -> Result<(), BoxFault> {
    Ok(Store::open(home.clone())?.share()?)
}

/// Unpacks every payload below `home`, or repairs it, and copies this binary to
/// `prefix/bin/coracle` where a prefix is given. Returns what is in place now.
pub fn install(
    home: &HostPath,
    prefix: Option<&HostPath>,
    existing: Existing,
) -> Result<Vec<HostPath>, BoxFault> {
    let mut placed = Vec::new();
    for payload in embed::payloads() {
        let is_sound = matches!(embed::state(home, payload)?, State::Intact | State::Absent);
        placed.push(match is_sound && existing == Existing::Keep {
            true => embed::ensure(home, payload)?,
            false => embed::replace(home, payload)?,
        });
    }
    if let Some(prefix) = prefix {
        placed.push(copy_binary(home, prefix, existing)?);
    }
    Ok(placed)
}

/// Removes every unpacked payload and every copy of the binary that [`install`] made with
/// this `home`. Images and containers stay. Returns the copies that were removed.
pub fn purge(home: &HostPath) -> Result<Vec<HostPath>, BoxFault> {
    let copies = copies(home)?;
    for copy in &copies {
        fsx::remove_file(copy)?;
    }
    fsx::remove_file(list(home))?;
    embed::purge(home)?;
    Ok(copies)
}

fn copy_binary(
    home: &HostPath,
    prefix: &HostPath,
    existing: Existing,
) -> Result<HostPath, BoxFault> {
    // The link leads to the file that runs, also where it has been replaced meanwhile.
    let binary = fsx::read("/proc/self/exe", BINARY_LIMIT)?;
    let dir = prefix.join("bin");
    let unplaced = |source| Unplaced {
        dir: dir.clone(),
        source,
    };
    fsx::create_dir_all(&dir).map_err(unplaced)?;
    let path = HostPath::new(fsx::canonicalize(&dir)?).join("coracle");
    let there = fsx::read_if_there(&path, BINARY_LIMIT)?;
    let is_same = there.as_ref() == Some(&binary);
    if there.is_some() && !is_same && existing == Existing::Keep {
        return Err(Occupied(path).into());
    }
    // Noted first: what is noted and was not made is no harm to a purge.
    let mut copies = copies(home)?;
    if !copies.contains(&path) {
        copies.push(path.clone());
        note(home, &copies)?;
    }
    if !is_same {
        fsx::write_atomic(&path, &binary, 0o755).map_err(unplaced)?;
    }
    Ok(path)
}

/// The file that lists the copies of the binary, a path a line.
fn list(home: &HostPath) -> HostPath {
    home.join("installed")
}

fn copies(home: &HostPath) -> Result<Vec<HostPath>, BoxFault> {
    let bytes = fsx::read_if_there(list(home), LIST_LIMIT)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().map(HostPath::new).collect())
}

fn note(home: &HostPath, copies: &[HostPath]) -> Result<(), BoxFault> {
    let lines: String = copies.iter().map(|copy| format!("{copy}\n")).collect();
    fsx::create_dir_all(home)?;
    Ok(fsx::write_atomic(list(home), lines.as_bytes(), 0o644)?)
}
