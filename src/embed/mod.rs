//! The payload: programs and images inside this binary, packed by `build.rs`.
//!
//! ```text
//! <home>/lib/<digest>/proot, loader, …    published whole, then only repaired, never changed
//! <home>/lib/.<digest>.<creator>.<random>/  one process at work; swept when its creator is gone
//! ```
//!
//! A digest is that of the unpacked archive, so versions of coracle lie side by side.

mod error;
mod install;

use std::io::Read;

use liblzma::read::XzDecoder;

pub use error::EmbedError;
pub use install::{State, ensure, purge, replace, state, sweep};

/// One thing that is embedded: some files that belong together.
#[derive(Debug)]
pub struct Payload {
    /// How it is asked for, such as `proot`.
    pub name: &'static str,
    /// For which processor, in the kernel's words.
    pub arch: &'static str,
    /// Upstream's version, and ours after a plus sign where we patch it.
    pub version: &'static str,
    /// Under which terms, parts linked into it included.
    pub licence: &'static str,
    /// Where the source is.
    pub source: &'static str,
    /// SHA-256 of the archive before packing, in hexadecimal digits.
    pub digest: &'static str,
    /// What it unpacks to.
    pub files: &'static [File],
    packed: &'static [u8],
}

/// One file of a payload.
#[derive(Debug)]
pub struct File {
    /// Its name, without directories.
    pub name: &'static str,
    /// Its length in bytes.
    pub size: u64,
    /// SHA-256 of its content, in hexadecimal digits.
    pub sha256: &'static str,
}

/// A file of a payload, unpacked in memory.
#[derive(Debug)]
pub struct Unpacked {
    /// Its name, without directories.
    pub name: String,
    /// Its permission bits.
    pub mode: u32,
    /// Its content.
    pub bytes: Vec<u8>,
}

static PAYLOADS: &[Payload] = include!(concat!(env!("OUT_DIR"), "/payload.rs"));

/// All that is embedded, in the order of `payload/lock.toml`.
///
/// Empty in a build that was made without payload, which is for `cargo check` only.
pub fn payloads() -> &'static [Payload] {
    PAYLOADS
}

/// The payload called `name`.
///
/// # Errors
///
/// [`EmbedError::Missing`] if there is none of that name.
pub fn find(name: &str) -> Result<&'static Payload, EmbedError> {
    PAYLOADS
        .iter()
        .find(|payload| payload.name == name)
        .ok_or_else(|| EmbedError::Missing(name.to_owned()))
}

/// Unpacks `payload` in memory; nothing is written.
///
/// # Errors
///
/// [`EmbedError::Broken`] if the archive is not what was packed: this binary is damaged.
pub fn read(payload: &Payload) -> Result<Vec<Unpacked>, EmbedError> {
    let broken = |source| EmbedError::Broken {
        payload: payload.name,
        source,
    };
    let mut archive = tar::Archive::new(XzDecoder::new(payload.packed));
    let mut files = Vec::new();
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let mode = entry.header().mode().map_err(broken)?;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(broken)?;
        files.push(Unpacked { name, mode, bytes });
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::Digest;

    #[test]
    fn every_payload_unpacks_to_what_the_table_says() {
        for payload in payloads() {
            let files = read(payload).expect("build.rs packed it");
            let found: Vec<_> = files
                .iter()
                .map(|file| {
                    (
                        file.name.as_str(),
                        file.bytes.len() as u64,
                        Digest::of(&file.bytes),
                    )
                })
                .collect();
            let told: Vec<_> = payload
                .files
                .iter()
                .map(|file| (file.name, file.size))
                .collect();
            assert_eq!(
                found
                    .iter()
                    .map(|(name, size, _)| (*name, *size))
                    .collect::<Vec<_>>(),
                told
            );
            for ((_, _, digest), file) in found.iter().zip(payload.files) {
                assert_eq!(digest.hex(), file.sha256, "{}", file.name);
            }
        }
    }

    #[test]
    fn what_is_not_embedded_is_named() {
        let error = find("nothing").expect_err("no payload has this name");
        assert!(error.to_string().contains("`nothing`"));
    }
}
