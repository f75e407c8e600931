//! Reads the few forms of DER that a public key has, strictly. X.690; RFC 5280, 4.1.2.7.
//!
//! Strict, because a key is known by the digest of its bytes: of one key there must be one encoding.

/// `INTEGER`, `BIT STRING`, `NULL`, `OBJECT IDENTIFIER` and `SEQUENCE`. X.690, 8.
pub(super) const INTEGER: u8 = 0x02;
/// As above.
pub(super) const BIT_STRING: u8 = 0x03;
/// As above.
pub(super) const NULL: u8 = 0x05;
/// As above.
pub(super) const OBJECT_ID: u8 = 0x06;
/// As above.
pub(super) const SEQUENCE: u8 = 0x30;

/// What is left to read.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Begins at the first byte.
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    /// The content of the next element, if its tag is `tag` and its length is written the one way that DER allows.
    pub(super) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (first, rest) = self.0.split_first()?;
        let (len, rest) = length(rest)?;
        if *first != tag || len > rest.len() {
            return None;
        }
        let (content, rest) = rest.split_at(len);
        self.0 = rest;
        Some(content)
    }

    /// A positive integer without its sign byte; X.690, 8.3.2: no needless zeros in front.
    pub(super) fn positive(&mut self) -> Option<&'a [u8]> {
        let bytes = self.take(INTEGER)?;
        match bytes {
            [0, rest @ ..] if rest.first().is_some_and(|byte| *byte >= 0x80) => Some(rest),
            [first, ..] if (1..0x80).contains(first) => Some(bytes),
            _ => None,
        }
    }

    /// A bit string of whole bytes.
    pub(super) fn bits(&mut self) -> Option<&'a [u8]> {
        self.take(BIT_STRING)?.strip_prefix(&[0])
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A length and what follows it. Three bytes of length are more than any key needs.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [short @ 0..=0x7f, rest @ ..] => Some((usize::from(*short), rest)),
        [0x81, long @ 0x80..=0xff, rest @ ..] => Some((usize::from(*long), rest)),
        [0x82, high @ 1..=0xff, low, rest @ ..] => {
            Some((usize::from(*high) << 8 | usize::from(*low), rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_encoding_is_read_and_no_other() {
        let mut reader = Reader::new(&[0x02, 0x02, 0x00, 0x80, 0x03, 0x02, 0x00, 0x07]);
        assert_eq!(reader.positive(), Some(&[0x80][..]));
        assert_eq!(reader.bits(), Some(&[0x07][..]));
        assert!(reader.is_empty());
        for bad in [
            &[0x02, 0x81, 0x01, 0x05][..],
            &[0x02, 0x82, 0x00, 0x01, 0x05],
            &[0x02, 0x80, 0x05],
            &[0x02, 0x02, 0x00, 0x05],
            &[0x02, 0x01, 0x80],
            &[0x02, 0x01, 0x00],
            &[0x02, 0x00],
            &[0x02, 0x05, 0x01],
            &[0x02],
            &[],
        ] {
            assert_eq!(Reader::new(bad).positive(), None, "{bad:02x?}");
        }
    }
}
