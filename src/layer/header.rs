//! One header block of a tar archive: its fields, numbers and checksum.
//!
//! POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format".
//! Where those leave room we read as Go's archive/tar does, which wrote most layers.

use crate::layer::entry::Time;
use crate::layer::error::{Lie, printable};

/// The unit of a tar archive, in bytes.
pub(super) const BLOCK: usize = 512;

/// A header block whose checksum is right.
pub(super) struct Header<'a>(&'a [u8; BLOCK]);

#[derive(PartialEq)]
enum Flavour {
    V7,
    Ustar,
    /// Schilling's, with a shorter prefix.
    Star,
    Gnu,
}

impl<'a> Header<'a> {
    /// Takes `block` as a header if its checksum fits.
    pub(super) fn new(block: &'a [u8; BLOCK]) -> Result<Header<'a>, Lie> {
        let header = Header(block);
        let got = header.number("checksum", 148, 8)?;
        let unsigned = sum(block, |byte| byte.into());
        // Some early writers added up signed characters.
        if got != unsigned.into() && got != sum(block, |byte| (byte as i8).into()).into() {
            return Err(Lie::Checksum {
                got: u64::try_from(got).unwrap_or(u64::MAX),
                expected: unsigned.unsigned_abs().into(),
            });
        }
        Ok(header)
    }

    /// The letter that says what follows.
    pub(super) fn flag(&self) -> u8 {
        self.0[156]
    }

    /// The name, with the prefix where the format has one.
    pub(super) fn name(&self) -> Vec<u8> {
        let name = self.text(0, 100);
        let prefix = match self.flavour() {
            Flavour::Ustar => self.text(345, 155),
            Flavour::Star => self.text(345, 131),
            Flavour::Gnu if self.has_go_prefix() => self.text(345, 155),
            Flavour::Gnu | Flavour::V7 => b"",
        };
        if prefix.is_empty() {
            return name.to_vec();
        }
        [prefix, b"/", name].concat()
    }

    /// The link target as it stands in this block.
    pub(super) fn link(&self) -> Vec<u8> {
        self.text(157, 100).to_vec()
    }

    /// Bytes that follow, by this block alone.
    pub(super) fn size(&self) -> Result<u64, Lie> {
        bounded("size", self.number("size", 124, 12)?, i64::MAX as u64)
    }

    /// Permission bits; the type bits that some writers add are dropped.
    pub(super) fn mode(&self) -> Result<u32, Lie> {
        Ok((self.number("mode", 100, 8)? & 0o7777) as u32)
    }

    /// The owner's number.
    pub(super) fn uid(&self) -> Result<u32, Lie> {
        let uid = bounded("user id", self.number("user id", 108, 8)?, u32::MAX.into())?;
        Ok(uid as u32)
    }

    /// The group's number.
    pub(super) fn gid(&self) -> Result<u32, Lie> {
        let gid = self.number("group id", 116, 8)?;
        Ok(bounded("group id", gid, u32::MAX.into())? as u32)
    }

    /// The time of the last change of content, in whole seconds; may lie before 1970.
    pub(super) fn mtime(&self) -> Result<Time, Lie> {
        let got = self.number("modification time", 136, 12)?;
        let seconds = i64::try_from(got).map_err(|_| Lie::Range {
            field: "modification time",
            got,
            most: i64::MAX as u64,
        })?;
        let nanoseconds = 0;
        Ok(Time {
            seconds,
            nanoseconds,
        })
    }

    /// Major and minor number of a device.
    pub(super) fn device(&self) -> Result<(u32, u32), Lie> {
        let part = |at| {
            let number = self.number("device number", at, 8)?;
            Ok(bounded("device number", number, u32::MAX.into())? as u32)
        };
        Ok((part(329)?, part(337)?))
    }

    fn flavour(&self) -> Flavour {
        match &self.0[257..265] {
            b"ustar  \0" => Flavour::Gnu,
            [b'u', b's', b't', b'a', b'r', 0, ..] if &self.0[508..] == b"tar\0" => Flavour::Star,
            [b'u', b's', b't', b'a', b'r', 0, ..] => Flavour::Ustar,
            _ => Flavour::V7,
        }
    }

    /// Go before 1.8 wrote a ustar prefix over GNU's access time; images of those
    /// days are still around. A text there cannot be a time.
    fn has_go_prefix(&self) -> bool {
        let is_ascii = self.text(345, 155).iter().all(u8::is_ascii_graphic);
        is_ascii && self.number("access time", 345, 12).is_err()
    }

    /// The bytes of a field up to the first NUL.
    fn text(&self, at: usize, length: usize) -> &'a [u8] {
        let field = &self.0[at..at + length];
        let end = field.iter().position(|byte| *byte == 0);
        &field[..end.unwrap_or(length)]
    }

    /// A number in octal digits, or in GNU's base 256 where the first bit is set.
    /// A field of only blanks and NULs is zero.
    fn number(&self, name: &'static str, at: usize, length: usize) -> Result<i128, Lie> {
        let field = &self.0[at..at + length];
        if field[0] & 0x80 != 0 {
            let negative = field[0] & 0x40 != 0;
            let first = i128::from(field[0] & 0x7f) - if negative { 0x80 } else { 0 };
            // At most twelve bytes, so 95 bits: no overflow.
            let rest = field[1..].iter();
            return Ok(rest.fold(first, |value, byte| (value << 8) | i128::from(*byte)));
        }
        let start = field.iter().position(|byte| !matches!(byte, b' ' | 0));
        let digits = &field[start.unwrap_or(length)..];
        let end = digits.iter().position(|byte| *byte == 0);
        let digits = digits[..end.unwrap_or(digits.len())].trim_ascii_end();
        digits.iter().try_fold(0, |value: i128, byte| match byte {
            b'0'..=b'7' => Ok(value * 8 + i128::from(byte - b'0')),
            _ => Err(Lie::Number {
                field: name,
                got: printable(field),
            }),
        })
    }
}

/// The sum of all bytes, those of the checksum itself taken as blanks.
fn sum(block: &[u8; BLOCK], value: impl Fn(u8) -> i32) -> i32 {
    let (before, rest) = block.split_at(148);
    let rest = &rest[8..];
    let blanks = 8 * i32::from(b' ');
    before
        .iter()
        .chain(rest)
        .fold(blanks, |sum, byte| sum + value(*byte))
}

/// `got` if it lies in 0 to `most`.
pub(super) fn bounded(field: &'static str, got: i128, most: u64) -> Result<u64, Lie> {
    match u64::try_from(got) {
        Ok(value) if value <= most => Ok(value),
        _ => Err(Lie::Range { field, got, most }),
    }
}
