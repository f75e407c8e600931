//! Verbs without a terminal: one file each, joining registry, layer, store, plan and engine.

pub mod facts;
pub mod options;
pub mod reach;
