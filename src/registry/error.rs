//! What can go wrong in a conversation with a registry, and the way out of each.

use std::error::Error;
use std::io;
use std::time::Duration;

use rustls::CertificateError;

use crate::base::digest::{Digest, Mismatch};
use crate::base::fault::{Fault, Kind};
use crate::base::fsx::PathError;
use crate::oci::DocumentError;
use crate::registry::retry;

/// Why a registry did not give us what we asked for.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// No connection, or it broke before the answer.
    #[error("cannot reach `{host}`")]
    Unreachable {
        /// Host and port.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// The host's certificate is not one that we trust, or TLS failed otherwise.
    #[error("cannot speak TLS with `{host}`")]
    Tls {
        /// Host and port.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// The connection broke while a blob was being read, once too often.
    #[error("{object}: got {got} of {expected} bytes, then the connection closed")]
    Broken {
        /// Which blob.
        object: String,
        /// Bytes that arrived.
        got: u64,
        /// Bytes promised.
        expected: u64,
        /// The last reason.
        source: io::Error,
    },
    /// The registry wants credentials, or other ones.
    #[error("`{host}` denies access to {what}{}", Said(message))]
    Denied {
        /// The host that said so.
        host: String,
        /// What was asked for.
        what: String,
        /// Its own words.
        message: Option<String>,
        /// Whether we showed credentials.
        had_credentials: bool,
    },
    /// Whoever the registry sends to for it denies access; none of our credentials are shown there.
    #[error(
        "`{host}`, where `{from}` sends for {what}, denies access{}",
        Said(message)
    )]
    DeniedElsewhere {
        /// The host that said so.
        host: String,
        /// The registry.
        from: String,
        /// What was asked for.
        what: String,
        /// Its own words.
        message: Option<String>,
    },
    /// The registry has no such thing.
    #[error("`{host}` has no {what}{}", Said(message))]
    NotFound {
        /// The host that said so.
        host: String,
        /// What was asked for.
        what: String,
        /// Its own words.
        message: Option<String>,
    },
    /// The registry has no layer that its maker hands out himself, and the user did not ask us to go there.
    #[error("`{host}` has no layer {digest}, which its manifest says is at {}", places.join(", "))]
    Foreign {
        /// The host that has it not.
        host: String,
        /// Which layer.
        digest: Digest,
        /// The hosts that are said to have it.
        places: Vec<String>,
    },
    /// We asked too often.
    #[error(
        "`{host}` limits how often one may ask{}{}",
        Facts(limit),
        Said(message)
    )]
    TooMany {
        /// The host that said so.
        host: String,
        /// `ratelimit-*` headers, as `name: value`.
        limit: Vec<String>,
        /// When to come back.
        wait: Option<Duration>,
        /// Its own words.
        message: Option<String>,
    },
    /// Any other answer that is no success.
    #[error("got status {status} from `{host}` for {what}{}", Said(message))]
    Status {
        /// The host that said so.
        host: String,
        /// What was asked for.
        what: String,
        /// The HTTP status.
        status: u16,
        /// Its own words.
        message: Option<String>,
    },
    /// An answer that no honest registry gives.
    #[error("`{host}` does not follow the protocol: {how}")]
    Protocol {
        /// The host.
        host: String,
        /// What is wrong.
        how: String,
    },
    /// Where plain http would have been spoken without the user's leave.
    #[error("`{host}` would be spoken to without encryption ({why})")]
    Insecure {
        /// The host.
        host: String,
        /// How we got there.
        why: String,
    },
    /// Other bytes than promised.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// A manifest that cannot be used.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A program that keeps credentials did not do what was asked.
    #[error("`{program}` did not {doing} the credentials for `{registry}`: {how}")]
    Helper {
        /// The program.
        program: String,
        /// The file that names it.
        file: String,
        /// What it was to do.
        doing: &'static str,
        /// Whose credentials they are.
        registry: String,
        /// Why not; its own words, or ours.
        how: String,
    },
    /// A local file, such as the one of `--tls-ca` or of credentials, cannot be read.
    #[error(transparent)]
    File(#[from] PathError),
    /// A local file, of the same kinds, is malformed.
    #[error("cannot use `{path}`: {how}")]
    Config {
        /// Which file or variable.
        path: String,
        /// What is wrong; never a secret.
        how: String,
    },
}

