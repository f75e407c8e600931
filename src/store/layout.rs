//! Where everything lies under `$CORACLE_HOME`, and how names become file names.
//!
//! ```text
//! $CORACLE_HOME/                0700; `~/.coracle` by default
//! ├── version                   the format of this tree: `1`
//! ├── shared                    where it is: all but containers and volumes is for everybody to read
//! ├── blobs/sha256/<hex>        manifests, configs, layers as served; 0444, named by content
//! ├── blobs/sha512/<hex>        flat, so that this is the `blobs` of an OCI image layout
//! ├── refs/<host>/<repository>/=<tag>.json      one small file per tag: what it means here
//! ├── refs/<host>/<repository>/@<digest>.json   the same for a pull by digest
//! ├── refs/=<transport>/=<name>.json            the same for `oci:` and its kin
//! ├── refs/…/….protected        an empty file: what the name means is not to be changed
//! ├── trees/<chain id>-<format>/
//! │   ├── tree.json             what was written, and whether it has reached the disk
//! │   ├── sidecar               true owners, modes and attributes of the entries
//! │   └── rootfs/               an image's flattened tree, shared and never written
//! ├── containers/<id>/
//! │   ├── container.json        image, tree, and the options it was created with
//! │   ├── protected             an empty file: the container is not to be removed
//! │   └── …                     the engine's writable view
//! ├── names/<name>              which container has this name
//! ├── volumes/<name>/           a directory with a name, for guests: `volume.json` and `_data`
//! ├── leases/<creator>          what a running pull relies on, one name a line
//! ├── ingest/<what>.<creator>   files and trees in the making
//! ├── tmp/run.<creator>         scratch directories of runs
//! ├── trash/<what>.<creator>    taken out of use by a rename, about to be removed
//! └── lib/                      the unpacked payload, which is not the store's business
//! ```
//!
//! `<creator>` names a host, a process and a random number; see [`crate::base::creator`].
//! Everything outside `leases`, `ingest`, `tmp` and `trash` is complete under its
//! name from the moment that it has one.

use crate::base::digest::{Algorithm, Digest};
use crate::base::path::HostPath;
use crate::oci::source::Source;

/// The format of the whole directory; another one is refused.
pub(super) const FORMAT: &str = "1";

/// How trees are written; part of their name, so that a change extracts them anew.
const TREE_FORMAT: u32 = 1;

/// Bytes of a file name that [`segment`] may fill. 255 is what file systems allow
/// (NAME_MAX); the rest is for `@`, `.json` and the name of a creator.
const SEGMENT_MAX: usize = 150;

/// The names of all files of one store.
#[derive(Clone, Debug)]
pub struct Layout {
    home: HostPath,
}

impl Layout {
    /// Of the store at `home`.
    pub fn new(home: HostPath) -> Layout {
        Layout { home }
    }

    pub(super) fn home(&self) -> &HostPath {
        &self.home
    }

    pub(super) fn version(&self) -> HostPath {
        self.home.join("version")
    }

    /// A mark: everybody is to read what is kept here.
    pub(super) fn shared(&self) -> HostPath {
        self.home.join("shared")
    }

    /// The directories that a store must have before something is written into it.
    pub(super) fn skeleton(&self) -> Vec<HostPath> {
        let mut dirs = vec![self.home.join("blobs")];
        dirs.extend([Algorithm::Sha256, Algorithm::Sha512].map(|it| self.blobs(it)));
        dirs.extend([self.refs(), self.trees(), self.containers(), self.names()]);
        dirs.push(self.volumes());
        dirs.extend(self.private());
        dirs
    }

    /// The directories whose entries all end in the name of their creator.
    pub(super) fn private(&self) -> [HostPath; 4] {
        [self.leases(), self.ingest(), self.tmp(), self.trash()]
    }

    pub(super) fn blobs(&self, algorithm: Algorithm) -> HostPath {
        self.home.join("blobs").join(algorithm.name())
    }

