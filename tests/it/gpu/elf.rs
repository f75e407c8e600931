//! What is read of ELF files: whole ones, damaged ones, and real ones of this host.

use std::cell::Cell;
use std::fs::File;
use std::io;

use coracle::gpu::elf::{self, Elf, ElfError, Source};
use coracle::gpu::vantage::Machine;

use super::elf_file::{ElfFile, Target};

const OWNER: &str = "NVIDIA Corporation";
const SECTION: &str = ".note.cuda.fwd_compatibility";

fn read(file: &ElfFile) -> Elf {
    elf::read(file.bytes().as_slice()).unwrap_or_else(|error| panic!("{error}"))
}

/// A library with everything that is read.
fn full() -> ElfFile {
    ElfFile::library(Machine::X86_64)
        .soname("libcuda.so.1")
        .needs("libc.so.6", &["GLIBC_2.2.5", "GLIBC_2.9"])
        .needs_weakly("libm.so.6", &["GLIBC_2.27"])
        .needed("libdl.so.2")
        .defines(&["CUDA_1", "CUDA_2"])
        .note(OWNER, b"{}")
}

/// A source that counts how often it is read.
struct Counted<S> {
    source: S,
    n_reads: Cell<usize>,
}

impl<S: Source> Source for Counted<S> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.n_reads.set(self.n_reads.get() + 1);
        self.source.read_at(buffer, offset)
    }
}

fn counted<S: Source>(source: S) -> Counted<S> {
    Counted {
        source,
        n_reads: Cell::new(0),
    }
}

#[test]
fn a_library_says_its_name_and_what_it_needs_and_has() {
    for machine in [Machine::X86_64, Machine::Aarch64] {
        let file = ElfFile::library(machine)
            .soname("libcuda.so.1")
            .needs("libc.so.6", &["GLIBC_2.2.5", "GLIBC_2.9"])
            .needs_weakly("libm.so.6", &["GLIBC_2.27"])
            .needs("libx.so.6", &["X_1"])
            .needed("libdl.so.2")
            .defines(&["CUDA_1", "CUDA_2"]);
        let elf = read(&file);
        assert_eq!(elf.machine(), Ok(machine));
        assert_eq!((elf.bits, elf.interpreter), (64, None));
        assert_eq!(elf.soname.as_deref(), Some("libcuda.so.1"));
        assert_eq!(
            elf.needed,
            ["libc.so.6", "libm.so.6", "libx.so.6", "libdl.so.2"]
        );
        let needs = [
            ("libc.so.6", "GLIBC_2.2.5"),
            ("libc.so.6", "GLIBC_2.9"),
            ("libx.so.6", "X_1"),
        ];
        assert_eq!(
            elf.needs,
            needs.map(|(library, version)| (library.to_owned(), version.to_owned()))
        );
        assert_eq!(elf.defines, ["CUDA_1", "CUDA_2"]);
    }
}

#[test]
fn a_program_says_its_loader() {
    let elf = read(&ElfFile::program(
        Machine::X86_64,
        "/lib64/ld-linux-x86-64.so.2",
    ));
    assert_eq!(
        elf.interpreter.as_deref(),
        Some("/lib64/ld-linux-x86-64.so.2")
    );
    assert_eq!(
        (elf.soname, elf.needed.len(), elf.defines.len()),
        (None, 0, 0)
    );
}

#[test]
fn of_other_machines_only_the_header_is_read() {
    for (target, bits) in [(Target::I386, 32), (Target::Arm, 32), (Target::Ppc64le, 64)] {
        let elf = read(&ElfFile::library(target).soname("libx.so.1"));
        assert_eq!((elf.bits, elf.machine()), (bits, Err(target.number())));
        assert_eq!(elf.soname.is_some(), bits == 64);
    }
    // S/390: the highest byte first.
    let mut bytes = full().bytes();
    bytes[5] = 2;
    bytes[18..20].copy_from_slice(&[0, 22]);
    let elf = elf::read(bytes.as_slice()).expect("its header is whole");
    assert_eq!(
        (elf.bits, elf.is_little_endian, elf.machine()),
        (64, false, Err(22))
    );
    // Programs of 32 bits for a processor of 64 (x32).
    let mut bytes = ElfFile::library(Target::I386).bytes();
    bytes[18] = 62;
    assert_eq!(
        elf::read(bytes.as_slice()).map(|elf| elf.machine()).ok(),
        Some(Err(62))
    );
}

