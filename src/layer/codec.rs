//! Undoes a layer's compression, whatever its media type claims.
//!
//! The first bytes decide, as in every other reader: media types lie, and the
//! digest has already said which bytes these are. A decoder here takes its input
//! to the very end, so that a verifying reader below it can have its say.

use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::GzDecoder;
use liblzma::stream::{CONCATENATED, Stream};

use crate::layer::error::LayerError;
use crate::layer::heavy::Heavy;

/// The largest zstd window, as a power of two: 128 MiB, zstd's own default limit.
const ZSTD_WINDOW_LOG: u32 = 27;
/// The largest that several decoders may have at once: 8 MiB, all that is used up to `zstd -19`. Whoever
/// begins with a larger one waits for his turn.
const ZSTD_LIGHT_LOG: u32 = 23;
/// The most memory xz may take, in bytes; `xz -9` needs 65 MiB.
const XZ_MEMORY: u64 = 128 << 20;
/// Bytes of compressed input asked for at once.
const BUFFER: usize = 128 << 10;
/// The longest signature that is looked at.
const MAGIC: usize = 10;

/// Bytes that anything may inflate to, however small it is.
pub(super) const MAX_PLAIN: u64 = 1 << 30;
/// How many times as large anything may get beyond that. Deflate reaches 1032 on zeros
/// alone, zstd and xz far more; the densest layers of real images stay below 100.
pub(super) const MAX_RATIO: u64 = 1000;

/// A layer's uncompressed bytes.
pub type Bytes = Box<dyn Read + Send>;

type Input<R> = BufReader<io::Chain<Cursor<Vec<u8>>, R>>;

/// The uncompressed bytes of `reader`: gzip of any number of members, zstd of any
/// number of frames, xz, or as they are.
pub fn decompress<R: Read + Send + 'static>(mut reader: R) -> Result<Bytes, LayerError> {
    let mut magic = Vec::with_capacity(MAGIC);
    (&mut reader)
        .take(MAGIC as u64)
        .read_to_end(&mut magic)
        .map_err(LayerError::Stream)?;
    let format = Format::of(&magic);
    let is_light = has_light_window(&magic);
    let input = BufReader::with_capacity(BUFFER, Cursor::new(magic).chain(reader));
    decoder(format, is_light, input).map_err(LayerError::Stream)
}

/// Stops `inflated`, which was made of `compressed` bytes, with an error where it gets
/// larger than any honest content: a few kilobytes can fill a disk.
pub fn bounded(inflated: Bytes, compressed: u64) -> Bytes {
    Box::new(Bounded {
        inflated,
        compressed: Arc::new(AtomicU64::new(compressed)),
        seen: 0,
    })
}

/// As [`decompress`], and bounded as by [`bounded`] with what was read so far: for a stream whose length nobody knows.
/// Plain bytes are as many as they are.
pub fn decompress_bounded<R: Read + Send + 'static>(reader: R) -> Result<Bytes, LayerError> {
    let compressed = Arc::new(AtomicU64::new(0));
    let inflated = decompress(Counted {
        reader,
        seen: compressed.clone(),
    })?;
    Ok(Box::new(Bounded {
        inflated,
        compressed,
        seen: 0,
    }))
}

/// Counts what is read.
struct Counted<R> {
    reader: R,
    seen: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.seen.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

struct Bounded {
    inflated: Bytes,
    compressed: Arc<AtomicU64>,
    seen: u64,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inflated.read(buffer)?;
        self.seen += count as u64;
        let compressed = self.compressed.load(Ordering::Relaxed);
        let limit = compressed.saturating_mul(MAX_RATIO).max(MAX_PLAIN);
        if self.seen <= limit {
            return Ok(count);
        }
        let message = format!(
            "{compressed} bytes inflate to more than {limit}, the limit (1 GiB, or {MAX_RATIO} times as many)"
        );
        Err(io::Error::new(io::ErrorKind::InvalidData, message))
    }
}

