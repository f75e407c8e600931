//! Images on this host: OCI layouts in directories and tar files.
//!
//! image-spec, image-layout.md. A tar file is indexed once and read in place.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::base::digest::Digest;
use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::fsx::{self, Context};
use crate::base::path::HostPath;
use crate::layer::reader::Archive;
use crate::layer::{self, EntryKind};
use crate::oci::MAX_DOCUMENT;
use crate::oci::descriptor::Descriptor;
use crate::oci::manifest::{Document, Index};
use crate::ops::pull::origin::{Local, Part, Shelf, blob_error};
use crate::store::Store;

const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The most files in an archive of images: far above layers and documents of any.
const MAX_FILES: usize = 100_000;
/// Links from link to link in an archive.
const MAX_LINKS: usize = 8;

/// Why an archive or a layout does not hold the image that was asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum ArchiveError {
    #[error("`{path}` is not {form}: it has no `{file}`")]
    OtherForm {
        path: HostPath,
        form: &'static str,
        file: &'static str,
    },
    #[error("`{path}` holds {}, expected one name to be chosen", count_of(names))]
    Several { path: HostPath, names: Vec<String> },
    #[error("`{path}` holds no image `{wanted}`, it has {}", list(names))]
    NoSuchImage {
        path: HostPath,
        wanted: String,
        names: Vec<String>,
    },
    #[error("`{path}` has more than {MAX_FILES} files, too many for an image")]
    TooManyFiles { path: HostPath },
    #[error("`{path}` has no file `{file}`, of which its manifest speaks")]
    NoFile { path: HostPath, file: String },
    #[error("the `{file}` in `{path}` cannot be read")]
    Malformed {
        path: HostPath,
        file: String,
        source: serde_json::Error,
    },
}

impl Fault for ArchiveError {
    fn kind(&self) -> Kind {
        match self {
            ArchiveError::Several { .. } => Kind::Usage,
            ArchiveError::OtherForm { .. } | ArchiveError::NoSuchImage { .. } => Kind::NotFound,
            _ => Kind::Integrity,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            ArchiveError::OtherForm { .. } => {
                vec!["`docker save` writes `docker-archive:`, `skopeo` and `podman` also `oci-archive:`".into()]
            }
            ArchiveError::Several { names, .. } => {
                vec![format!("append one of them after a colon: {}", list(names))]
            }
            _ => Vec::new(),
        }
    }
}

fn list(names: &[String]) -> String {
    match names {
        [] => "none with a name".to_owned(),
        names => names
            .iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

fn count_of(names: &[String]) -> String {
    match names.len() {
        0 => "no image".to_owned(),
        count => format!("{count} images"),
    }
}

/// Opens the OCI layout in `dir` at `tag`, or at its only image.
pub(super) fn layout(dir: &HostPath, tag: Option<&str>) -> Result<Local, BoxFault> {
    let bytes = fsx::read_if_there(dir.join("index.json"), MAX_DOCUMENT)?;
    let target = choose(bytes, dir, tag)?;
    Ok(Local {
        target,
        shelf: Shelf::Dir(dir.clone()),
    })
}

/// Opens the OCI layout in the tar file `path` at `tag`, or at its only image.
pub(super) fn open(path: &HostPath, tag: Option<&str>, store: &Store) -> Result<Local, BoxFault> {
    let files = TarFiles::open(path, store)?;
    let index = files.find(Path::new("index.json"));
    let bytes = index
        .map(|part| files.read(&part, "index.json"))
        .transpose()?;
    let target = choose(bytes, path, tag)?;
    let blobs = files.paths().filter_map(|name| {
        let mut names = name.strip_prefix("blobs").ok()?.iter();
        let (algorithm, hex) = (names.next()?.to_str()?, names.next()?.to_str()?);
        let digest: Digest = format!("{algorithm}:{hex}").parse().ok()?;
        Some((digest, files.find(name)?))
    });
    Ok(Local {
        target,
        shelf: Shelf::Parts(blobs.collect()),
    })
}

/// The entry of an `index.json` that is meant.
fn choose(
    bytes: Option<Vec<u8>>,
    path: &HostPath,
    tag: Option<&str>,
) -> Result<Descriptor, BoxFault> {
    let other_form = || ArchiveError::OtherForm {
        path: path.clone(),
        form: "an OCI layout",
        file: "index.json",
    };
    let Document::Index(index) = Document::parse(&bytes.ok_or_else(other_form)?, None)? else {
        return Err(other_form().into());
    };
    let entry = match tag {
        Some(tag) => index
            .manifests
            .iter()
            .find(|entry| name_of(entry) == Some(tag)),
        None if index.manifests.len() == 1 => index.manifests.first(),
        None => None,
    };
    entry
        .cloned()
        .ok_or_else(|| no_entry(&index, path, tag).into())
}

fn name_of(entry: &Descriptor) -> Option<&str> {
    entry.annotations.get(REF_NAME).map(String::as_str)
}

fn no_entry(index: &Index, path: &HostPath, tag: Option<&str>) -> ArchiveError {
    let names = index
        .manifests
        .iter()
        .filter_map(name_of)
        .map(str::to_owned)
        .collect();
    let path = path.clone();
    match tag.map(str::to_owned) {
        Some(wanted) => ArchiveError::NoSuchImage {
            path,
            wanted,
            names,
        },
        None => ArchiveError::Several { path, names },
    }
}

/// The files of a tar archive, by their names.
pub(super) struct TarFiles {
    pub(super) path: HostPath,
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
    /// Indexes the archive. A compressed one is first inflated into a file without a name
    /// in the store's file system, because its blobs are read several at a time.
    pub(super) fn open(path: &HostPath, store: &Store) -> Result<TarFiles, BoxFault> {
        let file = seekable(path, store)?;
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

    fn paths(&self) -> impl Iterator<Item = &Path> {
        self.entries.keys().map(PathBuf::as_path)
    }

    /// The content of the file `name`, links followed.
    pub(super) fn find(&self, name: &Path) -> Option<Part> {
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

    /// The whole content of a small file.
    pub(super) fn read(&self, part: &Part, name: &str) -> Result<Vec<u8>, BoxFault> {
        let mut bytes = Vec::new();
        let read = part
            .reader(0)
            .take(MAX_DOCUMENT + 1)
            .read_to_end(&mut bytes);
        read.map_err(|error| blob_error(error, &format!("`{name}` in `{}`", self.path)))?;
        Ok(bytes)
    }

    /// The error for a file that must be there and is not.
    pub(super) fn missing(&self, file: &str) -> ArchiveError {
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
fn seekable(path: &HostPath, store: &Store) -> Result<File, BoxFault> {
    let mut file = fsx::open(path)?;
    let mut magic = [0; 4];
    let is_short = file.read_exact(&mut magic).is_err();
    let is_compressed = matches!(
        magic,
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd] | [0xfd, b'7', b'z', b'X']
    );
    let file = fsx::open(path)?;
    if is_short || !is_compressed {
        return Ok(file);
    }
    drop(store.lease()?);
    let private = store.scratch()?;
    let mut inflating = fsx::create_new(&private, 0o600)?;
    let inflated = fsx::open(&private);
    fsx::remove_file(&private)?;
    let size = file.metadata().context("stat", path)?.len();
    let mut plain = layer::codec::bounded(layer::codec::decompress(file)?, size);
    let copied = io::copy(&mut plain, &mut inflating);
    copied.context("inflate", path)?;
    Ok(inflated?)
}
