//! Who we are to one registry: how its demands are met, and what was granted.
//!
//! distribution, "Token Authentication Specification". Tokens live in memory only.

mod challenge;
pub mod credentials;
mod grant;
mod helper;
mod veil;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::base::progress::Progress;
use crate::registry::error::RegistryError;
use crate::registry::patience::Patience;
use crate::registry::transport::Transport;
use crate::registry::url::Origin;
use credentials::{Credential, Secret};
use grant::{Asking, Grant, Granted, bearer};
use veil::veil;

pub use challenge::{Demand, TokenDemand};
pub use helper::Helper;

/// Where credentials come from.
#[derive(Clone, Debug, Default)]
pub enum Login {
    /// The files of Docker and Podman, see [`credentials::files`], and the programs that they name.
    #[default]
    Stored,
    /// These, whatever is stored.
    Given(Credential),
    /// Nowhere: anonymously.
    Anonymous,
}

/// What one conversation may do, and by which right.
pub(super) struct Authority<'a> {
    registry: String,
    repository: String,
    login: Login,
    patience: Patience,
    progress: &'a dyn Progress,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What proves who we are, once looked up.
    secret: Option<Option<Secret>>,
    /// What a token service gave for the next time.
    refresh: Option<String>,
    /// The last demand that was met, and whose it was: a token that goes stale is replaced without being refused first.
    met: Option<(Demand, Origin)>,
    granted: Option<Grant>,
}

impl<'a> Authority<'a> {
    /// For `repository` of `registry`; an empty repository asks for no particular right.
    pub(super) fn new(
        registry: &str,
        repository: &str,
        login: Login,
        patience: Patience,
        progress: &'a dyn Progress,
    ) -> Authority<'a> {
        Authority {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            login,
            patience,
            progress,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The `Authorization` to send now, if one was granted; a token that has gone stale is replaced.
    pub(super) fn header(&self, transport: &Transport) -> Result<Option<String>, RegistryError> {
        let mut state = self.state();
        let is_stale = |grant: &Grant| !grant.is_fresh(Instant::now());
        if state.granted.as_ref().is_some_and(is_stale)
            && let Some((demand, asker)) = state.met.clone()
        {
            self.meet(&mut state, &demand, &asker, transport)?;
        }
        let granted = state.granted.as_ref();
        Ok(granted.map(|grant| grant.header.clone()))
    }

    /// Whether credentials were found for this registry.
    pub(super) fn has_credential(&self) -> bool {
        matches!(self.state().secret, Some(Some(_)))
    }

    /// An error in which nothing stands that we have shown: a registry might repeat it.
    pub(super) fn veiled(&self, mut error: RegistryError) -> RegistryError {
        let secrets = self.shown();
        for text in error.foreign_texts() {
            *text = veil(text, &secrets);
        }
        error
    }

    /// The same for a text of the registry that is no error.
    pub(super) fn veiled_text(&self, text: &str) -> String {
        veil(text, &self.shown())
    }

    /// All that we have shown to somebody.
    fn shown(&self) -> Vec<String> {
        let state = self.state();
        let secret = state.secret.iter().flatten().flat_map(Secret::words);
        let header = state.granted.iter().map(|grant| grant.header.as_str());
        let shown = header.filter_map(|header| Some(header.split_once(' ')?.1.to_owned()));
        secret.chain(shown).collect()
    }

    /// Meets the demand of a 401 by `asker` that came although `used` was sent. `false` where we have nothing else to
    /// offer. Threads that ask at once share one new token: who finds another grant than the one it used simply tries
    /// that; but for one that wants more than it allows.
    pub(super) fn answer(
        &self,
        demand: &Demand,
        asker: &Origin,
        used: Option<&str>,
        transport: &Transport,
    ) -> Result<bool, RegistryError> {
        let mut state = self.state();
        let current = state.granted.as_ref().map(|grant| grant.header.as_str());
        if current.is_some() && current != used {
            return Ok(true);
        }
        self.meet(&mut state, demand, asker, transport)?;
        let granted = state.granted.as_ref().map(|grant| grant.header.as_str());
        Ok(granted.is_some() && granted != used)
    }

    fn meet(
        &self,
        state: &mut State,
        demand: &Demand,
        asker: &Origin,
        transport: &Transport,
    ) -> Result<(), RegistryError> {
        if state.secret.is_none() {
            state.secret = Some(self.look_up()?);
        }
        let secret = state.secret.clone().flatten();
        let grant = match (demand, &secret) {
            (Demand::Basic, Some(Secret::Password(found))) => Some(Grant::lasting(found.header())),
            // Neither kind of token is a password.
            (Demand::Basic, _) => None,
            (Demand::Bearer(_), Some(Secret::Token(token))) => Some(Grant::lasting(bearer(token))),
            (Demand::Bearer(wanted), _) => {
                let refresh = state.refresh.take();
                let granted = self.fetch(wanted, asker, secret.as_ref(), refresh, transport)?;
                state.refresh = granted.1;
                Some(granted.0)
            }
        };
        state.granted = grant;
        state.met = Some((demand.clone(), asker.clone()));
        Ok(())
    }

    /// A new token, by what the service gave for that last time, or else by `secret`.
    fn fetch(
        &self,
        demand: &TokenDemand,
        asker: &Origin,
        secret: Option<&Secret>,
        refresh: Option<String>,
        transport: &Transport,
    ) -> Result<Granted, RegistryError> {
        let (registry, repository) = (&self.registry, &self.repository);
        let asking = Asking::new(demand, asker, registry, repository, transport)?;
        let ask = |secret: Option<&Secret>| {
            let outcome = asking.fetch(secret, self.progress);
            outcome.map_err(|mut error| {
                if let RegistryError::Denied {
                    had_credentials, ..
                } = &mut error
                {
                    *had_credentials = secret.is_some();
                }
                let words = secret.map(Secret::words).unwrap_or_default();
                for text in error.foreign_texts() {
                    *text = veil(text, &words);
                }
                error
            })
        };
        if let Some(token) = refresh {
            let renewed = Secret::Identity { user: None, token };
            match ask(Some(&renewed)) {
                Err(RegistryError::Denied { .. }) => {}
                outcome => return outcome,
            }
        }
        ask(secret)
    }

    fn look_up(&self) -> Result<Option<Secret>, RegistryError> {
        match &self.login {
            Login::Anonymous => Ok(None),
            Login::Given(credential) => Ok(Some(Secret::of(credential.clone()))),
            Login::Stored => credentials::find(
                &self.registry,
                &self.repository,
                self.patience,
                self.progress,
            ),
        }
    }
}
