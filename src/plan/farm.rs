//! A directory that is put together for one run alone.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::base::path::{GuestPath, HostPath};

/// A directory made for one run alone, which the guest cannot change: files of the host under names of our choice,
/// links between them, texts. Its directories are those that the names imply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Farm {
    /// By their names, which are relative and clean. None lies below another.
    pieces: BTreeMap<PathBuf, Piece>,
}

/// What a name in a farm leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A file of the host.
    File(HostPath),
    /// A symbolic link with this text.
    Link(OsString),
    /// A file with this content.
    Text(Vec<u8>),
}

impl Farm {
    /// Gives `piece` a name, such as `lib64/libcuda.so.1`. False, with nothing changed, where the name is taken, or
    /// is that of a directory, or lies below a file.
    pub fn add(&mut self, name: impl AsRef<Path>, piece: Piece) -> bool {
        let name = GuestPath::root().join(name).relative().to_owned();
        let is_below = name.ancestors().any(|dir| self.pieces.contains_key(dir));
        // Paths are in the order of their components, so what lies below a name follows it at once.
        let mut follow = self.pieces.range(name.clone()..);
        let is_dir = follow
            .next()
            .is_some_and(|(known, _)| known.starts_with(&name));
        if is_below || is_dir {
            return false;
        }
        self.pieces.insert(name, piece);
        true
    }

    /// The pieces by their names relative to the farm, sorted.
    pub fn pieces(&self) -> impl Iterator<Item = (&Path, &Piece)> {
        self.pieces.iter().map(|(name, piece)| (&**name, piece))
    }

    /// The files of the host that are in it.
    pub fn files(&self) -> impl Iterator<Item = &HostPath> {
        self.pieces.values().filter_map(|piece| match piece {
            Piece::File(source) => Some(source),
            Piece::Link(_) | Piece::Text(_) => None,
        })
    }

    /// Every directory that the names imply, relative to the farm, outer ones first.
    pub fn directories(&self) -> BTreeSet<&Path> {
        let dirs = self.pieces().flat_map(|(name, _)| name.ancestors().skip(1));
        dirs.filter(|dir| !dir.as_os_str().is_empty()).collect()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }
}
