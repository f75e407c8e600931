//! Layers: from a compressed tar stream to files on disk, without trusting a byte of it.
//!
//! 1. [`codec`] undoes the compression, [`pipe`] in a thread of its own.
//! 2. An [`Extraction`] reads each layer once, while it streams by: keeps its headers
//!    ([`LayerIndex`]) and writes the content of its files where they are likely to stay.
//! 3. [`merge`] decides in memory, over all layers, what the image's tree is.
//! 4. What was written is brought into line with that.
//!    What the disk cannot say, such as true owners, goes into a [`Sidecar`].
//!
//! This module knows no digests and no store: callers wrap the readers that they
//! hand in, and every stream is read to its end so that a wrapper sees all of it.

pub mod codec;
pub mod pipe;
pub mod reader;

mod allowance;
mod attributes;
mod deposit;
mod directories;
mod disk;
mod entries;
mod entry;
mod error;
mod extraction;
mod header;
mod heavy;
mod index;
mod merge;
mod pax;
mod settle;
mod sidecar;
mod trie;
mod whiteout;
mod wire;
mod writers;

pub use entry::{Entry, EntryKind, MAX_COMPONENT, MAX_PATH, Time, Xattr};
pub use error::{LayerError, Lie};
pub use extraction::{Extracted, Extraction, ReadLayer};
pub use index::{LayerIndex, examine, scan};
pub use merge::{MergedTree, Name, merge};
pub use sidecar::{Sidecar, Truth};
pub use trie::Content;
