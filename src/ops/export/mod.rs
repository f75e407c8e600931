//! `export`: the tree of a container as its guest sees it, as a tar archive.

mod tree;

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use crate::base::fault::{BoxFault, Fault, Kind, While};
use crate::base::fsx::{self, Context, PathError};
use crate::base::path::HostPath;
use crate::oci::MAX_DOCUMENT;
use crate::ops::containers::familiar;
use crate::ops::tarball::{Member, Tarball};
use crate::store::{Container, Store};
pub(super) use tree::{GuestTree, Linked, list};

/// The name of our record in an archive of [`Form::Clone`].
pub(super) const RECORD: &str = "coracle.json";
/// The image's config there; the name is udocker's.
pub(super) const CONFIG: &str = "container.json";
/// The name of the image there; the name is udocker's.
pub(super) const IMAGE_NAME: &str = "imagerepo.name";
/// The directory with the tree there; the name is udocker's.
pub(super) const ROOT: &str = "ROOT";

/// What the archive holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The tree alone, as `docker export` writes it.
    Tree,
    /// The tree in a directory `ROOT`, and beside it what makes it a container again: the image's config, and the
    /// options. `udocker import --clone` reads it too.
    Clone,
}

/// What of a container an archive of [`Form::Clone`] holds beside the tree.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The full name of its image.
    pub(super) image: String,
    /// The options it was created with.
    pub(super) options: serde_json::Value,
}

/// An archive that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the archive")]
pub struct Unwritten(#[source] io::Error);

impl Unwritten {
    /// Of the `error` of a write, and why.
    pub(super) fn of(error: io::Error) -> BoxFault {
        match error.downcast::<PathError>() {
            Ok(error) => error.into(),
            Err(error) => Unwritten(error).into(),
        }
    }
}

impl Fault for Unwritten {
    fn kind(&self) -> Kind {
        Kind::Storage
    }
}

/// Writes the container with this name or id to `out`. Must be called while there is one thread: a container with
/// files of sub-ids is read from inside namespaces that this process enters.
pub fn export(
    home: &HostPath,
    name_or_id: &str,
    form: Form,
    out: &mut dyn Write,
) -> Result<(), BoxFault> {
    let store = Store::open(home.clone())?;
    let container = store.container(name_or_id)?;
    let written = write(&store, &container, form, out);
    written.map_err(|cause| {
        While::new(format!("cannot export container `{name_or_id}`"), cause).into()
    })
}

/// The same into the file `path`, which appears whole or not at all and replaces one that is there.
pub fn export_to(
    home: &HostPath,
    name_or_id: &str,
    form: Form,
    path: &HostPath,
) -> Result<(), BoxFault> {
    // A clone holds what was given with `-e`, as the container's own record does.
    let mode = match form {
        Form::Tree => 0o666,
        Form::Clone => 0o600,
    };
    into_file(path, mode, |out| export(home, name_or_id, form, out))
}

/// Lets `write` fill a file that appears under its name whole or not at all, with permission bits `mode` less the
/// caller's umask.
pub(super) fn into_file(
    path: &HostPath,
    mode: u32,
    write: impl FnOnce(&mut dyn Write) -> Result<(), BoxFault>,
) -> Result<(), BoxFault> {
    // What is no file, such as /dev/null or a pipe, is written to and not replaced.
    if fsx::metadata(path).is_ok_and(|meta| !meta.is_file()) {
        let mut file = fsx::open_append(path)?;
        return write(&mut file);
    }
    let private = fsx::private_sibling(path)?;
    let mut file = io::BufWriter::with_capacity(BUFFER, fsx::create_new(&private, mode)?);
    let written = write(&mut file).and_then(|()| {
        file.flush().context("write", path)?;
        file.get_ref().sync_all().context("flush", path)?;
        Ok(fsx::rename(&private, path)?)
    });
    if written.is_err() {
        let _the_first_error_counts = fsx::remove_file(&private);
    }
    written
}

/// Bytes written at once.
const BUFFER: usize = 256 << 10;

fn write(
    store: &Store,
    container: &Container,
    form: Form,
    out: &mut dyn Write,
) -> Result<(), BoxFault> {
    let config = store.read_blob(&container.record.config, MAX_DOCUMENT)?;
    let tree = GuestTree::of(store, container)?;
    let mut tarball = Tarball::new(out);
    let mut prefix = Vec::new();
    if form == Form::Clone {
        let record = &container.record;
        let kept = Kept {
            image: record.image.clone(),
            options: record.options.clone(),
        };
        let kept = serde_json::to_vec_pretty(&kept);
        let kept = kept.expect("a record has string keys and no values that fail to serialise");
        let name = familiar(&record.image);
        let files = [
            (RECORD, &kept[..]),
            (CONFIG, &config[..]),
            (IMAGE_NAME, name.as_bytes()),
        ];
        for (name, bytes) in files {
            tarball.add_bytes(name, bytes).map_err(Unwritten::of)?;
        }
        let root = Member::directory(ROOT.as_bytes());
        tarball
            .add(&root, &mut io::empty())
            .map_err(Unwritten::of)?;
        prefix = format!("{ROOT}/").into_bytes();
    }
    tree.write(&mut tarball, &prefix)?;
    tarball.finish().map_err(Unwritten::of)?;
    Ok(())
}
