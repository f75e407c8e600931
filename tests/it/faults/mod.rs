//! What the store is after a command that was killed or failed at any of its system calls, on a disk that fills up, and in
//! a crowd: whole, usable, and without a byte that nobody needs.

mod crowd;
mod deed;
mod errors;
mod full;
mod image;
mod kills;
mod snapshot;

use std::io::Write;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// How many points a test tries of each thing that it does; `all` means every one.
fn points(variable: &str, usual: usize) -> usize {
    match std::env::var(variable) {
        Err(_) => usual,
        Ok(text) if text == "all" => usize::MAX,
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{variable} is a number or `all`")),
    }
}

/// Gives this thread a mount namespace of its own, which ends with it. Root may.
fn own_mounts() {
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_FS).expect("root may");
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).expect("root may");
}

/// Tells of a long test what it did; the test runner swallows what a passing test prints by macro.
fn say(text: &str) {
    if std::env::var_os("CORACLE_KILL_POINTS").is_some()
        || std::env::var_os("CORACLE_FAULT_POINTS").is_some()
    {
        let _ = writeln!(std::io::stderr(), "faults: {text}");
    }
}

/// Up to `wanted` numbers from 1 to `count`, evenly spread.
fn spread(count: usize, wanted: usize) -> impl Iterator<Item = usize> {
    let wanted = wanted.min(count);
    (0..wanted).map(move |index| index * count / wanted + 1)
}
