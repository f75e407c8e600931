//! Where the parts are that `ci/fixtures` made, and what they are called.

use std::path::{Path, PathBuf};

/// The registry's one user and his password, as in `ci/fixtures`.
pub(crate) const USER: &str = "coracle";
/// See [`USER`].
pub(crate) const PASSWORD: &str = "wicker";

/// A path below the fixtures.
pub(crate) fn path(name: &str) -> PathBuf {
    let root = std::env::var_os("CORACLE_FIXTURES")
        .unwrap_or_else(|| "/var/cache/coracle-fixtures".into());
    Path::new(&root).join(name)
}

/// A reference to an image of the OCI layout, by its tag: `debian`, `debian-zstd`, `platforms`, `guest`, `guest-entry`.
pub(crate) fn image(tag: &str) -> String {
    format!("oci:{}:{tag}", path("oci").display())
}

/// A reference to an image in the manner of a well-known one: `postgres`, `redis`, `nginx`, `python`, `alpine` and others
/// of `ci/fixtures`.
pub(crate) fn service(tag: &str) -> String {
    format!("oci:{}:{tag}", path("services/oci").display())
}

/// Whether everything was made; the error says what to do.
pub(crate) fn ready() -> Result<(), String> {
    for part in [
        "tls", "htpasswd", "debs", "bin", "faults", "gpu", "oci", "services", "registry", "udocker",
    ] {
        has(part)?;
    }
    Ok(())
}

/// Whether one part was made.
pub(crate) fn has(part: &str) -> Result<(), String> {
    if path(&format!("{part}.stamp")).exists() {
        return Ok(());
    }
    let part = path(part);
    Err(format!(
        "{} is missing; run ci/fixtures as root",
        part.display()
    ))
}
