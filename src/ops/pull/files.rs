//! The files of a tar archive of images, which is indexed once and read in place.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::base::fault::BoxFault;
use crate::base::fsx::{self, Context};
use crate::base::path::HostPath;
use crate::layer::reader::Archive;
use crate::layer::{self, EntryKind};
use crate::oci::MAX_DOCUMENT;
use crate::ops::pull::archive::ArchiveError;
use crate::ops::pull::origin::{Part, blob_error};
use crate::store::Store;

/// The most files in an archive of images: far above layers and documents of any.
pub(in crate::ops) const MAX_FILES: usize = 100_000;
/// Links from link to link in an archive.
const MAX_LINKS: usize = 8;

/// An open file with what it is called; it may be a pipe.
#[derive(Debug)]
pub struct Input {
    /// The file, at its beginning.
    pub file: File,
    /// What messages call it.
    pub name: HostPath,
}

impl Input {
    /// Opens the file `path`.
    pub fn at(path: &HostPath) -> fsx::Result<Input> {
        Ok(Input {
            file: fsx::open(path)?,
            name: path.clone(),
        })
    }
}

/// The files of a tar archive, by their names.
pub(in crate::ops) struct TarFiles {
    pub(in crate::ops) path: HostPath,
    entries: HashMap<PathBuf, Found>,
    file: Arc<File>,
}

enum Found {
    File {
        offset: u64,
        size: u64,
    },
    /// Another name in the archive.
    Link(PathBuf),
}

impl TarFiles {
    /// Indexes the archive. A compressed one, or one that comes through a pipe, is first written as a plain tar to a
    /// file without a name in the store's file system, because its blobs are read several at a time.
    pub(in crate::ops) fn open(input: Input, store: &Store) -> Result<TarFiles, BoxFault> {
        let path = &input.name.clone();
        let file = seekable(input, store)?;
        let reading = file.try_clone().context("open", path)?;
        let mut archive = Archive::new(reading);
        let mut entries = HashMap::new();
        while let Some(entry) = archive.next_entry()? {
            let name = PathBuf::from(std::ffi::OsStr::from_bytes(&entry.path));
            let link = Path::new(std::ffi::OsStr::from_bytes(&entry.link));
            let found = match entry.kind {
                EntryKind::File => Found::File {
                    offset: entry.offset,
                    size: entry.size,
                },
                EntryKind::HardLink => Found::Link(link.to_owned()),
                // Old versions of `docker save` link equal layers to each other.
                EntryKind::Symlink => Found::Link(beside(&name, link)),
                _ => continue,
            };
            entries.insert(name, found);
            if entries.len() > MAX_FILES {
                return Err(ArchiveError::TooManyFiles { path: path.clone() }.into());
            }
        }
        Ok(TarFiles {
            path: path.clone(),
            entries,
            file: Arc::new(file),
        })
    }

    pub(in crate::ops) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.entries.keys().map(PathBuf::as_path)
    }

    /// The content of the file `name`, links followed.
    pub(in crate::ops) fn find(&self, name: &Path) -> Option<Part> {
        let mut name = name;
        for _link in 0..MAX_LINKS {
            match self.entries.get(name)? {
                Found::Link(target) => name = target,
                Found::File { offset, size } => {
                    return Some(Part::File {
                        file: self.file.clone(),
                        offset: *offset,
                        size: *size,
                    });
                }
            }
        }
        None
    }

    /// The whole content of the small file `name`, if it is there.
    pub(in crate::ops) fn read_if_there(&self, name: &str) -> Result<Option<Vec<u8>>, BoxFault> {
        let part = self.find(Path::new(name));
        part.map(|part| self.read(&part, name)).transpose()
    }

    /// The whole content of a small file.
    pub(in crate::ops) fn read(&self, part: &Part, name: &str) -> Result<Vec<u8>, BoxFault> {
        let mut bytes = Vec::new();
        let read = part
            .reader(0)
            .take(MAX_DOCUMENT + 1)
            .read_to_end(&mut bytes);
        read.map_err(|error| blob_error(error, &format!("`{name}` in `{}`", self.path)))?;
        Ok(bytes)
    }

    /// The error for a file that must be there and is not.
    pub(in crate::ops) fn missing(&self, file: &str) -> ArchiveError {
        ArchiveError::NoFile {
            path: self.path.clone(),
            file: file.escape_debug().take(200).collect(),
        }
    }
}

/// Where a link in the directory of `name` leads, by name alone; above the top is the top.
fn beside(name: &Path, link: &Path) -> PathBuf {
    let mut target = name.parent().unwrap_or(Path::new("")).to_owned();
    for component in link.components() {
        match component {
            Component::Normal(part) => target.push(part),
            Component::ParentDir => {
                target.pop();
            }
            Component::RootDir => target = PathBuf::new(),
            Component::CurDir | Component::Prefix(_) => {}
        }
    }
    target
}

/// The archive as a file that can be read at any place.
fn seekable(input: Input, store: &Store) -> Result<File, BoxFault> {
    let Input { mut file, name } = input;
    let is_regular = file.metadata().context("stat", &name)?.is_file();
    if is_regular {
        let mut magic = [0; 4];
        let is_short = file.read_exact(&mut magic).is_err();
        file.rewind().context("read", &name)?;
        let is_compressed = matches!(
            magic,
            [0x1f, 0x8b, ..]
                | [0x28, 0xb5, 0x2f, 0xfd]
                | [0xfd, b'7', b'z', b'X']
                // Refused, by its name.
                | [b'B', b'Z', b'h', _]
        );
        if is_short || !is_compressed {
            return Ok(file);
        }
    }
    drop(store.lease()?);
    let private = store.scratch()?;
    let mut plain = fsx::create_new(&private, 0o600)?;
    let opened = fsx::open(&private);
    fsx::remove_file(&private)?;
    let mut inflated = layer::codec::decompress_bounded(file)?;
    let copied = io::copy(&mut inflated, &mut plain);
    copied.map_err(|error| blob_error(error, &format!("`{name}`")))?;
    Ok(opened?)
}
