//! What is read of ELF files: whole ones, damaged ones, and real ones of this host.

use coracle::gpu::elf::{self, Elf, ElfError};
use coracle::gpu::vantage::Machine;

use super::elf_file::{ElfFile, Target};

fn read(file: &ElfFile) -> Elf {
    elf::read(file.bytes().as_slice()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_library_says_its_name_and_what_it_needs_and_has() {
    for machine in [Machine::X86_64, Machine::Aarch64] {
        let file = ElfFile::library(machine)
            .soname("libcuda.so.1")
            .needs("libc.so.6", &["GLIBC_2.2.5", "GLIBC_2.9"])
            .needs_weakly("libm.so.6", &["GLIBC_2.27"])
            .needed("libdl.so.2")
            .defines(&["CUDA_1", "CUDA_2"]);
        let elf = read(&file);
        assert_eq!(elf.machine(), Ok(machine));
        assert_eq!((elf.bits, elf.interpreter), (64, None));
        assert_eq!(elf.soname.as_deref(), Some("libcuda.so.1"));
        assert_eq!(elf.needed, ["libc.so.6", "libm.so.6", "libdl.so.2"]);
        let needs =
            ["GLIBC_2.2.5", "GLIBC_2.9"].map(|name| ("libc.so.6".to_owned(), name.to_owned()));
        assert_eq!(elf.needs, needs);
        assert_eq!(elf.defines, ["CUDA_1", "CUDA_2"]);
    }
}

#[test]
fn of_other_machines_only_the_header_is_read() {
    for (target, bits) in [(Target::I386, 32), (Target::Arm, 32), (Target::Ppc64le, 64)] {
        let elf = read(&ElfFile::library(target).soname("libx.so.1"));
        assert_eq!((elf.bits, elf.machine()), (bits, Err(target.number())));
        assert_eq!(elf.soname.is_some(), bits == 64);
    }
}

#[test]
fn what_is_no_elf_file_is_named() {
    for bytes in [&b""[..], b"\x7fEL", b"#!/bin/sh\n", b"/* GNU ld script */"] {
        assert!(matches!(elf::read(bytes), Err(ElfError::NotElf)));
    }
}
