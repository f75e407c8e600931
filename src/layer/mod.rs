//! Layers: from a compressed tar stream to files on disk, without trusting a byte of it.
//!
//! 1. [`codec`] undoes the compression, [`pipe`] in a thread of its own.
//! 2. [`scan`] reads the headers while the layer streams by and keeps them ([`LayerIndex`]).
//! 3. [`merge`] decides in memory, over all layers, what the image's tree is.
//! 4. [`unpack`] writes each survivor once; nothing is ever replaced.
//!    What the disk cannot say, such as true owners, goes into a [`Sidecar`].
//!
//! This module knows no digests and no store: callers wrap the readers that they
//! hand in, and every stream is read to its end so that a wrapper sees all of it.

pub mod codec;
pub mod pipe;
pub mod reader;

mod attributes;
mod disk;
mod entry;
mod error;
mod header;
mod index;
mod merge;
mod pax;
mod sidecar;
mod stream;
mod trie;
mod unpack;
mod whiteout;
mod wire;

pub use entry::{Entry, EntryKind, MAX_COMPONENT, MAX_PATH, Time, Xattr};
pub use error::{LayerError, Lie};
pub use index::{LayerIndex, scan};
pub use merge::{MergedTree, merge};
pub use sidecar::{Sidecar, Truth};
pub use unpack::{OpenLayer, Unpacked, unpack};
