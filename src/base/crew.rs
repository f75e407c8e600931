//! Several threads that do one piece of work together.

use std::panic::resume_unwind;
use std::thread;

/// Runs `work`, which takes its turns from a common queue, in this thread and in up to
/// `n_helpers` further ones called `name`. Returns when all have ended, with the first error.
///
/// A site may allow us few threads: those that do not start are not missed. pthread_create(3), EAGAIN.
pub fn together<E: Send>(
    n_helpers: usize,
    name: &str,
    work: impl Fn() -> Result<(), E> + Sync,
) -> Result<(), E> {
    thread::scope(|scope| {
        let builders = (0..n_helpers).map(|_| thread::Builder::new().name(name.to_owned()));
        let helpers: Vec<_> = builders
            .filter_map(|builder| builder.spawn_scoped(scope, &work).ok())
            .collect();
        let own = work();
        let theirs = helpers.into_iter().map(|helper| {
            let joined = helper.join();
            joined.unwrap_or_else(|panic| resume_unwind(panic))
        });
        std::iter::once(own).chain(theirs).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn all_turns_are_taken_and_a_failure_is_told() {
        let (next, sum) = (AtomicU32::new(0), AtomicU32::new(0));
        let done = together(3, "adder", || {
            loop {
                match next.fetch_add(1, Ordering::Relaxed) {
                    turn @ 0..100 => drop(sum.fetch_add(turn, Ordering::Relaxed)),
                    100 => return Err("the hundredth"),
                    _ => return Ok(()),
                }
            }
        });
        assert_eq!(done, Err("the hundredth"));
        assert_eq!(sum.into_inner(), 4950);
    }
}
