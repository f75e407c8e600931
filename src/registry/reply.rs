//! Answers that are no success, and what registries say in them.
//!
//! distribution-spec, "Error Codes".

use std::io::Read;
use std::time::{Duration, SystemTime};

use serde::Deserialize;

use crate::registry::error::RegistryError;
use crate::registry::retry;
use crate::registry::transport::Reply;

/// The largest error body that is read, in bytes.
const MAX_ERROR_BODY: u64 = 1 << 20;
/// The longest text of a stranger that is shown, in characters.
const MAX_MESSAGE: usize = 300;

/// The first error of a body.
pub(super) struct Said {
    /// Such as `MANIFEST_UNKNOWN`.
    pub(super) code: String,
    /// For people; one line, cleaned.
    pub(super) text: String,
}

#[derive(Deserialize)]
struct ErrorBody {
    #[serde(default)]
    errors: Vec<ErrorItem>,
    // What token services and gateways write instead.
    details: Option<String>,
    message: Option<String>,
}

#[derive(Deserialize)]
struct ErrorItem {
    #[serde(default)]
    code: serde_json::Value,
    message: Option<String>,
}

/// What the body of `reply` says, if it is one of the known forms.
pub(super) fn message(reply: Reply) -> Option<Said> {
    let mut bytes = Vec::new();
    let body = reply.into_reader();
    body.take(MAX_ERROR_BODY).read_to_end(&mut bytes).ok()?;
    let body: ErrorBody = serde_json::from_slice(&bytes).ok()?;
    let general = body.details.or(body.message);
    let first = body.errors.into_iter().next();
    let code = first
        .as_ref()
        .and_then(|item| item.code.as_str())
        .unwrap_or_default();
    let code = one_line(code);
    let text = first
        .and_then(|item| item.message)
        .or(general)
        .unwrap_or_else(|| code.clone());
    let text = one_line(&text);
    (!text.is_empty()).then_some(Said { code, text })
}

/// A stranger's text without what could move a terminal's cursor, and not too long.
pub(super) fn one_line(text: &str) -> String {
    let visible = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let short: String = visible.take(MAX_MESSAGE).collect();
    short.trim().trim_end_matches('.').to_owned()
}

/// How long the server asks us to wait.
pub(super) fn wait_asked(reply: &Reply) -> Option<Duration> {
    retry::retry_after(reply.header("retry-after")?, SystemTime::now())
}

/// The error that an unsuccessful `reply` to a request for `what` means.
pub(super) fn failure(reply: Reply, what: &str) -> RegistryError {
    let (status, host) = (reply.status, reply.origin.authority());
    let wait = wait_asked(&reply);
    let limit = limit_facts(&reply);
    let said = message(reply);
    let code = said
        .as_ref()
        .map(|said| said.code.clone())
        .unwrap_or_default();
    let message = said.map(|said| said.text);
    let what = what.to_owned();
    match (status, code.as_str()) {
        (429, _) | (_, "TOOMANYREQUESTS") => RegistryError::TooMany {
            host,
            limit,
            wait,
            message,
        },
        (401 | 403, _) | (_, "UNAUTHORIZED" | "DENIED") => RegistryError::Denied {
            host,
            what,
            message,
            had_credentials: false,
        },
        (404, _) | (_, "NAME_UNKNOWN" | "MANIFEST_UNKNOWN" | "BLOB_UNKNOWN") => {
            RegistryError::NotFound {
                host,
                what,
                message,
            }
        }
        _ => RegistryError::Status {
            host,
            what,
            status,
            message,
        },
    }
}

fn limit_facts(reply: &Reply) -> Vec<String> {
    let names = [
        "ratelimit-limit",
        "ratelimit-remaining",
        "docker-ratelimit-source",
    ];
    let fact = |name: &&str| Some(format!("{name}: {}", one_line(reply.header(name)?)));
    names.iter().filter_map(fact).collect()
}
