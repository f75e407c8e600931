//! Compression and the ends of streams.

use std::io::{self, Cursor, Read, Write};

use coracle::base::digest::{Algorithm, Digest, Hasher};
use coracle::layer::reader::Archive;
use coracle::layer::{LayerError, LayerIndex, codec, pipe, scan};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::craft::Craft;
use super::list::tried;
use super::{Lab, whole_message};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory takes bytes");
    encoder.finish().expect("memory takes bytes")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("memory takes bytes")
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut encoder = liblzma::read::XzEncoder::new(bytes, 1);
    encoder
        .read_to_end(&mut packed)
        .expect("memory takes bytes");
    packed
}

fn unpacked(bytes: &[u8]) -> Result<Vec<u8>, LayerError> {
    let reader = pipe::threaded(codec::decompress(Cursor::new(bytes.to_vec()))?);
    let mut plain = Vec::new();
    let mut reader = reader;
    reader.read_to_end(&mut plain).map_err(LayerError::Stream)?;
    Ok(plain)
}

fn refusal(bytes: &[u8]) -> String {
    match unpacked(bytes) {
        Ok(plain) => panic!("got {} bytes, expected an error", plain.len()),
        Err(error) => whole_message(&error),
    }
}

fn archive() -> Vec<u8> {
    let noise: String = (0u32..20_000)
        .map(|n| format!("{} ", n.wrapping_mul(2_654_435_761)))
        .collect();
    Craft::new().dir("d").file("d/a", &noise).build()
}

/// B08, B09 and their like: all of a stream counts, however it is cut.
#[test]
fn every_part_of_a_stream_is_read() {
    tried("B08 gzip of several members");
    tried("B08 trailing zeros");
    tried("B09 zstd of several frames");
    tried("B09 skippable frames");
    let plain = archive();
    let (one, two) = plain.split_at(plain.len() / 3);
    let skippable = b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc".to_vec();
    let streams = [
        plain.clone(),
        gzip(&plain),
        [gzip(one), gzip(two)].concat(),
        [gzip(one), gzip(b""), gzip(two), vec![0; 100_000]].concat(),
        zstd(&plain),
        [skippable.clone(), zstd(one), skippable, zstd(two)].concat(),
        xz(&plain),
        [xz(one), xz(two)].concat(),
    ];
    for (at, stream) in streams.iter().enumerate() {
        let got =
            unpacked(stream).unwrap_or_else(|error| panic!("{at}: {}", whole_message(&error)));
        assert!(got == plain, "stream {at} came out different");
    }
}

/// B08, B10: what is cut off, damaged or followed by something else is an error.
#[test]
fn damaged_streams_are_refused() {
    tried("B08 trailing garbage");
    tried("B08 wrong CRC in the last member");
    tried("B10 truncated gzip");
    tried("B10 truncated zstd");
    tried("B10 truncated xz");
    let plain = archive();
    let mut wrong_sum = [gzip(&plain), gzip(&plain)].concat();
    let at = wrong_sum.len() - 6;
    wrong_sum[at] ^= 1;
    refusal(&wrong_sum);
    let tail = [gzip(&plain), b"tail".to_vec()].concat();
    assert!(refusal(&tail).contains("neither gzip nor zero"));
    let late_tail = [gzip(&plain), vec![0; 300_000], gzip(&plain)].concat();
    assert!(refusal(&late_tail).contains("neither gzip nor zero"));
    refusal(&[zstd(&plain), b"tail".to_vec()].concat());
    refusal(&[xz(&plain), b"tail tail tail".to_vec()].concat());
    for whole in [gzip(&plain), zstd(&plain), xz(&plain)] {
        for cut in [11, whole.len() / 2, whole.len() - 1] {
            refusal(&whole[..cut]);
        }
    }
    assert!(refusal(b"BZh91AY&SY....").contains("bzip2"));
}

