//! What a dynamic loader needs to know of an ELF file, learned with a few short reads.
//!
//! A driver has some forty libraries, up to hundreds of megabytes each and often without section headers. So nothing
//! is mapped or read whole: what counts lies on a handful of pages, found as the loader finds it, through program
//! headers. elf(5), ld.so(8); for versions LSB Core, "Symbol Versioning".
//!
//! Only the header is read of 32-bit and of big-endian files: no driver for them is ever taken.

mod dynamic;
mod note;
mod window;

pub use self::note::notes;
pub use self::window::Source;

use std::io;

use self::dynamic::Dynamic;
use self::window::{Windows, half, long, word};
use crate::gpu::vantage::Machine;

/// Program headers; the kernel takes no more than a page of them. Linux, fs/binfmt_elf.c.
const MAX_SEGMENTS: u16 = 1024;

/// What a file says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elf {
    /// 32 or 64.
    pub bits: u8,
    /// Whether numbers in it have their lowest byte first.
    pub is_little_endian: bool,
    /// `e_machine`.
    pub machine: u16,
    /// DT_SONAME: the name under which others ask for this library.
    pub soname: Option<String>,
    /// PT_INTERP: the dynamic loader of a program.
    pub interpreter: Option<String>,
    /// DT_NEEDED: the libraries that it asks for.
    pub needed: Vec<String>,
    /// DT_VERNEED: libraries, and the versions of them that must be there. Weak ones, which may be absent, are left out.
    pub needs: Vec<(String, String)>,
    /// DT_VERDEF: the versions that it has for others, without the base version, which is the file's own name.
    pub defines: Vec<String>,
}

/// Why a file cannot be read as ELF.
#[derive(Debug, thiserror::Error)]
pub enum ElfError {
    /// It does not begin like one; so do empty files.
    #[error("no ELF file")]
    NotElf,
    /// It contradicts itself or is cut short.
    #[error("damaged ELF file: {0}")]
    Damaged(&'static str),
    /// The file system failed.
    #[error("cannot be read")]
    Read(#[from] io::Error),
}

impl Elf {
    /// The machine, or its number where it is none that drivers are made for.
    pub fn machine(&self) -> Result<Machine, u16> {
        match (self.bits, self.is_little_endian, self.machine) {
            (64, true, libc::EM_X86_64) => Ok(Machine::X86_64),
            (64, true, libc::EM_AARCH64) => Ok(Machine::Aarch64),
            _ => Err(self.machine),
        }
    }
}

/// Reads what a file says of itself.
pub fn read<S: Source + ?Sized>(source: &S) -> Result<Elf, ElfError> {
    let mut windows = Windows::over(&source);
    let header = Header::read(&mut windows)?;
    let mut elf = header.elf();
    if !header.is_readable() {
        return Ok(elf);
    }
    let segments = header.segments(&mut windows)?;
    if let Some(segment) = segments
        .iter()
        .find(|segment| segment.kind == libc::PT_INTERP)
    {
        elf.interpreter = Some(windows.name(segment.offset, segment.size)?);
    }
    let dynamic = segments
        .iter()
        .find(|segment| segment.kind == libc::PT_DYNAMIC);
    // A separate file of debugging information has the header without the bytes.
    if let Some(segment) = dynamic.filter(|segment| segment.size > 0) {
        let dynamic = Dynamic::read(&mut windows, segment)?;
        dynamic.describe(&mut windows, &segments, &mut elf)?;
    }
    Ok(elf)
}

/// What the first bytes of a file say.
struct Header {
    bits: u8,
    is_little_endian: bool,
    machine: u16,
    /// The rest; of files that are readable only.
    bytes: [u8; 64],
}

impl Header {
    fn read(windows: &mut Windows<'_>) -> Result<Header, ElfError> {
        let bytes = windows.up_to(0, 64)?;
        if !bytes.starts_with(b"\x7fELF") {
            return Err(ElfError::NotElf);
        }
        let bits = match bytes.get(4) {
            Some(1) => 32,
            Some(2) => 64,
            _ => return Err(ElfError::Damaged("its class is neither 32 nor 64 bit")),
        };
        let is_little_endian = match bytes.get(5) {
            Some(1) => true,
            Some(2) => false,
            _ => return Err(ElfError::Damaged("its byte order is unknown")),
        };
        let short = ElfError::Damaged("its header is cut short");
        let mut copy = [0; 64];
        let size = if bits == 64 { 64 } else { 52 };
        copy[..size].copy_from_slice(bytes.get(..size).ok_or(short)?);
        let machine = match is_little_endian {
            true => half(&copy, 18),
            false => half(&copy, 18).swap_bytes(),
        };
        Ok(Header {
            bits,
            is_little_endian,
            machine,
            bytes: copy,
        })
    }

    fn elf(&self) -> Elf {
        Elf {
            bits: self.bits,
            is_little_endian: self.is_little_endian,
            machine: self.machine,
            ..Elf::default()
        }
    }

    fn is_readable(&self) -> bool {
        self.bits == 64 && self.is_little_endian
    }

    fn segments(&self, windows: &mut Windows<'_>) -> Result<Vec<Segment>, ElfError> {
        let n_segments = half(&self.bytes, 56);
        if n_segments == 0 {
            return Ok(Vec::new());
        }
        if n_segments > MAX_SEGMENTS || half(&self.bytes, 54) != 56 {
            return Err(ElfError::Damaged(
                "its program headers are too many or of another size",
            ));
        }
        let bytes = windows.exactly(long(&self.bytes, 32), u64::from(n_segments) * 56)?;
        Ok(bytes.chunks_exact(56).map(Segment::of).collect())
    }
}

/// One program header.
struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    size: u64,
}

impl Segment {
    fn of(bytes: &[u8]) -> Segment {
        Segment {
            kind: word(bytes, 0),
            offset: long(bytes, 8),
            address: long(bytes, 16),
            size: long(bytes, 32),
        }
    }
}
