//! What a token service grants, and how it is asked.
//!
//! distribution, "Token Authentication Specification" (GET), "Docker Registry v2 OAuth2 specification" (POST).

use std::io::Read;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::base::progress::Progress;
use crate::registry::authority::challenge::TokenDemand;
use crate::registry::authority::credentials::{Credential, Secret};
use crate::registry::authority::helper::TOKEN_USER;
use crate::registry::error::RegistryError;
use crate::registry::reply::{failure, message};
use crate::registry::retry;
use crate::registry::transport::{Call, Reply, Transport};
use crate::registry::url::{Origin, Scheme, Url, form};

/// The largest answer of a token service, in bytes; containers-libs' limit.
const MAX_TOKEN_REPLY: u64 = 1 << 20;
/// Seconds: what the specification gives a token that does not say how long it lives, and the least that any is given.
const DEFAULT_LIFETIME: u64 = 60;
/// Seconds: no token is believed for longer than a day.
const MAX_LIFETIME: u64 = 24 * 60 * 60;
/// Who we say that we are.
const CLIENT: &str = "coracle";

/// What one may send, and for how long.
pub(super) struct Grant {
    /// The value of `Authorization`.
    pub(super) header: String,
    /// When a token has gone stale; passwords do not.
    until: Option<Instant>,
}

impl Grant {
    /// One that does not go stale.
    pub(super) fn lasting(header: String) -> Grant {
        Grant {
            header,
            until: None,
        }
    }

    /// Whether it is still good at `now`.
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// A request for a token, whatever it is made with.
pub(super) struct Asking<'a> {
    /// Which registry it is for, as the user calls it.
    registry: &'a str,
    /// What the token is for, in errors.
    what: String,
    service: Url,
    audience: Option<&'a str>,
    scopes: Vec<String>,
    /// Whether nothing secret may be shown, nor is: the service speaks plain http, and so does its registry.
    in_the_clear: bool,
    transport: &'a Transport<'a>,
}

#[derive(Deserialize)]
struct TokenReply {
    token: Option<String>,
    access_token: Option<String>,
    refresh_token: Option<String>,
    expires_in: Option<u64>,
}

/// A token, and what may be exchanged for the next one. The latter lives in memory only.
pub(super) type Granted = (Grant, Option<String>);

