//! Any bytes as something compressed: bounded, the same in any pieces; and what was compressed comes out as it was.
#![no_main]

use std::io::{self, Cursor, Read, Write};

use coracle::layer::codec::{bounded, decompress, decompress_bounded};
use libfuzzer_sys::fuzz_target;

/// Bytes that are looked at of what a stream inflates to.
const MOST: u64 = 4 << 20;

fuzz_target!(|bytes: &[u8]| {
    let whole = inflate(bytes, usize::MAX);
    if bytes.len() < 1 << 14 {
        let pieces = inflate(bytes, 1 + bytes.len() % 7);
        assert_eq!(whole.as_ref().ok(), pieces.as_ref().ok());
    }
    if let (Ok(whole), Some((&level, plain))) = (whole, bytes.split_first()) {
        assert!(whole.len() as u64 <= MOST);
        // Another reader agrees on what is gzip, as far as it goes.
        if bytes.starts_with(&[0x1f, 0x8b, 8]) && (whole.len() as u64) < MOST {
            let mut other = Vec::new();
            let mut first = flate2::bufread::GzDecoder::new(bytes);
            first
                .read_to_end(&mut other)
                .expect("what we inflate is gzip");
            assert!(whole.starts_with(&other));
        }
        for packed in [gzip(plain, level), zstd(plain, level), xz(plain)] {
            assert_eq!(inflate(&packed, usize::MAX).expect("well-formed"), plain);
        }
    }
});

/// What `bytes` inflate to, at most [`MOST`] bytes of it, where they come in pieces of `piece` bytes.
fn inflate(bytes: &[u8], piece: usize) -> io::Result<Vec<u8>> {
    let input = Pieces(Cursor::new(bytes.to_vec()), piece);
    let inflated = match bytes.len() % 2 {
        0 => decompress(input).map(|inflated| bounded(inflated, bytes.len() as u64)),
        _ => decompress_bounded(input),
    };
    let mut whole = Vec::new();
    let inflated = inflated.map_err(|error| io::Error::other(error.to_string()))?;
    inflated.take(MOST).read_to_end(&mut whole)?;
    Ok(whole)
}

/// Gives so many bytes at once and no more.
struct Pieces(Cursor<Vec<u8>>, usize);

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.1);
        self.0.read(&mut buffer[..most])
    }
}

/// Two members.
fn gzip(plain: &[u8], level: u8) -> Vec<u8> {
    let (one, other) = plain.split_at(plain.len() / 2);
    let member = |plain: &[u8]| {
        let level = flate2::Compression::new((level % 3).into());
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
        encoder
            .write_all(plain)
            .and_then(|()| encoder.finish())
            .expect("memory takes all")
    };
    [member(one), member(other)].concat()
}

/// Two frames.
fn zstd(plain: &[u8], level: u8) -> Vec<u8> {
    let (one, other) = plain.split_at(plain.len() / 2);
    let frame =
        |plain| zstd::encode_all(plain, 1 + i32::from(level % 3)).expect("memory takes all");
    [frame(one), frame(other)].concat()
}

fn xz(plain: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
    encoder
        .write_all(plain)
        .and_then(|()| encoder.finish())
        .expect("memory takes all")
}
