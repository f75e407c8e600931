//! One conversation with one registry: manifests and blobs, verified. Writes no files.
//!
//! distribution-spec, "Pull". Below `Registry`: `transport` knows HTTP, `authority` knows
//! who we are, `reply` and `retry` know what an answer means.

mod authority;
mod blob;
mod elsewhere;
mod error;
pub mod link;
mod manifest;
mod pace;
mod patience;
mod referrers;
pub mod registries;
mod reply;
mod retry;
mod search;
mod transport;
mod url;

use std::sync::OnceLock;
use std::time::Duration;

pub use authority::{Demand, Helper, Login, TokenDemand, credentials};
pub use blob::{BlobStream, is_rest};
pub use elsewhere::{blob_at, host_of};
pub use error::RegistryError;
pub use manifest::Served;
pub use patience::Patience;
pub use referrers::{referrers_tag, signature_tag};
pub use search::{Found, search, tags};
pub use url::{Origin, Scheme, Url};

use crate::base::path::HostPath;
use crate::base::progress::Progress;
use crate::oci::reference::{self, Reference};
use authority::Authority;
use credentials::Credential;
use transport::{Call, ProxySettings, Reply, Transport};

/// How to reach registries.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `host[:port]`s that may be spoken to over http and without a valid certificate; `*` for all.
    pub insecure: Vec<String>,
    /// The proxy for every registry; those of the environment where absent.
    pub proxy: Option<String>,
    /// A PEM file of certificate authorities, trusted besides the host's.
    pub tls_ca: Option<HostPath>,
    /// Whose credentials to use.
    pub login: Login,
    /// How long silence is borne.
    pub patience: Patience,
    /// Whether somebody else can be asked for the same, so that who fails is given up sooner: a mirror.
    pub has_others: bool,
}

/// A conversation about one repository. May be shared by threads.
pub struct Registry<'a> {
    api_host: String,
    repository: String,
    /// The address of the one blob that it is about, where that is in no registry.
    blob: Option<Url>,
    scheme: OnceLock<Scheme>,
    transport: Transport<'a>,
    authority: Authority<'a>,
    patience: Patience,
    has_others: bool,
    progress: &'a dyn Progress,
}

