//! Any bytes as an ELF file: each is read or refused, in few reads.
#![no_main]

use std::cell::Cell;
use std::io;

use coracle::gpu::elf::{self, Source};
use libfuzzer_sys::fuzz_target;

/// Bytes that count how often they are read.
struct Counted<'a> {
    bytes: &'a [u8],
    n_reads: Cell<usize>,
}

impl Source for Counted<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.n_reads.set(self.n_reads.get() + 1);
        self.bytes.read_at(buffer, offset)
    }
}

fuzz_target!(|bytes: &[u8]| {
    let counted = Counted { bytes, n_reads: Cell::new(0) };
    if let Ok(elf) = elf::read(&counted) {
        let _either_is_fine = elf.machine();
        assert!(elf.needs.len() <= 4096 && elf.defines.len() <= 4096 && elf.needed.len() <= 4096);
    }
    let _either_is_fine = elf::notes(&counted, "NVIDIA Corporation", ".note.cuda.fwd_compatibility");
    assert!(counted.n_reads.get() <= 1024, "{} reads", counted.n_reads.get());
});
