//! Packs the payload into the binary, after checking it against `payload/lock.toml`.
//!
//! `CORACLE_NO_PAYLOAD=1` builds without any, for `cargo check` where nothing was built yet; `ci/build` refuses it.
#![allow(clippy::disallowed_methods, reason = "base::fsx is not built yet")]

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use sha2::{Digest as _, Sha256};

/// One table of `payload/lock.toml`; `files` are names with the sha256 of their content.
#[derive(serde::Deserialize)]
struct Payload {
    name: String,
    arch: String,
    version: String,
    licence: String,
    source: String,
    files: BTreeMap<String, String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    for input in ["build.rs", "payload/lock.toml", "dist/payload"] {
        println!("cargo::rerun-if-changed={input}");
    }
    println!("cargo::rerun-if-env-changed=CORACLE_NO_PAYLOAD");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut rows = String::new();
    if env::var_os("CORACLE_NO_PAYLOAD").is_none() {
        let lock: BTreeMap<String, Vec<Payload>> =
            toml::from_str(&fs::read_to_string("payload/lock.toml")?)?;
        for payload in lock.values().flatten() {
            rows += &embed(payload, &out)?;
        }
    }
    Ok(fs::write(out.join("payload.rs"), format!("&[{rows}]"))?)
}

/// Writes the archive of one payload below `out`, and returns its row of the table in `src/embed`.
fn embed(payload: &Payload, out: &Path) -> Result<String, Box<dyn Error>> {
    #[rustfmt::skip]
    let Payload { name, arch, version, licence, source, files } = payload;
    let mut archive = tar::Builder::new(Vec::new());
    let mut listed = String::new();
    for (file, wanted) in files {
        let path = format!("dist/payload/{name}/{file}");
        let bytes = fs::read(&path).map_err(|error| format!("{path}: {error}: run ci/payload"))?;
        let found = sha256(&bytes);
        if found != *wanted {
            return Err(format!("{path}: not as payload/lock.toml says: run ci/payload").into());
        }
        // Programs and data alike: one mode less that can go wrong.
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o755);
        archive.append_data(&mut header, file, bytes.as_slice())?;
        let size = bytes.len();
        listed += &format!("File {{ name: {file:?}, size: {size}, sha256: {found:?} }},");
    }
    let archive = archive.into_inner()?;
    let packed = out.join(format!("{name}.tar.xz"));
    let mut encoder = liblzma::write::XzEncoder::new(fs::File::create(&packed)?, 9);
    encoder.write_all(&archive)?;
    encoder.finish()?;
    let digest = sha256(&archive);
    Ok(format!(
        "Payload {{ name: {name:?}, arch: {arch:?}, version: {version:?}, licence: {licence:?},
        source: {source:?}, digest: {digest:?}, files: &[{listed}], packed: include_bytes!({packed:?}) }},"
    ))
}

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