impl<'a> Registry<'a> {
    /// Prepares a conversation about the repository of `reference`. Nothing is sent yet.
    pub fn new(
        reference: &Reference,
        options: &Options,
        progress: &'a dyn Progress,
    ) -> Registry<'a> {
        Registry::about(
            reference.registry(),
            reference.repository(),
            options,
            progress,
        )
    }

    fn about(
        registry: &str,
        repository: &str,
        options: &Options,
        progress: &'a dyn Progress,
    ) -> Registry<'a> {
        let proxies = match &options.proxy {
            Some(url) => ProxySettings::only(url),
            None => ProxySettings::from_environment(),
        };
        Registry {
            api_host: reference::api_host(registry).to_owned(),
            repository: repository.to_owned(),
            blob: None,
            scheme: OnceLock::new(),
            transport: Transport::new(
                options.insecure.clone(),
                options.tls_ca.clone(),
                proxies,
                options.patience,
                progress,
            ),
            authority: Authority::new(
                registry,
                repository,
                options.login.clone(),
                options.patience,
                progress,
            ),
            patience: options.patience,
            has_others: options.has_others,
            progress,
        }
    }

    /// The URL of `path` below `/v2/`.
    fn url(&self, path: &str) -> Result<Url, RegistryError> {
        self.address(&format!("/v2/{path}"))
    }

    /// The URL of `path`, which starts with a slash.
    fn address(&self, path: &str) -> Result<Url, RegistryError> {
        let at = |scheme| {
            Url::new(scheme, &self.api_host, path).ok_or_else(|| RegistryError::Protocol {
                host: self.api_host.clone(),
                how: "it has no web address".into(),
            })
        };
        if let Some(scheme) = self.scheme.get() {
            return at(*scheme);
        }
        let https = at(Scheme::Https)?;
        let http = Url::new(Scheme::Http, &self.api_host, "/v2/");
        let may_try_http = http
            .as_ref()
            .is_some_and(|http| self.transport.is_insecure(&http.origin))
            || self.transport.is_insecure(&https.origin);
        let scheme = match http {
            Some(http) if may_try_http => self.find_scheme(&http)?,
            _ => Scheme::Https,
        };
        at(*self.scheme.get_or_init(|| scheme))
    }

    /// For a host that the user declared insecure: https if it answers there, else http.
    fn find_scheme(&self, http: &Url) -> Result<Scheme, RegistryError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let https = Url::new(Scheme::Https, &self.api_host, "/v2/");
            if https.is_some_and(|https| self.transport.send(&Call::get(https)).is_ok()) {
                return Ok(Scheme::Https);
            }
            let error = match self.transport.send(&Call::get(http.clone())) {
                Ok(_) => break,
                Err(error) if error.is_passing() => error,
                Err(error) => return Err(error),
            };
            self.pause(attempt, None, error, "trying again")?;
        }
        self.progress
            .note(&format!("`{}` is spoken to over plain http", self.api_host));
        Ok(Scheme::Http)
    }

    /// A successful reply to `call`, whose body is yet to be read.
    fn request(&self, call: Call, what: &str) -> Result<Reply, RegistryError> {
        self.request_and(call, what, Ok)
    }

    /// Sends `call` with what authorization it takes, again after passing failures, and
    /// gives a successful reply to `read`, whose failures may be passing too. `what` names
    /// the object in errors.
    fn request_and<T>(
        &self,
        call: Call,
        what: &str,
        read: impl Fn(Reply) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let (error, asked) = match self.send_authorized(&call, what) {
                Ok(reply) if reply.status < 300 => {
                    self.tell_limit(&reply);
                    match read(reply) {
                        Err(error) if error.is_passing() => (error, None),
                        outcome => return outcome,
                    }
                }
                Ok(reply) if !retry::is_passing(reply.status) => {
                    return Err(self.failure(reply, what));
                }
                Ok(reply) => {
                    let asked = reply::wait_asked(&reply);
                    (self.failure(reply, what), asked)
                }
                Err(error) if error.is_passing() => (error, None),
                // The token service is.
                Err(error) => match error.is_busy() {
                    Some(asked) => (error, asked),
                    None => return Err(self.authority.veiled(error)),
                },
            };
            self.pause(attempt, asked, error, "trying again")?;
        }
    }

    /// Waits after the failure number `attempt`, for as long as the server has `asked` for if
    /// it did; gives `error` back where there have been too many.
    fn pause(
        &self,
        attempt: u32,
        asked: Option<Duration>,
        error: RegistryError,
        then: &str,
    ) -> Result<(), RegistryError> {
        let wait = retry::wait_before(attempt, asked, self.patience);
        let wait = wait.filter(|_| match self.has_others {
            true => asked.is_none() && attempt < retry::ATTEMPTS_WITH_OTHERS,
            false => attempt < retry::ATTEMPTS,
        });
        let Some(wait) = wait else {
            return Err(error);
        };
        let seconds = wait.as_secs_f64();
        self.progress
            .note(&format!("{error}; {then} in {seconds:.1} s"));
        #[expect(
            clippy::disallowed_methods,
            reason = "the pause is what a server asks for"
        )]
        std::thread::sleep(wait);
        Ok(())
    }

    /// Says how much more the registry lets us ask, where it counts. Docker Hub, "Usage and limits".
    fn tell_limit(&self, reply: &Reply) {
        let said = |name| {
            let text = reply::one_line(reply.header(name)?);
            Some(self.authority.veiled_text(&text))
        };
        let Some(remaining) = said("ratelimit-remaining") else {
            return;
        };
        let host = reply.origin.authority();
        let of = said("ratelimit-limit").map(|limit| format!(", of {limit}"));
        let of = of.unwrap_or_default();
        self.progress.note(&format!(
            "`{host}` limits how often one may ask: {remaining} left{of}"
        ));
    }

    /// Sends `call`, and once or twice more where the registry demands (other) rights:
    /// the second demand may name a scope that the first did not.
    fn send_authorized(&self, call: &Call, what: &str) -> Result<Reply, RegistryError> {
        let mut call = call.clone();
        for _demand in 0..2 {
            call.authorization = self.authority.header(&self.transport)?;
            let reply = self.transport.send(&call)?;
            // A demand of the host that a redirect led to is no business of our credentials.
            if !is_demand(&reply) || reply.origin != call.url.origin {
                return Ok(reply);
            }
            let used = call.authorization.as_deref();
            let Some(demand) = self.demand(&reply)? else {
                return Err(self.failure(reply, what));
            };
            let asker = &reply.origin;
            if !self
                .authority
                .answer(&demand, asker, used, &self.transport)?
            {
                return Err(self.failure(reply, what));
            }
        }
        call.authorization = self.authority.header(&self.transport)?;
        self.transport.send(&call)
    }

    /// What a 401 demands. Some registries say it only at `/v2/`.
    fn demand(&self, reply: &Reply) -> Result<Option<Demand>, RegistryError> {
        let demand = |reply: &Reply| Demand::from_headers(reply.all_headers("www-authenticate"));
        if let Some(demand) = demand(reply) {
            return Ok(Some(demand));
        }
        let front_door = self.transport.send(&Call::get(self.url("")?))?;
        // Where a redirect leads is nobody to say who may have our credentials.
        let is_theirs = front_door.origin == reply.origin;
        Ok(demand(&front_door).filter(|_| is_theirs))
    }

    fn failure(&self, reply: Reply, what: &str) -> RegistryError {
        let own = Url::new(reply.origin.scheme, &self.api_host, "/");
        let is_own = own.is_some_and(|own| own.origin == reply.origin);
        let error = match reply::failure(reply, what) {
            RegistryError::Denied {
                host,
                what,
                message,
                ..
            } if is_own => RegistryError::Denied {
                host,
                what,
                message,
                had_credentials: self.authority.has_credential(),
            },
            RegistryError::Denied {
                host,
                what,
                message,
                ..
            } => RegistryError::DeniedElsewhere {
                host,
                from: self.api_host.clone(),
                what,
                message,
            },
            other => other,
        };
        self.authority.veiled(error)
    }
}

/// Whether a reply asks for (other) rights: 401, or 403 where a token was too weak. RFC 6750, 3.1.
fn is_demand(reply: &Reply) -> bool {
    let wants_more = || {
        let demand = Demand::from_headers(reply.all_headers("www-authenticate"));
        matches!(demand, Some(Demand::Bearer(token)) if token.wants_more)
    };
    reply.status == 401 || (reply.status == 403 && wants_more())
}

/// Shows `credential` to the registry called `registry` (`docker.io` for Docker Hub) and to
/// its token service; an error unless they are accepted.
pub fn check_login(
    registry: &str,
    credential: &Credential,
    options: &Options,
    progress: &dyn Progress,
) -> Result<(), RegistryError> {
    let options = Options {
        login: Login::Given(credential.clone()),
        ..options.clone()
    };
    let registry = Registry::about(registry, "", &options, progress);
    let call = Call::get(registry.url("")?);
    registry.request(call, "this account").map(drop)
}
