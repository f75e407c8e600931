//! SIGKILL at any system call that changes or opens files, of every command that changes a store.

use super::deed::Deed;
use super::{points, say, spread};
use crate::support::require;

/// All but those that only ask: between two of these a death makes no difference.
const GROUPS: &str = "wcnofxau";

/// `CORACLE_KILL_POINTS` points, evenly spread from the first call to the last.
fn killed(name: &str) {
    let deed = Deed::new(name);
    let count = deed.struck(&format!("count:{GROUPS}")).count;
    let mut n_killed = 0;
    for number in spread(count, points("CORACLE_KILL_POINTS", 6)) {
        let struck = deed.struck(&format!("kill:{GROUPS}:{number}"));
        // Threads take turns in another order each time, so that the last few may not come.
        n_killed += usize::from(!struck.call.is_empty());
        let code = if struck.call.is_empty() { 0 } else { 137 };
        assert_eq!(struck.output.code(), Some(code), "{}", struck.output);
        deed.assert_survived(&format!(
            "{name}, killed at call {number} of {count}: {}",
            struck.call
        ));
    }
    assert!(n_killed > 0, "{name} was never killed");
    say(&format!("{name}: killed at {n_killed} of {count} calls"));
}

#[test]
fn pull() {
    require!(Fixtures, DockerRegistry, Ptrace);
    killed("pull");
}

#[test]
fn create() {
    require!(Fixtures, Ptrace);
    killed("create");
}

#[test]
fn create_that_pulls() {
    require!(Fixtures, Ptrace);
    killed("first");
}

#[test]
fn load() {
    require!(Fixtures, Ptrace);
    killed("load");
}

#[test]
fn rm() {
    require!(Fixtures, Ptrace);
    killed("rm");
}

#[test]
fn rmi() {
    require!(Fixtures, Ptrace);
    killed("rmi");
}

#[test]
fn commit() {
    require!(Fixtures, Ptrace);
    killed("commit");
}

#[test]
fn gc() {
    require!(Fixtures, Ptrace);
    killed("gc");
}
