//! The records of a PAX extended header, and which of them count.
//!
//! POSIX.1-2017 pax, "pax Extended Header". A key given twice is refused: readers
//! disagree on which one holds.

use std::collections::BTreeSet;

use crate::layer::entry::{Time, XATTR_CHARGE, Xattr};
use crate::layer::error::{Lie, printable};
use crate::layer::header::bounded;

/// Names and values of one entry's extended attributes together, in bytes;
/// the kernel's own limit for one value. xattr(7).
const MAX_XATTRS: usize = 64 << 10;

/// How star, GNU tar, libarchive and Go spell extended attributes.
const XATTR_PREFIX: &[u8] = b"SCHILY.xattr.";

/// What an extended header overrides; `None` leaves the header block's value.
#[derive(Debug, Default)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) mtime: Option<Time>,
    pub(super) xattrs: Vec<Xattr>,
    xattr_names: BTreeSet<Vec<u8>>,
    xattr_bytes: usize,
}

impl Pax {
    /// Reads all records of one extended header.
    pub(super) fn parse(mut block: &[u8]) -> Result<Pax, Lie> {
        let mut pax = Pax::default();
        while !block.is_empty() {
            let (key, value, rest) = record(block)?;
            pax.take(key, value)?;
            block = rest;
        }
        Ok(pax)
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), Lie> {
        if let Some(name) = key.strip_prefix(XATTR_PREFIX) {
            return self.take_xattr(name, value);
        }
        if key.starts_with(b"GNU.sparse.") {
            return Err(Lie::Sparse);
        }
        // "If the <value> field is zero length, it shall delete any header block field".
        // Every reader takes that as: the header block's own value stays.
        if value.is_empty() {
            return Ok(());
        }
        match key {
            b"path" => once("a PAX path", &mut self.path, no_nul("path", value)?),
            b"linkpath" => once("a PAX linkpath", &mut self.link, no_nul("link", value)?),
            b"size" => once(
                "a PAX size",
                &mut self.size,
                decimal("size", value, i64::MAX as u64)?,
            ),
            b"uid" => {
                let uid = decimal("user id", value, u32::MAX.into())?;
                once("a PAX uid", &mut self.uid, uid as u32)
            }
            b"gid" => {
                let gid = decimal("group id", value, u32::MAX.into())?;
                once("a PAX gid", &mut self.gid, gid as u32)
            }
            b"mtime" => once("a PAX mtime", &mut self.mtime, time(value)?),
            _ => Ok(()),
        }
    }

    fn take_xattr(&mut self, name: &[u8], value: &[u8]) -> Result<(), Lie> {
        let name = no_nul("attribute name", name)?;
        if name.is_empty() {
            return Err(Lie::Empty("attribute name"));
        }
        if !self.xattr_names.insert(name.clone()) {
            return Err(Lie::Twice("an extended attribute"));
        }
        let value = value.to_vec();
        self.xattr_bytes += name.len() + value.len() + XATTR_CHARGE;
        if self.xattr_bytes > MAX_XATTRS {
            return Err(Lie::TooLong {
                field: "extended attributes",
                got: self.xattr_bytes as u64,
                most: MAX_XATTRS as u64,
            });
        }
        self.xattrs.push(Xattr { name, value });
        Ok(())
    }
}

/// Fills `place`, which must be empty: of two values readers differ in which one counts.
pub(super) fn once<T>(what: &'static str, place: &mut Option<T>, value: T) -> Result<(), Lie> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Lie::Twice(what)),
    }
}

fn no_nul(field: &'static str, value: &[u8]) -> Result<Vec<u8>, Lie> {
    if value.contains(&0) {
        return Err(Lie::Nul(field));
    }
    Ok(value.to_vec())
}

/// Key, value, and what follows the record.
type Record<'a> = (&'a [u8], &'a [u8], &'a [u8]);

/// Splits `length key=value\n` off; the length counts the whole record.
fn record(block: &[u8]) -> Result<Record<'_>, Lie> {
    let split = || {
        let blank = block.iter().take(20).position(|byte| *byte == b' ')?;
        let length: usize = plain_digits(&block[..blank])?.try_into().ok()?;
        let body = block.get(blank + 1..length)?.strip_suffix(b"\n")?;
        let equals = body.iter().position(|byte| *byte == b'=')?;
        if equals == 0 || body[..equals].contains(&0) {
            return None;
        }
        Some((&body[..equals], &body[equals + 1..], &block[length..]))
    };
    split().ok_or_else(|| Lie::PaxRecord(printable(&block[..block.len().min(40)])))
}

/// A number of digits only; `parse` alone would take a sign.
fn plain_digits(text: &[u8]) -> Option<u64> {
    let all_digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text)
        .ok()
        .filter(|_| all_digits)?
        .parse()
        .ok()
}

fn decimal(field: &'static str, value: &[u8], most: u64) -> Result<u64, Lie> {
    let got = printable(value);
    let number = plain_digits(value).ok_or(Lie::Number { field, got })?;
    bounded(field, number.into(), most)
}

/// Seconds with an optional sign and fraction; digits beyond nanoseconds are cut.
fn time(value: &[u8]) -> Result<Time, Lie> {
    let parse = || {
        let (negative, digits) = match value.strip_prefix(b"-") {
            Some(rest) => (true, rest),
            None => (false, value),
        };
        let point = digits.iter().position(|byte| *byte == b'.');
        let (whole, fraction) = match point {
            Some(at) => (&digits[..at], &digits[at + 1..]),
            None => (digits, &b""[..]),
        };
        if !fraction.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let whole = i64::try_from(plain_digits(whole)?).ok()?;
        let place = |at: usize| u32::from(fraction.get(at).map_or(0, |digit| digit - b'0'));
        let nanoseconds = (0..9).fold(0, |sum, at| sum * 10 + place(at));
        Some(match (negative, nanoseconds) {
            (false, nanoseconds) => Time {
                seconds: whole,
                nanoseconds,
            },
            (true, 0) => Time {
                seconds: -whole,
                nanoseconds: 0,
            },
            // Nanoseconds count upwards from the second before. clock_gettime(2).
            (true, part) => Time {
                seconds: -whole - 1,
                nanoseconds: 1_000_000_000 - part,
            },
        })
    };
    parse().ok_or_else(|| Lie::Number {
        field: "modification time",
        got: printable(value),
    })
}
