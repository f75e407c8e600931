//! The parts of a file that were read so far: each page once, and no others.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::ElfError;

/// What is read at once, a page: most names that a file mentions stand beside each other.
const WINDOW: u64 = 4096;
/// Pages kept without an allocation: a driver has dozens of libraries, most are done with two pages, and musl's
/// allocator maps and unmaps memory for each.
const PAGES: usize = 4;
/// Reads of one file; Debian's libraries take three to nine.
const MAX_WINDOWS: usize = 128;
/// Bytes of one name. PT_INTERP is a path, the others are shorter than a file's name may be.
const MAX_NAME: u64 = 4096;

/// For offsets that cannot be.
pub(super) const OUTSIDE: ElfError = ElfError::Damaged("it points outside of itself");

/// Bytes with positions: a file, or memory.
pub trait Source {
    /// Reads at `offset` and returns how many bytes there were; fewer than asked for only where that is the end or
    /// the file system likes it so. pread(2).
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl<S: Source + ?Sized> Source for &S {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        (**self).read_at(buffer, offset)
    }
}

impl Source for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }
}

impl Source for [u8] {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(self.len());
        let size = buffer.len().min(self.len() - start);
        buffer[..size].copy_from_slice(&self[start..start + size]);
        Ok(size)
    }
}

/// The parts of a file that were read so far.
pub(super) struct Windows<'a> {
    source: &'a dyn Source,
    read: Vec<Window>,
    pages: [[u8; WINDOW as usize]; PAGES],
}

struct Window {
    offset: u64,
    size: usize,
    /// The bytes, where they are not in the page with the window's own position.
    allocated: Option<Vec<u8>>,
    /// Whether the file ends with it.
    is_last: bool,
}

impl<'a> Windows<'a> {
    pub(super) fn over(source: &'a dyn Source) -> Windows<'a> {
        Windows {
            source,
            read: Vec::new(),
            pages: [[0; WINDOW as usize]; PAGES],
        }
    }

    /// `size` bytes from `offset` on.
    pub(super) fn exactly(&mut self, offset: u64, size: u64) -> Result<&[u8], ElfError> {
        let bytes = self.up_to(offset, size)?;
        match bytes.len() as u64 == size {
            true => Ok(bytes),
            false => Err(ElfError::Damaged("it is cut short")),
        }
    }

    /// The `N` bytes at `offset`.
    pub(super) fn record<const N: usize>(&mut self, offset: u64) -> Result<[u8; N], ElfError> {
        let bytes = self.exactly(offset, N as u64)?;
        Ok(bytes.try_into().expect("`exactly` returns that many"))
    }

    /// `size` bytes from `offset` on, or what there is of them. Callers bound `size`.
    pub(super) fn up_to(&mut self, offset: u64, size: u64) -> Result<&[u8], ElfError> {
        let end = offset.checked_add(size).ok_or(OUTSIDE)?;
        let has =
            |window: &Window| window.offset <= offset && (window.is_last || end <= window.end());
        let idx = match self.read.iter().position(has) {
            Some(idx) => idx,
            None => self.load(offset, end)?,
        };
        let window = &self.read[idx];
        let bytes = window.allocated.as_deref();
        let bytes = bytes.unwrap_or_else(|| &self.pages[idx]);
        let start = usize::try_from(offset - window.offset)
            .unwrap_or(usize::MAX)
            .min(window.size);
        let bytes = &bytes[start..window.size];
        let size = usize::try_from(size).unwrap_or(usize::MAX).min(bytes.len());
        Ok(&bytes[..size])
    }

    /// The name that starts at `offset` and ends with a NUL before `size` bytes.
    pub(super) fn name(&mut self, offset: u64, size: u64) -> Result<String, ElfError> {
        let inside = |window: &&Window| window.offset <= offset && offset < window.end();
        let cached = self
            .read
            .iter()
            .find(inside)
            .map(|window| window.end() - offset);
        // What is there already is likely to have the whole name; nothing more is read then.
        for limit in cached.into_iter().chain([MAX_NAME]) {
            let bytes = self.up_to(offset, size.min(limit).min(MAX_NAME))?;
            if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
                let name = std::str::from_utf8(&bytes[..end]);
                return name
                    .map(str::to_owned)
                    .map_err(|_| ElfError::Damaged("a name in it is no text"));
            }
        }
        Err(ElfError::Damaged("a name in it has no end"))
    }

    /// Reads the pages from `offset` to `end`.
    fn load(&mut self, offset: u64, end: u64) -> Result<usize, ElfError> {
        if self.read.len() == MAX_WINDOWS {
            return Err(ElfError::Damaged(
                "what it says of itself is strewn all over it",
            ));
        }
        let start = offset - offset % WINDOW;
        let end = end.checked_next_multiple_of(WINDOW).ok_or(OUTSIDE)?;
        let size = usize::try_from(end - start).map_err(|_| OUTSIDE)?;
        let idx = self.read.len();
        let mut allocated = None;
        let bytes: &mut [u8] = match self.pages.get_mut(idx) {
            Some(page) if size == page.len() => page,
            _ => allocated.insert(vec![0; size]),
        };
        let mut filled = 0;
        while filled < size {
            match self
                .source
                .read_at(&mut bytes[filled..], start + filled as u64)
            {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.read.push(Window {
            offset: start,
            size: filled,
            allocated,
            is_last: filled < size,
        });
        Ok(idx)
    }
}

impl Window {
    fn end(&self) -> u64 {
        self.offset + self.size as u64
    }
}

/// The little-endian number of 16 bits at `at`; callers hold as many bytes.
pub(super) fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// As [`half`], of 32 bits.
pub(super) fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from(half(bytes, at)) | u32::from(half(bytes, at + 2)) << 16
}

/// As [`half`], of 64 bits.
pub(super) fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from(word(bytes, at)) | u64::from(word(bytes, at + 4)) << 32
}
