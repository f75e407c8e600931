//! Reads a tar archive strictly: what two readers could understand differently is refused.
//!
//! Memory stays bounded whatever the archive says: headers are read one at a
//! time, extension headers up to fixed limits, content never as a whole.

use std::io::{self, BufRead, BufReader, Read};

use crate::layer::entry::{Entry, EntryKind, Extensions, MAX_PATH};
use crate::layer::error::{LayerError, Lie, at_most, printable};
use crate::layer::header::{BLOCK, Header};
use crate::layer::pax::{Pax, once};

/// The largest PAX header, in bytes.
pub const MAX_PAX: u64 = 1 << 20;
/// Extension headers before one entry; real ones have at most a PAX header or a name and a link.
pub const MAX_PENDING: u64 = 4;
/// Entries of one layer, and of one image: more than any image has that somebody could still
/// use. A million files with their directories are about as many inodes as a user may have on many clusters.
pub const MAX_ENTRIES: u64 = 2_000_000;
/// Names, link targets and attributes together, in bytes: those who keep all entries keep these. That much in
/// any case, then [`METADATA_EACH`] for each entry, at most [`MAX_METADATA`].
const MIN_METADATA: u64 = 48 << 20;
/// See [`MIN_METADATA`]; real entries have about a tenth of it.
const METADATA_EACH: u64 = 1 << 10;
/// See [`MIN_METADATA`].
pub const MAX_METADATA: u64 = 512 << 20;

/// Bytes asked of the stream at once.
const BUFFER: usize = 256 << 10;

/// A tar archive that is being read: [`Archive::next_entry`] moves to an entry,
/// and reading the archive itself then gives that entry's content.
#[derive(Debug)]
pub struct Archive<R> {
    input: BufReader<R>,
    /// Bytes taken from `input`.
    position: u64,
    /// Content of the current entry that is still unread.
    content: u64,
    /// Zeros after the content, up to the next block.
    padding: u64,
    entries: u64,
    /// Bytes of names, link targets and attributes so far.
    metadata: u64,
    ended: bool,
}

impl<R: Read> Archive<R> {
    /// Starts at the first byte of an uncompressed archive.
    pub fn new(input: R) -> Archive<R> {
        Archive {
            input: BufReader::with_capacity(BUFFER, input),
            position: 0,
            content: 0,
            padding: 0,
            entries: 0,
            metadata: 0,
            ended: false,
        }
    }

