//! The differences that are as they should be, each with its reason. Any other fails, and so does a row without use.

use std::os::unix::fs::MetadataExt;
use std::sync::LazyLock;

use super::compare::{Difference, Field};
use super::view::Thing;
use crate::support::fixture;

/// What our tree is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Other {
    /// The tree as it is meant, with what lies on disk.
    Disk,
    Rootless,
    Umoci,
    Storage,
}

/// A kind of difference that is permitted.
pub(super) struct Row {
    pub(super) with: &'static [Other],
    pub(super) reason: &'static str,
    pub(super) permits: fn(&Difference<'_>) -> bool,
}

/// All of them.
pub(super) const ROWS: &[Row] = &[
    Row {
        with: &[Other::Disk],
        reason: "everything on disk belongs to whoever pulled it; the sidecar has the owners",
        permits: |found| found.field == Field::Owner && both(found, |_, disk| disk.owner.is_none()),
    },
    Row {
        with: &[Other::Disk],
        reason: "directories stay open to their owner, or a plain user could not remove the tree",
        permits: |found| {
            found.field == Field::Mode
                && both(found, |meant, disk| {
                    meant.kind == 'd' && disk.mode == meant.mode | 0o700
                })
        },
    },
    Row {
        with: &[Other::Disk],
        reason: "files stay readable to their owner, or a plain user could not copy them",
        permits: |found| {
            found.field == Field::Mode
                && both(found, |meant, disk| {
                    "-p".contains(meant.kind) && disk.mode == meant.mode | 0o400
                })
        },
    },
    Row {
        with: &[Other::Disk],
        reason: "setuid and setgid would act for whoever pulled the image; the sidecar has them",
        permits: |found| {
            found.field == Field::Mode
                && both(found, |meant, disk| {
                    meant.kind == '-' && disk.mode == (meant.mode & 0o777) | 0o400
                })
        },
    },
    Row {
        with: &[Other::Disk],
        reason: "a plain user can make no device; the sidecar has them",
        permits: |found| {
            let is_device = |thing: &Thing| "cb".contains(thing.kind);
            found.field == Field::Presence && found.ours.is_some_and(is_device)
        },
    },
    Row {
        with: &[Other::Disk],
        reason: "a plain user can set attributes of the user alone, and those of overlays would act on ours",
        permits: |found| {
            let is_set =
                |name: &[u8]| name.starts_with(b"user.") && !name.starts_with(b"user.overlay.");
            attributes_but(found, is_set)
        },
    },
    Row {
        with: &[Other::Rootless],
        reason: "umoci makes an empty file in place of a device",
        permits: |found| {
            found.field == Field::Kind
                && both(found, |ours, theirs| {
                    "cb".contains(ours.kind) && theirs.kind == '-' && theirs.size == 0
                })
        },
    },
    Row {
        with: &[Other::Rootless],
        reason: "umoci notes owners in an attribute, which a symbolic link cannot have",
        permits: |found| {
            found.field == Field::Owner
                && both(found, |ours, theirs| {
                    ours.kind == 'l' && theirs.owner.is_none()
                })
        },
    },
    Row {
        with: &[Other::Rootless],
        reason: "umoci notes no owner on a file that is closed to writing",
        permits: |found| {
            found.field == Field::Owner
                && both(found, |ours, theirs| {
                    ours.kind == '-' && ours.mode & 0o200 == 0 && theirs.owner == Some((0, 0))
                })
        },
    },
    Row {
        with: &[Other::Rootless],
        reason: "umoci leaves out the attributes that only root can set; the sidecar has them",
        permits: |found| {
            attributes_but(found, |name| {
                !name.starts_with(b"security.") && !name.starts_with(b"trusted.")
            })
        },
    },
    Row {
        with: &[Other::Umoci, Other::Storage],
        reason: "the sidecar has no time of a device",
        permits: |found| {
            found.field == Field::Modified && both(found, |ours, _| "cb".contains(ours.kind))
        },
    },
    Row {
        with: &[Other::Rootless, Other::Umoci, Other::Storage],
        reason: "no layer says when this directory was changed: 1970 everywhere, others have the time of extraction",
        permits: |found| {
            is_directory_of_now(found) && both(found, |ours, _| ours.modified == (0, 0))
        },
    },
    Row {
        with: &[Other::Storage],
        reason: "containers/storage does not set a directory's time again when it changed what is in it",
        permits: is_directory_of_now,
    },
    Row {
        with: &[Other::Storage],
        reason: "containers/storage makes a root of its own where no layer has one",
        permits: |found| {
            found.field == Field::Mode
                && found.path.is_empty()
                && both(found, |ours, theirs| {
                    (ours.mode, theirs.mode) == (0o755, 0o555)
                })
        },
    },
    Row {
        with: &[Other::Storage],
        reason: "containers/storage knows no time before 1970",
        permits: |found| {
            found.field == Field::Modified
                && both(found, |ours, theirs| {
                    ours.modified.0 < 0 && theirs.modified == (0, 0)
                })
        },
    },
];

/// Whether a directory differs in its time, and the other's is that of its extraction.
fn is_directory_of_now(found: &Difference<'_>) -> bool {
    /// Everything in the images is older than their list.
    static LISTED: LazyLock<i64> = LazyLock::new(|| {
        let list = fixture::path("corpus/list").metadata();
        list.expect("the fixtures were required").mtime()
    });
    found.field == Field::Modified
        && both(found, |ours, theirs| {
            ours.kind == 'd' && theirs.modified.0 >= *LISTED
        })
}

/// Whether both trees have the name, and `holds` of ours and theirs.
fn both(found: &Difference<'_>, holds: impl Fn(&Thing, &Thing) -> bool) -> bool {
    let things = found.ours.zip(found.theirs);
    things.is_some_and(|(ours, theirs)| holds(ours, theirs))
}

/// Whether their attributes are those of ours whose name passes.
fn attributes_but(found: &Difference<'_>, passes: impl Fn(&[u8]) -> bool) -> bool {
    found.field == Field::Attributes
        && both(found, |ours, theirs| {
            let ours = ours.xattrs.iter().filter(|(name, _)| passes(name));
            ours.eq(theirs.xattrs.iter())
        })
}

/// Images that containers/storage cannot read, and why.
const UNREAD: &[(&str, &str)] = &[
    (
        "docker-types",
        "skopeo takes no manifest of Docker from an OCI layout",
    ),
    ("nested", "it takes no index in an index"),
    (
        "gzip-named-and-padded",
        "it takes no zeros behind the last member",
    ),
    (
        "zstd-skippable",
        "it takes no layer that begins with a skippable frame",
    ),
    ("umoci-repack", REMOVED_BELOW),
    ("skopeo-docker", REMOVED_BELOW),
    ("skopeo-zstd", REMOVED_BELOW),
];
const REMOVED_BELOW: &str =
    "it cannot remove what was in a directory that the same layer makes a file; umoci says both";

/// Why containers/storage cannot be asked about an image.
pub(super) fn unread(image: &str) -> Option<&'static str> {
    let row = UNREAD.iter().find(|(name, _)| *name == image);
    row.map(|(_, reason)| *reason)
}