/// The registry's own words, if it had any.
struct Said<'a>(&'a Option<String>);

impl std::fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

/// Facts in parentheses.
struct Facts<'a>(&'a [String]);

impl std::fmt::Display for Facts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            [] => Ok(()),
            facts => write!(f, " ({})", facts.join(", ")),
        }
    }
}

impl RegistryError {
    /// The registry error that travelled inside `error`, if that is why it failed.
    pub fn from_io(error: &io::Error) -> Option<&RegistryError> {
        error.get_ref()?.downcast_ref()
    }

    /// What of this a host may have written.
    pub(super) fn foreign_texts(&mut self) -> Vec<&mut String> {
        match self {
            RegistryError::Denied { message, .. }
            | RegistryError::DeniedElsewhere { message, .. }
            | RegistryError::NotFound { message, .. }
            | RegistryError::Status { message, .. } => message.iter_mut().collect(),
            RegistryError::TooMany { message, limit, .. } => {
                message.iter_mut().chain(limit).collect()
            }
            RegistryError::Protocol { how, .. }
            | RegistryError::Document(
                DocumentError::Confused { how, .. } | DocumentError::NotAnImage(how),
            ) => vec![how],
            _ => Vec::new(),
        }
    }

    /// Whether the same request may succeed when it is simply sent again.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, RegistryError::Unreachable { .. })
    }

    /// Whether a host that did answer may answer otherwise later, and when, if it said so.
    pub(super) fn is_busy(&self) -> Option<Option<Duration>> {
        match self {
            RegistryError::TooMany { wait, .. } => Some(*wait),
            RegistryError::Status { status, .. } if retry::is_passing(*status) => Some(None),
            _ => None,
        }
    }
}

impl From<RegistryError> for io::Error {
    fn from(error: RegistryError) -> io::Error {
        io::Error::other(error)
    }
}

impl Fault for RegistryError {
    fn kind(&self) -> Kind {
        match self {
            RegistryError::Denied { .. } | RegistryError::DeniedElsewhere { .. } => Kind::Denied,
            RegistryError::NotFound { .. } | RegistryError::Foreign { .. } => Kind::NotFound,
            RegistryError::Protocol { .. } => Kind::Integrity,
            RegistryError::Insecure { .. } | RegistryError::Helper { .. } => Kind::Refused,
            RegistryError::Config { .. } => Kind::Usage,
            RegistryError::Mismatch(mismatch) => mismatch.kind(),
            RegistryError::Document(error) => error.kind(),
            RegistryError::File(error) => error.kind(),
            RegistryError::Unreachable { .. }
            | RegistryError::Tls { .. }
            | RegistryError::Broken { .. }
            | RegistryError::TooMany { .. }
            | RegistryError::Status { .. } => Kind::Network,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            RegistryError::Denied {
                host,
                had_credentials: false,
                ..
            } => vec![
                format!("if it is private, log in first: `coracle login {host}`"),
                "some registries say this of images that do not exist: check the name".into(),
            ],
            RegistryError::Denied { host, .. } => {
                vec![format!(
                    "the stored credentials do not suffice: `coracle login {host}`"
                )]
            }
            RegistryError::DeniedElsewhere { .. } => vec![
                "such an address is good for a while only: run the same command again".into(),
            ],
            RegistryError::Unreachable { source, .. } if is_of_proxy(source) => vec![
                "check https_proxy, http_proxy, all_proxy and no_proxy; a proxy that wants a password takes it as `http://NAME:PASSWORD@HOST:PORT`".into(),
            ],
            RegistryError::Unreachable { .. } => {
                vec!["check the name and the network; behind a proxy set https_proxy".into()]
            }
            RegistryError::Tls { host, source } if certificate_error(source).is_some() => vec![
                certificate_error(source).map(way_out).unwrap_or_default(),
                format!("if you must, skip the check for this host: `--insecure {host}`"),
            ],
            RegistryError::Tls { host, source } if wants_certificate(source) => vec![format!(
                "put NAME.cert and NAME.key into ~/.config/containers/certs.d/{host}/, for the certificate that it wants to see"
            )],
            RegistryError::Tls { host, .. } | RegistryError::Insecure { host, .. } => {
                vec![format!(
                    "if this network can be trusted: `--insecure {host}`"
                )]
            }
            RegistryError::Broken { .. } => vec!["run the same command again".into()],
            RegistryError::TooMany { wait, .. } => {
                let when = wait.map(|wait| format!(" in {}", humantime::format_duration(wait)));
                vec![
                    format!("try again{}", when.unwrap_or_else(|| " later".into())),
                    "a login usually raises the limit; so does pulling once into a shared store"
                        .into(),
                ]
            }
            RegistryError::Helper { program, file, .. } => vec![format!(
                "install or unlock `{program}`, or take it out of `{file}`, which names it"
            )],
            RegistryError::Foreign { .. } => vec![
                "CORACLE_FOREIGN_LAYERS=1 fetches such layers from there, without credentials"
                    .into(),
            ],
            RegistryError::Document(error) => error.hints(),
            RegistryError::File(error) => error.hints(),
            _ => Vec::new(),
        }
    }
}

