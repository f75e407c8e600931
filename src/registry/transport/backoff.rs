//! Hosts that asked to be left alone, and until when: one memory for all transfers of this process.
//!
//! A host that is asked too often asks us to wait. Were only the transfer that heard it to wait, the others would go on
//! and each learn it for itself, at the cost of the host's patience with all of us.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::registry::patience::Patience;
use crate::registry::url::Origin;

/// Hosts that are remembered; redirects to ever new ones could otherwise fill the memory.
const MAX_HOSTS: usize = 256;
/// How often the wait that nobody asked for doubles.
const MAX_STRIKES: u32 = 6;

static HOSTS: LazyLock<Mutex<Hosts>> = LazyLock::new(Mutex::default);

/// Takes in the `status` that `host` answered with, and the time for which it `asked` to be left alone: after 429, and
/// after 503 with such a time.
pub(super) fn heard(host: &Origin, status: u16, asked: Option<Duration>, patience: Patience) {
    let mut hosts = HOSTS.lock().unwrap_or_else(PoisonError::into_inner);
    hosts.heard(host, status, asked, patience, Instant::now());
}

/// How long to wait before `host` is asked, if at all: until it opens again, and up to half as much more, at random, so
/// that not all come at the same moment.
pub(super) fn wait(host: &Origin, patience: Patience) -> Option<Duration> {
    let hosts = HOSTS.lock().unwrap_or_else(PoisonError::into_inner);
    let left = hosts.left(host, Instant::now())?;
    // Another conversation may have more patience than this one.
    let left = left.min(patience.longest_wait());
    // The standard library seeds its hashers at random, and spreading needs no better.
    let random = RandomState::new().hash_one(left) % 512;
    Some(left + left * random as u32 / 1024)
}

#[derive(Default)]
struct Hosts(HashMap<Origin, Closed>);

/// A host that is, or lately was, to be left alone.
struct Closed {
    until: Instant,
    /// Complaints since it last answered well.
    strikes: u32,
}

impl Hosts {
    /// A host that asks for more than we would wait is not waited for: each transfer shall hear it, and fail at once.
    fn heard(
        &mut self,
        host: &Origin,
        status: u16,
        asked: Option<Duration>,
        patience: Patience,
        now: Instant,
    ) {
        if asked.is_some_and(|asked| asked > patience.longest_wait()) {
            return;
        }
        let is_complaint = status == 429 || (status == 503 && asked.is_some());
        if !is_complaint {
            // What was on its way when the host closed says nothing of whether it is open.
            self.0
                .retain(|known, closed| known != host || status >= 400 || closed.until > now);
            return;
        }
        if self.0.len() >= MAX_HOSTS {
            self.0.retain(|_, closed| closed.until > now);
        }
        if self.0.len() >= MAX_HOSTS && !self.0.contains_key(host) {
            return;
        }
        let closed = self.0.entry(host.clone()).or_insert(Closed {
            until: now,
            strikes: 0,
        });
        // Those that were on their way when it closed are no further strike.
        if closed.until <= now {
            closed.strikes = (closed.strikes + 1).min(MAX_STRIKES);
        }
        let own = patience
            .first_wait()
            .saturating_mul(1 << closed.strikes.saturating_sub(1));
        let wait = asked.unwrap_or(own).min(patience.longest_wait());
        closed.until = closed.until.max(now + wait);
    }

    fn left(&self, host: &Origin, now: Instant) -> Option<Duration> {
        let left = self.0.get(host)?.until.checked_duration_since(now)?;
        Some(left).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::url::Url;

    fn origin(name: &str) -> Origin {
        let url = Url::parse(&format!("https://{name}.example"));
        url.expect("a literal of this test").origin
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_host_that_complains_is_left_alone_by_all() {
        let (mut hosts, now) = (Hosts::default(), Instant::now());
        let (busy, patience) = (origin("busy"), Patience::default());
        hosts.heard(&busy, 429, Some(seconds(7)), patience, now);
        assert_eq!(hosts.left(&busy, now), Some(seconds(7)));
        assert_eq!(hosts.left(&origin("other"), now), None);
        hosts.heard(&busy, 200, None, patience, now + seconds(1));
        assert_eq!(hosts.left(&busy, now), Some(seconds(7)));
        assert_eq!(hosts.left(&busy, now + seconds(7)), None);
        hosts.heard(&busy, 200, None, patience, now + seconds(8));
        assert!(hosts.0.is_empty(), "it answers again");
    }

    #[test]
    fn waits_that_nobody_asked_for_grow_and_no_wait_is_longer_than_our_patience() {
        let (mut hosts, now) = (Hosts::default(), Instant::now());
        let (busy, patience) = (origin("busy"), Patience::seconds(120));
        for (status, asked) in [(200, Some(5)), (503, None), (500, Some(5)), (404, Some(5))] {
            hosts.heard(&busy, status, asked.map(seconds), patience, now);
            assert_eq!(hosts.left(&busy, now), None, "{status}");
        }
        hosts.heard(&busy, 429, None, patience, now);
        hosts.heard(&busy, 429, None, patience, now);
        assert_eq!(hosts.left(&busy, now), Some(seconds(1)));
        let later = now + seconds(1);
        hosts.heard(&busy, 429, None, patience, later);
        assert_eq!(hosts.left(&busy, later), Some(seconds(2)));
        hosts.heard(&busy, 503, Some(seconds(120)), patience, later);
        assert_eq!(hosts.left(&busy, later), Some(seconds(120)));
        let evening = later + seconds(120);
        hosts.heard(&busy, 429, Some(seconds(121)), patience, evening);
        assert_eq!(hosts.left(&busy, evening), None, "nobody waits that long");
    }

    #[test]
    fn the_memory_is_bounded() {
        let (mut hosts, now) = (Hosts::default(), Instant::now());
        for number in 0..2 * MAX_HOSTS {
            let host = origin(&format!("h{number}"));
            hosts.heard(&host, 429, Some(seconds(1)), Patience::default(), now);
        }
        assert_eq!(hosts.0.len(), MAX_HOSTS);
        let (late, later) = (origin("late"), now + seconds(2));
        hosts.heard(&late, 429, Some(seconds(1)), Patience::default(), later);
        assert_eq!(hosts.0.len(), 1);
    }
}
