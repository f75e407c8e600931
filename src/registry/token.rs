//! Tokens and passwords: how a demand of the registry is met, and what was granted.
//!
//! distribution, "Token Authentication Specification". Tokens live in memory only.

use std::io::Read;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::base::progress::Progress;
use crate::registry::challenge::Demand;
use crate::registry::credentials::{self, Credential, Stored};
use crate::registry::error::RegistryError;
use crate::registry::transport::{Call, Reply, Transport};
use crate::registry::url::Url;

/// The largest answer of a token service, in bytes; containers-libs' limit.
const MAX_TOKEN_REPLY: u64 = 1 << 20;
/// What the specification gives a token that does not say how long it lives.
const DEFAULT_LIFETIME: u64 = 60;
/// No token is believed for longer than a day.
const MAX_LIFETIME: u64 = 24 * 60 * 60;

/// Where credentials come from.
#[derive(Clone, Debug, Default)]
pub enum Login {
    /// The files of Docker and Podman, see [`credentials::files`].
    #[default]
    Stored,
    /// These, whatever is stored.
    Given(Credential),
    /// Nowhere: anonymously.
    Anonymous,
}

/// What one conversation may do, and by which right.
pub(super) struct Authority {
    registry: String,
    repository: String,
    login: Login,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The credentials, once looked up.
    credential: Option<Option<Credential>>,
    granted: Option<Grant>,
}

struct Grant {
    header: String,
    /// When a token has gone stale; passwords do not.
    until: Option<Instant>,
}

#[derive(Deserialize)]
struct TokenReply {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Authority {
    /// For `repository` of `registry`; an empty repository asks for no particular right.
    pub(super) fn new(registry: &str, repository: &str, login: Login) -> Authority {
        Authority {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            login,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The `Authorization` to send now, if one was granted and is still good.
    pub(super) fn header(&self) -> Option<String> {
        let state = self.state();
        let fresh = |grant: &&Grant| grant.until.is_none_or(|until| Instant::now() < until);
        state
            .granted
            .as_ref()
            .filter(fresh)
            .map(|grant| grant.header.clone())
    }

    /// Whether credentials were found for this registry.
    pub(super) fn has_credential(&self) -> bool {
        matches!(self.state().credential, Some(Some(_)))
    }

    /// Meets the demand of a 401 that came although `used` was sent. `false` where we have
    /// nothing else to offer. Threads that ask at once share one new token: who finds
    /// another grant than the one it used simply tries that.
    pub(super) fn answer(
        &self,
        demand: &Demand,
        used: Option<&str>,
        transport: &Transport,
        progress: &dyn Progress,
    ) -> Result<bool, RegistryError> {
        let mut state = self.state();
        let current = state.granted.as_ref().map(|grant| grant.header.as_str());
        if current.is_some() && current != used {
            return Ok(true);
        }
        let credential = match &state.credential {
            Some(known) => known.clone(),
            None => self.look_up(progress)?,
        };
        state.credential = Some(credential.clone());
        let grant = match demand {
            Demand::Basic => credential.as_ref().map(|found| Grant {
                header: format!("Basic {}", found.encoded()),
                until: None,
            }),
            Demand::Bearer {
                realm,
                service,
                scope,
            } => {
                let asked = self.token_url(
                    realm,
                    service.as_deref(),
                    scope.as_deref(),
                    credential.as_ref(),
                )?;
                progress.note(&format!("asking `{asked}` for a token"));
                Some(self.fetch_token(asked, credential.as_ref(), transport)?)
            }
        };
        let is_news = grant
            .as_ref()
            .is_some_and(|grant| Some(grant.header.as_str()) != used);
        state.granted = grant;
        Ok(is_news)
    }

    fn look_up(&self, progress: &dyn Progress) -> Result<Option<Credential>, RegistryError> {
        let registry = &self.registry;
        let stored = match &self.login {
            Login::Anonymous => return Ok(None),
            Login::Given(credential) => return Ok(Some(credential.clone())),
            Login::Stored => credentials::find(registry, &self.repository)?,
        };
        Ok(match stored {
            Stored::Known(credential) => Some(credential),
            Stored::Nothing => None,
            Stored::WithHelper { path, name } => {
                progress.warn(&format!("`{path}` leaves the credentials for `{registry}` to `docker-credential-{name}`, which coracle does not ask; `coracle login {registry}` keeps them in the file"));
                None
            }
        })
    }

    fn token_url(
        &self,
        realm: &str,
        service: Option<&str>,
        scope: Option<&str>,
        credential: Option<&Credential>,
    ) -> Result<Url, RegistryError> {
        let own_scope = format!("repository:{}:pull", self.repository);
        let implied = (!self.repository.is_empty()).then_some(own_scope.as_str());
        let account = credential.map(|found| found.user.as_str());
        let pairs = [
            ("service", service),
            ("scope", scope.filter(|scope| !scope.is_empty()).or(implied)),
            ("account", account),
            ("client_id", Some("coracle")),
        ];
        let given: Vec<_> = pairs
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        let url = Url::parse(realm)
            .ok_or_else(|| self.protocol_error("its token service has no web address"))?;
        Ok(url.with_query(&given))
    }

    fn fetch_token(
        &self,
        url: Url,
        credential: Option<&Credential>,
        transport: &Transport,
    ) -> Result<Grant, RegistryError> {
        let mut call = Call::get(url);
        call.authorization = credential.map(|found| format!("Basic {}", found.encoded()));
        let asked_at = Instant::now();
        let reply = transport.send(&call)?;
        if reply.status != 200 {
            return Err(self.refusal(reply, credential.is_some()));
        }
        let mut bytes = Vec::new();
        let host = reply.origin.authority();
        let read = reply
            .into_reader()
            .take(MAX_TOKEN_REPLY)
            .read_to_end(&mut bytes);
        read.map_err(|source| RegistryError::Unreachable { host, source })?;
        let malformed = || self.protocol_error("its token service gave no token");
        let parsed: TokenReply = serde_json::from_slice(&bytes).map_err(|_| malformed())?;
        let token = parsed.token.or(parsed.access_token).ok_or_else(malformed)?;
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(malformed());
        }
        let lifetime = parsed
            .expires_in
            .unwrap_or(DEFAULT_LIFETIME)
            .min(MAX_LIFETIME);
        Ok(Grant {
            header: format!("Bearer {token}"),
            // A tenth is left for the way there and for clocks that differ.
            until: Some(asked_at + Duration::from_secs(lifetime) * 9 / 10),
        })
    }

    fn refusal(&self, reply: Reply, had_credentials: bool) -> RegistryError {
        let what = match self.repository.as_str() {
            "" => "this account".to_owned(),
            repository => format!("`{repository}`"),
        };
        match reply.status {
            // Token services answer all of these to a wrong password.
            400 | 401 | 403 => RegistryError::Denied {
                host: self.registry.clone(),
                what,
                message: super::reply::message(reply).map(|said| said.text),
                had_credentials,
            },
            _ => super::reply::failure(reply, "a token"),
        }
    }

    fn protocol_error(&self, how: &str) -> RegistryError {
        RegistryError::Protocol {
            host: self.registry.clone(),
            how: how.to_owned(),
        }
    }
}
