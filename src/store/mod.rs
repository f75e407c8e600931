//! Images and containers on disk.
//!
//! Content is immutable and named by its digest. Whatever is written is written
//! under a private name, verified, flushed, and published by one rename or link, so
//! that a reader finds it whole or not at all, also after a power cut. No lock is
//! needed for that on any file system: two hosts may do the same work twice, they
//! cannot spoil it. Neither `renameat2` flags nor `O_TMPFILE` are used; NFS has neither.
//!
//! What keeps content from being swept is a *claim*: a reference, a container, or the
//! lease of a pull. Whoever wants to rely on content claims it first and looks for it
//! then; [`Store::sweep`] takes away what has no claim.
//!
//! Nothing is written for reading, so a store on a read-only file system serves runs.

mod blob;
mod container;
mod guests;
mod image;
mod layout;
mod lease;
mod log;
mod measure;
mod names;
mod protect;
mod site;
mod spool;
mod state;
mod sweep;
mod tree;
mod usage;
mod volume;

use std::path::Path;

use crate::base::creator::Creator;
use crate::base::digest::Mismatch;
use crate::base::fault::{Fault, Kind};
use crate::base::fsx::{self, PathError};
use crate::base::path::HostPath;
use crate::base::subids;

pub use blob::BlobWriter;
pub use container::{Container, ContainerRecord};
pub use image::{Content, ImageRecord, Signatures};
pub use layout::Layout;
pub use lease::Lease;
pub use log::{Line, LogReader, LogWriter, Stream};
pub use protect::Protection;
pub use spool::Spool;
pub use state::{Condition, Ended, RunState, now};
pub use sweep::{InUse, Removed, Swept};
pub use tree::{Extent, StagingTree, Tree};
pub use usage::User;
pub use volume::{Volume, VolumeRecord};

/// Bytes of a small document of our own that is read whole; options of a container
/// hold the arguments of a program, of which Linux takes 2 MiB by default.
const DOCUMENT_LIMIT: u64 = 16 << 20;

/// Attempts to write into a directory that a sweep may be removing because it is empty.
const PLACE_ATTEMPTS: usize = 8;

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system failed.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Content is not what its descriptor promises.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// The directory was written by another version of coracle.
    #[error("the store `{home}` has format `{got}`, expected `{}`", layout::FORMAT)]
    Format {
        /// The store.
        home: HostPath,
        /// What its `version` says.
        got: String,
    },
    /// It is another user's to remove.
    #[error("{what} is in the store `{site}`, which is only read")]
    OfSite {
        /// What was to be removed or changed.
        what: String,
        /// Whose it is: the home of that store.
        site: HostPath,
    },
    /// A file of ours cannot be read as what it is.
    #[error("`{path}` is damaged")]
    Damaged {
        /// The file.
        path: HostPath,
        /// Where it stops making sense.
        source: serde_json::Error,
    },
    /// Content went away while it was being relied on.
    #[error("{0} is no longer in the store, another process removed it")]
    Vanished(String),
    /// A text that no container can be called.
    #[error(
        "`{0}` cannot name a container, expected up to 128 letters, digits, `_`, `.` and `-`, not starting with the last two"
    )]
    BadName(String),
    /// The name belongs to a container already.
    #[error("the name `{name}` is taken by container `{id}`")]
    NameTaken {
        /// The name.
        name: String,
        /// Whose it is.
        id: String,
    },
    /// The user does not want it to be removed or changed.
    #[error("{0} is protected")]
    Protected(String),
    /// No container has this name or id.
    #[error("there is no container `{0}`")]
    NoContainer(Missing),
    /// No volume has this name.
    #[error("there is no volume `{0}`")]
    NoVolume(String),
    /// Several containers' ids start so.
    #[error("`{prefix}` is the start of {count} containers' ids, expected one")]
    Ambiguous {
        /// What was given.
        prefix: String,
        /// How many it fits.
        count: usize,
    },
}

