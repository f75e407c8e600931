//! Writes tar archives that no decent tool would write.

/// An archive being written.
#[derive(Clone, Default)]
pub(crate) struct Craft {
    bytes: Vec<u8>,
    is_open: bool,
}

/// The fields of one header that a test may want otherwise.
pub(crate) struct Fields<'a> {
    pub(crate) flag: u8,
    pub(crate) name: &'a [u8],
    pub(crate) link: &'a [u8],
    pub(crate) mode: u32,
    pub(crate) owner: (u64, u64),
    pub(crate) mtime: u64,
    pub(crate) size: u64,
    pub(crate) device: (u32, u32),
}

impl Default for Fields<'_> {
    fn default() -> Self {
        Fields {
            flag: b'0',
            name: b"",
            link: b"",
            mode: 0o644,
            owner: (0, 0),
            mtime: 1_600_000_000,
            size: 0,
            device: (0, 0),
        }
    }
}

impl Craft {
    pub(crate) fn new() -> Craft {
        Craft::default()
    }

    /// A header block with a right checksum, and nothing after it.
    pub(crate) fn header(self, fields: &Fields<'_>) -> Craft {
        self.header_but(fields, |_| {})
    }

    /// The same with bytes changed as no field can say.
    pub(crate) fn header_but(
        mut self,
        fields: &Fields<'_>,
        change: impl FnOnce(&mut [u8; 512]),
    ) -> Craft {
        let mut header = tar::Header::new_ustar();
        let old = header.as_old_mut();
        old.name[..fields.name.len()].copy_from_slice(fields.name);
        old.linkname[..fields.link.len()].copy_from_slice(fields.link);
        old.linkflag[0] = fields.flag;
        header.set_mode(fields.mode);
        header.set_uid(fields.owner.0);
        header.set_gid(fields.owner.1);
        header.set_mtime(fields.mtime);
        header.set_size(fields.size);
        let device = header.as_ustar_mut().expect("it was made as ustar");
        device.set_device_major(fields.device.0);
        device.set_device_minor(fields.device.1);
        change(header.as_mut_bytes());
        header.set_cksum();
        self.bytes.extend_from_slice(header.as_bytes());
        self
    }

    /// Any bytes, padded to a whole block.
    pub(crate) fn content(mut self, content: &[u8]) -> Craft {
        self.bytes.extend_from_slice(content);
        let padded = self.bytes.len().next_multiple_of(512);
        self.bytes.resize(padded, 0);
        self
    }

    /// Any bytes, with nothing added.
    pub(crate) fn raw(mut self, bytes: &[u8]) -> Craft {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Leaves out the last `count` bytes.
    pub(crate) fn cut(mut self, count: usize) -> Craft {
        self.bytes.truncate(self.bytes.len() - count);
        self
    }

    /// Nothing will end it.
    pub(crate) fn open(mut self) -> Craft {
        self.is_open = true;
        self
    }

    pub(crate) fn entry(self, fields: &Fields<'_>, content: &[u8]) -> Craft {
        let size = content.len() as u64;
        let Fields {
            flag,
            name,
            link,
            mode,
            owner,
            mtime,
            device,
            ..
        } = *fields;
        let fields = Fields {
            flag,
            name,
            link,
            mode,
            owner,
            mtime,
            size,
            device,
        };
        self.header(&fields).content(content)
    }

    pub(crate) fn file(self, name: &str, content: &str) -> Craft {
        self.of(b'0', name, "", 0o644, content.as_bytes())
    }

    pub(crate) fn dir(self, name: &str) -> Craft {
        self.of(b'5', name, "", 0o755, b"")
    }

    pub(crate) fn symlink(self, name: &str, target: &str) -> Craft {
        self.of(b'2', name, target, 0o777, b"")
    }

    pub(crate) fn hardlink(self, name: &str, target: &str) -> Craft {
        self.of(b'1', name, target, 0o644, b"")
    }

    pub(crate) fn mode(self, flag: u8, name: &str, mode: u32) -> Craft {
        self.of(flag, name, "", mode, b"")
    }

    pub(crate) fn of(self, flag: u8, name: &str, link: &str, mode: u32, content: &[u8]) -> Craft {
        let (name, link) = (name.as_bytes(), link.as_bytes());
        let fields = Fields {
            flag,
            name,
            link,
            mode,
            ..Fields::default()
        };
        self.entry(&fields, content)
    }

    /// A PAX header with these records.
    pub(crate) fn pax(self, records: &[(&str, &[u8])]) -> Craft {
        let mut block = Vec::new();
        for (key, value) in records {
            let body = key.len() + value.len() + 3;
            let mut length = body + 1;
            while length != body + length.to_string().len() {
                length += 1;
            }
            block.extend_from_slice(format!("{length} {key}=").as_bytes());
            block.extend_from_slice(value);
            block.push(b'\n');
        }
        self.of(b'x', "PaxHeaders/x", "", 0o644, &block)
    }

    /// GNU's long name (`L`) or long link (`K`).
    pub(crate) fn long(self, flag: u8, text: &str) -> Craft {
        let text = [text.as_bytes(), b"\0"].concat();
        self.of(flag, "././@LongLink", "", 0o644, &text)
    }

    /// The archive without the blocks that end it.
    pub(crate) fn unended(self) -> Vec<u8> {
        self.bytes
    }

    pub(crate) fn build(mut self) -> Vec<u8> {
        if !self.is_open {
            self.bytes.extend_from_slice(&[0; 1024]);
        }
        self.bytes
    }
}
