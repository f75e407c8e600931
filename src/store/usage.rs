//! Which trees and containers are in use by guests that run on this host.
//!
//! Asked of the kernel, because a run leaves no record: it turns into its guest, which
//! nobody outlives to clean up, and a lease per start would cost every start a write
//! on a shared file system. Guests on other hosts are not seen.

use std::collections::BTreeSet;

use crate::base::fsx;

/// Bytes read of one process's mounts or arguments.
const PROC_LIMIT: u64 = 16 << 20;

/// Those of `names` that a running process has mounted or was given as an argument
/// (PRoot mounts nothing). A name has the form `trees/…` or `containers/…`, so that
/// somebody who only talks of an id is not taken for a user of it. proc_pid_mountinfo(5).
pub(super) fn in_use(names: &BTreeSet<String>) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    if names.is_empty() {
        return used;
    }
    let own = std::process::id().to_string();
    for entry in fsx::read_dir("/proc").unwrap_or_default() {
        let pid = entry.file_name().to_string_lossy().into_owned();
        if pid == own || !pid.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        for file in ["mountinfo", "cmdline"] {
            // Processes end while we look, and those of others are not ours to read.
            let Ok(bytes) = fsx::read(entry.path().join(file), PROC_LIMIT) else {
                continue;
            };
            let text = String::from_utf8_lossy(&bytes);
            used.extend(names.iter().filter(|name| text.contains(*name)).cloned());
        }
    }
    used
}