/// B10: an archive that lacks any of its content is an error; zeros after the last content may be missing.
#[test]
fn truncated_archives_are_refused() {
    tried("B10 truncated tar");
    let whole = Craft::new().file("a", &"x".repeat(700)).unended();
    for cut in [1, 511, 512, 513, 1211] {
        let error = scan(&whole[..cut]).expect_err("it is cut");
        let message = whole_message(&error);
        assert!(
            message.contains("the end of the archive inside"),
            "{cut}: {message}"
        );
    }
    for cut in [1212, 1535, whole.len()] {
        let index = scan(&whole[..cut]).expect("its content is whole");
        assert_eq!(index.entries.len(), 1, "{cut}");
    }
}

#[test]
fn a_bomb_is_stopped_at_the_limit() {
    const LIMIT: u64 = 1 << 30;
    let zeros = |count| codec::bounded(Box::new(io::repeat(0).take(count)), 1000);
    let passed = io::copy(&mut zeros(LIMIT), &mut io::sink());
    assert_eq!(passed.expect("at the limit"), LIMIT);
    let error = io::copy(&mut zeros(LIMIT + 1), &mut io::sink()).expect_err("above the limit");
    assert_eq!(
        error.to_string(),
        "1000 bytes inflate to more than 1073741824, the limit (1 GiB, or 1000 times as many)"
    );
}

/// The same bytes again and again.
struct Repeated(Cursor<Vec<u8>>);

impl Read for Repeated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => {
                self.0.set_position(0);
                self.0.read(buffer)
            }
            count => Ok(count),
        }
    }
}

#[test]
fn names_and_attributes_of_a_layer_are_bounded() {
    let value = vec![b'x'; 65_000];
    let entry = Craft::new().pax(&[("SCHILY.xattr.user.a", &value)]);
    let endless = Repeated(Cursor::new(entry.file("a", "").unended()));
    let mut archive = Archive::new(endless);
    let error = loop {
        match archive.next_entry() {
            Ok(entry) => assert!(entry.is_some(), "the archive has no end"),
            Err(error) => break error,
        }
    };
    let message = whole_message(&error);
    assert!(
        message.contains("bytes of names and attributes"),
        "{message}"
    );
}

/// B11, B12: what follows the archive belongs to the stream, and nothing is an archive too.
#[test]
fn a_scan_reads_to_the_end_of_the_stream() {
    tried("B11 bytes after the end of the archive");
    tried("B12 empty layer");
    tried("B12 1024 zeros");
    tried("B12 blob of no bytes");
    struct Hashing<R>(R, Hasher);
    impl<R: Read> Read for Hashing<R> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = self.0.read(buffer)?;
            self.1.update(&buffer[..count]);
            Ok(count)
        }
    }
    for tail in [&b""[..], &[0; 9216], b"anything", &[7; 1_000_000]] {
        let stream = [&Craft::new().file("a", "x").build(), tail].concat();
        let mut reader = Hashing(&stream[..], Hasher::new(Algorithm::Sha256));
        let index = scan(&mut reader).expect("it is an archive");
        assert_eq!((index.entries.len(), index.size), (1, stream.len() as u64));
        assert_eq!(reader.1.finish(), Digest::of(&stream));
    }
    for nothing in [&b""[..], &[0; 512], &[0; 1024], &[0; 10240]] {
        assert_eq!(scan(nothing).expect("it is an empty archive").entries, []);
    }
    Lab::new().extract_well(&[Vec::new(), Craft::new().build()]);
}

/// An index survives being kept, and a damaged one is noticed wherever the damage is.
#[test]
fn an_index_survives_being_kept() {
    let layer = Craft::new()
        .dir("d")
        .pax(&[("mtime", b"-1.5"), ("SCHILY.xattr.user.x", b"\0=\n")])
        .file("d/f", "content")
        .symlink("d/l", "../anywhere")
        .hardlink("d/h", "d/f")
        .build();
    let index = scan(&layer[..]).expect("it is an archive");
    let file = index.encode();
    assert_eq!(LayerIndex::decode(&file).expect("it is whole"), index);
    for at in 0..file.len() {
        let mut damaged = file.clone();
        damaged[at] ^= 0x10;
        LayerIndex::decode(&damaged).expect_err("a bit was flipped");
        LayerIndex::decode(&file[..at]).expect_err("it was cut");
    }
}
