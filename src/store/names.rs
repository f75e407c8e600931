//! Names of containers: each belongs to one container, one container may have several.
//!
//! A name is a directory that holds one small file. Renaming a directory to the name
//! of another that is not empty fails on every file system, so of two processes that
//! want a name one gets it. A link(2) would do the same, but BeeGFS and AFS make
//! links within one directory only.

use serde::{Deserialize, Serialize};

use crate::base::creator::{Creator, Judge};
use crate::base::fsx;
use crate::base::path::HostPath;
use crate::store::{Result, Store, StoreError, document, read_document, sweep};

const NAME_MAX: usize = 128;

/// Attempts to take a name from a process that died before its container was there.
const CLAIM_ATTEMPTS: usize = 8;

/// The file in a name's directory.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Owner {
    name: String,
    container: String,
    /// The private name under which it was written: tells it from any other, and by
    /// whom the container was going to be made.
    origin: String,
}

impl Store {
    /// All names of containers with their ids, by name.
    pub fn names(&self) -> Result<Vec<(String, String)>> {
        let mut names = Vec::new();
        for (_, owner) in self.owners()? {
            if self.container_exists(&owner.container)? {
                names.push((owner.name, owner.container));
            }
        }
        names.sort();
        Ok(names)
    }

    /// The id of the container called `name`.
    pub fn named(&self, name: &str) -> Result<Option<String>> {
        match read_owner(&self.layout.name(name))? {
            Some(owner) if self.container_exists(&owner.container)? => Ok(Some(owner.container)),
            _ => Ok(None),
        }
    }

    /// Fails if no container can be called `name`, or one is. For work that takes minutes
    /// before it needs the name; [`Store::add_name`] decides.
    pub fn check_name_is_free(&self, name: &str) -> Result<()> {
        check_name(name)?;
        match self.named(name)? {
            None => Ok(()),
            Some(id) => Err(StoreError::NameTaken {
                name: name.to_owned(),
                id,
            }),
        }
    }

    /// Gives the container `id` a further name.
    pub fn add_name(&self, name: &str, id: &str) -> Result<()> {
        check_name(name)?;
        let private = Creator::current().private_name(&self.layout.ingest(), "name")?;
        let origin = private.file_name().unwrap_or_default().to_string_lossy();
        let owner = Owner {
            name: name.to_owned(),
            container: id.to_owned(),
            origin: origin.into_owned(),
        };
        fsx::create_dir(&private, 0o755)?;
        let private = HostPath::new(private);
        let claimed = fsx::write_private(owner_path(&private), &document(&owner), 0o644)
            .map_err(StoreError::from)
            .and_then(|()| self.claim_name(&private, &owner));
        if claimed.is_err() {
            let _the_first_error_counts = fsx::remove_tree(&private);
        }
        claimed
    }

    fn claim_name(&self, private: &HostPath, owner: &Owner) -> Result<()> {
        let path = self.layout.name(&owner.name);
        let mut attempt = 1;
        loop {
            let Err(error) = fsx::rename(private, &path) else {
                fsx::sync_dir(self.layout.names())?;
                return Ok(());
            };
            match read_owner(&path)? {
                // NFS lost the reply of a rename that was done.
                Some(there) if there == *owner => return Ok(()),
                Some(there) if attempt < CLAIM_ATTEMPTS && self.is_dangling(&there)? => {
                    self.free_name(&there)?;
                }
                Some(there) => {
                    return Err(StoreError::NameTaken {
                        name: there.name,
                        id: there.container,
                    });
                }
                None if attempt < CLAIM_ATTEMPTS && error.is_already_there() => {}
                None => return Err(error.into()),
            }
            attempt += 1;
        }
    }

    /// Takes `name` away from its container; the id of that, or `None` where the
    /// name was free.
    pub fn remove_name(&self, name: &str) -> Result<Option<String>> {
        let Some(owner) = read_owner(&self.layout.name(name))? else {
            return Ok(None);
        };
        self.free_name(&owner)?;
        Ok(Some(owner.container))
    }

    /// Takes all names away from the container `id`.
    pub(super) fn remove_names_of(&self, id: &str) -> Result<()> {
        for (_, owner) in self.owners()? {
            if owner.container == id {
                self.free_name(&owner)?;
            }
        }
        Ok(())
    }

    /// Removes the names whose containers never came to be; their paths.
    pub(super) fn sweep_names(&self) -> Result<Vec<HostPath>> {
        let mut removed = Vec::new();
        for (path, owner) in self.owners()? {
            if self.is_dangling(&owner)? {
                self.free_name(&owner)?;
                removed.push(path);
            }
        }
        Ok(removed)
    }

    /// Frees a name if it is still `owner`'s. It is moved away first and looked at then:
    /// somebody else's, taken since we last looked, goes back.
    fn free_name(&self, owner: &Owner) -> Result<()> {
        let path = self.layout.name(&owner.name);
        let Some(aside) = self.set_aside(&path, "name")? else {
            return Ok(());
        };
        if read_owner(&aside)?.is_some_and(|found| found != *owner) {
            fsx::rename(&aside, &path)?;
            return Ok(());
        }
        fsx::remove_tree(&aside)?;
        Ok(())
    }

    /// Whether the container of a name neither exists nor is about to.
    fn is_dangling(&self, owner: &Owner) -> Result<bool> {
        if self.container_exists(&owner.container)? {
            return Ok(false);
        }
        let changed = fsx::absent_as_none(fsx::metadata(self.layout.name(&owner.name)))?;
        let changed = changed.and_then(|meta| meta.modified().ok());
        let judge = Judge::new(sweep::server_time(self)?);
        let is_left = |changed| judge.is_leftover(&owner.origin, changed, sweep::INGEST_GRACE);
        // Asked again: its creator may have finished between our first look and its end.
        Ok(changed.is_some_and(is_left) && !self.container_exists(&owner.container)?)
    }

    fn owners(&self) -> Result<Vec<(HostPath, Owner)>> {
        let mut owners = Vec::new();
        for entry in fsx::absent_as_none(fsx::read_dir(self.layout.names()))?.unwrap_or_default() {
            let path = HostPath::new(entry.path());
            if let Some(owner) = read_owner(&path)? {
                owners.push((path, owner));
            }
        }
        Ok(owners)
    }
}

fn owner_path(dir: &HostPath) -> HostPath {
    dir.join("name.json")
}

fn read_owner(dir: &HostPath) -> Result<Option<Owner>> {
    read_document(&owner_path(dir))
}

/// Docker's grammar, and a leading `_`. No `/` and no `:`, because what has those reads
/// as an image.
fn check_name(name: &str) -> Result<()> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let starts_well = name.bytes().next().is_some_and(is_word);
    let goes_well = name
        .bytes()
        .all(|byte| is_word(byte) || byte == b'.' || byte == b'-');
    if starts_well && goes_well && name.len() <= NAME_MAX {
        return Ok(());
    }
    let shown = name.escape_debug().take(NAME_MAX).collect();
    Err(StoreError::BadName(shown))
}