#[test]
fn what_is_no_elf_file_is_named() {
    for bytes in [&b""[..], b"\x7fEL", b"#!/bin/sh\n", b"/* GNU ld script */"] {
        assert!(matches!(elf::read(bytes), Err(ElfError::NotElf)));
    }
}

#[test]
fn this_program_is_read_as_its_loader_read_it() {
    let file = File::open("/proc/self/exe").expect("a program can read itself");
    let source = counted(&file);
    let elf = elf::read(&source).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(elf.machine(), Ok(Machine::HERE));
    let maps = std::fs::read_to_string("/proc/self/maps").expect("the kernel says what is mapped");
    for library in &elf.needed {
        assert!(maps.contains(library.as_str()), "{library} is not mapped");
    }
    for (library, version) in &elf.needs {
        let line = maps
            .lines()
            .find(|line| line.ends_with(&format!("/{library}")));
        let path = line.and_then(|line| line.split_whitespace().last());
        let file = File::open(path.unwrap_or_else(|| panic!("{library} is not mapped")))
            .expect("it can be read");
        let source = counted(&file);
        let provider = elf::read(&source).unwrap_or_else(|error| panic!("{library}: {error}"));
        assert_eq!(provider.soname.as_ref(), Some(library));
        assert!(
            provider.defines.contains(version),
            "{library} has no {version}"
        );
        assert!(
            source.n_reads.get() <= 12,
            "{library}: {} reads",
            source.n_reads.get()
        );
    }
    assert!(
        elf.needs
            .iter()
            .any(|(_, version)| version.starts_with("GLIBC_2.")),
        "{:?}",
        elf.needs
    );
    assert!(source.n_reads.get() <= 12, "{} reads", source.n_reads.get());
}

#[test]
fn notes_are_found_in_segments_and_in_sections() {
    let find = |file: &ElfFile| {
        elf::notes(file.bytes().as_slice(), OWNER, SECTION)
            .unwrap_or_else(|error| panic!("{error}"))
    };
    let library = || ElfFile::library(Machine::X86_64).soname("libcuda.so.1");
    let payload = br#"{"Driver": [535]}"#;
    assert_eq!(find(&library().note(OWNER, payload)), [payload]);
    assert_eq!(
        find(&library().note_in_section(SECTION, OWNER, payload)),
        [payload]
    );
    assert_eq!(find(&library().note(OWNER, b"{}\0\0\0")), [b"{}"]);
    let none: [&[u8]; 0] = [];
    assert_eq!(find(&library()), none);
    assert_eq!(find(&library().note("GNU", payload)), none);
    assert_eq!(find(&library().note(OWNER, b"")), none);
    assert_eq!(
        find(&library().note_in_section(".note.other", OWNER, payload)),
        none
    );
    assert_eq!(
        find(&ElfFile::library(Target::I386).note(OWNER, payload)),
        none
    );
}

/// Replaces the one place in `bytes` that has `old`.
fn patch(bytes: &mut [u8], old: &[u8], new: &[u8]) {
    let mut places = bytes
        .windows(old.len())
        .enumerate()
        .filter(|(_, window)| *window == old);
    let (at, _) = places.next().expect("the file has it");
    assert!(places.next().is_none(), "{old:?} stands in several places");
    bytes[at..at + new.len()].copy_from_slice(new);
}