#[derive(Clone, Copy)]
enum Format {
    Plain,
    Gzip,
    Zstd,
    Xz,
    Bzip2,
}

impl Format {
    fn of(magic: &[u8]) -> Format {
        match magic {
            // RFC 1952: deflate is the only method there is.
            [0x1f, 0x8b, 8, ..] => Format::Gzip,
            // RFC 8878: a frame, or a skippable frame.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Format::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Format::Xz,
            // The six bytes after the level are pi; a file may well be named `BZh9`.
            [b'B', b'Z', b'h', _, 0x31, 0x41, 0x59, 0x26, 0x53, 0x59] => Format::Bzip2,
            _ => Format::Plain,
        }
    }
}

/// Whether a zstd stream begins with a frame that needs a small window.
/// RFC 8878, "Frame_Header_Descriptor" and "Window_Descriptor".
fn has_light_window(magic: &[u8]) -> bool {
    let [0x28, 0xb5, 0x2f, 0xfd, descriptor, window, rest @ ..] = magic else {
        return false;
    };
    // With this bit there is no window but the content itself, whose size has one, two, four or eight bytes. No dictionary
    // stands before it.
    let (is_single, dictionary, length) = (descriptor & 0x20 != 0, descriptor & 3, descriptor >> 6);
    let size = match (is_single, length, rest) {
        (true, 0 | 1, _) => 0,
        (true, 2, [second, third, fourth, ..]) => {
            u64::from(u32::from_le_bytes([*window, *second, *third, *fourth]))
        }
        (true, ..) => u64::MAX,
        (false, ..) => (8 + u64::from(window & 7)) << (7 + (window >> 3)),
    };
    dictionary == 0 && size <= 1 << ZSTD_LIGHT_LOG
}

/// A decoder that needs much memory, and the leave to use it.
struct Patient<R>(R, Heavy);

impl<R: Read> Read for Patient<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

fn decoder<R: Read + Send + 'static>(
    format: Format,
    is_light: bool,
    input: Input<R>,
) -> io::Result<Bytes> {
    Ok(match format {
        Format::Plain => Box::new(input),
        Format::Gzip => Box::new(Gzip(Some(GzDecoder::new(input)))),
        Format::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
            if is_light {
                decoder.window_log_max(ZSTD_LIGHT_LOG)?;
                return Ok(Box::new(decoder));
            }
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Box::new(Patient(decoder, Heavy::take()))
        }
        Format::Xz => {
            let stream = Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED)?;
            let decoder = liblzma::bufread::XzDecoder::new_stream(input, stream);
            Box::new(Patient(decoder, Heavy::take()))
        }
        Format::Bzip2 => {
            let message = "the layer is compressed with bzip2, expected gzip, zstd, xz or none";
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
    })
}

/// Gzip members one after another, as pigz, bgzip and eStargz write them.
///
/// flate2's own reader of many members stops with an error at the zeros that some
/// writers pad with; here they are passed over, and anything else is refused.
struct Gzip<R: BufRead>(Option<GzDecoder<R>>);

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.0 {
            let count = member.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let Some(member) = self.0.take() else { break };
            self.0 = next_member(member.into_inner())?;
        }
        Ok(0)
    }
}

fn next_member<R: BufRead>(mut input: R) -> io::Result<Option<GzDecoder<R>>> {
    let mut padded = false;
    loop {
        let rest = input.fill_buf()?;
        let Some(first) = rest.first() else {
            return Ok(None);
        };
        let zeros = rest.iter().take_while(|byte| **byte == 0).count();
        match (zeros, *first) {
            (0, 0x1f) if !padded => return Ok(Some(GzDecoder::new(input))),
            (0, _) => {
                let message = "the gzip data is followed by bytes that are neither gzip nor zero";
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            _ => padded = true,
        }
        input.consume(zeros);
    }
}