    pub(super) fn blob(&self, digest: &Digest) -> HostPath {
        self.blobs(digest.algorithm()).join(digest.hex())
    }

    pub(super) fn refs(&self) -> HostPath {
        self.home.join("refs")
    }

    /// The file of `source`; in a reference a digest wins over the tag, as for a pull.
    ///
    /// No two sources share a file, and no file is where another needs a directory:
    /// `=` and `@` start neither a host nor a component of a repository.
    pub fn reference(&self, source: &Source) -> HostPath {
        let Source::Registry(reference) = source else {
            let text = source.to_string();
            let (transport, name) = text.split_once(':').unwrap_or((&text, ""));
            let dir = self.refs().join(format!("={transport}"));
            return dir.join(format!("={}.json", segment(name)));
        };
        let mut dir = self.refs().join(segment(reference.registry()));
        for component in reference.repository().split('/') {
            dir = dir.join(segment(component));
        }
        let mark = if reference.digest().is_some() {
            '@'
        } else {
            '='
        };
        dir.join(format!("{mark}{}.json", segment(&reference.selector())))
    }

    pub(super) fn trees(&self) -> HostPath {
        self.home.join("trees")
    }

    pub(super) fn tree(&self, chain: &Digest) -> HostPath {
        self.trees().join(tree_name(chain))
    }

    pub(super) fn containers(&self) -> HostPath {
        self.home.join("containers")
    }

    pub(super) fn container(&self, id: &str) -> HostPath {
        self.containers().join(id)
    }

    pub(super) fn names(&self) -> HostPath {
        self.home.join("names")
    }

    pub(super) fn name(&self, name: &str) -> HostPath {
        self.names().join(segment(name))
    }

    pub(super) fn volumes(&self) -> HostPath {
        self.home.join("volumes")
    }

    pub(super) fn volume(&self, name: &str) -> HostPath {
        self.volumes().join(segment(name))
    }

    pub(super) fn leases(&self) -> HostPath {
        self.home.join("leases")
    }

    pub(super) fn ingest(&self) -> HostPath {
        self.home.join("ingest")
    }

    pub(super) fn tmp(&self) -> HostPath {
        self.home.join("tmp")
    }

    pub(super) fn trash(&self) -> HostPath {
        self.home.join("trash")
    }
}

/// The directory name of the tree with this chain ID.
pub(super) fn tree_name(chain: &Digest) -> String {
    format!("{}-{TREE_FORMAT}", chain.hex())
}

/// A file name for `text`: different texts get different names, also where the file
/// system folds case, and none is special to the system, hidden or too long.
///
/// Lower-case letters, digits, `-`, `_` and inner `.` stand for themselves, every
/// other byte becomes `%` and two digits. What gets too long is cut and made unique
/// by its digest, after `%~`, which no escape looks like.
pub(super) fn segment(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            b'.' if index > 0 => name.push('.'),
            _ => name.push_str(&format!("%{byte:02x}")),
        }
    }
    if name.is_empty() {
        name.push('%');
    }
    if name.len() > SEGMENT_MAX {
        let digest = Digest::of(text.as_bytes());
        name.truncate(SEGMENT_MAX - 2 - digest.hex().len());
        name.push_str("%~");
        name.push_str(digest.hex());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_distinct_short_and_harmless() {
        let long = "X".repeat(128);
        let longer = format!("{long}y");
        let texts = [
            "",
            ".",
            "..",
            ".a",
            "%2e",
            "a",
            "A",
            "a/b",
            "a%2fb",
            "localhost:5000",
            "é",
            &long,
            &longer,
        ];
        let names: std::collections::BTreeSet<_> = texts.iter().map(|it| segment(it)).collect();
        assert_eq!(names.len(), texts.len());
        for name in &names {
            assert!(name.len() <= SEGMENT_MAX && !name.starts_with('.') && !name.contains('/'));
            assert_eq!(*name, name.to_lowercase());
        }
    }
}
