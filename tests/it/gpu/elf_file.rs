//! A writer of small ELF files: what the dynamic loader and `ldconfig` read of a library or program, and no code.
//!
//! The files have two loadable segments whose addresses differ from their offsets, an (empty) symbol table and its
//! hash table, so that a real loader of the machine takes them too. elf(5).
#![allow(dead_code, reason = "each test needs some of it")]

use coracle::gpu::vantage::Machine;

/// The alignment of segments: the largest page of any machine here.
const PAGE: usize = 0x10000;

/// For which machine a file is, and in which class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// 64 bit.
    X86_64,
    /// 64 bit.
    Aarch64,
    /// 32 bit.
    I386,
    /// 32 bit.
    Arm,
    /// 64 bit, little-endian.
    Ppc64le,
}

impl From<Machine> for Target {
    fn from(machine: Machine) -> Target {
        match machine {
            Machine::X86_64 => Target::X86_64,
            Machine::Aarch64 => Target::Aarch64,
        }
    }
}

impl Target {
    /// `e_machine`.
    pub(crate) fn number(self) -> u16 {
        match self {
            Target::X86_64 => 62,
            Target::Aarch64 => 183,
            Target::I386 => 3,
            Target::Arm => 40,
            Target::Ppc64le => 21,
        }
    }

    fn is_wide(self) -> bool {
        !matches!(self, Target::I386 | Target::Arm)
    }
}

/// A file to be written.
#[derive(Clone, Debug)]
pub(crate) struct ElfFile {
    target: Target,
    interpreter: Option<String>,
    soname: Option<String>,
    needed: Vec<String>,
    needs: Vec<(String, Vec<(String, u16)>)>,
    defines: Vec<String>,
    note: Option<Note>,
}

#[derive(Clone, Debug)]
struct Note {
    owner: String,
    payload: Vec<u8>,
    /// The section that it stands in; otherwise it stands in a segment.
    section: Option<String>,
}

impl ElfFile {
    /// A shared library without a SONAME.
    pub(crate) fn library(target: impl Into<Target>) -> ElfFile {
        ElfFile {
            target: target.into(),
            interpreter: None,
            soname: None,
            needed: Vec::new(),
            needs: Vec::new(),
            defines: Vec::new(),
            note: None,
        }
    }

    /// A program with PT_INTERP.
    pub(crate) fn program(target: impl Into<Target>, interpreter: &str) -> ElfFile {
        let mut file = ElfFile::library(target);
        file.interpreter = Some(interpreter.to_owned());
        file
    }

    /// DT_SONAME.
    pub(crate) fn soname(mut self, name: &str) -> ElfFile {
        self.soname = Some(name.to_owned());
        self
    }

    /// DT_NEEDED.
    pub(crate) fn needed(mut self, soname: &str) -> ElfFile {
        self.needed.push(soname.to_owned());
        self
    }

    /// DT_NEEDED and, for these versions of it, DT_VERNEED.
    pub(crate) fn needs(self, soname: &str, versions: &[&str]) -> ElfFile {
        self.with_versions(soname, versions, 0)
    }

    /// As [`ElfFile::needs`], with versions that may be absent (VER_FLG_WEAK).
    pub(crate) fn needs_weakly(self, soname: &str, versions: &[&str]) -> ElfFile {
        self.with_versions(soname, versions, 2)
    }

    fn with_versions(mut self, soname: &str, versions: &[&str], flags: u16) -> ElfFile {
        let versions = versions.iter().map(|name| ((*name).to_owned(), flags));
        self.needs.push((soname.to_owned(), versions.collect()));
        self.needed(soname)
    }

    /// DT_VERDEF, behind a base version with the name of the library.
    pub(crate) fn defines(mut self, versions: &[&str]) -> ElfFile {
        self.defines = versions.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// A note in a PT_NOTE segment.
    pub(crate) fn note(mut self, owner: &str, payload: &[u8]) -> ElfFile {
        let (owner, payload) = (owner.to_owned(), payload.to_owned());
        self.note = Some(Note {
            owner,
            payload,
            section: None,
        });
        self
    }

    /// A note that only a section of that name leads to.
    pub(crate) fn note_in_section(self, section: &str, owner: &str, payload: &[u8]) -> ElfFile {
        let mut file = self.note(owner, payload);
        let note = file.note.as_mut().expect("it was put in on the line above");
        note.section = Some(section.to_owned());
        file
    }

    /// The file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let layout = Layout::of(self);
        let mut bytes = self.header(&layout);
        for (segment, kind) in layout.segments() {
            bytes.extend(self.program_header(segment, kind));
        }
        bytes.extend(&layout.body);
        debug_assert_eq!(bytes.len(), layout.dynamic.offset);
        for (tag, value) in &layout.tags {
            self.put_word(&mut bytes, *tag);
            self.put_word(&mut bytes, *value);
        }
        bytes.extend(layout.sections(self));
        bytes
    }

