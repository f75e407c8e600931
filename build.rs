//! Packs and embeds the payload; nothing else.
fn main() {}
