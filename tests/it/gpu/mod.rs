//! Graphics processors: formats, hosts and guests that are made from small files.

mod cdi;
mod choice;
mod drm;
mod elf;
pub(crate) mod elf_file;
mod exposure;
mod guest;
mod layouts;
mod ldcache;
mod list;
mod loader;
mod preflight;
mod terminal;