    fn header(&self, layout: &Layout) -> Vec<u8> {
        let wide = self.target.is_wide();
        let mut bytes = vec![0x7f, b'E', b'L', b'F', if wide { 2 } else { 1 }, 1, 1, 0];
        bytes.resize(16, 0);
        bytes.extend(3u16.to_le_bytes()); // ET_DYN
        bytes.extend(self.target.number().to_le_bytes());
        bytes.extend(1u32.to_le_bytes());
        let has_sections = self
            .note
            .as_ref()
            .is_some_and(|note| note.section.is_some());
        let sections_at = if has_sections { layout.end() } else { 0 };
        let header_size = if wide { 64 } else { 52 };
        for word in [0, header_size, sections_at] {
            self.put_word(&mut bytes, word as u64); // entry, program headers, section headers
        }
        bytes.extend(0u32.to_le_bytes());
        let (program, section) = if wide { (56, 64) } else { (32, 40) };
        let n_sections = if has_sections { 3 } else { 0 };
        let names = if has_sections { 2 } else { 0 };
        for half in [
            header_size,
            program,
            layout.segments().len(),
            section,
            n_sections,
            names,
        ] {
            bytes.extend((half as u16).to_le_bytes());
        }
        bytes
    }

    fn program_header(&self, segment: Segment, kind: u32) -> Vec<u8> {
        let mut bytes = kind.to_le_bytes().to_vec();
        let flags = (if segment.address == segment.offset {
            4u32
        } else {
            6
        })
        .to_le_bytes();
        let align = if kind == 1 { PAGE } else { 4 };
        if self.target.is_wide() {
            bytes.extend(flags);
        }
        let size = segment.size;
        for word in [segment.offset, segment.address, segment.address, size, size] {
            self.put_word(&mut bytes, word as u64);
        }
        if !self.target.is_wide() {
            bytes.extend(flags);
        }
        self.put_word(&mut bytes, align as u64);
        bytes
    }

    fn put_word(&self, bytes: &mut Vec<u8>, word: u64) {
        match self.target.is_wide() {
            true => bytes.extend(word.to_le_bytes()),
            false => bytes.extend((word as u32).to_le_bytes()),
        }
    }
}

/// A piece of the file.
#[derive(Clone, Copy, Debug, Default)]
struct Segment {
    offset: usize,
    address: usize,
    size: usize,
}

/// Where everything lies.
struct Layout {
    /// What follows the headers, up to the dynamic section.
    body: Vec<u8>,
    interpreter: Option<Segment>,
    note: Option<Segment>,
    note_is_in_section: bool,
    text: Segment,
    dynamic: Segment,
    tags: Vec<(u64, u64)>,
}

impl Layout {
    fn of(file: &ElfFile) -> Layout {
        let wide = file.target.is_wide();
        let note_is_in_section = file
            .note
            .as_ref()
            .is_some_and(|note| note.section.is_some());
        let n_segments = 3
            + usize::from(file.interpreter.is_some())
            + usize::from(file.note.is_some() && !note_is_in_section);
        let start = if wide {
            64 + 56 * n_segments
        } else {
            52 + 32 * n_segments
        };
        let mut body = Body {
            start,
            bytes: Vec::new(),
        };
        let interpreter = file
            .interpreter
            .as_ref()
            .map(|path| body.put(format!("{path}\0").as_bytes()));
        let note = file.note.as_ref().map(|note| body.put(&note_bytes(note)));

        let tags = tags(file, &mut body);
        body.align();
        let end = start + body.bytes.len();
        let size = tags.len() * if wide { 16 } else { 8 };
        Layout {
            interpreter,
            note,
            note_is_in_section,
            text: Segment {
                offset: 0,
                address: 0,
                size: end,
            },
            dynamic: Segment {
                offset: end,
                address: end + PAGE,
                size,
            },
            tags,
            body: body.bytes,
        }
    }

    fn segments(&self) -> Vec<(Segment, u32)> {
        let mut segments = Vec::new();
        segments.extend(self.interpreter.map(|segment| (segment, 3)));
        segments.extend([(self.text, 1), (self.dynamic, 1), (self.dynamic, 2)]);
        segments.extend(
            self.note
                .filter(|_| !self.note_is_in_section)
                .map(|segment| (segment, 4)),
        );
        segments
    }

    fn end(&self) -> usize {
        self.dynamic.offset + self.dynamic.size
    }

    /// Section headers, where the note needs them, and the names behind them.
    fn sections(&self, file: &ElfFile) -> Vec<u8> {
        let name = file.note.as_ref().and_then(|note| note.section.as_ref());
        let (Some(name), Some(note)) = (name, self.note) else {
            return Vec::new();
        };
        let names = format!("\0{name}\0");
        let size = if file.target.is_wide() { 64 } else { 40 };
        let names_at = self.end() + 3 * size;
        let mut bytes = vec![0; size];
        // SHT_NOTE and SHT_STRTAB.
        let rows = [
            (1u32, 7u32, note.offset, note.size),
            (0, 3, names_at, names.len()),
        ];
        for (name, kind, offset, size) in rows {
            bytes.extend(name.to_le_bytes());
            bytes.extend(kind.to_le_bytes());
            for word in [0, 0, offset, size] {
                file.put_word(&mut bytes, word as u64); // flags, address
            }
            bytes.extend([0; 8]); // link, info
            for word in [4, 0] {
                file.put_word(&mut bytes, word); // alignment, entry size
            }
        }
        bytes.extend(names.as_bytes());
        bytes
    }
}

