//! `/etc/ld.so.cache`: where the dynamic loader of the GNU C library finds libraries.
//!
//! Read directly, because `ldconfig -p` needs a program that users may lack (and that an image has for its own root
//! only), and written directly, because an image need not have one. The layout is that of glibc's
//! `sysdeps/generic/dl-cache.h`, as of version 2.36; it was last extended in 2.33. A cache is a hint: what it names may
//! be gone, and only libraries that were there when it was written are in it.

mod read;
mod write;

use std::cmp::Ordering;

use crate::gpu::vantage::Machine;

/// The largest file that counts as a cache, in bytes. That of a full desktop has 0.4 MB.
pub const MAX_SIZE: u64 = 64 << 20;

/// What a cache says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cache {
    /// Libraries in the order of the file; that in which loaders search is the falling one of [`order`].
    pub entries: Vec<Entry>,
    /// Which program wrote it, such as `ldconfig (Debian GLIBC 2.36-9) stable release version 2.36`. Since glibc 2.33.
    pub generator: Option<String>,
    /// The names of subdirectories for better processors, such as `x86-64-v3`, that `hwcap` of an entry means.
    pub hwcaps: Vec<Vec<u8>>,
}

/// One library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// For which loaders it is: kind and ABI. Loaders compare the whole number.
    pub flags: i32,
    /// Its SONAME.
    pub name: Vec<u8>,
    /// Its path.
    pub path: Vec<u8>,
    /// The oldest Linux that it runs on, as `major << 16 | minor << 8 | patch`; 0 for any. Unused since glibc 2.36.
    pub osversion: u32,
    /// 0 for any processor; otherwise which one it is for.
    pub hwcap: u64,
}

impl Cache {
    /// Understands the bytes of a cache in any of the formats that `ldconfig -c` knows. `None` for what is none: of
    /// another byte order, damaged or cut short. A loader then goes on without a cache, and so do we.
    pub fn parse(bytes: &[u8]) -> Option<Cache> {
        read::read(bytes)
    }

    /// The bytes of this cache in the format `new`, which every glibc since 2.2 reads. What was parsed from a cache of
    /// glibc 2.33 or later in that format comes out as it was.
    pub fn write(&self) -> Vec<u8> {
        write::write(self)
    }

    /// This cache with `entries` put before those of the same name. The order of the others stays as it is.
    pub fn with_first(mut self, entries: impl IntoIterator<Item = Entry>) -> Cache {
        let mut first: Vec<Entry> = entries.into_iter().collect();
        first.sort_by(|a, b| order(&b.name, &a.name));
        let mut first = first.into_iter().peekable();
        let mut merged = Vec::with_capacity(self.entries.len() + first.len());
        for entry in self.entries {
            let is_due = |ours: &Entry| order(&ours.name, &entry.name) != Ordering::Less;
            while let Some(ours) = first.next_if(is_due) {
                merged.push(ours);
            }
            merged.push(entry);
        }
        merged.extend(first);
        self.entries = merged;
        self
    }

    /// The library that loaders for `machine` find under `name`, whatever the processor.
    pub fn find(&self, machine: Machine, name: &[u8]) -> Option<&Entry> {
        let mut entries = self.entries.iter();
        entries.find(|entry| entry.name == name && entry.is_for(machine))
    }
}

impl Entry {
    /// A library of the GNU C library for `machine`.
    pub fn of(machine: Machine, name: impl Into<Vec<u8>>, path: impl Into<Vec<u8>>) -> Entry {
        Entry {
            flags: flags(machine),
            name: name.into(),
            path: path.into(),
            osversion: 0,
            hwcap: 0,
        }
    }

    /// Whether loaders for `machine` take it, whatever the processor.
    pub fn is_for(&self, machine: Machine) -> bool {
        self.flags == flags(machine) && self.hwcap == 0
    }
}

/// Kind and ABI: FLAG_ELF_LIBC6 (3) with FLAG_X8664_LIB64 (0x300) or FLAG_AARCH64_LIB64 (0xa00). glibc, `ldconfig.h`.
fn flags(machine: Machine) -> i32 {
    match machine {
        Machine::X86_64 => 0x0303,
        Machine::Aarch64 => 0x0a03,
    }
}

/// How loaders compare names: byte by byte, but runs of digits as numbers, which come after everything else. glibc,
/// `_dl_cache_libcmp`.
///
/// Its bytes are C's `char`, so those above 0x7f come first on x86-64, and its numbers are an `int` that wraps around.
/// Here they are compared and not subtracted, which differs for differences above 2^31 and makes it an order.
pub fn order(one: &[u8], other: &[u8]) -> Ordering {
    let (mut one, mut other) = (one, other);
    loop {
        let (token, other_token) = (take(&mut one), take(&mut other));
        if token != other_token || token == Token::Byte(0) {
            return token.cmp(&other_token);
        }
    }
}

/// What is compared at once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Token {
    /// Any byte but a digit; 0 at the end.
    Byte(i8),
    /// A run of digits.
    Number(i32),
}

fn take(text: &mut &[u8]) -> Token {
    let Some((first, rest)) = text.split_first() else {
        return Token::Byte(0);
    };
    if !first.is_ascii_digit() {
        *text = rest;
        return Token::Byte(i8::from_ne_bytes([*first]));
    }
    let n_digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(n_digits);
    *text = rest;
    let value = digits.iter().fold(0i32, |value, digit| {
        value.wrapping_mul(10).wrapping_add(i32::from(digit - b'0'))
    });
    Token::Number(value)
}
