//! Images on this host: OCI layouts in directories and tar files.
//!
//! image-spec, image-layout.md. A tar file is indexed once and read in place.

use std::collections::HashMap;
use std::sync::Arc;

use crate::base::digest::Digest;
use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::fsx;
use crate::base::path::HostPath;
use crate::oci::MAX_DOCUMENT;
use crate::oci::descriptor::Descriptor;
use crate::oci::manifest::Document;
use crate::ops::pull::files::{Input, MAX_FILES, TarFiles};
use crate::ops::pull::origin::{Local, Part, Shelf};
use crate::store::Store;

/// The list of an OCI layout's images.
pub(in crate::ops) const INDEX: &str = "index.json";
/// What an entry of it is called; image-spec, annotations.md.
pub(in crate::ops) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// What `cosign save` writes into the annotation `kind` of an entry that is no image: signatures, and attestations.
/// cosign, pkg/oci/layout/write.go
const COSIGN_KINDS: [&str; 2] = [
    "dev.cosignproject.cosign/sigs",
    "dev.cosignproject.cosign/atts",
];

/// Why an archive or a layout does not hold the image that was asked for.
#[derive(Debug, thiserror::Error)]
pub(in crate::ops) enum ArchiveError {
    #[error("`{path}` is not {form}: it has no `{file}`")]
    OtherForm {
        path: HostPath,
        form: &'static str,
        file: &'static str,
    },
    #[error(
        "`{path}` holds no images: it has neither `index.json` nor `manifest.json` nor `repositories`"
    )]
    Unknown { path: HostPath },
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

impl ArchiveError {
    /// Of a directory, or a tar file, without a list of images.
    pub(in crate::ops) fn no_layout(path: &HostPath) -> ArchiveError {
        ArchiveError::OtherForm {
            path: path.clone(),
            form: "an OCI layout",
            file: INDEX,
        }
    }

    /// Of a tar file that is no archive of images.
    pub(in crate::ops) fn unknown(path: &HostPath) -> ArchiveError {
        ArchiveError::Unknown { path: path.clone() }
    }
}

impl Fault for ArchiveError {
    fn kind(&self) -> Kind {
        match self {
            ArchiveError::Several { .. } | ArchiveError::Unknown { .. } => Kind::Usage,
            ArchiveError::OtherForm { .. } | ArchiveError::NoSuchImage { .. } => Kind::NotFound,
            _ => Kind::Integrity,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            ArchiveError::OtherForm { .. } => {
                vec!["`docker save` writes `docker-archive:`, `skopeo` and `podman` also `oci-archive:`".into()]
            }
            ArchiveError::Unknown { .. } => {
                vec!["a tar archive of a root's files is read by `coracle import`".into()]
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
pub(in crate::ops) fn layout(dir: &HostPath, tag: Option<&str>) -> Result<Local, BoxFault> {
    let bytes = fsx::read_if_there(dir.join(INDEX), MAX_DOCUMENT)?;
    let (target, listed) = choose(bytes, dir, tag)?;
    Ok(Local {
        target,
        listed,
        shelf: Shelf::Dir(dir.clone()),
    })
}

/// Opens the OCI layout in the tar file `path` at `tag`, or at its only image.
pub(in crate::ops) fn open(
    path: &HostPath,
    tag: Option<&str>,
    store: &Store,
) -> Result<Local, BoxFault> {
    let files = TarFiles::open(Input::at(path)?, store)?;
    let bytes = files.read_if_there(INDEX)?;
    let (target, listed) = choose(bytes, path, tag)?;
    Ok(Local {
        target,
        listed,
        shelf: Shelf::Parts(blobs(&files)),
    })
}

/// The blobs of an OCI layout in a tar file.
pub(in crate::ops) fn blobs(files: &TarFiles) -> HashMap<Digest, Part> {
    let blobs = files.paths().filter_map(|name| {
        let mut names = name.strip_prefix("blobs").ok()?.iter();
        let (algorithm, hex) = (names.next()?.to_str()?, names.next()?.to_str()?);
        let digest: Digest = format!("{algorithm}:{hex}").parse().ok()?;
        Some((digest, files.find(name)?))
    });
    blobs.collect()
}

/// The entry of an `index.json` that is meant, and all of them.
fn choose(
    bytes: Option<Vec<u8>>,
    path: &HostPath,
    tag: Option<&str>,
) -> Result<(Descriptor, Arc<[Descriptor]>), BoxFault> {
    let other_form = || ArchiveError::no_layout(path);
    let Document::Index(index) = Document::parse(&bytes.ok_or_else(other_form)?, None)? else {
        return Err(other_form().into());
    };
    let listed = Arc::from(index.manifests);
    let images: Vec<&Descriptor> = images_in(&listed).collect();
    let entry = match (tag, images.as_slice()) {
        (Some(tag), images) => images.iter().find(|entry| name_of(entry) == Some(tag)),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    match entry {
        Some(entry) => Ok(((*entry).clone(), listed.clone())),
        None => Err(no_entry(&images, path, tag).into()),
    }
}

/// The entries of an `index.json` that may be images: not what says something of them.
pub(in crate::ops) fn images_in(listed: &[Descriptor]) -> impl Iterator<Item = &Descriptor> {
    let is_of_image = |name: &str| {
        let digest = name.split('.').next().unwrap_or_default();
        digest.replacen('-', ":", 1).parse::<Digest>().is_ok()
    };
    listed.iter().filter(move |entry| {
        entry.artifact_type.is_none()
            && !name_of(entry).is_some_and(is_of_image)
            && !kind_of(entry).is_some_and(|kind| COSIGN_KINDS.contains(&kind))
    })
}

/// What is listed at `tag`. `cosign save` gives signatures no tag: there they are those of the only image.
pub(in crate::ops) fn listed_at<'a>(listed: &'a [Descriptor], tag: &str) -> Option<&'a Descriptor> {
    let named = listed.iter().find(|entry| name_of(entry) == Some(tag));
    let of_cosign = || {
        listed
            .iter()
            .find(|it| kind_of(it) == Some(COSIGN_KINDS[0]))
    };
    match tag.ends_with(".sig") {
        true => named.or_else(of_cosign),
        false => named,
    }
}

fn kind_of(entry: &Descriptor) -> Option<&str> {
    entry.annotations.get("kind").map(String::as_str)
}

fn name_of(entry: &Descriptor) -> Option<&str> {
    entry.annotations.get(REF_NAME).map(String::as_str)
}

fn no_entry(images: &[&Descriptor], path: &HostPath, tag: Option<&str>) -> ArchiveError {
    let names = images
        .iter()
        .filter_map(|entry| name_of(entry))
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