/// Puts the tables of the dynamic section into `body`; its tags and their values.
fn tags(file: &ElfFile, body: &mut Body) -> Vec<(u64, u64)> {
    let mut strings = Strings(vec![0]);
    let versions = Versions::of(file, &mut strings);
    let wide = file.target.is_wide();
    let mut tags: Vec<(u64, u64)> = Vec::new();
    tags.extend(file.needed.iter().map(|name| (1, strings.put(name))));
    tags.extend(file.soname.iter().map(|name| (14, strings.put(name))));
    // One bucket and one symbol, the undefined one.
    let hash: Vec<u8> = [1u32, 1, 0, 0]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let symbol_size = if wide { 24 } else { 16 };
    tags.push((4, body.put(&hash).address as u64));
    tags.push((6, body.put(&vec![0; symbol_size]).address as u64));
    tags.push((11, symbol_size as u64));
    tags.push((5, body.put(&strings.0).address as u64));
    tags.push((10, strings.0.len() as u64));
    if !versions.needs.is_empty() {
        tags.push((0x6fff_fffe, body.put(&versions.needs).address as u64));
        tags.push((0x6fff_ffff, file.needs.len() as u64));
    }
    if !versions.defines.is_empty() {
        tags.push((0x6fff_fffc, body.put(&versions.defines).address as u64));
        tags.push((0x6fff_fffd, file.defines.len() as u64 + 1));
    }
    tags.push((0x6fff_fff0, body.put(&[0, 0]).address as u64)); // DT_VERSYM of the one symbol
    tags.push((0, 0));
    tags
}

struct Body {
    start: usize,
    bytes: Vec<u8>,
}

impl Body {
    fn put(&mut self, piece: &[u8]) -> Segment {
        self.align();
        let offset = self.start + self.bytes.len();
        self.bytes.extend(piece);
        Segment {
            offset,
            address: offset,
            size: piece.len(),
        }
    }

    fn align(&mut self) {
        let end = (self.start + self.bytes.len()).next_multiple_of(8);
        self.bytes.resize(end - self.start, 0);
    }
}

struct Strings(Vec<u8>);

impl Strings {
    fn put(&mut self, text: &str) -> u64 {
        let at = self.0.len();
        self.0.extend(text.as_bytes());
        self.0.push(0);
        at as u64
    }
}

/// The tables of symbol versions. LSB Core, "Symbol Versioning".
struct Versions {
    needs: Vec<u8>,
    defines: Vec<u8>,
}

impl Versions {
    fn of(file: &ElfFile, strings: &mut Strings) -> Versions {
        let (mut needs, mut index) = (Vec::new(), 2u16);
        for (at, (soname, versions)) in file.needs.iter().enumerate() {
            let size = 16 + 16 * versions.len();
            let next = if at + 1 < file.needs.len() { size } else { 0 };
            needs.extend(halves(&[1, versions.len() as u16]));
            needs.extend(words(&[strings.put(soname) as u32, 16, next as u32]));
            for (at, (name, flags)) in versions.iter().enumerate() {
                let next = if at + 1 < versions.len() { 16 } else { 0 };
                needs.extend(words(&[hash(name)]));
                needs.extend(halves(&[*flags, index]));
                needs.extend(words(&[strings.put(name) as u32, next]));
                index += 1;
            }
        }
        let mut defines = Vec::new();
        let base = file.soname.clone().unwrap_or_else(|| "base".to_owned());
        let all: Vec<&String> = std::iter::once(&base).chain(&file.defines).collect();
        for (at, name) in all.iter().enumerate().filter(|_| !file.defines.is_empty()) {
            let next = if at + 1 < all.len() { 28 } else { 0 };
            let flags = u16::from(at == 0); // VER_FLG_BASE
            defines.extend(halves(&[1, flags, at as u16 + 1, 1]));
            defines.extend(words(&[hash(name), 20, next, strings.put(name) as u32, 0]));
        }
        Versions { needs, defines }
    }
}

fn note_bytes(note: &Note) -> Vec<u8> {
    let sizes = [note.owner.len() as u32 + 1, note.payload.len() as u32, 1];
    let mut bytes = words(&sizes);
    for piece in [format!("{}\0", note.owner).as_bytes(), &note.payload] {
        bytes.extend(piece);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

fn halves(values: &[u16]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

fn words(values: &[u32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// The hash of symbol names. System V ABI, "Hash Table".
fn hash(name: &str) -> u32 {
    name.bytes().fold(0u32, |hash, byte| {
        let hash = (hash << 4).wrapping_add(u32::from(byte));
        let high = hash & 0xf000_0000;
        (hash ^ (high >> 24)) & !high
    })
}
