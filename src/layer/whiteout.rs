//! The names by which a layer removes what lies below it.
//!
//! OCI image-spec, layer.md, "Whiteouts". The name alone decides: writers have
//! made whiteouts as files, links and directories.

use crate::layer::error::{Lie, printable};

const PREFIX: &[u8] = b".wh.";
const META_PREFIX: &[u8] = b".wh..wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// What a path in a layer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Meaning<'a> {
    /// An entry like any other.
    Entry,
    /// Hides `name` in `directory` of the layers below.
    Hide { directory: &'a [u8], name: &'a [u8] },
    /// Hides everything in this directory of the layers below.
    Opaque(&'a [u8]),
    /// What aufs kept for itself (`.wh..wh.plnk`, `.wh..wh.aufs`), with all below it.
    Aufs,
}

/// Says what `path` means; refuses a whiteout that names nothing.
pub(super) fn meaning(path: &[u8]) -> Result<Meaning<'_>, Lie> {
    let mut start = 0;
    for component in path.split(|byte| *byte == b'/') {
        let is_last = start + component.len() == path.len();
        let directory = &path[..start.saturating_sub(1)];
        if component == OPAQUE && is_last {
            return Ok(Meaning::Opaque(directory));
        }
        if component.starts_with(META_PREFIX) {
            return Ok(Meaning::Aufs);
        }
        if let Some(name) = component.strip_prefix(PREFIX) {
            return match name {
                b"" | b"." | b".." => Err(Lie::Whiteout(printable(path))),
                _ if !is_last => Err(Lie::Whiteout(printable(path))),
                _ => Ok(Meaning::Hide { directory, name }),
            };
        }
        start += component.len() + 1;
    }
    Ok(Meaning::Entry)
}
