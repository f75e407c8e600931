//! Images and containers in and out: what one program writes another reads, and what lies is refused whole.

mod commit;
mod containers;
pub(crate) mod craft;
mod find;
mod hostile;
mod images;
mod interop;
mod roots;
mod udocker;
mod vintages;