impl<'a> Asking<'a> {
    /// For a `demand` of `asker` in a conversation about `repository` of `registry`; an empty repository asks for no
    /// particular right. The service must speak https, unless the user allowed otherwise: for the service's host, or for
    /// that of the registry, which is then asked without secrets.
    pub(super) fn new(
        demand: &'a TokenDemand,
        asker: &Origin,
        registry: &'a str,
        repository: &str,
        transport: &'a Transport<'a>,
    ) -> Result<Asking<'a>, RegistryError> {
        let service = Url::parse(&demand.realm).ok_or_else(|| RegistryError::Protocol {
            host: registry.to_owned(),
            how: "its token service has no web address".into(),
        })?;
        let (implied, what) = match repository {
            "" => (None, "this account".to_owned()),
            name => (Some(format!("repository:{name}:pull")), format!("`{name}`")),
        };
        let scopes = demand.scopes();
        let origin = &service.origin;
        let is_plain = origin.scheme == Scheme::Http && !transport.is_insecure(origin);
        Ok(Asking {
            registry,
            what,
            scopes: match scopes.is_empty() {
                true => implied.into_iter().collect(),
                false => scopes,
            },
            in_the_clear: is_plain && asker.scheme == Scheme::Http,
            service,
            audience: demand.service.as_deref(),
            transport,
        })
    }

    /// A token for whoever `secret` proves to be; for nobody in particular without one.
    pub(super) fn fetch(
        &self,
        secret: Option<&Secret>,
        progress: &dyn Progress,
    ) -> Result<Granted, RegistryError> {
        progress.note(&format!("asking `{}` for a token", self.service));
        if self.in_the_clear && secret.is_some() {
            return Err(RegistryError::Insecure {
                host: self.service.origin.authority(),
                why: format!("with the credentials for `{}`", self.registry),
            });
        }
        match secret {
            Some(Secret::Identity { user, token }) => self.with_identity(user.as_deref(), token),
            Some(Secret::Password(credential)) => self.with_password(credential),
            // Shown to the registry itself, and to nobody else.
            Some(Secret::Token(_)) | None => self.granted(self.get(None)?, Instant::now()),
        }
    }

    /// Services that know no POST say so in several ways, and some of them take the token for a password: of old GCR
    /// answers 404, Artifactory 401, ACR 400.
    fn with_identity(&self, user: Option<&str>, token: &str) -> Result<Granted, RegistryError> {
        let asked_at = Instant::now();
        let reply = self.post(&[("grant_type", "refresh_token"), ("refresh_token", token)])?;
        if !matches!(reply.status, 400 | 401 | 404 | 405) {
            return self.granted(reply, asked_at);
        }
        let refusal = self.refusal(reply);
        let as_password = Credential {
            user: user.unwrap_or(TOKEN_USER).to_owned(),
            password: token.to_owned(),
        };
        let reply = self.get(Some(&as_password))?;
        match reply.status {
            200 => self.granted(reply, asked_at),
            status if retry::is_passing(status) => Err(self.refusal(reply)),
            // What it said to the proper question.
            _ => Err(refusal),
        }
    }

    fn with_password(&self, credential: &Credential) -> Result<Granted, RegistryError> {
        let asked_at = Instant::now();
        let reply = self.get(Some(credential))?;
        if !matches!(reply.status, 404 | 405) {
            return self.granted(reply, asked_at);
        }
        let reply = self.post(&[
            ("grant_type", "password"),
            ("username", &credential.user),
            ("password", &credential.password),
        ])?;
        self.granted(reply, asked_at)
    }

    fn get(&self, credential: Option<&Credential>) -> Result<Reply, RegistryError> {
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        pairs.extend(self.audience.map(|service| ("service", service)));
        pairs.extend(self.scopes.iter().map(|scope| ("scope", scope.as_str())));
        let account = credential.map(|found| found.user.as_str());
        let account = account.filter(|user| *user != TOKEN_USER);
        pairs.extend(account.map(|user| ("account", user)));
        pairs.push(("client_id", CLIENT));
        let mut call = Call::get(self.service.clone().with_query(&pairs));
        call.authorization = credential.map(Credential::header);
        call.in_the_clear = self.in_the_clear;
        self.transport.send(&call)
    }

    fn post(&self, grant: &[(&str, &str)]) -> Result<Reply, RegistryError> {
        let scope = self.scopes.join(" ");
        let mut pairs = grant.to_vec();
        pairs.extend(self.audience.map(|service| ("service", service)));
        pairs.push(("client_id", CLIENT));
        if !scope.is_empty() {
            pairs.push(("scope", &scope));
        }
        self.transport
            .send(&Call::post(self.service.clone(), form(&pairs)))
    }

    fn granted(&self, reply: Reply, asked_at: Instant) -> Result<Granted, RegistryError> {
        if reply.status != 200 {
            return Err(self.refusal(reply));
        }
        let mut bytes = Vec::new();
        let host = reply.origin.authority();
        let read = reply
            .into_reader()
            .take(MAX_TOKEN_REPLY)
            .read_to_end(&mut bytes);
        read.map_err(|source| RegistryError::Unreachable { host, source })?;
        let malformed = || RegistryError::Protocol {
            host: self.registry.to_owned(),
            how: "its token service gave no token".into(),
        };
        let parsed: TokenReply = serde_json::from_slice(&bytes).map_err(|_| malformed())?;
        let is_token =
            |text: &String| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let token = parsed.token.or(parsed.access_token).filter(is_token);
        let grant = Grant {
            header: bearer(&token.ok_or_else(malformed)?),
            until: Some(fresh_until(asked_at, parsed.expires_in)),
        };
        Ok((grant, parsed.refresh_token.filter(is_token)))
    }

    fn refusal(&self, reply: Reply) -> RegistryError {
        match reply.status {
            // Token services answer all of these to a wrong password.
            400 | 401 | 403 => RegistryError::Denied {
                host: self.registry.to_owned(),
                what: self.what.clone(),
                message: message(reply).map(|said| said.text),
                had_credentials: false,
            },
            _ => failure(reply, "a token"),
        }
    }
}

/// When a token that was asked for then, and lives for so many seconds, is to be replaced: a tenth is left for the way
/// there and for clocks that differ.
fn fresh_until(asked_at: Instant, lifetime: Option<u64>) -> Instant {
    let lifetime = lifetime.unwrap_or(DEFAULT_LIFETIME);
    let lifetime = lifetime.clamp(DEFAULT_LIFETIME, MAX_LIFETIME);
    asked_at + Duration::from_secs(lifetime) * 9 / 10
}

/// The value of `Authorization` that shows `token`. RFC 6750, 2.1.
pub(super) fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_before_it_goes_stale() {
        let now = Instant::now();
        let grant = |seconds: u64| Grant {
            header: bearer("t"),
            until: Some(fresh_until(now, Some(seconds))),
        };
        let after = |seconds: u64| now + Duration::from_secs(seconds);
        assert!(grant(300).is_fresh(after(269)) && !grant(300).is_fresh(after(270)));
        // None lives for less than a minute, however little its service promises, nor for more than a day.
        assert!(grant(0).is_fresh(after(53)) && !grant(0).is_fresh(after(54)));
        assert!(!grant(u64::MAX).is_fresh(after(MAX_LIFETIME)));
        assert!(Grant::lasting(bearer("t")).is_fresh(after(1 << 30)));
    }
}
