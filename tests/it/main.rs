//! The one integration test binary; this list is its table of contents.
//!
//! Everything here runs `coracle` as a plain user would, from outside, against real parts that `ci/fixtures` made.
//! Set `CORACLE_BIN` to test another binary than the one cargo built, and `MUST_WORK=1` to turn skips into failures.
#![allow(
    clippy::disallowed_methods,
    reason = "tests look at the same things by other means than the code they test"
)]

mod support;

mod change_engine;
mod cli;
mod commands;
mod config;
mod differential;
mod embed;
mod engine;
mod exchange;
mod exec;
mod faults;
mod flags_table;
mod gpu;
mod help;
mod hosts;
mod images;
mod install;
mod layer;
mod life;
mod mounts;
mod plain_user;
mod plan;
mod pull;
mod registry;
mod regression;
mod select;
mod store;
mod tidy;
mod trees;
mod trust;
mod udocker;
mod users;
