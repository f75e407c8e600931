//! Which trees and containers are in use by guests that run on this host.
//!
//! Asked of the kernel, because a run leaves no record: it turns into its guest, which
//! nobody outlives to clean up, and a lease per start would cost every start a write
//! on a shared file system. Guests on other hosts are not seen.

use std::collections::BTreeSet;

use nix::unistd::Pid;

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

/// The processes of this host in whose root something of `name` is mounted that is not in ours, and PRoots whose guest's
/// root is in it. Somebody who only works on the files there, or has them as an argument, is none. proc_pid_mountinfo(5).
pub(super) fn processes(name: &str) -> Vec<Pid> {
    let own = fsx::read_link("/proc/self/ns/mnt").ok();
    let mut found = Vec::new();
    for pid in fsx::names("/proc") {
        let Ok(number) = pid.parse::<i32>() else {
            continue;
        };
        let has = |file: &str| {
            let bytes = fsx::read(format!("/proc/{pid}/{file}"), PROC_LIMIT).unwrap_or_default();
            String::from_utf8_lossy(&bytes).contains(name)
        };
        let is_elsewhere = || fsx::read_link(format!("/proc/{pid}/ns/mnt")).ok() != own;
        let is_proot = || {
            let program = fsx::read_link(format!("/proc/{pid}/exe"));
            program.is_ok_and(|program| program.ends_with("proot")) && has("cmdline")
        };
        if number != Pid::this().as_raw() && (is_elsewhere() && has("mountinfo") || is_proot()) {
            found.push(Pid::from_raw(number));
        }
    }
    found
}