    /// Moves to the next entry, past what is unread of the current one; `None` at the end.
    ///
    /// An archive may end without the two zero blocks, and without the zeros that fill up its
    /// last block: `umoci insert` before 0.5 never finished its layers.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, LayerError> {
        let mut extensions = Extensions::default();
        let mut pending = 0;
        loop {
            self.skip_content()?;
            let start = self.position;
            let Some(block) = self.header_block()? else {
                if pending > 0 {
                    return Err(at(start, Lie::Truncated("extension headers")));
                }
                return Ok(None);
            };
            let header = Header::new(&block).map_err(|lie| at(start, lie))?;
            if !matches!(header.flag(), b'x' | b'g' | b'L' | b'K') {
                return self.entry(&header, extensions, start).map(Some);
            }
            pending += 1;
            let what = "extension headers before one entry";
            at_most(what, pending, MAX_PENDING).map_err(|lie| at(start, lie))?;
            self.extension(&header, &mut extensions, start)?;
        }
    }

    /// The next bytes of the current entry's content, without copying them; none at its end.
    /// [`Archive::pass`] moves on. An early end of the archive is an error.
    pub fn piece(&mut self) -> Result<&[u8], LayerError> {
        if self.content == 0 {
            return Ok(&[]);
        }
        self.fill()?;
        let buffer = self.input.buffer();
        if buffer.is_empty() {
            return Err(at(self.position, Lie::Truncated("an entry's content")));
        }
        let most = usize::try_from(self.content).unwrap_or(usize::MAX);
        Ok(&buffer[..buffer.len().min(most)])
    }

    /// Moves past `count` bytes of what [`Archive::piece`] gave.
    pub fn pass(&mut self, count: usize) {
        self.input.consume(count);
        self.position += count as u64;
        self.content -= count as u64;
    }

    /// Reads on to the end of the stream, which may lie behind the end of the
    /// archive, and returns the number of bytes of it all. A reader below that
    /// hashes or verifies has then seen everything.
    pub fn drain(mut self) -> Result<u64, LayerError> {
        loop {
            let count = self.fill()?;
            if count == 0 {
                return Ok(self.position);
            }
            self.input.consume(count);
            self.position += count as u64;
        }
    }

    fn entry(
        &mut self,
        header: &Header<'_>,
        extensions: Extensions,
        start: u64,
    ) -> Result<Entry, LayerError> {
        self.entries += 1;
        at_most("entries", self.entries, MAX_ENTRIES).map_err(|lie| at(start, lie))?;
        let named = |lie| LayerError::Input {
            place: format!("entry `{}` at byte {start}", printable(&header.name())),
            lie,
        };
        let entry = Entry::assemble(header, extensions, self.position).map_err(named)?;
        if entry.path.is_empty() && entry.kind != EntryKind::Directory {
            return Err(named(Lie::Root(entry.kind.name())));
        }
        self.metadata += entry.metadata_bytes();
        let (what, most) = ("bytes of names and attributes", most_metadata(self.entries));
        at_most(what, self.metadata, most).map_err(|lie| at(start, lie))?;
        self.expect_content(entry.size);
        Ok(entry)
    }

    fn extension(
        &mut self,
        header: &Header<'_>,
        extensions: &mut Extensions,
        start: u64,
    ) -> Result<(), LayerError> {
        let lies = |lie| at(start, lie);
        let size = header.size().map_err(lies)?;
        match header.flag() {
            b'x' => {
                let block = self.metadata("PAX header", size, MAX_PAX)?;
                let pax = Pax::parse(&block).map_err(lies)?;
                once("a PAX header", &mut extensions.pax, pax).map_err(lies)
            }
            b'L' => {
                let name = self.long_text("long name", size)?;
                once("a long name", &mut extensions.long_name, name).map_err(lies)
            }
            b'K' => {
                let link = self.long_text("long link", size)?;
                once("a long link", &mut extensions.long_link, link).map_err(lies)
            }
            // Global headers hold comments, such as git's commit; containerd ignores them too.
            _ => self.metadata("global PAX header", size, MAX_PAX).map(drop),
        }
    }

    /// GNU's long name or link: a text that ends with a NUL. What follows that is a name to some readers.
    fn long_text(&mut self, field: &'static str, size: u64) -> Result<Vec<u8>, LayerError> {
        let mut text = self.metadata(field, size, MAX_PATH as u64)?;
        let end = text.iter().rposition(|byte| *byte != 0);
        text.truncate(end.map_or(0, |last| last + 1));
        match text.contains(&0) {
            false => Ok(text),
            true => Err(at(self.position, Lie::Nul(field))),
        }
    }

    /// The whole content of an extension header, at most `most` bytes.
    fn metadata(
        &mut self,
        field: &'static str,
        got: u64,
        most: u64,
    ) -> Result<Vec<u8>, LayerError> {
        if got > most {
            return Err(at(self.position, Lie::TooLong { field, got, most }));
        }
        self.expect_content(got);
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes).map_err(LayerError::Stream)?;
        Ok(bytes)
    }

    fn expect_content(&mut self, size: u64) {
        self.content = size;
        self.padding = size.wrapping_neg() % BLOCK as u64;
    }

    fn skip_content(&mut self) -> Result<(), LayerError> {
        while self.content > 0 || self.padding > 0 {
            let count = self.fill()?;
            if count == 0 && self.content == 0 {
                self.padding = 0;
                break;
            }
            if count == 0 {
                return Err(at(self.position, Lie::Truncated("an entry's content")));
            }
            let part = if self.content > 0 {
                &mut self.content
            } else {
                &mut self.padding
            };
            let count = (count as u64).min(*part);
            // `count` is at most the buffer's length, which is a usize.
            self.input.consume(count as usize);
            self.position += count;
            *part -= count;
        }
        Ok(())
    }

    /// Waits until bytes are in the buffer, and says how many; none at the end of the stream.
    fn fill(&mut self) -> Result<usize, LayerError> {
        loop {
            match self.input.fill_buf() {
                Ok(buffer) => return Ok(buffer.len()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(LayerError::Stream(error)),
            }
        }
    }

    /// The next header block; `None` once the archive has ended.
    fn header_block(&mut self) -> Result<Option<[u8; BLOCK]>, LayerError> {
        if self.ended {
            return Ok(None);
        }
        let start = self.position;
        let first = self.block()?;
        if first.is_some_and(|block| block != [0; BLOCK]) {
            return Ok(first);
        }
        self.ended = true;
        match first.is_some().then(|| self.block()).transpose()?.flatten() {
            Some(second) if second != [0; BLOCK] => Err(at(start, Lie::LoneZeroBlock)),
            _ => Ok(None),
        }
    }

    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, LayerError> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.input.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(at(self.position, Lie::Truncated("a header"))),
                Ok(count) => {
                    filled += count;
                    self.position += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(LayerError::Stream(error)),
            }
        }
        Ok(Some(block))
    }
}

/// The content of the current entry; an early end of the archive is an error.
impl<R: Read> Read for Archive<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.content)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let count = self.input.read(&mut buffer[..most])?;
        if count == 0 {
            let message = "the archive ended inside an entry's content";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        self.position += count as u64;
        self.content -= count as u64;
        Ok(count)
    }
}

/// The most bytes of names and attributes that so many entries may have.
pub(super) fn most_metadata(entries: u64) -> u64 {
    MAX_METADATA.min(MIN_METADATA + METADATA_EACH.saturating_mul(entries))
}

fn at(position: u64, lie: Lie) -> LayerError {
    let place = format!("byte {position} of the archive");
    LayerError::Input { place, lie }
}
