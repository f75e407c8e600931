//! Verbs without a terminal: one file each, joining registry, layer, store, plan and engine.
//!
//! Each returns data or a fault. Nothing here prints, parses flags or ends the process.

mod beside;
pub mod clone;
pub mod containers;
pub mod cp;
pub mod create;
pub mod diff;
pub mod doctor;
mod engines;
pub mod exec;
pub mod export;
pub mod facts;
mod findings;
mod foreign;
pub mod gc;
pub mod gpu;
pub mod history;
mod ids;
pub mod images;
pub mod import;
pub mod inspect;
pub mod install;
pub mod licenses;
pub mod life;
pub mod load;
pub mod login;
pub mod manifest;
pub mod mkrepo;
pub mod names;
pub mod options;
pub mod protect;
pub mod prune;
pub mod pull;
pub mod reach;
pub mod rmi;
pub mod run;
pub mod save;
pub mod search;
pub mod setup;
mod share;
pub mod tag;
mod tarball;
pub mod top;
pub mod verify;
pub mod volume;