/// What ureq says, as a registry error about `host`, which was asked `through` a proxy or directly.
pub(super) fn from_transport(
    host: &str,
    through: Option<&str>,
    error: ureq::Error,
) -> RegistryError {
    let is_tls = matches!(
        error,
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) | ureq::Error::Pem(_)
    );
    let source = match error {
        ureq::Error::Rustls(error) => io::Error::other(error),
        other => other.into_io(),
    };
    let host = host.to_owned();
    if is_tls || rustls_error(&source).is_some() {
        return RegistryError::Tls { host, source };
    }
    let source = match through {
        Some(proxy) => io::Error::new(source.kind(), Through(proxy.to_owned(), source)),
        None => source,
    };
    RegistryError::Unreachable { host, source }
}

/// What went wrong on the way through a proxy.
#[derive(Debug, thiserror::Error)]
#[error("through the proxy `{0}`: {1}")]
struct Through(String, io::Error);

fn is_of_proxy(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Through>())
}

fn certificate_error(error: &io::Error) -> Option<&CertificateError> {
    match rustls_error(error)? {
        rustls::Error::InvalidCertificate(error) => Some(error),
        _ => None,
    }
}

/// What can be done about a certificate that is no good.
fn way_out(error: &CertificateError) -> String {
    use CertificateError as Why;
    let text = match error {
        Why::Expired | Why::ExpiredContext { .. } => {
            "its certificate has expired: its administrator has to renew it, unless this host's clock is wrong"
        }
        Why::NotValidYet | Why::NotValidYetContext { .. } => {
            "its certificate is of the future: look at this host's clock"
        }
        Why::NotValidForName | Why::NotValidForNameContext { .. } => {
            "its certificate is for another name: call it by that, if it is who you think"
        }
        _ => "give the registry's certificate authority with `--tls-ca FILE` or in SSL_CERT_FILE",
    };
    text.to_owned()
}

/// Whether the host refused us for the certificate that we showed, or did not show. RFC 8446, 6.2.
fn wants_certificate(error: &io::Error) -> bool {
    use rustls::AlertDescription as Alert;
    matches!(
        rustls_error(error),
        Some(rustls::Error::AlertReceived(
            Alert::CertificateRequired
                | Alert::BadCertificate
                | Alert::UnknownCA
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
        ))
    )
}

fn rustls_error(error: &io::Error) -> Option<&rustls::Error> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error.get_ref()?);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}
