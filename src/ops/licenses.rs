//! `licenses`: what is inside this binary, under which terms, and where its source is.

use serde::Serialize;

use crate::embed;

/// One thing inside the binary.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// What it is called.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Its terms, as an SPDX expression.
    pub licence: &'static str,
    /// Where its source is.
    pub source: &'static str,
}

/// Coracle itself, then every payload.
pub fn licenses() -> Vec<Part> {
    let own = Part {
        name: "coracle",
        version: env!("CARGO_PKG_VERSION"),
        licence: "Apache-2.0 OR MIT",
        source: "where you got this file; `Cargo.lock` there lists the libraries in it",
    };
    let payloads = embed::payloads().iter().map(|payload| Part {
        name: payload.name,
        version: payload.version,
        licence: payload.licence,
        source: payload.source,
    });
    std::iter::once(own).chain(payloads).collect()
}
