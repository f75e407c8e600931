//! Whom we trust to vouch for a registry: the host's authorities, the user's, ours last.

use rustls::pki_types::CertificateDer;
use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

use crate::base::fsx;
use crate::base::path::HostPath;
use crate::registry::error::RegistryError;

/// The largest file of certificates, in bytes; Debian's whole bundle has 0.2 MiB.
const MAX_BUNDLE: u64 = 16 << 20;

/// The roots of trust: SSL_CERT_FILE and SSL_CERT_DIR, which replace the host's store as
/// they do for OpenSSL, else the host's store; always with those of the file `extra`. None
/// where a host has none at all. A few milliseconds; load it once.
pub(super) fn load(extra: Option<&HostPath>) -> Result<Vec<Certificate<'static>>, RegistryError> {
    // Unreadable files among many are normal in a host's store; what counts is the rest.
    let native = rustls_native_certs::load_native_certs().certs;
    let mut trusted: Vec<Certificate<'static>> = native.iter().map(owned).collect();
    if let Some(path) = extra {
        trusted.extend(read_bundle(path)?);
    }
    Ok(trusted)
}

/// `trusted` as the library below takes it. Only a host without any gets those built in (Mozilla's list).
pub(super) fn of(trusted: impl IntoIterator<Item = Certificate<'static>>) -> RootCerts {
    let trusted: Vec<_> = trusted.into_iter().collect();
    match trusted.is_empty() {
        true => RootCerts::WebPki,
        false => trusted.into(),
    }
}

fn owned(der: &CertificateDer<'static>) -> Certificate<'static> {
    Certificate::from_der(der).to_owned()
}

/// The certificates of a PEM file, at least one.
pub(super) fn read_bundle(path: &HostPath) -> Result<Vec<Certificate<'static>>, RegistryError> {
    let malformed = |how: &str| RegistryError::Config {
        path: path.to_string(),
        how: how.to_owned(),
    };
    let mut found = Vec::new();
    for item in parse_pem(&fsx::read(path, MAX_BUNDLE)?) {
        match item {
            Ok(PemItem::Certificate(certificate)) => found.push(certificate),
            Ok(_) => {}
            Err(_) => return Err(malformed("it is not a PEM file")),
        }
    }
    if found.is_empty() {
        return Err(malformed("it holds no PEM certificate"));
    }
    Ok(found)
}
