//! HTTP with our rules: redirects, proxies, trust and timeouts. Thin, so that the library below can change.
//!
//! One agent per combination of proxy and trust, each with its own pool of connections.

mod backoff;
mod certs;
mod proxy;
mod roots;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustls::crypto::CryptoProvider;
use ureq::http::{HeaderMap, Method, Request};
use ureq::tls::{Certificate, TlsConfig};
use ureq::{Agent, Body, BodyReader};

use crate::base::path::HostPath;
use crate::base::progress::Progress;
use crate::registry::error::{RegistryError, from_transport};
use crate::registry::pace::Paced;
use crate::registry::patience::Patience;
use crate::registry::reply;
use crate::registry::url::{Origin, Scheme, Url};
use certs::HostCertificates;
pub(in crate::registry) use proxy::ProxySettings;

const MAX_HOPS: usize = 10;
const USER_AGENT: &str = concat!("coracle/", env!("CARGO_PKG_VERSION"));

/// A way to send requests.
pub(super) struct Transport<'a> {
    insecure: Vec<String>,
    tls_ca: Option<HostPath>,
    proxies: ProxySettings,
    patience: Patience,
    progress: &'a dyn Progress,
    provider: Arc<CryptoProvider>,
    roots: OnceLock<Vec<Certificate<'static>>>,
    /// What `certs.d` has, by host.
    certificates: Mutex<HashMap<Origin, Arc<HostCertificates>>>,
    agents: Mutex<HashMap<AgentKey, Agent>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct AgentKey {
    proxy: Option<String>,
    skips_verification: bool,
    /// The host whose own certificates count; none for all that have none.
    own: Option<Origin>,
}

/// A request.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Vec<(&'static str, String)>,
    /// Shown to the origin of `url` and to no other.
    pub(super) authorization: Option<String>,
    /// A form to be posted; such a call follows no redirect.
    form: Option<String>,
    /// Whether plain http will do although nobody allowed it for this host: nothing secret is in it, nor in the answer.
    pub(super) in_the_clear: bool,
}

impl Call {
    /// A GET of `url`.
    pub(super) fn get(url: Url) -> Call {
        Call {
            method: Method::GET,
            url,
            headers: Vec::new(),
            authorization: None,
            form: None,
            in_the_clear: false,
        }
    }

    /// A POST of `form` to `url`.
    pub(super) fn post(url: Url, form: String) -> Call {
        let kind = "application/x-www-form-urlencoded";
        Call {
            method: Method::POST,
            headers: vec![("Content-Type", kind.to_owned())],
            form: Some(form),
            ..Call::get(url)
        }
    }
}

/// An answer, whatever its status.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    /// Who answered, after redirects.
    pub(super) origin: Origin,
    patience: Patience,
}

impl Reply {
    /// The body, which must keep pace.
    pub(super) fn into_reader(self) -> Paced<BodyReader<'static>> {
        Paced::new(self.body.into_reader(), self.patience)
    }

    /// The text of a header, if it is there and is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The texts of all headers of that name.
    pub(super) fn all_headers<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
    }
}

