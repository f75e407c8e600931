//! The kernel: the only home of `unsafe`, and nothing here knows what a container is.
//!
//! One file per kernel subject. Functions keep the kernel's names and end their
//! documentation with the man page. What `nix` offers safely is called where it
//! is needed, without a wrapper here.
#![allow(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    reason = "base::fsx stands on this row and cannot be used in it"
)]

pub mod attendant;
pub mod flush;
pub mod mount;
pub mod namespace;
pub mod network;
pub mod probe;
pub mod process;
pub mod random;
pub mod seccomp;
pub mod signal;
pub mod xattr;
