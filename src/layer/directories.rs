//! The directories that were made for files of which nobody knows yet whether they survive.
//!
//! A trie in memory, not a list of paths: an archive of a few megabytes can name
//! directories whose paths together take gigabytes. Not the file system's own answer,
//! either: where it takes two names for one, both would look as if they were there.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::base::fsx::PathError;
use crate::layer::disk::Disk;

/// The staging directory itself, which is always there.
pub(super) const TOP: usize = 0;

/// Directories by number; those above before those below.
#[derive(Debug, Default)]
pub(super) struct Directories(Mutex<Made>);

/// What was made so far.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// By the directory above and the name in it.
    below: HashMap<(usize, Box<[u8]>), usize>,
    /// How many there are beside the topmost.
    count: usize,
}

impl Directories {
    /// Makes the directory `path` with all above it, and counts each with `count`, which may
    /// refuse. `false` where something else has one of the names.
    pub(super) fn make<E: From<PathError>>(
        &self,
        disk: &Disk,
        path: &[u8],
        count: impl Fn() -> Result<(), E>,
    ) -> Result<bool, E> {
        // Held while the directories are made, so that no other thread finds one before it is there.
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut here = TOP;
        let mut start = 0;
        while start < path.len() {
            let slash = path[start..].iter().position(|byte| *byte == b'/');
            let end = slash.map_or(path.len(), |length| start + length);
            here = match made.find(here, &path[start..end]) {
                Some(known) => known,
                None => {
                    count()?;
                    match disk.make_directory(&path[..end]) {
                        Ok(()) => made.add(here, &path[start..end]),
                        Err(error) if is_taken(&error) => return Ok(false),
                        Err(error) => return Err(error.into()),
                    }
                }
            };
            start = end + 1;
        }
        Ok(true)
    }

    /// What was made; nothing more will be.
    pub(super) fn take(&self) -> Made {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Made {
    /// The directory `name` in the directory `above`, if it was made.
    pub(super) fn find(&self, above: usize, name: &[u8]) -> Option<usize> {
        // The key is owned: a borrowed pair is no key of a map of owned pairs.
        self.below.get(&(above, name.into())).copied()
    }

    fn add(&mut self, above: usize, name: &[u8]) -> usize {
        self.count += 1;
        self.below.insert((above, name.into()), self.count);
        self.count
    }

    /// Calls `remove` with the path of each directory of which `is_wanted` does not hold,
    /// those below before those above.
    pub(super) fn each_unwanted<E>(
        &self,
        is_wanted: impl Fn(usize) -> bool,
        mut remove: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut names: Vec<(usize, &[u8])> = vec![(TOP, b""); self.count + 1];
        for ((above, name), number) in &self.below {
            names[*number] = (*above, name);
        }
        for number in (1..names.len()).rev().filter(|it| !is_wanted(*it)) {
            let up = std::iter::successors(Some(number), |it| Some(names[*it].0));
            let up = up.take_while(|it| *it != TOP);
            let mut parts: Vec<_> = up.map(|it| names[it].1).collect();
            parts.reverse();
            remove(&parts.join(&b'/'))?;
        }
        Ok(())
    }

    /// The number of directories, the topmost included.
    pub(super) fn len(&self) -> usize {
        self.count + 1
    }
}

/// Whether a name is something else's: of another kind, or one that the file system cannot tell from it.
pub(super) fn is_taken(error: &PathError) -> bool {
    matches!(
        error.source.raw_os_error(),
        // The last three: names that this file system does not take. What survives fails later, by its final name.
        Some(
            libc::EEXIST
                | libc::ENOTDIR
                | libc::EISDIR
                | libc::ENAMETOOLONG
                | libc::EINVAL
                | libc::EILSEQ
        )
    )
}
