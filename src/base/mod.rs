//! The vocabulary of every other module: digests, paths, faults, progress. No policy.

pub mod creator;
pub mod crew;
mod deep;
pub mod digest;
pub mod durable;
pub mod env;
pub mod fault;
pub mod fsx;
pub mod inquiry;
pub mod living;
pub mod merged;
pub mod near;
pub mod path;
pub mod progress;
pub mod rooted;
pub mod signals;
pub mod stack;
pub mod subids;