/// A name that no container has.
#[derive(Debug)]
pub struct Missing {
    name: String,
    meant: Option<String>,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

impl Fault for StoreError {
    fn kind(&self) -> Kind {
        match self {
            StoreError::Path(error) => error.kind(),
            StoreError::Mismatch(error) => error.kind(),
            StoreError::Damaged { .. } => Kind::Integrity,
            StoreError::Format { .. } | StoreError::Vanished(_) => Kind::Storage,
            StoreError::BadName(_)
            | StoreError::NameTaken { .. }
            | StoreError::Protected(_)
            | StoreError::OfSite { .. }
            | StoreError::Ambiguous { .. } => Kind::Usage,
            StoreError::NoContainer(_) | StoreError::NoVolume(_) => Kind::NotFound,
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            StoreError::Path(error) => return error.hints(),
            StoreError::Format { .. } => {
                "use the version of coracle that made it, or set CORACLE_HOME to a new directory"
            }
            StoreError::OfSite { .. } => "ask its owner, or take it out of the setting `stores`",
            StoreError::Damaged { .. } => "remove this file, then pull or create again",
            StoreError::Vanished(_) => "run the same command again",
            StoreError::NameTaken { .. } => {
                "choose another name, or free this one with `coracle rmname` or `coracle rm`"
            }
            StoreError::Protected(_) => "`coracle unprotect` takes that back",
            StoreError::NoContainer(missing) => {
                let meant = missing.meant.iter();
                let meant = meant.map(|meant| format!("did you mean `{meant}`?"));
                let list = "`coracle ps -a` lists them".to_owned();
                return meant.chain([list]).collect();
            }
            StoreError::NoVolume(_) => "`coracle volume ls` lists them",
            StoreError::Ambiguous { .. } => "give more digits",
            StoreError::Mismatch(_) | StoreError::BadName(_) => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}

/// A result of this module.
pub type Result<T> = std::result::Result<T, StoreError>;

/// One directory of images and containers.
#[derive(Clone, Debug)]
pub struct Store {
    layout: Layout,
    /// Those of others, which are read beside it.
    sites: Vec<Layout>,
    is_shared: bool,
}

impl Store {
    /// Opens the store in `home`, with those that the user's setting names beside it. It need not exist yet: what is missing is created
    /// when something is first written. Fails where another version wrote it.
    pub fn open(home: HostPath) -> Result<Store> {
        let layout = Layout::new(home);
        let is_made = check_format(&layout)?;
        Ok(Store {
            sites: site::named(&layout)?,
            is_shared: is_made && layout.shared().exists(),
            layout,
        })
    }

    /// The directory, as given.
    pub fn home(&self) -> &HostPath {
        self.layout.home()
    }

    /// Where one run may keep what it discards: a name of this process alone, which
    /// does not exist. Whoever creates it removes it; a sweep does so for the killed.
    pub fn scratch(&self) -> Result<HostPath> {
        let path = Creator::current().private_name(&self.layout.tmp(), "run")?;
        Ok(HostPath::new(path))
    }

    /// Creates what a store is made of, before anything is kept in it.
    pub fn make(&self) -> Result<()> {
        self.prepare()
    }

    /// Whether anything was ever kept here.
    pub fn is_made(&self) -> Result<bool> {
        Ok(fsx::absent_as_none(fsx::metadata(self.layout.version()))?.is_some())
    }

    /// Creates what is missing of the directories and the `version`.
    fn prepare(&self) -> Result<()> {
        fsx::create_dir_all(self.home())?;
        for dir in self.layout.skeleton() {
            match fsx::create_dir(&dir, 0o755) {
                Err(error) if error.is_already_there() => {}
                made => made?,
            }
        }
        let version = self.layout.version();
        if fsx::absent_as_none(fsx::metadata(&version))?.is_none() {
            let text = format!("{}\n", layout::FORMAT);
            self.place(text.as_bytes(), &version)?;
        }
        Ok(())
    }

    /// Writes a small file that is there whole and durable or not at all; an older one
    /// of that name is replaced. Directories above it are created.
    fn place(&self, bytes: &[u8], path: &Path) -> Result<()> {
        let private = self.write_private(bytes, "file")?;
        let dir = path.parent().unwrap_or(self.home());
        let mut attempt = 1;
        let placed = loop {
            match fsx::create_dir_all(dir).and_then(|()| fsx::rename(&private, path)) {
                Err(error)
                    if attempt < PLACE_ATTEMPTS
                        && (error.is_not_found() || error.is_already_there()) =>
                {
                    attempt += 1;
                }
                result => break result,
            }
        };
        if let Err(error) = placed {
            let _the_first_error_counts = fsx::remove_file(&private);
            return Err(error.into());
        }
        fsx::sync_dir(dir)?;
        self.open_up(path)
    }

    /// Writes a durable file under a private name.
    fn write_private(&self, bytes: &[u8], what: &str) -> Result<HostPath> {
        let private = Creator::current().private_name(&self.layout.ingest(), what)?;
        let written = fsx::write_private(&private, bytes, 0o644);
        if written.is_err() {
            let _the_first_error_counts = fsx::remove_file(&private);
        }
        written?;
        Ok(HostPath::new(private))
    }

    /// Takes the file or tree `path` out of use in one step, and returns where it is now;
    /// `None` where it was gone already. `what` ends up in the private name.
    fn set_aside(&self, path: &Path, what: &str) -> Result<Option<HostPath>> {
        let aside = Creator::current().private_name(&self.layout.trash(), what)?;
        let mut moved = fsx::rename(path, &aside);
        if moved.as_ref().is_err_and(PathError::is_denied) {
            // A directory changes its `..` when it moves, which takes the right to write it.
            fsx::set_mode(path, 0o700)?;
            moved = fsx::rename(path, &aside);
        }
        let moved = fsx::absent_as_none(moved)?;
        Ok(moved.map(|()| HostPath::new(aside)))
    }

    /// Removes the file or tree `path` so that nobody sees a part of it.
    fn discard(&self, path: &Path, what: &str) -> Result<()> {
        if let Some(aside) = self.set_aside(path, what)? {
            remove_any(&aside)?;
        }
        Ok(())
    }
}

/// Whether there is a store; fails for one that another version wrote.
fn check_format(layout: &Layout) -> Result<bool> {
    let Some(bytes) = fsx::read_if_there(layout.version(), DOCUMENT_LIMIT)? else {
        return Ok(false);
    };
    let got = String::from_utf8_lossy(&bytes);
    if got.trim() != layout::FORMAT {
        return Err(StoreError::Format {
            home: layout.home().clone(),
            got: got.trim().escape_debug().take(40).collect(),
        });
    }
    Ok(true)
}

/// Removes a file or a tree.
fn remove_any(path: &Path) -> Result<()> {
    match fsx::absent_as_none(fsx::symlink_metadata(path))? {
        Some(meta) if meta.is_dir() => subids::remove_tree(path)?,
        Some(_) => fsx::remove_file(path)?,
        None => {}
    }
    Ok(())
}

/// Reads a small JSON document of ours; `None` where there is none.
fn read_document<T: serde::de::DeserializeOwned>(path: &HostPath) -> Result<Option<T>> {
    let Some(bytes) = fsx::read_if_there(path, DOCUMENT_LIMIT)? else {
        return Ok(None);
    };
    let damaged = |source| StoreError::Damaged {
        path: path.clone(),
        source,
    };
    serde_json::from_slice(&bytes).map(Some).map_err(damaged)
}

/// A document of ours as the bytes of its file.
fn document<T: serde::Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .expect("our documents have string keys and no values that fail to serialise");
    bytes.push(b'\n');
    bytes
}
