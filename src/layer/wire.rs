//! The byte format of our own small files: a first line that names format and
//! version, numbers and byte strings, and a checksum at the end.
//!
//! Numbers are LEB128, signed ones zigzag; a byte string is its length and its
//! bytes; the checksum is the CRC-32 of everything before it, little-endian. It
//! catches files that were torn by a crash, not malice: whoever can write the store
//! can write the tree beside it.

use crate::layer::error::LayerError;

/// A file in the making.
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// Starts with the line `magic`, which ends with a line feed.
    pub(super) fn new(magic: &[u8]) -> Writer {
        Writer(magic.to_vec())
    }

    pub(super) fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub(super) fn signed(&mut self, value: i64) {
        self.number(((value << 1) ^ (value >> 63)) as u64);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        let sum = checksum(&self.0);
        self.0.extend_from_slice(&sum);
        self.0
    }
}

fn checksum(bytes: &[u8]) -> [u8; 4] {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum().to_le_bytes()
}

/// A file that is being read; every answer stays inside it.
pub(super) struct Reader<'a> {
    what: &'static str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Checks first line and checksum of `file`; `what` names it in errors.
    pub(super) fn new(
        what: &'static str,
        file: &'a [u8],
        magic: &[u8],
    ) -> Result<Reader<'a>, LayerError> {
        let mut reader = Reader { what, rest: file };
        let Some((body, sum)) = file.split_last_chunk::<4>() else {
            return Err(reader.damaged("it is too short"));
        };
        if *sum != checksum(body) {
            return Err(reader.damaged("its checksum is wrong"));
        }
        reader.rest = body
            .strip_prefix(magic)
            .ok_or_else(|| reader.damaged("it has another format or version"))?;
        Ok(reader)
    }

    pub(super) fn damaged(&self, reason: &str) -> LayerError {
        LayerError::Damaged {
            what: self.what,
            reason: reason.into(),
        }
    }

    /// A number of at most `most`.
    pub(super) fn number(&mut self, most: u64) -> Result<u64, LayerError> {
        let mut value: u64 = 0;
        for shift in (0..64).step_by(7) {
            let Some((byte, rest)) = self.rest.split_first() else {
                return Err(self.damaged("it ends inside a number"));
            };
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return match value <= most {
                    true => Ok(value),
                    false => Err(self.damaged("a number is too large")),
                };
            }
        }
        Err(self.damaged("a number has too many digits"))
    }

    /// A number of 32 bits.
    pub(super) fn number32(&mut self) -> Result<u32, LayerError> {
        Ok(self.number(u32::MAX.into())? as u32)
    }

    pub(super) fn signed(&mut self) -> Result<i64, LayerError> {
        let zigzag = self.number(u64::MAX)?;
        Ok((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
    }

    /// A count of things that take at least one byte each.
    pub(super) fn count(&mut self) -> Result<usize, LayerError> {
        Ok(self.number(self.rest.len() as u64)? as usize)
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], LayerError> {
        let length = self.count()?;
        let Some((bytes, rest)) = self.rest.split_at_checked(length) else {
            return Err(self.damaged("it ends inside a text"));
        };
        self.rest = rest;
        Ok(bytes)
    }

    /// Confirms that nothing follows.
    pub(super) fn end(self) -> Result<(), LayerError> {
        match self.rest {
            [] => Ok(()),
            _ => Err(self.damaged("something follows its end")),
        }
    }
}