#[test]
fn a_note_that_lies_about_its_size_is_cut() {
    let mut bytes = ElfFile::library(Machine::X86_64)
        .note_in_section(SECTION, OWNER, b"{\"a\":1}")
        .bytes();
    // Its section has 12 bytes more than the note.
    patch(
        &mut bytes,
        &[19, 0, 0, 0, 7, 0, 0, 0],
        &[19, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
    );
    let found = elf::notes(bytes.as_slice(), OWNER, SECTION).expect("a note is no reason to fail");
    assert_eq!(found, [b"{\"a\":1}"]);
}

/// What is wrong with `bytes`.
fn complaint(bytes: &[u8]) -> String {
    match elf::read(bytes) {
        Err(error) => error.to_string(),
        Ok(elf) => panic!("nothing: {elf:?}"),
    }
}

/// An entry of the dynamic section.
fn entry(tag: u64, value: u64) -> Vec<u8> {
    [tag.to_le_bytes(), value.to_le_bytes()].concat()
}

#[test]
fn each_lie_is_named() {
    let good = full().bytes();
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        complaint(&bytes)
    };
    let class = with(&|bytes| bytes[4] = 7);
    assert_eq!(
        class,
        "damaged ELF file: its class is neither 32 nor 64 bit"
    );
    assert_eq!(
        with(&|bytes| bytes[5] = 0),
        "damaged ELF file: its byte order is unknown"
    );
    assert_eq!(
        with(&|bytes| bytes.truncate(60)),
        "damaged ELF file: its header is cut short"
    );
    let many = "damaged ELF file: its program headers are too many or of another size";
    assert_eq!(with(&|bytes| bytes[56..58].fill(0xff)), many);
    let outside = "damaged ELF file: it points outside of itself";
    let soname_at = good
        .windows(13)
        .rposition(|window| window == b"libcuda.so.1\0")
        .expect("it has a SONAME");
    let strings_at = good
        .windows(10)
        .position(|window| window == b"libc.so.6\0")
        .expect("it needs one")
        - 1;
    let soname = entry(14, (soname_at - strings_at) as u64);
    assert_eq!(
        with(&|bytes| patch(bytes, &soname, &entry(14, 1 << 40))),
        outside
    );
    let nowhere = "damaged ELF file: an address in it is loaded from nowhere";
    let table = good
        .windows(16)
        .find(|window| window[..8] == 5u64.to_le_bytes() && window[8] != 0);
    let table = table.expect("it has a table of names").to_vec();
    assert_eq!(
        with(&|bytes| patch(bytes, &table, &entry(5, u64::MAX - 1))),
        nowhere
    );
    let endless = with(&|bytes| bytes[strings_at..soname_at + 13].fill(b'x'));
    assert_eq!(endless, "damaged ELF file: a name in it has no end");
    let no_text = with(&|bytes| bytes[soname_at] = 0xff);
    assert_eq!(no_text, "damaged ELF file: a name in it is no text");
}

#[test]
fn chains_end() {
    let mut bytes = ElfFile::library(Machine::X86_64)
        .needs("libc.so.6", &["GLIBC_2.9"])
        .defines(&["A"])
        .bytes();
    // As many records as can be said, each one byte after the last.
    patch(
        &mut bytes,
        &entry(0x6fff_ffff, 1),
        &entry(0x6fff_ffff, u64::MAX),
    );
    patch(
        &mut bytes,
        &entry(0x6fff_fffd, 2),
        &entry(0x6fff_fffd, u64::MAX),
    );
    let records = [16u32.to_le_bytes(), 0u32.to_le_bytes()].concat();
    patch(
        &mut bytes,
        &records,
        &[16u32.to_le_bytes(), 1u32.to_le_bytes()].concat(),
    );
    let source = counted(bytes.as_slice());
    let _either_is_fine = elf::read(&source);
    assert!(source.n_reads.get() <= 8, "{} reads", source.n_reads.get());
}

#[test]
fn no_damage_is_too_much() {
    let files = [
        full(),
        full().note_in_section(SECTION, OWNER, b"{}"),
        ElfFile::program(Machine::X86_64, "/lib/ld.so"),
    ];
    for file in files {
        let bytes = file.bytes();
        let whole = read(&file);
        for end in 0..bytes.len() {
            let _either_is_fine = elf::notes(&bytes[..end], OWNER, SECTION);
            if let Ok(elf) = elf::read(&bytes[..end]) {
                assert_eq!(elf, whole, "cut at {end}");
            }
        }
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            let source = counted(flipped.as_slice());
            let _either_is_fine = (elf::read(&source), elf::notes(&source, OWNER, SECTION));
            assert!(
                source.n_reads.get() <= 64,
                "{} reads with bit {at} flipped",
                source.n_reads.get()
            );
        }
    }
}