impl<'a> Transport<'a> {
    /// `insecure` are `host[:port]`s that may be spoken to over http and without a valid
    /// certificate, `tls_ca` a PEM file of further authorities. Nothing is opened yet.
    pub(super) fn new(
        insecure: Vec<String>,
        tls_ca: Option<HostPath>,
        proxies: ProxySettings,
        patience: Patience,
        progress: &'a dyn Progress,
    ) -> Transport<'a> {
        Transport {
            insecure: insecure
                .iter()
                .map(|host| host.to_ascii_lowercase())
                .collect(),
            tls_ca,
            proxies,
            patience,
            progress,
            provider: Arc::new(rustls::crypto::ring::default_provider()),
            roots: OnceLock::new(),
            certificates: Mutex::default(),
            agents: Mutex::default(),
        }
    }

    /// Whether the user gave up security for `origin`: for its host on any port, or for
    /// this host and port, or with `*` for all.
    pub(super) fn is_insecure(&self, origin: &Origin) -> bool {
        let with_port = format!("{}:{}", origin.host, origin.port);
        self.insecure
            .iter()
            .any(|host| host == "*" || *host == origin.host || *host == with_port)
    }

    /// Sends `call` and follows redirects: at most ten, never from https to http, to http
    /// only for insecure hosts, and with the `Authorization` only as long as the origin
    /// stays the same (distribution-spec, "Pulling blobs"). Once dropped it stays dropped.
    pub(super) fn send(&self, call: &Call) -> Result<Reply, RegistryError> {
        let mut url = call.url.clone();
        let mut authorization = call.authorization.as_deref();
        for _hop in 0..=MAX_HOPS {
            if !(call.in_the_clear && url == call.url) {
                self.check_scheme(&url, "it was asked for by an http address")?;
            }
            let reply = self.send_once(call, &url, authorization)?;
            if call.form.is_some() || !matches!(reply.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(reply);
            }
            let next = redirect_target(&reply, &url)?;
            if url.origin.scheme == Scheme::Https && next.origin.scheme == Scheme::Http {
                return Err(RegistryError::Protocol {
                    host: url.origin.authority(),
                    how: format!("it redirects from https to `{next}`"),
                });
            }
            self.check_scheme(&next, "by a redirect")?;
            if next.origin != url.origin {
                authorization = None;
            }
            url = next;
        }
        Err(RegistryError::Protocol {
            host: call.url.origin.authority(),
            how: format!("it redirects more than {MAX_HOPS} times"),
        })
    }

    fn check_scheme(&self, url: &Url, why: &str) -> Result<(), RegistryError> {
        if url.origin.scheme == Scheme::Https || self.is_insecure(&url.origin) {
            return Ok(());
        }
        Err(RegistryError::Insecure {
            host: url.origin.authority(),
            why: why.to_owned(),
        })
    }

    fn send_once(
        &self,
        call: &Call,
        url: &Url,
        authorization: Option<&str>,
    ) -> Result<Reply, RegistryError> {
        let host = url.origin.authority();
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(url.request_text());
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        if let Some(value) = authorization {
            request = request.header("Authorization", value);
        }
        let malformed = |_| RegistryError::Protocol {
            host: host.clone(),
            how: format!("`{url}` cannot be asked for"),
        };
        let agent = self.agent(&url.origin)?;
        self.let_it_rest(&url.origin);
        let reply = match &call.form {
            None => agent.run(request.body(()).map_err(malformed)?),
            Some(form) => agent.run(request.body(form.as_str()).map_err(malformed)?),
        };
        let through = self.proxies.choose(&url.origin).and_then(proxy::shown);
        let reply = reply.map_err(|error| from_transport(&host, through.as_deref(), error))?;
        let (head, body) = reply.into_parts();
        let reply = Reply {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
            origin: url.origin.clone(),
            patience: self.patience,
        };
        let asked = reply::wait_asked(&reply);
        backoff::heard(&reply.origin, reply.status, asked, self.patience);
        Ok(reply)
    }

    /// Waits while a host has asked this process to leave it alone, through whichever transfer it said so.
    fn let_it_rest(&self, host: &Origin) {
        let Some(wait) = backoff::wait(host, self.patience) else {
            return;
        };
        let (name, seconds) = (host.authority(), wait.as_secs_f64());
        self.progress
            .note(&format!("`{name}` is left alone for {seconds:.1} s"));
        #[expect(
            clippy::disallowed_methods,
            reason = "the pause is what a server asks for"
        )]
        std::thread::sleep(wait);
    }

    fn agent(&self, origin: &Origin) -> Result<Agent, RegistryError> {
        let own = self.certificates(origin)?;
        let key = AgentKey {
            proxy: self.proxies.choose(origin).map(str::to_owned),
            skips_verification: self.is_insecure(origin),
            own: (!own.is_empty()).then(|| origin.clone()),
        };
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = agents.get(&key) {
            return Ok(agent.clone());
        }
        let agent = self.build_agent(&key, &own)?;
        agents.insert(key, agent.clone());
        Ok(agent)
    }

    fn certificates(&self, origin: &Origin) -> Result<Arc<HostCertificates>, RegistryError> {
        if origin.scheme == Scheme::Http {
            return Ok(Arc::default());
        }
        let known = self.certificates.lock();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(origin) {
            return Ok(found.clone());
        }
        let found = Arc::new(certs::load(origin, &self.provider, self.progress)?);
        known.insert(origin.clone(), found.clone());
        Ok(found)
    }

    fn build_agent(&self, key: &AgentKey, own: &HostCertificates) -> Result<Agent, RegistryError> {
        let proxy = key.proxy.as_deref().map(proxy::parse).transpose()?;
        let mut tls = TlsConfig::builder()
            .disable_verification(key.skips_verification)
            .client_cert(own.client.clone())
            .unversioned_rustls_crypto_provider(self.provider.clone());
        if !key.skips_verification {
            let roots = self.roots()?.iter().chain(&own.authorities);
            tls = tls.root_certs(roots::of(roots.cloned()));
        }
        let config = Agent::config_builder()
            .proxy(proxy)
            .tls_config(tls.build())
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(USER_AGENT)
            .accept_encoding("identity")
            .timeout_resolve(Some(self.patience.connect()))
            .timeout_connect(Some(self.patience.connect()))
            .timeout_recv_response(Some(self.patience.silence()))
            .timeout_per_read(Some(self.patience.silence()))
            .build();
        Ok(config.new_agent())
    }

    fn roots(&self) -> Result<&[Certificate<'static>], RegistryError> {
        if let Some(roots) = self.roots.get() {
            return Ok(roots);
        }
        let loaded = roots::load(self.tls_ca.as_ref())?;
        Ok(self.roots.get_or_init(|| loaded))
    }
}

fn redirect_target(reply: &Reply, from: &Url) -> Result<Url, RegistryError> {
    let target = reply
        .header("location")
        .and_then(|location| from.join(location));
    target.ok_or_else(|| RegistryError::Protocol {
        host: from.origin.authority(),
        how: "it redirects to an address that is neither http nor https".into(),
    })
}
