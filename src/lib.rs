//! Coracle's modules, in the order in which they may import each other.
#![doc = include_str!("ARCHITECTURE.md")]

pub mod sys;

pub mod base;

pub mod oci;

pub mod trust;

pub mod host;

pub mod gpu;

pub mod embed;

pub mod layer;

pub mod store;

pub mod registry;

pub mod plan;

pub mod engine;

pub mod ops;

pub mod cli;
