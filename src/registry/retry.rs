//! When to try again, and how long to wait before.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, SystemTime};

use crate::registry::patience::Patience;

/// How often one request is sent before its failure is the answer.
pub(super) const ATTEMPTS: u32 = 5;
/// The same where somebody else can be asked instead.
pub(super) const ATTEMPTS_WITH_OTHERS: u32 = 2;
/// No server is believed that it will be back in more than a week; the longest limits count hours.
const MAX_ASKED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Whether `status` says that the same request may succeed later. RFC 9110, 15.5 and 15.6.
pub(super) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

/// The wait before attempt `next` (the second is 1): doubling, plus up to half as much again
/// at random, so that the nodes of a job do not return together. What the server asks for
/// wins; `None` if that is longer than our patience.
pub(super) fn wait_before(
    next: u32,
    asked: Option<Duration>,
    patience: Patience,
) -> Option<Duration> {
    let planned = patience
        .first_wait()
        .saturating_mul(1 << next.saturating_sub(1).min(6));
    let wait = asked.unwrap_or(planned);
    if wait > patience.longest_wait() {
        return None;
    }
    // The standard library seeds its hashers at random, and spreading needs no better.
    let random = RandomState::new().hash_one(next) % 512;
    Some(wait + planned * random as u32 / 1024)
}

/// Reads `Retry-After`: seconds, or a date; at most a week. RFC 9110, 10.2.3.
pub(super) fn retry_after(header: &str, now: SystemTime) -> Option<Duration> {
    let header = header.trim();
    if !header.is_empty() && header.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number holds mean a long time, too.
        let seconds = Duration::from_secs(header.parse().unwrap_or(u64::MAX));
        return Some(seconds.min(MAX_ASKED));
    }
    let date = httpdate::parse_http_date(header).ok()?;
    Some(date.duration_since(now).unwrap_or_default().min(MAX_ASKED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_obey_the_server_within_reason() {
        let patience = Patience::default();
        let wait = |next| wait_before(next, None, patience).expect("a planned wait is short");
        assert!(wait(1) >= Duration::from_millis(500) && wait(1) <= Duration::from_millis(750));
        assert!(wait(4) >= Duration::from_secs(4));
        assert!(
            wait_before(1, Some(Duration::from_secs(7)), patience) >= Some(Duration::from_secs(7))
        );
        assert_eq!(
            wait_before(1, Some(Duration::from_secs(3600)), patience),
            None
        );
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH;
        assert_eq!(retry_after(" 3 ", now), Some(Duration::from_secs(3)));
        let date = "Thu, 01 Jan 1970 00:00:09 GMT";
        assert_eq!(retry_after(date, now), Some(Duration::from_secs(9)));
        assert_eq!(retry_after("soon", now), None);
        assert_eq!(retry_after("-1", now), None);
        for huge in ["99999999999999999999999", "Mon, 01 Jan 2970 00:00:09 GMT"] {
            assert_eq!(retry_after(huge, now), Some(MAX_ASKED));
        }
    }
}
