//! Certificates for one registry: the directories `certs.d` of Docker and Podman.
//!
//! containers-certs.d(5), and Docker's "Verify repository client with certificates": below a directory named like the
//! registry, `*.crt` are authorities, and `NAME.cert` with `NAME.key` is what a client shows.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use ureq::tls::{Certificate, ClientCert, PrivateKey};

use crate::base::env;
use crate::base::fsx;
use crate::base::path::HostPath;
use crate::base::progress::Progress;
use crate::registry::error::RegistryError;
use crate::registry::transport::roots::read_bundle;
use crate::registry::url::Origin;

/// The directories of the system.
const SYSTEM: [&str; 2] = ["/etc/containers/certs.d", "/etc/docker/certs.d"];
/// The largest file of a key or of a client's certificates, in bytes.
const MAX_PEM: u64 = 1 << 20;
/// Files that are looked at in one directory.
const MAX_FILES: usize = 100;

/// What is there for one host.
#[derive(Default)]
pub(super) struct HostCertificates {
    /// Trusted for this host, besides all others.
    pub(super) authorities: Vec<Certificate<'static>>,
    /// Shown to this host where it asks for one.
    pub(super) client: Option<ClientCert>,
}

impl HostCertificates {
    /// Whether there is nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.authorities.is_empty() && self.client.is_none()
    }
}

/// What all directories have for `origin`: authorities from each, the client's certificate from the first with one, the
/// user's own directories first. A file that cannot be used is an error; one of the system's that this user may not
/// read, as those of a daemon that is root often are, is left out with a warning.
pub(super) fn load(
    origin: &Origin,
    provider: &Arc<CryptoProvider>,
    progress: &dyn Progress,
) -> Result<HostCertificates, RegistryError> {
    let mut found = HostCertificates::default();
    for (dir, whose) in directories() {
        for name in names(origin) {
            let dir = dir.join(name);
            match add(&mut found, &dir, provider) {
                Err(RegistryError::File(error)) if whose == Whose::System && error.is_denied() => {
                    progress.warn(&format!("{error}; going on without it"));
                }
                done => done?,
            }
        }
    }
    Ok(found)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    User,
    System,
}

fn directories() -> Vec<(HostPath, Whose)> {
    let home = env::get(env::HOME).map(HostPath::new);
    let named = env::get(env::XDG_CONFIG_HOME).map(HostPath::new);
    let config = named.or_else(|| home.map(|home| home.join(".config")));
    let own = config.into_iter().flat_map(|config| {
        ["containers/certs.d", "docker/certs.d"].map(|name| (config.join(name), Whose::User))
    });
    let system = SYSTEM.map(|dir| (HostPath::new(dir), Whose::System));
    own.chain(system).collect()
}

/// How directories for `origin` are called: with the port where it is not https's own, with or without it otherwise.
/// Docker Hub's is called as people call it.
fn names(origin: &Origin) -> Vec<String> {
    let with_port = format!("{}:{}", origin.host, origin.port);
    let mut names = vec![with_port];
    if origin.authority() == origin.host {
        names.push(origin.host.clone());
        if origin.host == "registry-1.docker.io" {
            names.push("docker.io".to_owned());
        }
    }
    names
}

fn add(
    found: &mut HostCertificates,
    dir: &HostPath,
    provider: &Arc<CryptoProvider>,
) -> Result<(), RegistryError> {
    let Some(entries) = fsx::absent_as_none(fsx::read_dir(dir))? else {
        return Ok(());
    };
    let mut files: Vec<HostPath> = entries
        .into_iter()
        .map(|entry| HostPath::new(entry.path()))
        .collect();
    files.sort();
    for file in files.iter().take(MAX_FILES) {
        let partner = |extension: &str| HostPath::new(file.with_extension(extension));
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("crt") => found.authorities.extend(read_bundle(file)?),
            Some("cert") if !partner("key").exists() => {
                let how = "there is no `.key` of the same name; authorities end in `.crt`";
                return Err(unusable(file, how));
            }
            Some("cert") if found.client.is_none() => {
                found.client = Some(read_client(file, &partner("key"), provider)?);
            }
            Some("key") if !partner("cert").exists() => {
                return Err(unusable(file, "there is no `.cert` of the same name"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A client's certificate with its chain, and the key to it, which must fit: the library below would panic.
fn read_client(
    cert: &HostPath,
    key: &HostPath,
    provider: &Arc<CryptoProvider>,
) -> Result<ClientCert, RegistryError> {
    let chain = read_bundle(cert)?;
    let ders = chain
        .iter()
        .map(|one| CertificateDer::from(one.der().to_vec()));
    let pem = fsx::read(key, MAX_PEM)?;
    let no_key = || unusable(key, "it holds no PEM key without a password");
    let der = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| no_key())?;
    let private = PrivateKey::from_pem(&pem).map_err(|_| no_key())?;
    match CertifiedKey::from_der(ders.collect(), der, provider) {
        Ok(_) => Ok(ClientCert::new_with_certs(&chain, private)),
        Err(rustls::Error::InconsistentKeys(_)) => {
            let how = format!("it is not the key to the certificate in `{cert}`");
            Err(unusable(key, &how))
        }
        Err(error) => Err(unusable(cert, &format!("with its key: {error}"))),
    }
}

fn unusable(path: &Path, how: &str) -> RegistryError {
    RegistryError::Config {
        path: path.display().to_string(),
        how: how.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::url::{Scheme, Url};

    #[test]
    fn directories_are_called_as_the_registry_is() {
        let names = |host: &str| {
            let url = Url::new(Scheme::Https, host, "/");
            names(&url.expect("a literal of this test").origin)
        };
        assert_eq!(names("h.example:5000"), ["h.example:5000"]);
        assert_eq!(names("h.example"), ["h.example:443", "h.example"]);
        let hub = names("registry-1.docker.io");
        assert_eq!(hub.last().map(String::as_str), Some("docker.io"));
    }
}
