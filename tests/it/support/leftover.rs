//! What a run may have left behind: processes, mounts. Both are looked for from outside, as root sees them.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The ids of living processes in whose command line `token` stands; give a run a token of its own to find it again.
pub(crate) fn processes(token: &str) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc")
        .expect("/proc is mounted")
        .flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    ids.filter(|id| {
        // A zombie has an empty command line, and is its parent's business.
        std::fs::read(format!("/proc/{id}/cmdline"))
            .is_ok_and(|line| contains(&line, token.as_bytes()))
    })
    .collect()
}

/// Waits until no process carries the token; an answer that never comes is the test's failure, not a long wait.
///
/// # Panics
/// With their ids, when some are still there after ten seconds.
#[track_caller]
pub(crate) fn assert_no_process(token: &str) {
    let begin = Instant::now();
    loop {
        let left = processes(token);
        if left.is_empty() {
            return;
        }
        if begin.elapsed() > Duration::from_secs(10) {
            // They were started by this test, or they would not carry its token.
            for id in &left {
                let _ = kill(Pid::from_raw(*id), Signal::SIGKILL);
            }
            panic!("processes with {token:?} were still there: {left:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Asserts that nothing is mounted at or below the folder, as this process sees it.
#[track_caller]
pub(crate) fn assert_no_mount(folder: &Path) {
    let table = std::fs::read("/proc/self/mountinfo").expect("/proc is mounted");
    let table = String::from_utf8_lossy(&table);
    let folder = folder.to_str().expect("the sandbox has a plain name");
    let left: Vec<_> = table.lines().filter(|line| line.contains(folder)).collect();
    assert!(left.is_empty(), "still mounted below {folder}: {left:#?}");
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
